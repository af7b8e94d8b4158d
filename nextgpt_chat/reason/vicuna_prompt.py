"""A conversation in the words of Vicuna v0, as the published NExT-GPT was trained on it.

    <s>### Human: <Img>image</Img> text
    ### Assistant: text [IMG0][IMG1][IMG2][IMG3]
    ### Human: ...

`<Img>` and `</Img>` stand around media of all kinds, each of which is one embedding. White space beside a token that is no word is dropped, and
what stands between two of them is read as a text of its own: so did the tokenizer with which it was trained. There is one `<s>`, as in training.
"""

from collections.abc import Iterable

from transformers import PreTrainedTokenizerBase

from nextgpt_chat.conversation import Media, Part, Text, Turn
from nextgpt_chat.reason.prompt import PlainText, Prompt, Slot, newest
from nextgpt_chat.reason.signal_tokens import WRAPPERS, SignalGroups, signal_names

HUMAN, ASSISTANT = "### Human: ", "\n### Assistant:"
STOPS = ("###", "\n###")
"""Where a reply ends. Behind a word the second one has other tokens than the first."""

Piece = str | Media | list[int]
"""Words, a medium that is seen or heard, or ids."""


class VicunaPrompt(PlainText):
    """Writes turns as token ids."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, signals: dict[str, tuple[str, int]]) -> None:
        """`signals` gives prefix and count of the signal tokens by kind."""
        super().__init__(tokenizer)
        left, right = WRAPPERS["image"]
        self._left, self._right = self._id(left), self._id(right)
        self.groups = SignalGroups(
            {kind: tuple(self._id(name) for name in signal_names(*signal)) for kind, signal in signals.items()}, None
        )

    @property
    def stops(self) -> list[list[int]]:
        """Sequences of tokens at which a reply ends: the end token, and whatever begins the next turn."""
        word = self.text("a")
        behind = [whole[len(word) :] for stop in STOPS if (whole := self.text(f"a{stop}"))[: len(word)] == word]
        alone = [self.text(stop) for stop in STOPS]
        return [[int(self.tokenizer.eos_token_id)], *sorted((*behind, *alone), key=len, reverse=True)]

    @property
    def not_for_replies(self) -> frozenset[int]:
        """Ids that a reply never contains."""
        return frozenset({int(self.tokenizer.bos_token_id), self._left, self._right})

    def conversation(self, turns: Iterable[Turn], limit: int | None = None) -> Prompt:
        """All turns; with `limit`, as many of the newest whole turns as fit in that many positions, never fewer than the last one.

        A reply is never kept without its question. The sequence ends behind `### Assistant:`, or behind the last reply.
        """
        return newest(turns, limit, self._written)

    def choices(self, parts: Iterable[Part]) -> list[int]:
        """What the model chose when it wrote these parts: the tokens of text, and of each signal group the first, which forced the others."""
        return [
            token
            for part in parts
            for token in (self.text(part.text.strip()) if isinstance(part, Text) else self.groups.ids[part.kind][:1])
        ]

    def reply(self, parts: Iterable[Part]) -> list[int]:
        """These parts as the model writes them, with the end of the turn: that of training, which has other tokens behind a word than alone."""
        whole = Prompt()
        self._add(whole, [*self._said(parts), STOPS[1]])
        return whole.ids

    def _said(self, parts: Iterable[Part]) -> list[Piece]:
        """A reply without white space around it."""
        pieces = list(_joined(part.text if isinstance(part, Text) else list(self.groups.ids[part.kind]) for part in parts))
        if pieces and isinstance(pieces[0], str):
            pieces[0] = pieces[0].lstrip()
        if pieces and isinstance(pieces[-1], str):
            pieces[-1] = pieces[-1].rstrip()
        return pieces

    def _written(self, turns: list[Turn]) -> Prompt:
        whole = Prompt()
        whole.add([int(self.tokenizer.bos_token_id)])
        self._add(whole, (piece for number, turn in enumerate(turns) for piece in self._turn(turn, number > 0)))
        return whole

    def _add(self, whole: Prompt, told: Iterable[Piece]) -> None:
        """Appends pieces."""
        pieces = list(_joined(told))
        for number, piece in enumerate(pieces):
            if isinstance(piece, str):
                words = piece if number == 0 else piece.lstrip()
                whole.add(self.text(words if number == len(pieces) - 1 else words.rstrip()) if words.strip() else [])
            elif isinstance(piece, list):
                whole.add(piece)
            else:
                whole.add([self._left])
                whole.slots.append(Slot(len(whole.ids), piece))
                whole.add([self._right, self._right])  # the first one's place is the medium's

    def _turn(self, turn: Turn, later: bool) -> Iterable[Piece]:
        if turn.role == "user":
            yield "\n" * later + HUMAN
            yield from (part for part in turn.parts if not isinstance(part, Text))
            yield " ".join(part.text for part in turn.parts if isinstance(part, Text))
            yield ASSISTANT
        else:
            yield " "
            yield from self._said(turn.parts)


def _joined(pieces: Iterable[Piece]) -> Iterable[Piece]:
    """The same with words that follow words as one piece, since a tokenizer reads them together."""
    words = ""
    for piece in pieces:
        if isinstance(piece, str):
            words += piece
            continue
        if words:
            yield words
        words = ""
        yield piece
    if words:
        yield words
