"""Batches of rendered pictures and clips for the parts that learn from pixels."""

import random
from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from nextgpt_chat.tinyland.draw import SHAPES, Colour, Shape, draw
from nextgpt_chat.tinyland.film import FRAMES, film
from nextgpt_chat.tinyland.holdout import WITHHELD
from nextgpt_chat.tinyland.scene import Scene
from nextgpt_chat.tinyland.unnamed import imagined_shape, unnamed_paint, unnamed_shape


def picture_batch(scenes: Sequence[Scene], rng: random.Random, unnamed: Sequence[Collection[str]] | None = None) -> Tensor:
    """Rendered scenes as float32 [B, 3, 80, 80] in [-1, 1].

    `unnamed` says for each scene what has no name in its picture: with `colour`, things have a random colour, and never one near the colour
    that is withheld from them; with `thing`, they are random blobs. A thing that Tinyland does not have is drawn as it is imagined.
    """
    pixels = [
        draw(scene, rng, *_changed(scene, names, rng)) for scene, names in zip(scenes, unnamed or [()] * len(scenes), strict=True)
    ]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def clip_batch(
    scenes: Sequence[Scene], rng: random.Random, unnamed: Sequence[Collection[str]] | None = None, frames: int = FRAMES
) -> Tensor:
    """Rendered scenes as clips, float32 [B, frames, 3, 80, 80] in [-1, 1]; `unnamed` as in `picture_batch`."""
    clips = [
        film(scene, rng, *_changed(scene, names, rng), frames=frames)
        for scene, names in zip(scenes, unnamed or [()] * len(scenes), strict=True)
    ]
    return torch.from_numpy(np.stack(clips)).permute(0, 1, 4, 2, 3).float() / 127.5 - 1


def _changed(scene: Scene, unnamed: Collection[str], rng: random.Random) -> tuple[Colour | None, Shape | None]:
    """Paint and shape of a scene's things where they are not their own."""
    return (
        unnamed_paint(WITHHELD[scene.thing], rng) if "colour" in unnamed else None,
        unnamed_shape(rng) if "thing" in unnamed else _shape(scene.thing),
    )


def _shape(thing: str) -> Shape:
    return SHAPES.get(thing) or imagined_shape(thing)


def random_unnamed(rng: random.Random, count: int, colours: float, things: float) -> list[Collection[str]]:
    """What has no name in each of `count` pictures: the colour in a share `colours` of them, the thing in a share `things` of others."""
    return rng.choices(({"colour"}, {"thing"}, ()), (colours, things, 1 - colours - things), k=count)
