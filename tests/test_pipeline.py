"""The embedded model through the one way to get an answer, and the one way to get another medium in its place."""

import copy
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextgpt_chat.checkpoint import Decoding
from nextgpt_chat.conversation import Audio, Conversation, Image, Text, Turn, Video
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import Done, Event, MediaProgress, MediaReady, MediaStarted, Notice, TextDelta
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png, read_image
from nextgpt_chat.media.made import Made
from nextgpt_chat.media.video_file import read_video
from nextgpt_chat.pipeline import Pipeline
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.store.jobs import parts_of
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
    pipeline: Pipeline, *parts: Text | Image | Video | Audio, turns: tuple[Turn, ...] = (), settings: ReplySettings | None = None
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


@pytest.mark.parametrize("kinds", [("audio",), ("image", "audio")])
def test_the_kinds_that_a_person_names_are_made(pipeline: Pipeline, kinds: tuple[str, ...]) -> None:
    events = ask(pipeline, Text("Draw a big red bird"), settings=ReplySettings(seed=4, steps=3, kinds=kinds))
    assert sorted(event.part.kind for event in events if isinstance(event, MediaReady)) == sorted(kinds)
    assert isinstance(events[-1], Done)


def test_a_kind_that_is_not_made_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(InputError, match="does not make this kind of medium: smell"):
        ask(pipeline, Text("hello"), settings=ReplySettings(kinds=("smell",)))


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


def drawn(pipeline: Pipeline, asked: str, seed: int, turns: tuple[Turn, ...] = ()) -> Conversation:
    """The conversation that ends with the reply to `asked`, which holds a picture."""
    events = ask(pipeline, Text(asked), turns=turns, settings=ReplySettings(seed=seed, steps=3, guidance=1.5))
    return Conversation((*turns, Turn("user", (Text(asked),)), Turn("assistant", parts_of(events))))


def again(pipeline: Pipeline, conversation: Conversation, medium: int = 0, seed: int | None = None) -> list[Event]:
    return list(pipeline.remake(conversation, medium, ReplySettings(seed=seed), lambda: False))


def ready(events: list[Event]) -> Image | Audio | Video:
    return next(event.part for event in events if isinstance(event, MediaReady))


def test_with_its_own_seed_a_medium_comes_out_as_it_was_and_with_another_one_differently(pipeline: Pipeline) -> None:
    first = drawn(pipeline, "Draw two small purple boats on the right by day", seed=6)
    later = drawn(pipeline, "Draw a big yellow bell on the left at night", seed=9, turns=first.turns)
    for conversation in (first, later):
        [medium] = conversation.turns[-1].media
        events = again(pipeline, conversation, seed=medium.seed)
        assert [type(event) for event in events] == [MediaStarted, *[MediaProgress] * 3, MediaReady, Done]
        assert ready(events) == medium
        other = ready(again(pipeline, conversation, seed=1))
        assert (other.seed, other.caption, other.settings) == (1, medium.caption, medium.settings)
        assert other.sha256 != medium.sha256
    assert ready(again(pipeline, first)).seed != ready(again(pipeline, first)).seed


def test_what_was_no_longer_seen_is_not_seen_again_either(pipeline: Pipeline) -> None:
    hello = (Turn("user", (Text("hello there my friend"),)), Turn("assistant", (Text("Hello!"),))) * 30
    asked, reply = drawn(pipeline, "Draw a big red bird", seed=2).turns
    read = [
        events[-1].stats.prompt_tokens
        for events in (ask(pipeline, *asked.parts, turns=hello), again(pipeline, Conversation((*hello, asked, reply))))  # type: ignore[arg-type]
        if isinstance(events[-1], Done)
    ]
    assert read[0] == read[1] < pipeline.checkpoint.context


def test_one_of_several_media_is_made_again_where_it_stands(pipeline: Pipeline) -> None:
    *before, reply = drawn(pipeline, "Draw a big red bird", seed=2).turns
    text, image = reply.parts[:2]
    twice = Conversation((*before, Turn("assistant", (text, image, Text(" And a small blue car."), image))))
    events = again(pipeline, twice, medium=1, seed=2)
    assert {event.index for event in events if isinstance(event, MediaStarted | MediaProgress | MediaReady)} == {1}
    assert ready(events).sha256 != image.sha256  # type: ignore[union-attr]


def test_making_again_can_be_stopped(pipeline: Pipeline) -> None:
    events = list(pipeline.remake(drawn(pipeline, "Draw a big red bird", seed=2), 0, ReplySettings(), lambda: True))
    assert isinstance(events[-1], Done)
    assert events[-1].stats.stopped
    assert not any(isinstance(event, MediaReady) for event in events)


def test_a_medium_that_this_model_does_not_make_gets_a_sentence(pipeline: Pipeline, tmp_path: Path) -> None:
    sound = Audio("0" * 64, tmp_path / "x.wav", "audio/wav")
    conversation = Conversation((Turn("user", (Text("hello"),)), Turn("assistant", (Text("Listen."), sound))))
    mute = copy.copy(pipeline)
    mute.form = copy.copy(pipeline.form)
    mute.form.groups = replace(pipeline.form.groups, ids={"image": pipeline.form.groups.ids["image"]})
    with pytest.raises(InputError, match="does not make this kind of medium: audio"):
        again(mute, conversation)


