from dataclasses import replace
from pathlib import Path

import pytest

from nextgpt_chat.conversation import Audio, Image, Media
from nextgpt_chat.media.names import described, file_name

IMAGE = Image("ab" * 32, Path("store/x.png"), "image/png", "a bird", 7, {"steps": 4}, width=80, height=80)


@pytest.mark.parametrize(
    ("medium", "name"),
    [
        (IMAGE, "a-bird-seed-7.png"),
        (replace(IMAGE, caption="Here: two <b> ünï/../birds!\n", seed=0), "here-two-b-ünï-birds-seed-0.png"),
        (replace(IMAGE, caption="x" * 300), f"{'x' * 60}-seed-7.png"),
        (replace(IMAGE, caption=None, seed=None), "picture-abababab.png"),
        (Audio("cd" * 32, Path("store/x.wav"), "audio/wav"), "sound-cdcdcdcd.wav"),
    ],
)
def test_under_which_name_a_medium_is_saved(medium: Media, name: str) -> None:
    assert file_name(medium) == name


def test_who_made_a_medium_is_said_in_its_place() -> None:
    assert described(IMAGE, made=True) == "AI-generated picture: a bird"
    assert described(replace(IMAGE, caption=None), made=False) == "Your picture"
