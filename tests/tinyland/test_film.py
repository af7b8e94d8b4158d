import random

import numpy as np
import pytest

from nextgpt_chat.tinyland.draw import draw
from nextgpt_chat.tinyland.film import FRAMES, film
from nextgpt_chat.tinyland.scene import MOTIONS, Scene


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_first_frame_is_the_picture_of_the_scene(motion: str) -> None:
    scene = Scene("dog", "blue", count=2, motion=motion)
    clip = film(scene, random.Random(1))
    assert clip.shape == (FRAMES, 80, 80, 3)
    assert np.array_equal(clip[0], draw(scene, random.Random(1)))


def middle_and_area(frame: np.ndarray, empty: np.ndarray) -> tuple[float, float, float]:
    rows, columns = np.nonzero((frame != empty).any(axis=-1))
    return float(columns.mean()), float(rows.mean()), float(len(rows))


def test_things_move_as_they_are_said_to() -> None:
    empty = np.where(
        (
            film(Scene("dog", "red", motion="left", place="right"), random.Random(2))[0]
            == film(Scene("dog", "red", place="left"), random.Random(2))[0]
        ),
        film(Scene("dog", "red", place="left"), random.Random(2))[0],
        film(Scene("dog", "red", place="middle"), random.Random(2))[0],
    )
    courses = {}
    for motion in MOTIONS:
        clip = film(Scene("dog", "red", motion=motion), random.Random(3))
        courses[motion] = np.subtract(middle_and_area(clip[-1], empty), middle_and_area(clip[0], empty))
    assert courses["left"][0] < -15 < 15 < courses["right"][0]
    assert courses["up"][1] < -15 < 15 < courses["down"][1]
    assert courses["grow"][2] > 100
    assert courses["shrink"][2] < -100
    assert np.abs(courses["stay"]).max() == 0
