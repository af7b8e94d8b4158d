"""A conversation in the words of Vicuna v1.5, as the later version of NExT-GPT was trained on it.

    <s>A chat between ... USER: medium
    text ASSISTANT: text <image_00> <image_01> <image_02> <image_03></s>USER: ...

A medium stands before the text of its message, without tokens around it. The signal tokens of a group have spaces between them, which are tokens of
their own, and so has the first one before it: a run of n has 2n - 1 positions, and all of them say what is to be made.
"""

from collections.abc import Iterable, Mapping

from transformers import PreTrainedTokenizerBase

from nextgpt_chat.conversation import Media, Part, Text, Turn
from nextgpt_chat.reason.prompt import PlainText, Prompt, Slot, newest
from nextgpt_chat.reason.signal_tokens import SignalGroups, signal_names

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
SPACE = "\u2581"
"""How the tokenizer writes a space."""


class LlavaPrompt(PlainText):
    """Writes turns as token ids."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, signals: dict[str, tuple[str, int]], input_tokens: Mapping[str, int]
    ) -> None:
        """`signals` gives prefix and count of the signal tokens, `input_tokens` the positions of a medium, both by kind."""
        super().__init__(tokenizer)
        self.input_tokens = input_tokens
        self._space = self._id(SPACE)
        names = {kind: [self._id(name) for name in signal_names(*signal)] for kind, signal in signals.items()}
        runs = {kind: tuple(one for number in ids for one in (self._space, number))[1:] for kind, ids in names.items()}
        self.groups = SignalGroups(runs, between=self._space)

    @property
    def stops(self) -> list[list[int]]:
        """Sequences of tokens at which a reply ends."""
        return [[int(self.tokenizer.eos_token_id)]]

    @property
    def not_for_replies(self) -> frozenset[int]:
        """Ids that a reply never contains."""
        return frozenset({int(self.tokenizer.bos_token_id)})

    def conversation(self, turns: Iterable[Turn], limit: int | None = None) -> Prompt:
        """All turns; with `limit`, as many of the newest whole turns as fit in that many positions, never fewer than the last one.

        A reply is never kept without its question. The sequence ends behind `ASSISTANT:`, or behind the last reply.
        """
        return newest(turns, limit, self._written)

    def choices(self, parts: Iterable[Part]) -> list[int]:
        """What the model chose when it wrote these parts: the tokens of text, and of each signal group the first, which forced the others."""
        chosen: list[int] = []
        for part in parts:
            if isinstance(part, Text):
                chosen += [*self.text(part.text.strip()), *([self._space] if part.text[-1:].isspace() else [])]
            else:
                chosen += self.groups.ids[part.kind][:1]
        return chosen

    def reply(self, parts: Iterable[Part]) -> list[int]:
        """These parts as the model writes them, with the end of the turn."""
        written: list[int] = []
        for part in parts:
            written += self.text(part.text.strip()) if isinstance(part, Text) else [self._space, *self.groups.ids[part.kind]]
        return [*written, int(self.tokenizer.eos_token_id)]

    def _written(self, turns: list[Turn]) -> Prompt:
        whole = Prompt()
        whole.add([int(self.tokenizer.bos_token_id)])
        before = f"{SYSTEM} "
        for turn in turns:
            if turn.role == "user":
                self._ask(whole, f"{before}USER:", turn)
                before = ""
            else:
                whole.add(self.reply(turn.parts))
        return whole

    def _ask(self, whole: Prompt, before: str, turn: Turn) -> None:
        media: list[Media] = list(turn.media)
        words = " ".join(part.text for part in turn.parts if isinstance(part, Text))
        for number, medium in enumerate(media):
            whole.add(self.text(before) if number == 0 else self.text("\n"))
            whole.slots.append(Slot(len(whole.ids), medium))
            whole.add([int(self.tokenizer.eos_token_id)] * self.input_tokens[medium.kind])  # which the medium takes
        whole.add(self.text(f"\n{words} ASSISTANT:" if media else f"{before} {words} ASSISTANT:"))
