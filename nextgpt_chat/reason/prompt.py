"""A conversation as one sequence of token ids with room for media, the same in training and in use.

    <s> <|user|> <Img> image </Img> text <|assistant|> text [IMG0] [IMG1] [IMG2] [IMG3] </s> <|user|> ...

A medium that a person sent occupies the `input_tokens` of its kind between its wrapper tokens; a medium that the model made is its signal
group, with the start token before it if it began from another one. Text never turns into a special token, whatever it contains.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from transformers import PreTrainedTokenizerBase

from nextgpt_chat.conversation import Media, Part, Text, Turn
from nextgpt_chat.reason.signal_tokens import ASSISTANT, BEGIN, END, PAD, START, USER, WRAPPERS, SignalGroups, signal_names


@dataclass(frozen=True)
class Slot:
    """The place of a medium in a sequence."""

    start: int
    """Position of its first embedding."""
    medium: Media


@dataclass
class Prompt:
    """Token ids, the slots of media among them, and which positions are the model's own words."""

    ids: list[int] = field(default_factory=list)
    answer: list[bool] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    dropped: int = 0
    """Turns that did not fit."""

    def add(self, ids: Iterable[int], answer: bool = False) -> None:
        """Appends tokens."""
        before = len(self.ids)
        self.ids.extend(ids)
        self.answer.extend([answer] * (len(self.ids) - before))


def newest(turns: Iterable[Turn], limit: int | None, write: Callable[[list[Turn]], Prompt]) -> Prompt:
    """What `write` makes of as many of the newest turns as fit in `limit` positions, beginning with a user's, and never fewer than the last one's.

    For forms in which a turn is not written alike at every place; see `PromptFormat` for one in which it is.
    """
    every = list(turns)
    whole = write(every)
    for start in [i for i, turn in enumerate(every) if turn.role == "user"][1:]:
        if limit is None or len(whole.ids) <= limit:
            break
        whole = write(every[start:])
        whole.dropped = start
    return whole


class PlainText:
    """What all forms of a conversation read alike: plain text, and the tokens that are no words."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer

    def text(self, text: str) -> list[int]:
        """Ids of plain text, which never turns into a token that is no word."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return ids

    def _id(self, token: str) -> int:
        """The id of a token by its name. Raises `ValueError` if the tokenizer has none."""
        found = self.tokenizer.convert_tokens_to_ids(token)
        if not isinstance(found, int) or found == self.tokenizer.unk_token_id:
            raise ValueError(f"the tokenizer has no token {token}")
        return found


class PromptFormat(PlainText):
    """Writes turns as token ids."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, signals: dict[str, tuple[str, int]], input_tokens: Mapping[str, int]
    ) -> None:
        """`signals` gives prefix and count of the signal tokens, `input_tokens` the positions of a medium, both by kind."""
        super().__init__(tokenizer)
        self.input_tokens = input_tokens
        self.begin, self.end, self.pad, self.user, self.assistant = (self._id(t) for t in (BEGIN, END, PAD, USER, ASSISTANT))
        self._wrappers = {kind: (self._id(left), self._id(right)) for kind, (left, right) in WRAPPERS.items()}
        self.groups = SignalGroups(
            {kind: tuple(self._id(name) for name in signal_names(*signal)) for kind, signal in signals.items()},
            self._id(START) if START in tokenizer.get_vocab() else None,
        )

    @property
    def stops(self) -> list[list[int]]:
        """Sequences of tokens at which a reply ends."""
        return [[self.end]]

    @property
    def not_for_replies(self) -> frozenset[int]:
        """Ids that a reply never contains."""
        return frozenset({self.begin, self.pad, self.user, self.assistant, *(i for pair in self._wrappers.values() for i in pair)})

    def conversation(self, turns: Iterable[Turn], limit: int | None = None) -> Prompt:
        """All turns; with `limit`, as many of the newest whole turns as fit in that many positions.

        A reply is never kept without its question. The sequence ends behind the last user turn's `<|assistant|>` token, ready to be continued, or behind the last reply.
        """
        whole = Prompt()
        whole.add([self.begin])
        written = [(turn.role, self._turn(turn)) for turn in turns]
        kept = self._newest(written, limit)
        whole.dropped = len(written) - len(kept)
        for prompt in kept:
            whole.slots.extend(Slot(slot.start + len(whole.ids), slot.medium) for slot in prompt.slots)
            whole.ids.extend(prompt.ids)
            whole.answer.extend(prompt.answer)
        return whole

    def _newest(self, written: list[tuple[str, Prompt]], limit: int | None) -> list[Prompt]:
        """The newest turns that fit, beginning with a user turn; never fewer than the last one."""
        used, first = 1, len(written) - 1
        for i in range(len(written) - 1, -1, -1):
            role, prompt = written[i]
            used += len(prompt.ids)
            if limit is not None and used > limit:
                break
            if role == "user":
                first = i
        return [prompt for _, prompt in written[first:]]

    def _turn(self, turn: Turn) -> Prompt:
        prompt = Prompt()
        if turn.role == "user":
            prompt.add([self.user])
            for part in turn.parts:
                self._sent(prompt, part)
            prompt.add([self.assistant])
        else:
            for part in turn.parts:
                prompt.add(self.text(part.text) if isinstance(part, Text) else self._made(part), answer=True)
            prompt.add([self.end], answer=True)
        return prompt

    def choices(self, parts: Iterable[Part]) -> list[int]:
        """What the model chose when it wrote these parts: the tokens of text, and of each signal group the first, which forced the others."""
        return [
            token
            for part in parts
            for token in (self.text(part.text) if isinstance(part, Text) else [*self._start(part), self.groups.ids[part.kind][0]])
        ]

    def reply(self, parts: Iterable[Part]) -> list[int]:
        """These parts as the model writes them, with the end of the turn."""
        return self._turn(Turn("assistant", tuple(parts))).ids

    def _made(self, part: Media) -> list[int]:
        return [*self._start(part), *self.groups.ids[part.kind]]

    def _start(self, part: Media) -> list[int]:
        return [self.groups.start] if part.settings.get("start") and self.groups.start is not None else []

    def _sent(self, prompt: Prompt, part: Part) -> None:
        if isinstance(part, Text):
            prompt.add(self.text(part.text))
            return
        left, right = self._wrappers[part.kind]
        prompt.add([left])
        prompt.slots.append(Slot(len(prompt.ids), part))
        prompt.add([self.pad] * self.input_tokens[part.kind])
        prompt.add([right])
