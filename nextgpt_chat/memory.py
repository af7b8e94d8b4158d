"""How much memory a model takes, from the headers of its files of weights; nothing is loaded."""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from nextgpt_chat.checkpoint import Checkpoint

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
CARDS = (8, 12, 16, 24, 48, 80)
"""GB of common GPUs."""
HEADROOM = 2 * 10**9
"""Bytes beside weights and cache for what is computed and for CUDA itself: an estimate; long clips take more."""


@dataclass(frozen=True)
class Need:
    """Bytes of a model that is loaded whole, by part."""

    parts: dict[str, int]
    cache: int
    """Keys and values of a conversation that is as long as can be."""

    @property
    def total(self) -> int:
        """With room to compute."""
        return sum(self.parts.values()) + self.cache + HEADROOM

    def fits(self, gigabytes: float) -> bool:
        """Whether it goes into that much memory."""
        return self.total <= gigabytes * 10**9


def need(checkpoint: Checkpoint, precision: str) -> Need:
    """What the weights of `checkpoint` take when its frozen parts are computed in `precision`.

    The LoRA is merged into the language model, so it takes nothing, and projections are float32.
    """
    folders = {
        "encoder": "imagebind",
        "language model": "llm",
        **{f"{kind} decoder": f"{kind}_decoder" for kind in checkpoint.made},
    }
    sizes = {name: parameters(checkpoint.part(folder)) * BYTES[precision] for name, folder in folders.items()}
    files = map(checkpoint.part, ("input_projection.safetensors", "output_projections.safetensors"))
    sizes["projections"] = sum(_parameters_in(path) for path in files if path.is_file()) * BYTES["float32"]
    return Need({name: size for name, size in sizes.items() if size}, _cache(checkpoint) * BYTES[precision])


def parameters(folder: Path) -> int:
    """Values in all files of weights below `folder`."""
    return sum(_parameters_in(path) for path in folder.rglob("*.safetensors"))


def _parameters_in(path: Path) -> int:
    """Values in a file, by its header: eight bytes of length, and JSON."""
    with path.open("rb") as file:
        header = json.loads(file.read(*struct.unpack("<Q", file.read(8))))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _cache(checkpoint: Checkpoint) -> int:
    """Values of keys and values for the longest conversation."""
    config = json.loads((checkpoint.part("llm") / "config.json").read_text(encoding="utf-8"))
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    return 2 * int(config["num_hidden_layers"]) * int(config.get("num_key_value_heads") or heads) * int(width) * checkpoint.context
