"""How much memory a model takes, from the headers of its files of weights; nothing is loaded."""

import json
import math
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextgpt_chat.checkpoint import THE_PAPERS, Checkpoint, pipeline_class, required_files
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
    "spread": "all at once, on several of them",
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


DIVIDED = 1.2
"""Times its size that must be free for a language model that is divided: a layer is on one GPU as a whole."""


@dataclass(frozen=True)
class Need:
    """Bytes of the parts of a model."""

    parts: dict[str, int]
    turns: dict[str, int]
    """Of decoders whose own parts can take turns: the largest of them, with what it computes in."""
    computing: dict[str, int]
    """What language model and decoders take beside their weights while they work, by part."""
    cache: int
    """Keys and values of a conversation that is as long as can be."""
    rounded: dict[str, int]
    """The language model with its layers in 8 bits (`int8`) and in 4 bits (`int4`)."""

    def peaks(self) -> dict[str, int]:
        """Bytes of the GPU that are used at most, by way, with room to compute."""
        decoders = {name: size for name, size in self.parts.items() if name.endswith(" decoder")}
        whole = {name: size + self.computing.get(name, 0) for name, size in decoders.items()}
        drawing, in_turns = (max(sizes.values(), default=0) for sizes in (whole, whole | self.turns))
        language, reading = self.parts["language model"], self.computing.get("language model", 0)
        encoder, rest = self.parts.get("encoder", 0), self.parts.get("projections", 0) + self.cache + HEADROOM
        return {
            "whole": encoder + language + sum(decoders.values()) + self.most + rest,
            "decoders": encoder + language + max(reading, drawing) + rest,
            "tiers": max(encoder, language + reading, in_turns) + rest,
        } | {f"tiers-{number}": max(encoder, size + reading, in_turns) + rest for number, size in self.rounded.items()}

    @property
    def most(self) -> int:
        """What is computed in at the worst moment."""
        return max(self.computing.values(), default=0)


def choose(wanted: Need, rooms: Sequence[float]) -> str | None:
    """The fastest way for one or several GPUs of which these bytes can be used; None if there is none."""
    for way in WAYS:
        if spread(wanted, rooms) if way == "spread" else wanted.peaks()[way] <= max(rooms):
            return way
    return None


def spread(wanted: Need, rooms: Sequence[float]) -> list[dict[str, float]] | None:
    """All parts at once on several GPUs of which `rooms` bytes can be used: of each, the parts on it and the bytes that their weights may take.

    The larger a part, the earlier it gets its place, which is where most is left. Where the language model is too large for any, it is divided among
    what the others leave. None if there is one GPU alone, or no room.
    """
    if len(rooms) == 1:
        return None
    sizes = {name: size + wanted.computing.get(name, 0) for name, size in wanted.parts.items() if name != "projections"}
    sizes["language model"] += wanted.parts.get("projections", 0) + wanted.cache
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)
    for placed in (largest, [name for name in largest if name != "language model"]):
        left, shared = [room - HEADROOM for room in rooms], [dict[str, float]() for _ in rooms]
        for name in placed:
            most = left.index(max(left))
            left[most] -= sizes[name]
            shared[most][name] = wanted.parts[name]
        if min(left) >= 0 and placed == largest:
            return shared
        if min(left) >= 0 and (weights := _divide(wanted, left)):
            for parts, size in zip(shared, weights, strict=True):
                parts |= {"language model": size} if size else {}
            return shared
    return None


def _divide(wanted: Need, left: Sequence[float]) -> list[float] | None:
    """Bytes of the language model's weights for each of several GPUs of which `left` bytes are left, in proportion; beside them is room to compute in,
    for their share of the cache, and for the projections. None if that is too little."""
    weights = wanted.parts["language model"]
    beside = wanted.computing.get("language model", 0) + wanted.parts.get("projections", 0)
    rooms = [max(0.0, room - beside) * weights / (weights + wanted.cache) for room in left]
    if sum(rooms) < DIVIDED * weights:
        return None
    return [DIVIDED * weights * room / sum(rooms) for room in rooms]


