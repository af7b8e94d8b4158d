"""Words by which an answer gives away who made it. Such answers are judged, but no longer blind, so statistics leave them out."""

import re
from collections.abc import Iterable

VENDORS = (
    "openai anthropic google deepmind mistral meta microsoft alibaba deepseek nvidia stability "
    "gpt chatgpt claude gemini gemma llama vicuna qwen mixtral phi nextgpt next-gpt sdxl dall-e midjourney audioldm zeroscope ltx wan"
).split()
"""Makers and models that are widely known."""


def gives_away(text: str, names: Iterable[str]) -> bool:
    """Whether a text says, as a word, one of the names, or that of a maker or model that is widely known.

    "meta", "google", "claude", "phi" and "wan" are also words or people; they count if a model's text speaks of itself in the same sentence.
    """
    if named_in(text, [name for name in (*names, *VENDORS) if name.lower() not in COMMON]):
        return True
    common = "|".join(COMMON)
    return any(
        re.search(rf"\b({common})\b", sentence, re.IGNORECASE)
        and re.search(r"\b(I am|I'm|made by|trained by|developed by|my name)\b", sentence, re.IGNORECASE)
        for sentence in re.split(r"[.!?\n]", text)
    )


def spoken(models: Iterable[str]) -> list[str]:
    """The names of models as they may be said: as they are, and without whoever serves them (`maker/model`)."""
    return sorted({part for name in models for part in (name, name.rsplit("/", 1)[-1]) if part})


def named_in(text: str, names: Iterable[str]) -> str | None:
    """What of the names a text says as a word, also with digits behind it; None if it says none of them."""
    words = "|".join(re.escape(name) for name in sorted(set(names), key=len, reverse=True) if name)
    said = re.search(rf"(?<!\w)({words})(?![^\W\d])", text, re.IGNORECASE) if words else None
    return said[0] if said else None


COMMON = ("meta", "google", "claude", "phi", "wan", "microsoft", "stability")
"""Names that answers have good reasons to say."""
