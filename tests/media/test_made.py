from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from nextgpt_chat.conversation import Audio, Image, Video
from nextgpt_chat.media.audio_file import read_audio
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.ffmpeg import probe
from nextgpt_chat.media.made import Made
from nextgpt_chat.media.video_file import read_sound_track, read_video

TONE = (0.4 * np.sin(np.arange(32_768) / 6)).astype(np.float32)
CLIP = np.random.default_rng(0).integers(0, 255, (8, 80, 80, 3), np.uint8)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(ContentStore(tmp_path), "tinyland")


def test_a_picture_says_what_it_is(made: Made) -> None:
    image = made.keep("image", CLIP[0], "a red bird", 7, {"steps": 20}, 0)
    assert isinstance(image, Image)
    assert (image.width, image.height, image.caption, image.seed, image.settings) == (80, 80, "a red bird", 7, {"steps": 20})
    with Picture.open(image.path) as picture:
        assert picture.info["Title"] == "a red bird"
        assert picture.info["Source"] == "AI-generated"


def test_a_sound_keeps_its_samples_and_says_what_it_is(made: Made) -> None:
    sound = made.keep("audio", TONE, "a small dog barking", 7, {}, 0)
    assert isinstance(sound, Audio)
    assert (sound.seconds, sound.rate) == (2.048, 16_000)
    assert np.abs(read_audio(sound.path) - TONE).max() < 1e-3
    assert b"a small dog barking" in sound.path.read_bytes()


def test_a_clip_has_the_sound_before_it_as_its_track_and_none_without(made: Made) -> None:
    silent = made.keep("video", CLIP, "a dog", 7, {}, 4)
    assert isinstance(silent, Video)
    assert (silent.width, silent.frames, silent.seconds) == (80, 8, 2.0)
    assert read_video(silent.path, 8).shape == CLIP.shape
    assert read_sound_track(silent.path) is None
    made.keep("audio", TONE, "a dog barking", 7, {}, 0)
    heard = made.keep("video", CLIP, "a dog", 7, {}, 4)
    track = read_sound_track(heard.path)
    assert track is not None
    assert np.abs(track).max() > 0.2
    assert probe(heard.path).channels
