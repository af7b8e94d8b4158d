"""The published checkpoint and the models that it stands on, as one folder of this project."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, EulerDiscreteScheduler
from peft import LoraConfig
from safetensors.torch import save_file
from tokenizers import AddedToken
from torch import Tensor
from transformers import LlamaForCausalLM, LlamaTokenizer

from nextgpt_chat.checkpoint import FILE_NAME, THE_PAPERS, Checkpoint, pipeline_class, read_checkpoint
from nextgpt_chat.convert.newer import ADAPTER, FILES, is_newer, read_newer
from nextgpt_chat.convert.official import WEIGHTS, Published, check_base, read_published
from nextgpt_chat.disk import check_room
from nextgpt_chat.encode.imagebind import ImageBind, ImageBindConfig
from nextgpt_chat.encode.published_imagebind import IMAGEBIND_HUGE, from_published
from nextgpt_chat.errors import InputError, SetupError
from nextgpt_chat.presets.preset import Source
from nextgpt_chat.weights import mistakes

Report = Callable[[str], None]
"""Told what is written."""
DECODING: dict[str, dict[str, Any]] = {
    "image": {"steps": 50, "max_steps": 100, "guidance": 7.5, "max_guidance": 20.0, "memory": 0.4},
    "video": {
        "steps": 50,
        "max_steps": 100,
        "guidance": 7.5,
        "max_guidance": 20.0,
        "size": 320,
        "width": 576,
        "frames": 24,
        "min_frames": 16,
        "max_frames": 32,
        "frame_rate": 8,
        "memory": 3.9,
    },
    "audio": {
        "steps": 50,
        "max_steps": 100,
        "guidance": 7.5,
        "max_guidance": 20.0,
        "seconds": 9.0,
        "min_seconds": 1.0,
        "max_seconds": 9.0,
        "unit_prompt": False,
        "memory": 0.1,
    },
}
"""The defaults of the published demo. Pictures are as large as their decoder was trained for."""
LATER: dict[str, dict[str, Any]] = {"image": {"memory": 0.9}, "video": {"frames": 16}, "audio": {"seconds": 5.0}}
"""What is otherwise in the later code; the memory is that of pictures of 768 by 768."""
LARGEST_FILE = "40GB"
"""The language model stays in one file."""


@dataclass(frozen=True)
class Sources:
    """Where the parts lie."""

    official: Path
    """Folder of `ChocoWu/nextgpt_7b_tiva_v0`."""
    base: Path
    """Folder of Vicuna-7B v0, or of the LLaMA-7B from which it is made."""
    imagebind: Path
    """`imagebind_huge.pth`."""
    decoders: dict[str, Path]
    """Folders of Stable Diffusion 1.5, Zeroscope v2 576w and AudioLDM-L-full, by kind of medium."""
    delta: Path | None = None
    """Folder of Vicuna's delta weights, if `base` is LLaMA-7B, to which they are added."""
    published_imagebind: Source | None = None
    """What `imagebind` must be; without it, any that fits is taken."""


