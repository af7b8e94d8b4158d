"""What a decoder's own text encoders make of a caption, as one tensor: the target of a projection that is to take their place.

The arrangement is that which `families` takes apart again. Pipelines whose denoiser is told by a mask which embeddings to leave out are not here:
a projection has no way to say so.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from torch import Tensor
from torch.nn import functional

from nextgpt_chat.errors import InputError

T5_LENGTH = 64
"""Tokens of a caption that T5 reads here; it could read more, and a projection would have to write as many."""
HEAVY = ("unet", "transformer", "vae", "vocoder")
"""Parts of pipelines that no caption passes through."""


def _clip(pipeline: DiffusionPipeline, caption: str) -> Tensor:
    embedded: Tensor = pipeline.encode_prompt(caption, pipeline.device, 1, False)[0]
    return embedded


def _clap(pipeline: DiffusionPipeline, caption: str) -> Tensor:
    """A vector of length 1, stretched so that its entries are as large as those of others."""
    ids = pipeline.tokenizer(caption, truncation=True, max_length=pipeline.tokenizer.model_max_length, return_tensors="pt")
    embedded = pipeline.text_encoder(**ids.to(pipeline.device)).text_embeds
    return functional.normalize(embedded, dim=-1)[:, None] * embedded.shape[-1] ** 0.5


def _sdxl(pipeline: DiffusionPipeline, caption: str) -> Tensor:
    words, _, pooled, _ = pipeline.encode_prompt(caption, do_classifier_free_guidance=False)
    return _and_pooled(words, pooled)


def _sd3(pipeline: DiffusionPipeline, caption: str) -> Tensor:
    words, _, pooled, _ = pipeline.encode_prompt(
        caption, None, None, do_classifier_free_guidance=False, max_sequence_length=T5_LENGTH
    )
    return _and_pooled(words, pooled)


def _and_pooled(words: Tensor, pooled: Tensor) -> Tensor:
    """The pooled embedding as one more query, filled up with zeros."""
    return torch.cat([words, functional.pad(pooled, (0, words.shape[-1] - pooled.shape[-1]))[:, None]], dim=1)


def _wan(pipeline: DiffusionPipeline, caption: str) -> Tensor:
    embedded: Tensor = pipeline.encode_prompt(caption, do_classifier_free_guidance=False, max_sequence_length=T5_LENGTH)[0]
    return embedded


ENCODED: dict[str, Callable[[DiffusionPipeline, str], Tensor]] = {
    "StableDiffusionPipeline": _clip,
    "TextToVideoSDPipeline": _clip,
    "AudioLDMPipeline": _clap,
    "StableDiffusionXLPipeline": _sdxl,
    "StableDiffusion3Pipeline": _sd3,
    "WanPipeline": _wan,
}
"""By the name of the pipeline's class: a caption to [1, L, D]."""


class CaptionEncoder:
    """The text encoders of a decoder."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Loads them alone from a pipeline's folder. Raises `InputError` for a pipeline that no projection can be trained for."""
        named = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        self.name = named["_class_name"]
        if self.name not in ENCODED:
            raise InputError(f"No projection can be trained for a {self.name}. These can have one: {', '.join(ENCODED)}.")
        left = {part: None for part in HEAVY if part in named}
        self.pipeline = DiffusionPipeline.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype, **left
        ).to(device)

    @torch.inference_mode()
    def __call__(self, caption: str) -> Tensor:
        """[1, L, D]."""
        return ENCODED[self.name](self.pipeline, caption)
