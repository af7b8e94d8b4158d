import random

import numpy as np
import pytest
from scipy import signal

from nextgpt_chat.tinyland.play import RATE, SAMPLES, play
from nextgpt_chat.tinyland.scene import THINGS, Scene
from nextgpt_chat.tinyland.unnamed import imagined_voice


def centroid(samples: np.ndarray) -> float:
    """Mean frequency in Hz, by power."""
    frequencies, power = signal.welch(samples, RATE, nperseg=2048)
    return float((frequencies * power).sum() / power.sum())


@pytest.mark.parametrize("thing", THINGS)
def test_big_things_sound_lower(thing: str) -> None:
    small, big = (play(Scene(thing, "red", size=size), random.Random(1)) for size in ("small", "big"))
    assert centroid(big) < 0.8 * centroid(small)


@pytest.mark.parametrize("thing", THINGS)
def test_as_many_sounds_as_things_and_silence_behind_them(thing: str) -> None:
    for count in (1, 2, 3):
        samples = play(Scene(thing, "red", count=count), random.Random(2))
        loud = np.abs(samples).reshape(-1, 512).max(axis=1) > 0.02
        last = np.flatnonzero(loud)[-1] * 512 / RATE
        assert 0.12 + (count - 1) * 0.63 - 0.05 < last < 0.12 + (count - 1) * 0.63 + 0.55


def test_it_repeats_with_the_same_randomness_and_never_clips() -> None:
    for thing in THINGS:
        scene = Scene(thing, "red", count=3)
        samples = play(scene, random.Random(3))
        assert samples.shape == (SAMPLES,)
        assert samples.dtype == np.float32
        assert np.array_equal(samples, play(scene, random.Random(3)))
        assert not np.array_equal(samples, play(scene, random.Random(4)))
        assert 0.2 < np.abs(samples).max() < 0.7


def test_an_imagined_voice_is_always_the_same_and_lower_for_big_things() -> None:
    for name in ("lamp", "ship", "kite"):
        small, big = (play(Scene(name, "red", size=size), random.Random(5), imagined_voice(name)) for size in ("small", "big"))
        assert np.array_equal(small, play(Scene(name, "red", size="small"), random.Random(5), imagined_voice(name)))
        assert centroid(big) < 0.85 * centroid(small)
        assert np.abs(small).max() > 0.2
