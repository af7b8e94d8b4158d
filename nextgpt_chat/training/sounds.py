"""Batches of Tinyland's sounds for the parts that learn from samples."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nextgpt_chat.tinyland.scene import Scene
from nextgpt_chat.tinyland.sound import sound


def sound_batch(scenes: Sequence[Scene], rng: random.Random) -> Tensor:
    """Scenes as samples, float32 [B, 32768]."""
    return torch.from_numpy(np.stack([sound(scene, rng) for scene in scenes]))