def need(checkpoint: Checkpoint, precision: str) -> Need:
    """What the weights of `checkpoint` take when its frozen parts are computed in `precision`.

    The LoRA is merged into the language model, so it takes nothing, and projections are float32.
    """
    folders = {
        "encoder": "imagebind",
        "language model": "llm",
        **{f"{kind} decoder": f"{kind}_decoder" for kind in checkpoint.made},
    }
    counted = {path: parameters_in(checkpoint.part(path)) for path in weights_of(checkpoint)}
    sizes = {
        name: sum(count for path, count in counted.items() if path.startswith(f"{folder}/")) * BYTES[precision]
        for name, folder in folders.items()
    }
    sizes["projections"] = sum(count for path, count in counted.items() if "/" not in path) * BYTES["float32"]
    drawing = {
        f"{kind} decoder": round(checkpoint.decoding[kind].memory * 10**9 / 2 * BYTES[precision]) for kind in checkpoint.made
    }
    return Need(
        {name: size for name, size in sizes.items() if size},
        {
            f"{kind} decoder": _in_turns(counted, f"{kind}_decoder/", BYTES[precision], drawing[f"{kind} decoder"])
            for kind in checkpoint.made
            if pipeline_class(checkpoint.part(f"{kind}_decoder")) != THE_PAPERS[kind]
        },
        {"language model": _reading(checkpoint) * BYTES[precision], **drawing},
        _cache(checkpoint) * BYTES[precision],
        {number: _rounded(checkpoint, precision, weight, scale) for number, (weight, scale) in ROUNDED.items()},
    )


def _in_turns(counted: dict[str, int], folder: str, width: int, drawing: int) -> int:
    """The largest part of a pipeline: one that reads a caption, or another one with what it computes in."""
    sizes: dict[str, int] = {}
    for path, count in counted.items():
        if path.startswith(folder):
            part = path.removeprefix(folder).split("/")[0]
            sizes[part] = sizes.get(part, 0) + count * width
    return max((size + (0 if part.startswith("text_encoder") else drawing) for part, size in sizes.items()), default=0)


def machine_memory() -> int:
    """Bytes of main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def weights_of(checkpoint: Checkpoint) -> list[str]:
    """The files of weights that are loaded, relative to the folder; what lies beside them, as in another precision, is not."""
    return [path for path in required_files(checkpoint) if path.endswith(".safetensors")]


def parameters_in(path: Path) -> int:
    """Values in a file of weights. Raises `SetupError` for one that cannot be read, or is not whole."""
    return sum(map(math.prod, _shapes(path).values()))


def _shapes(path: Path) -> dict[str, list[int]]:
    """Of the tensors in a file, by its header: eight bytes of length, and JSON. Raises `SetupError` for a file that has none, or less than it says."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            size = path.stat().st_size
            header = json.loads(file.read(min(length, size)))
        said = 8 + length + max((tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"), default=0)
    except (OSError, ValueError, struct.error, LookupError, AttributeError, TypeError) as error:
        raise SetupError(f"The weights in {path} cannot be read: {error}. Get the file again.") from error
    if size != said:
        raise SetupError(f"The weights in {path} are not whole: {size:,} bytes of {said:,} are here. Get the file again.")
    return {name: tensor["shape"] for name, tensor in header.items() if not name.startswith(UNREAD)}


def _rounded(checkpoint: Checkpoint, precision: str, weight: float, scale: int | None) -> int:
    """Bytes of the language model with `weight` bytes for each weight of its layers, and a scale for each of their rows (None), or for as many weights
    as `scale` says; the rest stays as it is."""
    total = 0
    for path in weights_of(checkpoint):
        for name, shape in _shapes(checkpoint.part(path)).items() if path.startswith("llm/") else ():
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
