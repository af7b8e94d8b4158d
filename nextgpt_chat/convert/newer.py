"""A checkpoint in the layout of NExT-GPT's later code, of which no weights were published: for people who trained with it.

Projections, embedding table and head lie in `mm_input_projector.bin` and `mm_output_projector.bin`, or all in `non_lora_trainables.bin`; the LoRA beside
them as PEFT writes it; the tokens in `added_tokens.json`. What is not there are the layers of Vicuna-7B v1.5.
"""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import PretrainedConfig

from nextgpt_chat.convert.official import (
    HEADS,
    TOKENS,
    Published,
    added_tokens,
    base_config,
    layers_in,
    output_projections,
    signal_counts,
    signals_of,
    size_in,
)
from nextgpt_chat.encode.grouping_projection import GroupingProjection
from nextgpt_chat.errors import InputError
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.reason.signal_tokens import signal_names
from nextgpt_chat.weights import mistakes, read_weights

FILES = ("mm_input_projector.bin", "mm_output_projector.bin", "non_lora_trainables.bin")
ADAPTER = ("adapter_model.safetensors", "adapter_model.bin")
ACCEPTED = f"a folder of the later NExT-GPT code with {', '.join(FILES)}"
PREFIXES = {"image": "<image_", "video": "<video_", "audio": "<audio_"}
PROJECTIONS = {"image": "mm_output_img_projector.", "video": "mm_output_vid_projector.", "audio": "mm_output_aud_projector."}
"""Beginnings of the names of the output projections."""
GROUPING = "mm_input_projector."
RENAMED = (
    (re.compile(r"^stages\.(\d+)\.layers\.(\d+)\.layer_norm"), r"layers.\1.blocks.\2.norm"),
    (re.compile(r"^stages\.(\d+)\.layers\.(\d+)\.self_attn\.out_proj"), r"layers.\1.blocks.\2.attn.proj"),
    (re.compile(r"^stages\.(\d+)\.layers\.(\d+)\."), r"layers.\1.blocks.\2."),
    (re.compile(r"^stages\.(\d+)\.downsample\.pre_assign_attn\.attn\.out_proj"), r"layers.\1.downsample.pre_assign_attn.attn.proj"),
    (re.compile(r"^stages\."), "layers."),
)
"""Names in our grouping projection, as those of Transformers, and how they are written there."""
PARTS = re.compile(r"^stages\.(\d+)\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)$")
"""Those that stand there as one tensor; without a bias."""


def is_newer(folder: Path) -> bool:
    """Whether a folder has the later layout."""
    return any((folder / name).is_file() for name in FILES)


def read_newer(folder: Path, base: Path) -> Published:
    """Reads and checks the checkpoint in `folder`, for the language model in `base`; that one's weights are not read, but for its embeddings.

    Raises `InputError` for a file that is missing, for names and shapes that do not fit, and for projections of another kind than those that group.
    """
    added = added_tokens(folder / TOKENS, {name for prefix in PREFIXES.values() for name in signal_names(prefix, 1)})
    counts = signal_counts(added, PREFIXES, folder / TOKENS)
    found: dict[str, Tensor] = {}
    for name in FILES:
        if (folder / name).is_file():
            found |= {_stripped(key): tensor for key, tensor in read_weights(folder / name, ACCEPTED).items()}
    config = base_config(base)
    if f"{GROUPING}in_fc.weight" not in found:
        raise InputError(
            f"The input projection in '{folder}' is none that groups. Accepted is {ACCEPTED}, trained with the projector 'group'."
        )
    lora, adapter = _adapter(folder)
    expected, shape = expected_shapes(found, config, adapter)
    if wrong := mistakes(found | lora, expected):
        raise InputError(f"The weights in '{folder}' do not fit {config.model_type} in '{base}': {wrong}. Accepted is {ACCEPTED}.")
    projections = output_projections(found, PROJECTIONS, lambda name: name)
    return Published(
        added=added,
        base=config,
        embeddings=found["embed_tokens.weight"],
        head=found["lm_head.weight"],
        lora=lora,
        rank=int(adapter.get("r", 0)),
        alpha=int(adapter.get("lora_alpha", 0)),
        targets=tuple(sorted(adapter.get("target_modules", ()))),
        input_projection=_grouping(found, shape["embedding"], config.hidden_size, shape["width"]),
        output_projections=projections,
        signals=signals_of(projections, PREFIXES, counts),
        projection={"hidden": shape["hidden"], "layers": shape["layers"], "heads": HEADS},
        newer=True,
    )


