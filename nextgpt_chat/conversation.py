"""Plain values of a conversation: parts, turns, conversations.

This module knows what was said and shown. It does not know rows, ids of rows, tensors or widgets.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

Role = Literal["user", "assistant"]
MediaKind = Literal["image", "video", "audio"]


@dataclass(frozen=True)
class Text:
    """A stretch of text."""

    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Media:
    """What every medium has in common. Use `Image`, `Audio` or `Video`."""

    sha256: str
    """Content hash of the file, 64 hexadecimal digits."""
    path: Path
    """The file in the content store."""
    mime: str
    """Type of the stored file, found by decoding it: `image/png`, `audio/wav`, `video/mp4`."""
    caption: str | None = None
    """What the medium shows, in words: the prompt for generated media, None for uploads."""
    seed: int | None = None
    """Seed of the noise that a generated medium started from; None for uploads."""
    settings: dict[str, Any] = field(default_factory=dict, hash=False)
    """How it was generated (steps, guidance, ...); empty for uploads."""
    kind: ClassVar[str]


@dataclass(frozen=True)
class Image(Media):
    """A picture."""

    width: int = 0
    """Pixels."""
    height: int = 0
    """Pixels."""
    kind: ClassVar[str] = "image"


@dataclass(frozen=True)
class Audio(Media):
    """A sound."""

    seconds: float = 0.0
    rate: int = 0
    """Samples per second."""
    kind: ClassVar[str] = "audio"


@dataclass(frozen=True)
class Video(Media):
    """A clip."""

    width: int = 0
    height: int = 0
    seconds: float = 0.0
    frames: int = 0
    kind: ClassVar[str] = "video"


Part = Text | Image | Audio | Video
MEDIA: dict[str, type[Image] | type[Audio] | type[Video]] = {"image": Image, "video": Video, "audio": Audio}
"""The media by their kinds."""


@dataclass(frozen=True)
class Turn:
    """One message: who, and the parts in their order."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All text of the turn, media left out."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def media(self) -> tuple[Image | Audio | Video, ...]:
        """The media of the turn in their order."""
        return tuple(part for part in self.parts if not isinstance(part, Text))


@dataclass(frozen=True)
class Conversation:
    """Turns from the oldest to the newest. The last one is the user turn that waits for a reply."""

    turns: tuple[Turn, ...] = ()

    def with_turn(self, turn: Turn) -> "Conversation":
        """The same conversation, one turn longer."""
        return Conversation((*self.turns, turn))
