"""Pipelines of Diffusers that make media from noise, and what each is told: a caption, or, where its arrangement of embeddings is known here, prompt
embeddings.

Where a pipeline takes more than one tensor, a projection writes all of them as the queries of one, [1, L, D], as its function below takes them
apart; of a query that is wider than its tensor, the first features count. Where a pipeline leaves embeddings out by a mask, the last feature of a
query says whether it is one to be read: more than nothing if so.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline
from torch import Tensor
from torch.nn import functional
from transformers import GPT2LMHeadModel

GENERATED = 8
"""Embeddings that the language model in AudioLDM 2 generates."""


@dataclass(frozen=True)
class Family:
    """How one class of pipelines is called."""

    kind: str
    """Of the media that it makes."""
    embedded: Callable[[DiffusionPipeline, Tensor], dict[str, Any]] | None
    """Prompt embeddings [1, L, D] -> its arguments; None for a class that is driven by captions alone. What guidance leads away from, it takes from an
    empty text by itself."""
    seconds: str = ""
    """Its name for the length of a sound."""
    late_callback: bool = True
    """Whether it calls back as newer pipelines do, `callback_on_step_end`."""
    frame_rate: bool = False
    """Whether it is told how many frames a second of a clip has."""


def _sdxl(pipeline: DiffusionPipeline, prompt: Tensor) -> dict[str, Any]:
    """The last query is the pooled embedding."""
    pooled = pipeline.text_encoder_2.config.projection_dim
    return {"prompt_embeds": prompt[:, :-1], "pooled_prompt_embeds": prompt[:, -1, :pooled]}


def _sd3(pipeline: DiffusionPipeline, prompt: Tensor) -> dict[str, Any]:
    """The last query is the pooled embedding; before it stand those of CLIP, as many as its tokenizer has places, and those of T5."""
    pooled = pipeline.text_encoder.config.projection_dim + pipeline.text_encoder_2.config.projection_dim
    length = prompt.shape[1] - 1 - pipeline.tokenizer_max_length
    return {
        "prompt_embeds": prompt[:, :-1],
        "pooled_prompt_embeds": prompt[:, -1, :pooled],
        "max_sequence_length": length,
    }


def _wan(_pipeline: DiffusionPipeline, prompt: Tensor) -> dict[str, Any]:
    return {"prompt_embeds": prompt, "max_sequence_length": prompt.shape[1]}


def _ltx(_pipeline: DiffusionPipeline, prompt: Tensor) -> dict[str, Any]:
    words, mask = _unmasked(prompt)
    return {"prompt_embeds": words, "prompt_attention_mask": mask, "max_sequence_length": words.shape[1]}


def _audioldm2(pipeline: DiffusionPipeline, prompt: Tensor) -> dict[str, Any]:
    """First those that the language model would generate, then those of T5, cut behind the last that is read: the pipeline makes the empty text as
    long."""
    words, mask = _unmasked(prompt[:, GENERATED:])
    length = int(mask[0].nonzero().max()) + 1
    return {
        "prompt_embeds": words[:, :length, : pipeline.text_encoder_2.config.d_model],
        "generated_prompt_embeds": prompt[:, :GENERATED, : pipeline.language_model.config.hidden_size],
        "attention_mask": mask[:, :length],
    }


def _stable_audio(pipeline: DiffusionPipeline, prompt: Tensor) -> dict[str, Any]:
    """The denoiser also attends to places that are left out, as zeros, and knows as many of them as the tokenizer has."""
    words, mask = _unmasked(prompt)
    more = pipeline.tokenizer.model_max_length - words.shape[1]
    return {"prompt_embeds": functional.pad(words, (0, 0, 0, more)), "attention_mask": functional.pad(mask, (0, more))}


def _unmasked(prompt: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings [1, L, D] and their mask [1, L] from queries of D + 1 features; the first is always read, since something must be."""
    mask = (prompt[..., -1] > 0).long()
    mask[:, 0] = 1
    return prompt[..., :-1], mask


def own_parts(name: str, folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    """Parts of a pipeline that are not of the class that its `model_index.json` names: AudioLDM 2 was published with a GPT-2 without its head, of
    which Transformers no longer generates embeddings."""
    if name != "AudioLDM2Pipeline":
        return {}
    part = folder / "language_model"
    return {"language_model": GPT2LMHeadModel.from_pretrained(part, local_files_only=True, use_safetensors=True, dtype=dtype)}


FAMILIES = {
    "StableDiffusionXLPipeline": Family("image", _sdxl),
    "StableDiffusion3Pipeline": Family("image", _sd3),
    "LTXPipeline": Family("video", _ltx, frame_rate=True),
    "WanPipeline": Family("video", _wan),
    "AudioLDM2Pipeline": Family("audio", _audioldm2, seconds="audio_length_in_s", late_callback=False),
    "StableAudioPipeline": Family("audio", _stable_audio, seconds="audio_end_in_s", late_callback=False),
}
"""By the name of the class, as a pipeline's `model_index.json` has it."""

TOLD = {"prompt", "num_inference_steps", "guidance_scale", "generator", "output_type"}
"""What every pipeline must take that is driven by captions."""
EXTENT = {"image": {"height", "width"}, "video": {"height", "width", "num_frames"}, "audio": set[str]()}
"""And by kind of medium."""
LENGTHS = ("audio_length_in_s", "audio_end_in_s")
"""Names for the length of a sound, of which it must take one."""
BEGUN = {"image", "video", "mask_image", "num_frames"}
"""What it must not take: media to begin from; and for a picture, frames."""


def family_of(name: str, kind: str) -> Family | None:
    """How a class of Diffusers makes that kind of medium: as told above, or from captions as its signature says. None if it does not."""
    if name in FAMILIES:
        return FAMILIES[name] if FAMILIES[name].kind == kind else None
    pipeline = getattr(diffusers, name, None)
    if not (inspect.isclass(pipeline) and issubclass(pipeline, DiffusionPipeline)):
        return None
    parameters = inspect.signature(pipeline.__call__).parameters
    takes = set(parameters)
    seconds = next((length for length in LENGTHS if length in takes), "")
    calls_back = takes & {"callback_on_step_end", "callback"}
    if not (TOLD | EXTENT[kind] <= takes and calls_back) or (kind == "audio") != bool(seconds) or takes & (BEGUN - EXTENT[kind]):
        return None
    return Family(kind, None, seconds, "callback_on_step_end" in takes, "frame_rate" in takes)
