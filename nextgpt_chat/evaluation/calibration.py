"""Readers calibrated on rendered truth, held-out combinations included, and their own error on more of it."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from nextgpt_chat.evaluation.bench import truth
from nextgpt_chat.evaluation.readers.motion import MotionReader
from nextgpt_chat.evaluation.readers.picture import PictureReader
from nextgpt_chat.evaluation.readers.sound import SoundReader
from nextgpt_chat.tinyland.draw import draw
from nextgpt_chat.tinyland.exchange import Medium
from nextgpt_chat.tinyland.film import film
from nextgpt_chat.tinyland.holdout import held_out_scene
from nextgpt_chat.tinyland.play import play
from nextgpt_chat.tinyland.scene import ATTRIBUTES, MOTIONS, Scene, random_scene

FRAMES_KNOWN = 1200
"""Pictures on which the motion reader's picture reader is calibrated."""


def calibrated_picture_reader(pictures: int, seed: int) -> tuple[PictureReader, dict[str, float]]:
    """A picture reader and its own share of right attributes, measured on rendered truth that it was not calibrated on."""
    rng = random.Random(f"{seed}/reader")
    scenes = [held_out_scene(rng) if i % 8 == 0 else random_scene(rng) for i in range(pictures)]
    reader = PictureReader([draw(scene, rng) for scene in scenes], scenes)
    fresh = [random_scene(rng) for _ in range(400)]
    read = [reader.read(draw(scene, rng)) for scene in fresh]
    return reader, share_right("image", read, fresh)


def calibrated_sound_reader(sounds: int, seed: int) -> tuple[SoundReader, dict[str, float]]:
    """A sound reader and its own share of right attributes, measured on rendered truth that it was not calibrated on."""
    rng = random.Random(f"{seed}/sound reader")
    scenes = [held_out_scene(rng, "audio") if i % 8 == 0 else random_scene(rng) for i in range(sounds)]
    reader = SoundReader([play(scene, rng) for scene in scenes], scenes)
    fresh = [random_scene(rng) for _ in range(400)]
    return reader, share_right("audio", [reader.read(play(scene, rng)) for scene in fresh], fresh)


def calibrated_motion_reader(clips: int, seed: int) -> tuple[MotionReader, dict[str, float]]:
    """A motion reader and its own share of right attributes, measured on rendered truth that it was not calibrated on.

    Its picture reader knows worn copies of half its pictures, since generated frames are softer than rendered ones.
    """
    rng = random.Random(f"{seed}/motion reader")
    scenes = [held_out_scene(rng, "video") if i % 8 == 0 else moving_scene(rng) for i in range(clips)]
    shown = [held_out_scene(rng) if i % 8 == 0 else random_scene(rng) for i in range(FRAMES_KNOWN)]
    pictures = [draw(scene, rng) for scene in shown]
    noise = np.random.default_rng(rng.randrange(2**31))
    worn = [worn_picture(picture, noise) for picture in pictures[1::2]]
    picture_reader = PictureReader([*pictures, *worn], [*shown, *shown[1::2]])
    reader = MotionReader([film(scene, rng) for scene in scenes], scenes, picture_reader)
    fresh = [moving_scene(rng) for _ in range(200)]
    return reader, share_right("video", [reader.read(film(scene, rng)) for scene in fresh], fresh)


def moving_scene(rng: random.Random) -> Scene:
    """A scene with every attribute drawn uniformly, its motion too."""
    return replace(random_scene(rng), motion=rng.choice(MOTIONS))


def worn_picture(picture: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    """A picture uint8 [H, W, 3] as a generator might leave it: a little soft, too dark or too light, and noisy."""
    soft = ndimage.gaussian_filter(picture.astype(np.float32), (0.7, 0.7, 0))
    worn: np.ndarray = np.clip(soft * noise.uniform(0.94, 1.06) + noise.normal(0, 5, soft.shape), 0, 255).astype(np.uint8)
    return worn


def share_right(kind: str, read: Sequence[dict[str, str]], scenes: Sequence[Scene]) -> dict[str, float]:
    """Share of scenes that were read rightly, by attribute of a kind of medium."""
    truths = [truth(Medium(kind, scene)) for scene in scenes]
    return {
        name: sum(found.get(name) == true[name] for found, true in zip(read, truths, strict=True)) / len(truths)
        for name in ATTRIBUTES[kind]
    }
