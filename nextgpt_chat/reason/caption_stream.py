"""Captions as signals: where no signal tokens were trained, the language model writes between two tags what it wants to be made.

    Here it is. <image>a small red bird on a branch, at dawn</image> Shall I ...

The decoder then reads the caption as its prompt. So do ModaVerse (arXiv 2401.06395) and the instructions of VITRON (arXiv 2412.19806).
"""

from collections.abc import Collection
from dataclasses import dataclass

LONGEST = 600
"""Characters of a caption; one that is longer ends there. Text encoders of decoders read less."""


@dataclass(frozen=True)
class Caption:
    """A medium that the language model asks for in words."""

    kind: str
    text: str


def opening(kind: str) -> str:
    """The tag before a caption."""
    return f"<{kind}>"


def closing(kind: str) -> str:
    """The tag behind it."""
    return f"</{kind}>"


class CaptionStream:
    """Text as it grows -> what is said, and captions; whatever may be the beginning of a tag is held back."""

    def __init__(self, kinds: Collection[str], within: str | None = None) -> None:
        """`kinds` of media that can be asked for; with none, all is said. `within` a caption of that kind the text begins."""
        self.kinds = tuple(kinds)
        self._kind = within
        self._held = ""

    def add(self, text: str) -> list[str | Caption]:
        """What more text adds."""
        self._held += text
        found: list[str | Caption] = []
        while (piece := self._next()) is not None:
            if piece != "":
                found.append(piece)
        return found

    def finish(self) -> list[str | Caption]:
        """What was still held back; a caption without an end ends here."""
        held, kind = self._held, self._kind
        self._held, self._kind = "", None
        if kind:
            return _caption(kind, held)
        return [held] if held else []

    def _next(self) -> str | Caption | None:
        """The next piece that is sure; empty for one that says nothing, None if nothing is."""
        if self._kind:
            return self._inside(self._kind)
        tags = {opening(kind): kind for kind in self.kinds}
        at = {self._held.find(tag): tag for tag in tags if tag in self._held}
        if at:
            first = min(at)
            said, self._held = self._held[:first], self._held[first + len(at[first]) :]
            self._kind = tags[at[first]]
            return said
        sure = len(self._held) - _begun(self._held, tags)
        said, self._held = self._held[:sure], self._held[sure:]
        return said or None

    def _inside(self, kind: str) -> str | Caption | None:
        end = self._held.find(closing(kind))
        if end < 0 and len(self._held) < LONGEST + len(closing(kind)):
            return None
        self._kind = None
        if 0 <= end <= LONGEST:
            text, self._held = self._held[:end], self._held[end + len(closing(kind)) :]
        else:
            text, self._held = self._held[:LONGEST], self._held[LONGEST:]
        return next(iter(_caption(kind, text)), "")


def _caption(kind: str, text: str) -> list[str | Caption]:
    """The caption in what stands between two tags: in one line, and none if nothing stands there."""
    words = " ".join(text.replace(closing(kind)[:-1], "").split())
    return [Caption(kind, words)] if words else []


def _begun(text: str, tags: Collection[str]) -> int:
    """How many of the last characters may be the beginning of a tag."""
    longest = max(map(len, tags), default=1) - 1
    return next((n for n in range(min(longest, len(text)), 0, -1) if any(tag.startswith(text[-n:]) for tag in tags)), 0)
