"""Tokens to text, while they are written."""

from transformers import PreTrainedTokenizerBase


class TextStream:
    """Tokens to text as it grows; a character is held back until all of its bytes are there."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.text = ""

    def add(self, token: int) -> str:
        """The text that one more token adds."""
        self.ids.append(token)
        whole: str = self.tokenizer.decode(self.ids)
        if whole.endswith("\ufffd"):
            return ""
        new, self.text = whole[len(self.text) :], whole
        return new

    def finish(self) -> str:
        """What was still held back."""
        whole: str = self.tokenizer.decode(self.ids)
        new, self.text = whole[len(self.text) :], whole
        return new
