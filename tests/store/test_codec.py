from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextgpt_chat.conversation import Audio, Image, Video
from nextgpt_chat.events import Done, Event, Failed, MediaProgress, MediaReady, MediaStarted, Notice, Stats, TextDelta
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.store.codec import event_from_json, event_to_json

CONTENT = ContentStore(Path("media"))
SHA = "ab" * 32

EVENTS: list[Event] = [
    MediaStarted(0, "image", "a bird"),
    MediaProgress(1, 3, 20),
    MediaReady(0, Image(SHA, CONTENT.path(SHA, "image/png"), "image/png", "a bird", 7, {"steps": 20}, width=80, height=80)),
    MediaReady(1, Audio(SHA, CONTENT.path(SHA, "audio/wav"), "audio/wav", seconds=1.5, rate=16000)),
    MediaReady(2, Video(SHA, CONTENT.path(SHA, "video/mp4"), "video/mp4", width=64, height=64, seconds=1.0, frames=8)),
    Notice("read this"),
    Done(Stats("tinyland", 7, 20, 10, {"total": 0.5}, stopped=True)),
    Failed("a sentence"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_survives(event: Event) -> None:
    assert event_from_json(*event_to_json(event), CONTENT) == event


@given(st.text())
def test_any_text_survives(text: str) -> None:
    assert event_from_json(*event_to_json(TextDelta(text)), CONTENT) == TextDelta(text)


def test_no_path_is_written() -> None:
    assert "media" not in str(event_to_json(EVENTS[2])[1])
