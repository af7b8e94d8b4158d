"""The published checkpoint of NExT-GPT (`ChocoWu/nextgpt_7b_tiva_v0`), checked: its names, its shapes, its tokens, and the model it was trained on.

What is there: input and output projections, the whole embedding table and head of the language model, and a LoRA, but not after the first two stages
of the published training. What is not: the layers of Vicuna-7B v0, on which all of it depends. A wrong base has the same names and shapes and talks
nonsense, so it is told by its embeddings.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig, PretrainedConfig

from nextgpt_chat.encode.input_projection import LinearProjection
from nextgpt_chat.errors import InputError
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.reason.signal_tokens import WRAPPERS, signal_names
from nextgpt_chat.weights import mistakes, read_weights

WEIGHTS, TOKENS = "pytorch_model.pt", "added_tokens.json"
ACCEPTED = "the file pytorch_model.pt of ChocoWu/nextgpt_7b_tiva_v0"
PREFIXES = {"image": "IMG", "video": "VID", "audio": "AUD"}
PROJECTIONS = {
    "image": "gen_text_hidden_fcs.0.",
    "video": "gen_text_hidden_fcs_video.0.",
    "audio": "gen_text_hidden_fcs_audio.0.",
}
"""Beginnings of the names of the output projections."""
RENAMED = {"in_fc.": "fc.", "out_fc.": "model."}
"""Beginnings of names in an output projection: ours, and the published ones."""
HEADS = 4
"""Of an output projection's attention; no weight tells."""
ALIAS = "input_embeddings.weight"
"""A second name of the embedding table, which a saved model may list."""
LAYER = "llama_model.base_model.model.model.layers.{}.self_attn.{}_proj.lora_{}.default.weight"
EMBEDDINGS = ("llama_model.base_model.model.model.embed_tokens.weight", "llama_model.model.embed_tokens.weight")
HEAD = ("llama_model.base_model.model.lm_head.weight", "llama_model.lm_head.weight")
"""With a LoRA, and as the first two stages of the published training write them, which have none."""
ATTENTION = ("q", "k", "v", "o")
ADVICE = {
    False: "Make Vicuna-7B v0 from its delta weights (lmsys/vicuna-7b-delta-v0).",
    True: "Take the model that it was trained on; in the authors' scripts that is lmsys/vicuna-7b-v1.5.",
}
"""Where the right base is, for the older layout and for the newer one."""
ALIKE = 0.5
"""Least median cosine between a token's embedding in the base and in the checkpoint. Most tokens hardly move in training, so of the right base it is
near 1; embeddings of models that were trained apart have nothing to do with each other: it is near 0."""


@dataclass(frozen=True)
class Published:
    """What was read, under the names of this project."""

    added: dict[str, int]
    """Tokens behind the base's own, and their ids."""
    base: PretrainedConfig
    embeddings: Tensor
    head: Tensor
    lora: dict[str, Tensor]
    """As PEFT names them; empty if there is none."""
    rank: int
    input_projection: dict[str, Tensor]
    output_projections: dict[str, Tensor]
    signals: dict[str, dict[str, int | str]]
    """As `Checkpoint.signals`."""
    projection: dict[str, int]
    """As `Checkpoint.projection`."""
    alpha: int
    """Of the LoRA, whose scale is this over the rank."""
    targets: tuple[str, ...]
    """Linear layers that the LoRA changes."""
    newer: bool
    """Whether the layout is that of the later code, on Vicuna-7B v1.5."""


