"""Batches of Tinyland's sounds for the parts that learn from samples."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nextgpt_chat.tinyland.play import play
from nextgpt_chat.tinyland.scene import Scene


def sound_batch(scenes: Sequence[Scene], rng: random.Random) -> Tensor:
    """Scenes as samples, float32 [B, 32768]."""
    return torch.from_numpy(np.stack([play(scene, rng) for scene in scenes]))
