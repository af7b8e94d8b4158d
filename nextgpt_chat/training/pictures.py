"""Batches of rendered pictures for the parts that learn from pixels."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nextgpt_chat.tinyland.draw import draw, unnamed_paint
from nextgpt_chat.tinyland.holdout import WITHHELD
from nextgpt_chat.tinyland.scene import Scene


def picture_batch(scenes: Sequence[Scene], rng: random.Random, unnamed: Sequence[bool] | None = None) -> Tensor:
    """Rendered scenes as float32 [B, 3, 80, 80] in [-1, 1].

    Where `unnamed` is true, things have a random colour that has no name, and never one near the colour that is withheld from them.
    """
    paints = [
        unnamed_paint(WITHHELD[scene.thing], rng) if odd else None
        for scene, odd in zip(scenes, unnamed or [False] * len(scenes), strict=True)
    ]
    pixels = np.stack([draw(scene, rng, paint) for scene, paint in zip(scenes, paints, strict=True)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