def read_published(folder: Path, base: Path) -> Published:
    """Reads and checks the checkpoint in `folder`, for the language model in `base`; that one's weights are not read, but for its embeddings.

    Raises `InputError` for a file that is missing or not the published one, for names and shapes that do not fit, and for another base.
    """
    added = added_tokens(folder / TOKENS, set(WRAPPERS["image"]))
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"There is no {WEIGHTS} in '{folder}'. Accepted is a folder with all files of ChocoWu/nextgpt_7b_tiva_v0.")
    found = read_weights(folder / WEIGHTS, ACCEPTED)
    found.pop(ALIAS, None)
    config = base_config(base)
    counts = signal_counts(added, PREFIXES, folder / TOKENS)
    expected, shape = expected_shapes(found, config)
    if wrong := mistakes(found, expected):
        raise InputError(f"'{folder / WEIGHTS}' does not fit {config.model_type} in '{base}': {wrong}. Accepted is {ACCEPTED}.")
    projections, tuned = output_projections(found, PROJECTIONS, _own), has_lora(found)
    return Published(
        added=added,
        base=config,
        embeddings=found[EMBEDDINGS[not tuned]],
        head=found[HEAD[not tuned]],
        lora={
            name.removeprefix("llama_model.").replace(".default.", "."): tensor
            for name, tensor in found.items()
            if ".lora_" in name
        },
        rank=shape["rank"],
        alpha=shape["rank"],
        targets=tuple(f"{which}_proj" for which in ATTENTION if tuned),
        newer=False,
        input_projection={name: tensor for name, tensor in found.items() if name.startswith("llama_proj.")},
        output_projections=projections,
        signals=signals_of(projections, PREFIXES, counts),
        projection={"hidden": shape["hidden"], "layers": shape["layers"], "heads": HEADS},
    )


def check_base(published: Published, embeddings: Tensor) -> None:
    """Raises `InputError` unless `embeddings` [V, H], those of the base, are the ones from which the published ones were trained."""
    own = min(published.added.values())
    if len(embeddings) <= own and not published.newer:
        raise InputError(
            f"The base has {len(embeddings):,} embeddings. Vicuna-7B v0 has one more than the {own:,} tokens of its tokenizer, for filling up; "
            "LLaMA and Vicuna from v1.1 on have not. Make v0 from its delta weights (lmsys/vicuna-7b-delta-v0) and try again."
        )
    alike = torch.cosine_similarity(embeddings[:own].float(), published.embeddings[:own].float(), dim=-1).median().item()
    if alike < ALIKE:
        raise InputError(
            f"The base is another model than the one that NExT-GPT was trained on: embeddings of the same tokens have a cosine of {alike:.2f}, "
            f"at least {ALIKE} is accepted. With it the model would talk nonsense. {ADVICE[published.newer]}"
        )


def has_lora(found: Mapping[str, Tensor]) -> bool:
    """Whether there must be a LoRA: always, but beside the names of the first two stages."""
    return EMBEDDINGS[1] not in found


def expected_shapes(found: dict[str, Tensor], config: PretrainedConfig) -> tuple[dict[str, torch.Size], dict[str, int]]:
    """The shapes of all that must be there, by published name, and the sizes that only the file itself knows (1 for one that it does not name)."""
    size = partial(size_in, found)
    tuned = has_lora(found)
    embeddings, head = EMBEDDINGS[not tuned], HEAD[not tuned]
    hidden, vocabulary = config.hidden_size, size(embeddings, 0)
    rank, inner = size(LAYER.format(0, "q", "A"), 0) if tuned else 0, size(f"{PROJECTIONS['image']}fc.bias", 0)
    layers = layers_in(found)
    with torch.device("meta"):
        linear = LinearProjection(size("llama_proj.weight", 1), hidden).state_dict()
        projections = {
            prefix: OutputProjection(
                hidden, inner, layers, HEADS, size(f"{prefix}query_embs", 1), size(f"{prefix}model.bias", 0)
            ).state_dict()
            for prefix in PROJECTIONS.values()
        }
    expected = {name: tensor.shape for name, tensor in linear.items()}
    expected |= {
        f"{prefix}{_theirs(name)}": tensor.shape for prefix, state in projections.items() for name, tensor in state.items()
    }
    expected |= dict.fromkeys((embeddings, head), torch.Size((vocabulary, hidden)))
    for layer in range(config.num_hidden_layers if tuned else 0):
        for which in ATTENTION:
            expected[LAYER.format(layer, which, "A")] = torch.Size((rank, hidden))
            expected[LAYER.format(layer, which, "B")] = torch.Size((hidden, rank))
    return expected, {"hidden": inner, "layers": layers, "rank": rank}


