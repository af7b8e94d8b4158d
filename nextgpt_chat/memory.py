"""How much memory a model takes, from the headers of its files of weights; nothing is loaded."""

import json
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.errors import SetupError

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
CARDS = (8, 12, 16, 24, 48, 80)
"""GB of common GPUs."""
HEADROOM = 10**9
"""Bytes beside all that is counted: for CUDA itself, what its allocator leaves unused, and what the encoder computes in. An estimate."""


UNREAD = ("__metadata__", "talker.", "token2wav.")
"""Beginnings of names in files of weights that are not loaded; the last two are what speaks in an omni model."""
WAYS = {
    "whole": "all at once",
    "decoders": "decoders wait in main memory",
    "tiers": "one tier at a time",
    "tiers-int8": "one tier at a time, the language model in 8 bits",
    "tiers-int4": "one tier at a time, the language model in 4 bits",
}
"""How the parts of a model share a GPU's memory, from the fastest to the most frugal."""


UNROUNDED = (".experts.", "audio_tower.", "visual.")
"""In names of layers that stay as they are: experts, which are computed all at once, and the towers of an omni model."""
ROUNDED: dict[str, tuple[float, int | None]] = {"int8": (1.0, None), "int4": (0.5, 64)}
"""Bytes of a weight, and how many weights share a scale: a row, or 64, whose scale has 4 bytes."""


@dataclass(frozen=True)
class Need:
    """Bytes of the parts of a model."""

    parts: dict[str, int]
    computing: dict[str, int]
    """What language model and decoders take beside their weights while they work, by part."""
    cache: int
    """Keys and values of a conversation that is as long as can be."""
    rounded: dict[str, int]
    """The language model with its layers in 8 bits (`int8`) and in 4 bits (`int4`)."""

    def peaks(self) -> dict[str, int]:
        """Bytes of the GPU that are used at most, by way, with room to compute."""
        decoders = {name: size for name, size in self.parts.items() if name.endswith(" decoder")}
        drawing = max((size + self.computing.get(name, 0) for name, size in decoders.items()), default=0)
        language, reading = self.parts["language model"], self.computing.get("language model", 0)
        encoder, rest = self.parts.get("encoder", 0), self.parts.get("projections", 0) + self.cache + HEADROOM
        return {
            "whole": encoder + language + sum(decoders.values()) + self.most + rest,
            "decoders": encoder + language + max(reading, drawing) + rest,
            "tiers": max(encoder, language + reading, drawing) + rest,
        } | {f"tiers-{number}": max(encoder, size + reading, drawing) + rest for number, size in self.rounded.items()}

    @property
    def most(self) -> int:
        """What is computed in at the worst moment."""
        return max(self.computing.values(), default=0)


def choose(wanted: Need, room: float) -> str | None:
    """The fastest way that takes at most `room` bytes; None if there is none."""
    return next((way for way, peak in wanted.peaks().items() if peak <= room), None)


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
    return Need(
        {name: size for name, size in sizes.items() if size},
        {
            "language model": _reading(checkpoint) * BYTES[precision],
            **{
                f"{kind} decoder": round(checkpoint.decoding[kind].memory * 10**9 / 2 * BYTES[precision])
                for kind in checkpoint.made
            },
        },
        _cache(checkpoint) * BYTES[precision],
        {number: _rounded(checkpoint, precision, weight, scale) for number, (weight, scale) in ROUNDED.items()},
    )


def machine_memory() -> int:
    """Bytes of main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def parameters(folder: Path) -> int:
    """Values in all files of weights below `folder`."""
    return sum(_parameters_in(path) for path in folder.rglob("*.safetensors"))


def _parameters_in(path: Path) -> int:
    return sum(map(math.prod, _shapes(path).values()))


def _shapes(path: Path) -> dict[str, list[int]]:
    """Of the tensors in a file, by its header: eight bytes of length, and JSON. Raises `SetupError` for a file that has none."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, path.stat().st_size)))
    except (OSError, ValueError, struct.error) as error:
        raise SetupError(f"The weights in {path} cannot be read: {error}. Get the file again.") from error
    return {name: tensor["shape"] for name, tensor in header.items() if not name.startswith(UNREAD)}


def _rounded(checkpoint: Checkpoint, precision: str, weight: float, scale: int | None) -> int:
    """Bytes of the language model with `weight` bytes for each weight of its layers, and a scale for each of their rows (None), or for as many weights
    as `scale` says; the rest stays as it is."""
    total = 0
    for path in checkpoint.part("llm").rglob("*.safetensors"):
        for name, shape in _shapes(path).items():
            layer = len(shape) == 2 and ".layers." in name and not any(part in name for part in UNROUNDED)
            scales = shape[0] * BYTES[precision] if scale is None else 4 * math.prod(shape) // scale
            total += int(math.prod(shape) * weight) + scales if layer else math.prod(shape) * BYTES[precision]
    return total


def _config(checkpoint: Checkpoint) -> dict[str, Any]:
    """Of the language model."""
    config: dict[str, Any] = json.loads((checkpoint.part("llm") / "config.json").read_text(encoding="utf-8"))
    for inner in ("thinker_config", "text_config"):  # of an omni model
        config = config.get(inner, config)
    return config


def _reading(checkpoint: Checkpoint) -> int:
    """Values that are alive at once while the longest conversation is read: in a layer's feed-forward part its three inner tensors, and four outer
    ones. A Llama 7B at 2,048 positions and a Qwen2.5 7B at 8,192 take within a tenth of it."""
    config = _config(checkpoint)
    return checkpoint.context * (3 * int(config["intermediate_size"]) + 4 * int(config["hidden_size"]))


def _cache(checkpoint: Checkpoint) -> int:
    """Values of keys and values for the longest conversation."""
    config = _config(checkpoint)
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    return 2 * int(config["num_hidden_layers"]) * int(config.get("num_key_value_heads") or heads) * int(width) * checkpoint.context