def test_a_clip_is_as_long_as_was_asked_for_and_stays_so_when_it_is_made_again(pipeline: Pipeline) -> None:
    ask_for = Text("make a clip of a big red dog moving left")
    events = ask(pipeline, ask_for, settings=ReplySettings(seed=4, steps=2, frames=5, seconds=1.0))
    clip = ready(events)
    assert isinstance(clip, Video)
    assert (clip.frames, clip.seconds, clip.settings["frames"]) == (5, 1.25, 5)
    assert "seconds" not in clip.settings
    assert read_video(clip.path, 5).shape == (5, 80, 80, 3)
    conversation = Conversation((Turn("user", (ask_for,)), Turn("assistant", parts_of(events))))
    other = ready(again(pipeline, conversation, seed=5))
    assert isinstance(other, Video)
    assert (other.frames, other.settings) == (5, clip.settings)
    longest = ready(ask(pipeline, ask_for, settings=ReplySettings(seed=4, steps=2, frames=99)))
    assert isinstance(longest, Video)
    assert longest.frames == pipeline.checkpoint.decoding["video"].max_frames


class Still:
    """A decoder that makes one clip, or what it begins from, upside down."""

    begins = True

    def steps(self, how: object, start: np.ndarray | None) -> int:
        return 1

    def make(self, prompt: object, how: object, start: np.ndarray | None, progress: Any, stop: object) -> np.ndarray:
        progress(1)
        return CLIP if start is None else start[:, ::-1]


CLIP = np.stack([np.full((40, 40, 3), 30 * i, np.uint8) for i in range(4)])
SOUND = (0.4 * np.sin(np.arange(16_000) / 6)).astype(np.float32)


def with_clips(pipeline: Pipeline) -> Pipeline:
    """The same pipeline with another decoder of clips."""
    clips = copy.copy(pipeline)
    clips.decoders = {"video": Still()}
    decoding = Decoding(steps=1, max_steps=1, guidance=1, max_guidance=1, size=40, frames=4, frame_rate=4, strength=0.5)
    clips.checkpoint = pipeline.checkpoint.model_copy(update={"decoding": {"video": decoding}})
    return clips


def test_a_clip_keeps_its_sound_track_and_what_it_began_from(pipeline: Pipeline) -> None:
    clips, rng = with_clips(pipeline), random.Random(1)
    made = Made(pipeline.content, pipeline.checkpoint.name)
    sound = made.keep("audio", SOUND, "a dog", 1, {}, 0)
    clip = made.keep("video", CLIP, "a dog", 7, {"steps": 1, "guidance": 1}, 4)
    asked = Turn("user", (Text("show me a dog"),))
    conversation = Conversation((asked, Turn("assistant", (Text("Here."), sound, clip))))
    assert ready(again(clips, conversation, medium=1, seed=7)) == clip
    image = render(Medium("image", Scene("dog", "blue")), rng, pipeline.content)
    moving = replace(clip, settings={"start": "0" * 64})  # of a picture that was itself made again since
    conversation = Conversation((Turn("user", (image, *asked.parts)), Turn("assistant", (Text("Here."), moving))))
    begun = ready(again(clips, conversation, seed=7))
    assert begun.settings == {"steps": 1, "guidance": 1, "start": image.sha256, "strength": 0.5}
    assert begun == ready(again(clips, Conversation((conversation.turns[0], Turn("assistant", (Text("Here."), begun)))), seed=7))


def test_a_long_conversation_loses_its_oldest_turns_with_a_notice(pipeline: Pipeline) -> None:
    turns = tuple(
        turn for _ in range(30) for turn in (Turn("user", (Text("hello there my friend"),)), Turn("assistant", (Text("Hello!"),)))
    )
    events = ask(pipeline, Text("hello"), turns=turns)
    assert any(isinstance(event, Notice) for event in events)
    assert text(events)


def test_a_sound_and_a_clip_are_understood_and_turned_into_each_other(pipeline: Pipeline) -> None:
    scene = Scene("dog", "blue", "big", "left", 2, "day", "up")
    rng = random.Random(1)
    sound, clip = (render(Medium(kind, scene), rng, pipeline.content) for kind in ("audio", "video"))
    assert text(ask(pipeline, sound, Text("what do you hear?"))) == "I hear two big dogs barking."
    assert text(ask(pipeline, clip, Text("what do you see?"))) == "I see two big blue dogs on the left by day moving up."
    picture = render(Medium("image", Scene("car", "blue", "big", "right", 2, "night")), rng, pipeline.content)
    assert text(ask(pipeline, picture, sound, Text("what is the second one?"))) == "I hear two big dogs barking."
    for given, wish, kind in ((sound, "make a clip of it", Video), (clip, "let me hear them", Audio)):
        events = ask(pipeline, given, Text(wish), settings=ReplySettings(seed=4, steps=6))
        (part,) = (event.part for event in events if isinstance(event, MediaReady))
        assert isinstance(part, kind)
        assert part.seconds >= 1
        assert "dogs" in (part.caption or "")


def test_what_cannot_be_read_gets_a_sentence(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="longer than the model can read"):
        ask(pipeline, Text("word " * 800))
    deaf = copy.copy(pipeline)
    deaf.checkpoint = pipeline.checkpoint.model_copy(update={"inputs": ("text", "image")})
    with pytest.raises(InputError, match="does not understand this kind of file: audio. It understands text, image"):
        ask(deaf, Audio("0" * 64, tmp_path / "x.wav", "audio/wav"))
