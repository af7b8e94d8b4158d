"""Batches of rendered pictures for the parts that learn from pixels."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nextgpt_chat.tinyland.draw import draw, unnamed_paint, unnamed_shape
from nextgpt_chat.tinyland.holdout import WITHHELD
from nextgpt_chat.tinyland.scene import Scene


def picture_batch(
    scenes: Sequence[Scene], rng: random.Random, odd_paint: Sequence[bool] | None = None, odd_shape: Sequence[bool] | None = None
) -> Tensor:
    """Rendered scenes as float32 [B, 3, 80, 80] in [-1, 1].

    Where `odd_paint` is true, things have a random colour that has no name, and never one near the colour that is withheld from them;
    where `odd_shape` is true, they are random blobs.
    """
    none = [False] * len(scenes)
    pixels = [
        draw(
            scene,
            rng,
            unnamed_paint(WITHHELD[scene.thing], rng) if paint else None,
            unnamed_shape(rng) if shape else None,
        )
        for scene, paint, shape in zip(scenes, odd_paint or none, odd_shape or none, strict=True)
    ]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1