def _theirs(name: str) -> str:
    return next((name.replace(own, theirs, 1) for own, theirs in RENAMED.items() if name.startswith(own)), name)


def _own(name: str) -> str:
    return next((name.replace(theirs, own, 1) for own, theirs in RENAMED.items() if name.startswith(theirs)), name)


def signal_counts(added: Mapping[str, int], prefixes: Mapping[str, str], path: Path) -> dict[str, int]:
    """How many signal tokens each kind has in the file at `path`. Raises `InputError` for one that has none, and for a run with a gap."""
    counts = {}
    for kind, prefix in prefixes.items():
        beginning = prefix if prefix.startswith("<") else f"[{prefix}"
        counts[kind] = sum(token.startswith(beginning) for token in added)
        run = signal_names(prefix, max(counts[kind], 1))
        if missing := [name for name in run if name not in added]:
            raise InputError(f"'{path}' has no complete run of signal tokens {run[0]}, ...: {', '.join(missing)} is missing.")
    return counts


def size_in(found: Mapping[str, Tensor], name: str, axis: int) -> int:
    """The size of a tensor along an axis; 1 for one that is not there or has no such axis, so that its shape is refused later."""
    tensor = found.get(name)
    return tensor.shape[axis] if tensor is not None and tensor.dim() > axis else 1


def layers_in(found: Iterable[str]) -> int:
    """How many layers the encoder of an output projection has, by the names of its weights."""
    return 1 + max((int(n[1]) for name in found if (n := re.search(r"tfm\.encoder\.layers\.(\d+)\.", name))), default=0)


def output_projections(found: Mapping[str, Tensor], beginnings: Mapping[str, str], own: Callable[[str], str]) -> dict[str, Tensor]:
    """Those of all kinds under our names; `beginnings` gives by kind what their names begin with, `own` turns the rest into ours."""
    return {
        f"{kind}.{own(name.removeprefix(beginning))}": tensor
        for kind, beginning in beginnings.items()
        for name, tensor in found.items()
        if name.startswith(beginning)
    }


def signals_of(
    projections: Mapping[str, Tensor], prefixes: Mapping[str, str], counts: Mapping[str, int]
) -> dict[str, dict[str, int | str]]:
    """As `Checkpoint.signals`; what the tokens do not say is read from the output projections, which have our names."""
    return {
        kind: {
            "prefix": prefix,
            "count": counts[kind],
            "queries": projections[f"{kind}.query_embs"].shape[1],
            "width": len(projections[f"{kind}.out_fc.bias"]),
        }
        for kind, prefix in prefixes.items()
    }


def added_tokens(path: Path, needed: set[str]) -> dict[str, int]:
    """The tokens behind the base's own, and their ids. Raises `InputError` if the file cannot be read or lacks one that is `needed`."""
    try:
        added = {str(token): int(number) for token, number in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"'{path}' cannot be read. Accepted is the file of ChocoWu/nextgpt_7b_tiva_v0.") from error
    numbers = sorted(added.values())
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))) or not needed <= set(added):
        raise InputError(f"'{path}' has not the tokens of NExT-GPT, as {', '.join(sorted(needed))}, with ids in a row.")
    return added


def base_config(base: Path) -> PretrainedConfig:
    """The description of the base. Raises `InputError` if there is none, or none of a Llama."""
    try:
        config = AutoConfig.from_pretrained(base, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(
            f"There is no language model in '{base}'. Accepted is a folder of Vicuna-7B v0 with config.json and weights."
        ) from error
    if config.model_type != "llama":
        raise InputError(f"The model in '{base}' is of the kind '{config.model_type}'. Accepted is Vicuna-7B v0, a Llama.")
    return config