def convert(sources: Sources, out: Path, report: Report, encoder: ImageBindConfig = IMAGEBIND_HUGE) -> Checkpoint:
    """Writes the folder `out`, which must not be there, and returns its description. Nothing is left there if it cannot be finished.

    Raises `InputError` for parts that are not what they should be, and `SetupError` where the disk is too small or a decoder is not there; all that can
    be told without reading everything is told first.
    """
    if out.exists():
        raise InputError(f"'{out}' is there already. Choose another folder with --out.")
    if not sources.official.is_dir():
        raise InputError(f"There is no folder '{sources.official}'. Accepted is one with all files of ChocoWu/nextgpt_7b_tiva_v0.")
    read = read_newer if is_newer(sources.official) else read_published
    published = read(sources.official, sources.base)
    for kind, folder in sources.decoders.items():
        if (named := pipeline_class(folder)) != THE_PAPERS[kind]:
            raise InputError(f"The pipeline in '{folder}' is a {named}. For {kind}s a {THE_PAPERS[kind]} is accepted.")
    imagebind = _imagebind(published, sources, encoder)
    most = _most_bytes(sources)
    check_room(
        f"At most {most / 10**9:.1f} GB are to be written", {out.parent: most}, "Free some, or choose another folder with --out."
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as name:
        folder = Path(name) / out.name
        folder.mkdir()
        report("language model")
        _language_model(published, sources, folder)
        report("projections")
        save_file(_kept(published.input_projection), folder / "input_projection.safetensors")
        save_file(_kept(published.output_projections), folder / "output_projections.safetensors")
        report("encoder")
        imagebind.save_pretrained(folder / "imagebind")
        description = _description(published, out.name)
        for kind, source in sources.decoders.items():
            report(f"decoder of {kind}s")
            description["decoding"][kind] |= _decoder(kind, source, published, folder / f"{kind}_decoder")
        (folder / FILE_NAME).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        read_checkpoint(folder)
        shutil.move(folder, out)
    return read_checkpoint(out)


def _imagebind(published: Published, sources: Sources, encoder: ImageBindConfig) -> ImageBind:
    """The encoder, whose weights stay in their file, if it is the published one and fits the input projection."""
    imagebind = from_published(sources.imagebind, replace(encoder, filled=published.newer))
    projection = published.input_projection["in_fc.weight" if published.newer else "llama_proj.weight"]
    if imagebind.config.embedding != projection.shape[1]:
        raise InputError(
            f"'{sources.imagebind}' and the input projection have different sizes of embedding. Accepted is imagebind_huge.pth."
        )
    if sources.published_imagebind:
        sources.published_imagebind.check(sources.imagebind)
    return imagebind


def _most_bytes(sources: Sources) -> int:
    """How large the folder will be at most: as its parts are now, which may have more precision, or more than is taken."""
    files = [sources.imagebind, *(path for name in (WEIGHTS, *FILES, *ADAPTER) if (path := sources.official / name).is_file())]
    parts = [part for decoder in sources.decoders.values() for part in decoder.iterdir() if part.is_dir()]
    for folder in (sources.base, *parts):
        files += _whole(folder, ".safetensors") or _whole(folder, ".bin")
    return sum(path.stat().st_size for path in files)


def _whole(folder: Path, ending: str) -> list[Path]:
    """The weights that lie in a folder with this ending, without those of a variant: model.fp16.safetensors is what model.safetensors is."""
    return [path for path in folder.glob(f"*{ending}") if "." not in path.stem]


def _language_model(published: Published, sources: Sources, folder: Path) -> None:
    """The base with the published embeddings and head, its tokenizer, and the LoRA beside it."""
    model = _llama(sources.base, "Vicuna-7B v0, or LLaMA-7B with its delta weights")
    if sources.delta:
        _add(sources.delta, model)
    check_base(published, model.get_input_embeddings().weight)
    own = (sources.official / "tokenizer.model").is_file()
    tokenizer = _tokenizer(published, sources.official if own or not published.newer else sources.base)
    model.resize_token_embeddings(len(published.embeddings), mean_resizing=False)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(published.embeddings)
        model.get_output_embeddings().weight.copy_(published.head)
    model.save_pretrained(folder / "llm", max_shard_size=LARGEST_FILE)
    tokenizer.save_pretrained(folder / "llm")
    if not published.lora:
        return
    lora = LoraConfig(
        r=published.rank,
        lora_alpha=published.alpha,
        lora_dropout=0.1,  # of the authors' code, for whoever trains on
        target_modules=list(published.targets),
        task_type="CAUSAL_LM",
        inference_mode=True,
    )
    lora.save_pretrained(str(folder / "lora"))
    save_file(_kept(published.lora), folder / "lora" / "adapter_model.safetensors")


def _llama(folder: Path, accepted: str) -> LlamaForCausalLM:
    """A language model of which every weight was read."""
    try:
        model, found = LlamaForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype=torch.float16, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"The language model in '{folder}' cannot be read: {error}. Accepted is {accepted}.") from error
    if wrong := [*found["missing_keys"], *(name for name in found["unexpected_keys"] if not name.endswith("inv_freq"))]:
        raise InputError(
            f"'{folder}' has not the weights of such a model: {len(wrong)} are missing or left over, as {wrong[0]}. Accepted is {accepted}."
        )
    return model


