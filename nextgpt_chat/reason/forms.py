"""How a checkpoint writes conversations."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.conversation import Media, Part, Turn
from nextgpt_chat.reason.chat_prompt import ChatPrompt
from nextgpt_chat.reason.language_model import LanguageModel
from nextgpt_chat.reason.llava_prompt import LlavaPrompt
from nextgpt_chat.reason.prompt import Prompt, PromptFormat
from nextgpt_chat.reason.signal_tokens import SignalGroups
from nextgpt_chat.reason.vicuna_prompt import VicunaPrompt


class Form(Protocol):
    """Turns as token ids with room for media."""

    groups: SignalGroups

    @property
    def stops(self) -> list[list[int]]:
        """Sequences of tokens at which a reply ends."""
        ...

    @property
    def not_for_replies(self) -> frozenset[int]:
        """Ids that a reply never contains."""
        ...

    def text(self, text: str) -> list[int]:
        """Ids of plain text, which never turns into a special token."""
        ...

    def conversation(self, turns: Iterable[Turn], limit: int | None = None) -> Prompt:
        """All turns; with `limit`, as many of the newest whole turns as fit in that many positions."""
        ...

    def choices(self, parts: Iterable[Part]) -> list[int]:
        """What the model chose when it wrote these parts."""
        ...

    def reply(self, parts: Iterable[Part]) -> list[int]:
        """These parts as the model writes them, with the end of the turn."""
        ...


def form_of(
    checkpoint: Checkpoint,
    language_model: LanguageModel,
    tokens: Callable[[Media], int],
    marks: Mapping[str, tuple[str, str, str]] | None = None,
) -> Form:
    """The form that the description names; for `tokens` and `marks` see `ChatPrompt`. Raises `SetupError` if the language model does not know it."""
    signals, tokenizer = checkpoint.signal_tokens, language_model.tokenizer
    if checkpoint.prompt == "vicuna":
        return VicunaPrompt(tokenizer, signals)
    if checkpoint.prompt == "llava":
        return LlavaPrompt(tokenizer, signals, checkpoint.input_tokens)
    if checkpoint.prompt == "chat":
        return ChatPrompt(tokenizer, signals, checkpoint.captions, tokens, language_model.ends, checkpoint.instructions, marks)
    return PromptFormat(tokenizer, signals, checkpoint.input_tokens)
