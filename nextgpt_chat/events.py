"""What happens while a reply is made, or one medium of it again.

`Pipeline.reply(conversation, settings, cancelled)` yields these in order, and so does `Pipeline.remake`; the page, the command
line, the job log, the tests and the evaluation consume the same stream. A stream ends with exactly one `Done` or `Failed`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from nextgpt_chat.conversation import Audio, Conversation, Image, MediaKind, Video
from nextgpt_chat.settings import ReplySettings


@dataclass(frozen=True)
class TextDelta:
    """Some more text of the reply."""

    text: str


@dataclass(frozen=True)
class MediaStarted:
    """A medium begins at this place of the reply."""

    index: int
    """Number of the medium in this reply, from 0."""
    kind: MediaKind
    caption: str
    """What it will show."""


@dataclass(frozen=True)
class MediaProgress:
    """One more denoising step is done."""

    index: int
    step: int
    """Steps done, 1..total."""
    total: int


@dataclass(frozen=True)
class MediaReady:
    """A medium is finished and lies in the content store."""

    index: int
    part: Image | Audio | Video


@dataclass(frozen=True)
class Notice:
    """A sentence that the person should read, and that is no part of the reply."""

    message: str


@dataclass(frozen=True)
class Stats:
    """How the reply was made."""

    model: str
    seed: int
    prompt_tokens: int = 0
    new_tokens: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    """Time in seconds per tier (`encode`, `reason`, `generate`), to the first word (`first_text`), and `total`."""
    stopped: bool = False
    """True if the person stopped the reply before it was complete."""


@dataclass(frozen=True)
class Done:
    """The reply is complete, or was stopped by the person."""

    stats: Stats


@dataclass(frozen=True)
class Failed:
    """The reply could not be completed; `message` is a sentence for the person."""

    message: str


Event = TextDelta | MediaStarted | MediaProgress | MediaReady | Notice | Done | Failed


class Reply(Protocol):
    """The one way to get an answer. `cancelled` is asked between tokens and between denoising steps."""

    def __call__(self, conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]: ...


class Remake(Protocol):
    """The one way to get another medium in the place of number `medium` of the last turn's media; that turn is a reply.

    Yields what a reply yields for that medium, under the same index, and `Done` or `Failed`.
    """

    def __call__(
        self, conversation: Conversation, medium: int, settings: ReplySettings, cancelled: Callable[[], bool]
    ) -> Iterator[Event]: ...


class Model(Protocol):
    """What an engine runs: one thing at a time."""

    @property
    def reply(self) -> Reply: ...

    @property
    def remake(self) -> Remake: ...
