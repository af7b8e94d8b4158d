"""The embedded model through the one way to get an answer."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nextgpt_chat.checkpoint import Decoding
from nextgpt_chat.conversation import Audio, Conversation, Image, Text, Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import Done, Event, MediaProgress, MediaReady, MediaStarted, Notice, TextDelta
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png, read_image
from nextgpt_chat.pipeline import STARTS, Pipeline, begin_from, last_medium, load_pipeline
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.tinyland.draw import draw
from nextgpt_chat.tinyland.exchange import Medium
from nextgpt_chat.tinyland.files import render
from nextgpt_chat.tinyland.scene import Scene
from tests.conftest import CHECKPOINT

pytestmark = pytest.mark.skipif(not CHECKPOINT.is_dir(), reason="the embedded checkpoint is missing")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return load_pipeline(CHECKPOINT, ContentStore(tmp_path_factory.mktemp("media")), "cpu")


def ask(
    pipeline: Pipeline, *parts: Text | Image, turns: tuple[Turn, ...] = (), settings: ReplySettings | None = None
) -> list[Event]:
    conversation = Conversation((*turns, Turn("user", parts)))
    return list(pipeline.reply(conversation, settings or ReplySettings(seed=4), lambda: False))


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_a_picture_arrives_after_its_words_step_by_step(pipeline: Pipeline) -> None:
    events = ask(pipeline, Text("Draw a big red bird on the left at night"), settings=ReplySettings(seed=4, steps=6))
    kinds = [type(event) for event in events]
    assert kinds.index(TextDelta) < kinds.index(MediaStarted) < kinds.index(MediaProgress) < kinds.index(MediaReady)
    assert [event.step for event in events if isinstance(event, MediaProgress)] == [1, 2, 3, 4, 5, 6]
    part = next(event.part for event in events if isinstance(event, MediaReady))
    assert isinstance(part, Image)
    assert (part.seed, part.settings["steps"], part.width, part.height) == (4, 6, 80, 80)
    assert b"AI-generated" in part.path.read_bytes()
    assert "red bird" in text(events)
    assert isinstance(events[-1], Done)


def test_the_seed_makes_the_same_picture_again(pipeline: Pipeline) -> None:
    def pixels(seed: int) -> np.ndarray:
        events = ask(pipeline, Text("Draw a big green dog"), settings=ReplySettings(seed=seed, steps=4))
        return read_image(next(event.part.path for event in events if isinstance(event, MediaReady)))

    assert np.array_equal(pixels(1), pixels(1))
    assert not np.array_equal(pixels(1), pixels(2))


def test_a_picture_is_seen(pipeline: Pipeline) -> None:
    pixels = draw(Scene("car", "blue", "big", "right", 2, "night"), random.Random(1))
    sha256, path = pipeline.content.put(encode_png(pixels, {}), "image/png")
    events = ask(pipeline, Image(sha256, path, "image/png"), Text("what do you see?"))
    assert text(events) == "I see two big blue cars on the right at night."


def test_words_from_outside_get_an_honest_answer_and_no_picture(pipeline: Pipeline) -> None:
    events = ask(pipeline, Text("A photo of Paris, please"))
    assert "Tinyland" in text(events)
    assert not any(isinstance(event, MediaStarted) for event in events)


def test_stopping_while_it_draws(pipeline: Pipeline) -> None:
    events: list[Event] = []
    conversation = Conversation((Turn("user", (Text("Draw a big red bird"),)),))

    def begun() -> bool:
        return any(isinstance(event, MediaProgress) for event in events)

    for event in pipeline.reply(conversation, ReplySettings(seed=1, steps=50), begun):
        events.append(event)  # noqa: PERF402 - `begun` looks at what has come so far
    assert isinstance(events[-1], Done)
    assert events[-1].stats.stopped
    assert sum(isinstance(event, MediaProgress) for event in events) < 10
    assert "red bird" in text(events)
    assert text(ask(pipeline, Text("hello"))).startswith("Hello")


def test_a_long_conversation_loses_its_oldest_turns_with_a_notice(pipeline: Pipeline) -> None:
    turns = tuple(
        turn for _ in range(30) for turn in (Turn("user", (Text("hello there my friend"),)), Turn("assistant", (Text("Hello!"),)))
    )
    events = ask(pipeline, Text("hello"), turns=turns)
    assert any(isinstance(event, Notice) for event in events)
    assert text(events)


def test_what_cannot_be_read_gets_a_sentence(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="longer than the model can read"):
        ask(pipeline, Text("word " * 800))
    sound = Audio("0" * 64, tmp_path / "x.wav", "audio/wav")
    with pytest.raises(InputError, match="does not understand"):
        ask(pipeline, replace(sound))  # type: ignore[arg-type]


def test_a_medium_begins_from_the_newest_one_that_fits_in_its_own_shape(tmp_path: Path) -> None:
    rng, content = random.Random(1), ContentStore(tmp_path)
    scene = Scene("dog", "red", motion="right")
    image, clip, sound = (render(Medium(kind, scene), rng, content) for kind in ("image", "video", "audio"))
    conversation = Conversation((Turn("user", (image, clip, Text("look"))), Turn("assistant", (Text("Listen."), sound))))
    assert last_medium(conversation, STARTS["image"]) == clip
    assert last_medium(conversation, STARTS["audio"]) == sound
    assert last_medium(Conversation(conversation.turns[1:]), STARTS["video"]) is None
    sizes = Decoding(steps=1, max_steps=1, guidance=1, max_guidance=1, size=40, frames=8, seconds=1.0)
    moving, still = begin_from(clip, "video", sizes), begin_from(image, "video", sizes)
    assert moving.shape == (8, 40, 40, 3)
    assert not np.array_equal(moving[0], moving[-1])
    assert still.shape == (1, 40, 40, 3)
    picture = sizes.model_copy(update={"frames": 0})
    assert np.abs(begin_from(clip, "image", picture).astype(int) - moving[0]).mean() < 1
    assert begin_from(sound, "audio", sizes).shape == (16_000,)
    assert begin_from(sound, "audio", sizes.model_copy(update={"seconds": 3.0})).shape == (48_000,)
