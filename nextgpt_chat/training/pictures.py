"""Batches of rendered pictures for the parts that learn from pixels."""

import random
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from nextgpt_chat.tinyland.draw import draw
from nextgpt_chat.tinyland.scene import Scene


def picture_batch(scenes: Iterable[Scene], rng: random.Random) -> Tensor:
    """Rendered scenes as float32 [B, 3, 80, 80] in [-1, 1]."""
    pixels = np.stack([draw(scene, rng) for scene in scenes])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
