import random
from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from nextgpt_chat.evaluation.calibration import calibrated_motion_reader, moving_scene, share_right
from nextgpt_chat.evaluation.readers.motion import MotionReader
from nextgpt_chat.tinyland.film import film
from nextgpt_chat.tinyland.scene import Scene

NOISE = np.random.default_rng(0)
BACKWARDS = {"left": "right", "right": "left", "up": "down", "down": "up", "grow": "shrink", "shrink": "grow", "stay": "stay"}


@pytest.fixture(scope="module")
def calibrated() -> tuple[MotionReader, dict[str, float]]:
    return calibrated_motion_reader(120, seed=5)


@pytest.fixture(scope="module")
def truth() -> tuple[list[Scene], list[np.ndarray]]:
    rng = random.Random(6)
    scenes = [moving_scene(rng) for _ in range(80)]
    return scenes, [film(scene, rng) for scene in scenes]


def pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def noisy(clip: np.ndarray) -> np.ndarray:
    return pixels(clip + NOISE.normal(0, 6, clip.shape))


def flickering(clip: np.ndarray) -> np.ndarray:
    return pixels(clip * NOISE.uniform(0.94, 1.06, (len(clip), 1, 1, 1)))


def blurred(clip: np.ndarray) -> np.ndarray:
    return pixels(ndimage.gaussian_filter(clip.astype(float), (0, 0.7, 0.7, 0)))


WORSE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "noisy and flickering": lambda clip: noisy(flickering(clip)),
    "all": lambda clip: noisy(flickering(blurred(clip))),
}


def test_it_reads_rendered_truth(calibrated: tuple[MotionReader, dict[str, float]]) -> None:
    assert min(calibrated[1].values()) >= 0.99, calibrated[1]


@pytest.mark.parametrize("way", WORSE)
def test_it_reads_what_is_worse_than_truth(
    way: str, calibrated: tuple[MotionReader, dict[str, float]], truth: tuple[list[Scene], list[np.ndarray]]
) -> None:
    scenes, clips = truth
    right = share_right("video", [calibrated[0].read(WORSE[way](clip)) for clip in clips], scenes)
    assert min(right.values()) >= 0.97, right


def test_backwards_it_is_the_other_motion(
    calibrated: tuple[MotionReader, dict[str, float]], truth: tuple[list[Scene], list[np.ndarray]]
) -> None:
    for scene, clip in list(zip(*truth, strict=True))[:50]:
        assert calibrated[0].read(clip[::-1])["motion"] == BACKWARDS[scene.motion]


def test_to_and_fro_is_no_motion_and_no_rest(
    calibrated: tuple[MotionReader, dict[str, float]], truth: tuple[list[Scene], list[np.ndarray]]
) -> None:
    moving = [clip for scene, clip in zip(*truth, strict=True) if scene.motion in ("left", "right", "up", "down")]
    assert not any("motion" in calibrated[0].read(clip[[0, 1, 2, 3, 2, 1, 0, 1]]) for clip in moving[:30])


def test_nothing_but_the_time_is_read_where_nothing_is(calibrated: tuple[MotionReader, dict[str, float]]) -> None:
    rng = random.Random(7)
    clips = [film(Scene("bird", "red", "small", "left"), rng), film(Scene("bird", "red", "small", "right"), rng)]
    empty = np.concatenate([clips[1][:, :, :40], clips[0][:, :, 40:]], axis=2)
    assert calibrated[0].read(empty) == {"time": "day"}