def _add(delta: Path, model: LlamaForCausalLM) -> None:
    """Turns LLaMA into Vicuna: the sum of both weights; embeddings that are new in Vicuna are the delta's own."""
    changes = _llama(delta, "lmsys/vicuna-7b-delta-v0")
    rows = model.get_input_embeddings().num_embeddings
    model.resize_token_embeddings(changes.get_input_embeddings().num_embeddings, mean_resizing=False)
    for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
        layer.weight.data[rows:] = 0
    ours, theirs = model.state_dict(), changes.state_dict()
    if wrong := mistakes(theirs, {name: tensor.shape for name, tensor in ours.items()}):
        raise InputError(f"The delta weights in '{delta}' do not fit the base: {wrong}. Accepted is lmsys/vicuna-7b-delta-v0.")
    for name, tensor in ours.items():
        tensor += theirs[name]


def _tokenizer(published: Published, official: Path) -> LlamaTokenizer:
    """The published tokenizer, whose added tokens no text can turn into."""
    with tempfile.TemporaryDirectory() as name:  # without the files that would add those tokens as words
        try:
            shutil.copy(official / "tokenizer.model", name)
            tokenizer = LlamaTokenizer.from_pretrained(name)
        except (OSError, ValueError, ImportError) as error:
            raise SetupError(
                f"'{official / 'tokenizer.model'}' cannot be read: {error}. If a library is missing, install it with: pip install -e '.[convert]'"
            ) from error
    ordered = sorted(published.added, key=lambda token: published.added[token])
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in ordered], special_tokens=True)
    if tokenizer.convert_tokens_to_ids(ordered) != [published.added[token] for token in ordered]:
        raise InputError(
            f"tokenizer.model in '{official}' has {len(tokenizer) - len(ordered):,} tokens of its own, and added_tokens.json begins at another number."
        )
    return tokenizer


def _decoder(kind: str, source: Path, published: Published, folder: Path) -> dict[str, int]:
    """Writes a pipeline; returns what its description must know of it."""
    checker = {"safety_checker": None} if kind == "image" else {}
    try:
        pipeline = DiffusionPipeline.from_pretrained(source, local_files_only=True, dtype=torch.float16, **checker)
    except (OSError, ValueError) as error:
        raise InputError(f"The pipeline in '{source}' cannot be loaded: {error}") from error
    unet = pipeline.unet.config
    width = unet.projection_class_embeddings_input_dim if kind == "audio" else unet.cross_attention_dim
    if width != published.signals[kind]["width"]:
        raise InputError(
            f"The decoder in '{source}' takes prompt embeddings of {width} features; the projection writes {published.signals[kind]['width']}."
        )
    if published.newer and kind == "image":
        pipeline.scheduler = EulerDiscreteScheduler.from_pretrained(source, subfolder="scheduler", local_files_only=True)
    pipeline.save_pretrained(folder)
    return {"size": unet.sample_size * pipeline.vae_scale_factor} if kind == "image" else {}


def _description(published: Published, name: str) -> dict[str, Any]:
    return {
        "format": 1,
        "name": name,
        "title": "NExT-GPT 7B",
        "knows": f"{'A' if published.newer else 'The published'} NExT-GPT: Vicuna-7B {'v1.5' if published.newer else 'v0'} that sees, hears, draws, films and makes sounds. For research, not for commercial use.",
        "examples": [
            "Show me a picture of a dog running on the beach",
            "Show me a video of fireworks over a city",
            "Let me hear rain on a roof",
        ],
        "inputs": ["text", "image", "video", "audio"],
        "outputs": ["text", *published.signals],
        "context": published.base.max_position_embeddings,
        "reply_tokens": 512,
        "input_tokens": dict.fromkeys(published.signals, 8 if published.newer else 1),
        "precision": "float16",
        "prompt": "llava" if published.newer else "vicuna",
        "input_projection": "groupvit" if published.newer else "linear",
        "signals": published.signals,
        "projection": published.projection,
        "decoding": {kind: known | (LATER[kind] if published.newer else {}) for kind, known in DECODING.items()},
    }


def _kept(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As they were, each with a memory of its own."""
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
