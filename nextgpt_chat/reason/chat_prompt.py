"""A conversation in the chat template that a language model brings, with instructions for what it can have made.

What the model made stands in its replies as its signals do: signal tokens where they were trained, a caption between tags elsewhere. A medium
that a person sent stands between the same tags as embeddings, where an input projection was trained.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from nextgpt_chat.conversation import Media, Part, Text, Turn
from nextgpt_chat.errors import SetupError
from nextgpt_chat.reason.caption_stream import closing, opening
from nextgpt_chat.reason.prompt import Prompt, Slot, newest
from nextgpt_chat.reason.signal_tokens import SignalGroups, signal_names

NAMES = {"image": "a picture", "video": "a short clip without sound", "audio": "a sound"}
INSTRUCTIONS = "You are a helpful assistant. Answer in the language of the user."
SHOW = "You can give {}: say in words what is seen or heard in it, and it appears behind them."
ASK = (
    "You can have media made, and never say that you cannot. To give {names}, write in its place {tags}. The caption is in English, one "
    "sentence, and describes all that is seen or heard in full, since whoever makes the medium reads nothing else; to change an earlier "
    "medium, describe the changed one in full. Write a caption only where the user wants a medium, and one for each."
)
MARK = re.compile("\ue000(\\d+)\ue001")
"""Stands for a turn while the template is filled in; of the private use area, which no template contains."""

Piece = tuple[str, bool] | Media | list[int]
"""Words and whether special tokens in them count, a medium that is seen or heard, or ids."""


class ChatPrompt:
    """Writes turns as token ids."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        signals: Mapping[str, tuple[str, int]],
        captions: Sequence[str],
        tokens: Callable[[Media], int],
        ends: Sequence[int],
        instructions: str = "",
        marks: Mapping[str, tuple[str, str, str]] | None = None,
    ) -> None:
        """`signals` gives prefix and count of the signal tokens, `captions` the kinds that are asked for in words, `tokens` the positions
        of a medium. `ends` are ids at which a reply ends; `instructions` stand before what is said of media. `marks` are the special tokens
        before a medium, in its places and behind it, by kind, where the language model has such.

        Raises `SetupError` for a model without a chat template, or with one that leaves turns out.
        """
        if not tokenizer.chat_template:
            raise SetupError(
                "The language model has no chat template. Take a model that was tuned for chat, or add chat_template.jinja."
            )
        if not ends:
            raise SetupError(
                "The language model names no token at which a reply ends. Set eos_token_id in its generation_config.json."
            )
        self.tokenizer, self.captions, self.tokens, self.ends = tokenizer, tuple(captions), tokens, tuple(ends)
        self._marks = marks or {}
        self.groups = SignalGroups(
            {
                kind: tuple(tokenizer.convert_tokens_to_ids(name) for name in signal_names(*signal))
                for kind, signal in signals.items()
            }
        )
        self.system = "\n".join(filter(None, (instructions or INSTRUCTIONS, self._show(), self._ask())))
        try:
            self._written([Turn("user", (Text("?"),)), Turn("assistant", (Text("!"),)), Turn("user", (Text("?"),))])
        except (TemplateError, LookupError) as error:
            raise SetupError(f"The chat template of the language model cannot hold a conversation: {error}.") from error

    @property
    def stops(self) -> list[list[int]]:
        """Sequences of tokens at which a reply ends."""
        return [[token] for token in self.ends]

    @property
    def not_for_replies(self) -> frozenset[int]:
        """Ids that a reply never contains."""
        signals = {token for ids in self.groups.ids.values() for token in ids}
        return frozenset(set(self.tokenizer.all_special_ids) - set(self.ends) - signals)

    def text(self, text: str) -> list[int]:
        """Ids of plain text, which never turns into a special token."""
        return self._ids(text, False)

    def conversation(self, turns: Iterable[Turn], limit: int | None = None) -> Prompt:
        """All turns; with `limit`, as many of the newest whole turns as fit in that many positions, never fewer than the last one.

        A reply is never kept without its question. The sequence ends where the reply begins, or behind the last reply.
        """
        return newest(turns, limit, self._written)

    def choices(self, parts: Iterable[Part]) -> list[int]:
        """What the model chose when it wrote these parts: the tokens of text and captions, and of each signal group the first."""
        return [token for ids, signals in self._said(parts) for token in (ids[:1] if signals else ids)]

    def reply(self, parts: Iterable[Part]) -> list[int]:
        """These parts as the model writes them, with the end of the turn."""
        return [*(token for ids, _ in self._said(parts) for token in ids), self.ends[0]]

    def _said(self, parts: Iterable[Part]) -> Iterable[tuple[list[int], bool]]:
        """Ids of a reply's pieces, and whether they are a signal group."""
        for piece in _joined(list(self._reply(parts)), self.tokenizer.get_added_vocab()):
            if isinstance(piece, tuple):
                yield self._ids(*piece), False
            elif isinstance(piece, list):
                yield piece, True

    def _show(self) -> str:
        return SHOW.format(" or ".join(NAMES[kind] for kind in self.groups.ids)) if self.groups.ids else ""

    def _ask(self) -> str:
        if not self.captions:
            return ""
        names = " or ".join(NAMES[kind] for kind in self.captions)
        return ASK.format(names=names, tags=" or ".join(f"{opening(kind)}its caption{closing(kind)}" for kind in self.captions))

    def _written(self, turns: list[Turn]) -> Prompt:
        told: list[tuple[str, list[Piece]]] = []
        for turn in turns:
            content: list[Piece] = list(self._reply(turn.parts) if turn.role == "assistant" else self._message(turn))
            if told and told[-1][0] == turn.role:  # a reply that failed left nothing between two messages
                told[-1][1].extend([("\n", False), *content])
            else:
                told.append((turn.role, content))
        try:
            pieces = self._filled([{"role": "system", "content": self.system}], told)
        except (TemplateError, LookupError):  # no place for instructions: they go before the first message
            pieces = self._filled([], [(told[0][0], [(f"{self.system}\n\n", False), *told[0][1]]), *told[1:]])
        whole = Prompt()
        for piece in _joined(pieces, self.tokenizer.get_added_vocab()):
            if isinstance(piece, tuple):
                whole.add(self._ids(*piece))
            elif isinstance(piece, list):
                whole.add(piece)
            else:
                whole.slots.append(Slot(len(whole.ids), piece))
                place = self.tokenizer.convert_tokens_to_ids(self._marks[piece.kind][1]) if self._marks else self.ends[0]
                whole.add([place] * self.tokens(piece))  # which the medium takes
        return whole

    def _filled(self, first: list[dict[str, str]], told: list[tuple[str, list[Piece]]]) -> list[Piece]:
        """The template with what was `told` by whom. Raises `LookupError` if it leaves out what is said `first`, or any of it."""
        messages = [*first, *({"role": role, "content": f"\ue000{i}\ue001"} for i, (role, _) in enumerate(told))]
        asked = told[-1][0] == "user"
        written = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asked, enable_thinking=False)
        words = MARK.split(written)
        if any(message["content"] not in written for message in first) or list(map(int, words[1::2])) != list(range(len(told))):
            raise LookupError("the chat template leaves something out")
        pieces: list[Piece] = [(words[0], True)]
        for number, after in zip(words[1::2], words[2::2], strict=True):
            pieces += [*told[int(number)][1], (after, True)]
        return pieces

    def _message(self, turn: Turn) -> Iterable[Piece]:
        for part in turn.media:
            left, _, right = self._marks.get(part.kind, (opening(part.kind), "", closing(part.kind)))
            yield (left, True)
            yield part
            yield (f"{right}\n", True)
        yield (" ".join(part.text for part in turn.parts if isinstance(part, Text)), False)

    def _reply(self, parts: Iterable[Part]) -> Iterable[tuple[str, bool] | list[int]]:
        for part in parts:
            if isinstance(part, Text):
                yield (part.text, False)
            elif part.kind in self.groups.ids:
                yield list(self.groups.ids[part.kind])
            else:
                yield (f"{opening(part.kind)}{part.caption or ''}{closing(part.kind)}", False)

    def _ids(self, text: str, special: bool) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not special)
        return ids


def _joined(pieces: list[Piece], special: Iterable[str]) -> list[Piece]:
    """The same with words that follow words as one piece, as they were read together in training. What was said, and has a special token in it
    or would have one together with what is beside it, stays alone, and so does not turn into that token."""
    named, joined = tuple(special), list[Piece]()

    def count(text: str) -> int:
        return sum(text.count(token) for token in named)

    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, tuple):
            text, trusted = piece
            piece = (text, trusted or count(text) == 0)
            if isinstance(last, tuple) and last[1] and piece[1] and count(last[0] + text) == count(last[0]) + count(text):
                joined[-1] = (last[0] + text, True)
                continue
        joined.append(piece)
    return [piece for piece in joined if piece != ("", True)]
