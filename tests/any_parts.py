"""Checkpoints put together from small parts with random weights, as somebody would put them together from the hub's."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.encode.imagebind import ImageBind, ImageBindConfig, Trunk
from nextgpt_chat.encode.input_projection import LinearProjection
from nextgpt_chat.generate.output_projection import OutputProjection
from tests.conftest import CHECKPOINT
from tests.small_language_models import SIZES, save_language_model, save_omni
from tests.small_pipelines import save

DECODING = {
    "image": {"steps": 2, "max_steps": 4, "guidance": 3.0, "max_guidance": 5.0, "size": 32},
    "video": {"steps": 2, "max_steps": 4, "guidance": 3.0, "max_guidance": 5.0, "size": 32, "frames": 9, "frame_rate": 8},
    "audio": {"steps": 2, "max_steps": 4, "guidance": 3.0, "max_guidance": 5.0, "seconds": 1.0},
}
PROJECTION = {"hidden": 16, "layers": 1, "heads": 2}


def lively(made: Checkpoint) -> Checkpoint:
    """The same with weights of the language model so large that what stands before a word makes a difference."""
    language = AutoModelForCausalLM.from_pretrained(made.part("llm"))
    torch.manual_seed(2)
    for parameter in language.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=2 * parameter.shape[-1] ** -0.5)
    language.save_pretrained(made.part("llm"))
    return made


def put_together(folder: Path, family: str, decoders: dict[str, str], **described: Any) -> Checkpoint:
    """A checkpoint with that family of language models and those pipelines by kind of medium, all driven by captions unless `described` otherwise."""
    folder.mkdir(parents=True)
    signals = described.get("signals", {})
    tokens = tuple(f"[{signal['prefix']}{i}]" for signal in signals.values() for i in range(signal["count"]))
    if family.startswith("omni"):
        save_omni(folder / "llm", whole=family == "omni whole")
        described = {"input_projection": "own", "inputs": ["text", "image", "audio"], **described}
    else:
        save_language_model(family, folder / "llm", tokens)
    for kind, name in decoders.items():
        if name == "tinyland":
            (folder / f"{kind}_decoder").symlink_to(CHECKPOINT / f"{kind}_decoder")
        else:
            save(name, folder / f"{kind}_decoder")
    torch.manual_seed(9)
    if "input_tokens" in described:
        encoder = ImageBind(ImageBindConfig(embedding=16, image_size=32, stem=(8, 16), trunks={"vision": Trunk(16, 1, 2)}))
        encoder.save_pretrained(folder / "imagebind")
        save_file(LinearProjection(16, SIZES["hidden_size"]).state_dict(), folder / "input_projection.safetensors")
    if signals:
        projections = torch.nn.ModuleDict(
            {
                kind: OutputProjection(SIZES["hidden_size"], queries=signal["queries"], width=signal["width"], **PROJECTION)
                for kind, signal in signals.items()
            }
        )
        save_file(projections.state_dict(), folder / "output_projections.safetensors")
    description = {
        "format": 1,
        "name": folder.name,
        "title": "Any parts",
        "knows": "Nothing: its weights are random.",
        "inputs": ["text"],
        "outputs": ["text", *decoders],
        "context": 2048,
        "prompt": "chat",
        "captions": [kind for kind in decoders if kind not in signals],
        "decoding": {kind: DECODING[kind] for kind in decoders},
        **({"projection": PROJECTION} if signals else {}),
        **described,
    }
    (folder / "nextgpt.json").write_text(json.dumps(description), encoding="utf-8")
    return read_checkpoint(folder)


def header_alone(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """A file of weights that names tensors and holds none of their values."""
    named = {name: {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [0, 0]} for name, tensor in tensors.items()}
    header = json.dumps({"__metadata__": {"format": "pt"}, **named}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def values(path: Path) -> int:
    """How many there are in a file of weights."""
    return sum(tensor.numel() for tensor in load_file(path).values())