def _stripped(name: str) -> str:
    """A name without what wrappers put before it."""
    while name.startswith(("base_model.", "model.")):
        name = name.split(".", 1)[1]
    return name


def _adapter(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The LoRA and its description; empty if there is none, as after the first two stages."""
    described, weights = (
        folder / "adapter_config.json",
        next((folder / name for name in ADAPTER if (folder / name).is_file()), None),
    )
    if weights is None:
        return {}, {}
    try:
        adapter: dict[str, Any] = json.loads(described.read_text(encoding="utf-8"))
        targets = adapter["target_modules"]
        if not isinstance(adapter["r"], int) or not isinstance(adapter["lora_alpha"], int) or not isinstance(targets, list):
            raise ValueError("r, lora_alpha or target_modules are not as PEFT writes them")
    except (OSError, ValueError, LookupError) as error:
        raise InputError(f"'{described}' cannot be read: {error}. Accepted is what PEFT writes beside a LoRA.") from error
    read = load_file(weights) if weights.suffix == ".safetensors" else read_weights(weights, ACCEPTED)
    return dict(read), adapter


def expected_shapes(
    found: dict[str, Tensor], config: PretrainedConfig, adapter: dict[str, Any]
) -> tuple[dict[str, torch.Size], dict[str, int]]:
    """The shapes of all that must be there, and the sizes that only the files know (1 for one that they do not name)."""
    size = partial(size_in, found)
    hidden = config.hidden_size
    width, embedding = size(f"{GROUPING}norm.weight", 0), size(f"{GROUPING}in_fc.weight", 1)
    inner = size(f"{PROJECTIONS['image']}in_fc.bias", 0)
    layers = layers_in(found)
    expected = dict.fromkeys(("embed_tokens.weight", "lm_head.weight"), torch.Size((size("embed_tokens.weight", 0), hidden)))
    with torch.device("meta"):
        for prefix in PROJECTIONS.values():
            shape = (hidden, inner, layers, HEADS, size(f"{prefix}query_embs", 1), size(f"{prefix}out_fc.bias", 0))
            expected |= {f"{prefix}{name}": tensor.shape for name, tensor in OutputProjection(*shape).state_dict().items()}
        ours = GroupingProjection(embedding, hidden, width).state_dict() if width % 8 == 0 else {}
    for name, tensor in ours.items():
        part = PARTS.match(name)
        if part is None:
            expected[GROUPING + _theirs(name)] = tensor.shape
        elif part[4] == "weight":
            expected[f"{GROUPING}layers.{part[1]}.blocks.{part[2]}.attn.qkv.weight"] = torch.Size((3 * width, width))
    return expected | _lora_shapes(config, adapter), {"width": width, "embedding": embedding, "hidden": inner, "layers": layers}


def _lora_shapes(config: PretrainedConfig, adapter: dict[str, Any]) -> dict[str, torch.Size]:
    """Of all layers that the adapter names."""
    hidden, inner, rank = config.hidden_size, config.intermediate_size, adapter.get("r", 0)
    keys = config.num_key_value_heads * (hidden // config.num_attention_heads)
    sizes = {
        "self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (keys, hidden), "self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden), "mlp.down_proj": (hidden, inner),
    }  # fmt: skip
    shapes: dict[str, torch.Size] = {}
    for layer in range(config.num_hidden_layers):
        for name, (out, into) in sizes.items():
            if name.rsplit(".", 1)[1] in adapter.get("target_modules", ()):
                beginning = f"base_model.model.model.layers.{layer}.{name}.lora_"
                shapes |= {f"{beginning}A.weight": torch.Size((rank, into)), f"{beginning}B.weight": torch.Size((out, rank))}
    return shapes


def _theirs(name: str) -> str:
    for pattern, written in RENAMED:
        if pattern.match(name):
            return pattern.sub(written, name)
    return name


def _grouping(found: dict[str, Tensor], embedding: int, hidden: int, width: int) -> dict[str, Tensor]:
    """The grouping projection under our names."""
    with torch.device("meta"):
        names = GroupingProjection(embedding, hidden, width).state_dict()
    ours = {}
    for name in names:
        part = PARTS.match(name)
        if part is None:
            ours[name] = found[GROUPING + _theirs(name)]
        else:
            together = found[f"{GROUPING}layers.{part[1]}.blocks.{part[2]}.attn.qkv.weight"]
            mine = together.chunk(3)["qkv".index(part[3])]
            ours[name] = mine if part[4] == "weight" else torch.zeros(width, dtype=mine.dtype)
    return ours
