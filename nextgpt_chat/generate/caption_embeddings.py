"""What a decoder's own text encoders make of a caption, as one tensor: the target of a projection that is to take their place.

The arrangement is that which `families` takes apart again. Where the denoiser is told by a mask which embeddings to leave out, each has one more
feature, 1 if it is read and -1 if it is not, and those that are left out are zeros.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, StableAudioDiTModel
from torch import Tensor
from torch.nn import functional

from nextgpt_chat.checkpoint import pipeline_class
from nextgpt_chat.errors import InputError
from nextgpt_chat.generate.families import GENERATED, own_parts

T5_LENGTH = 64
"""Tokens of a caption that T5 reads here; it could read more, and a projection would have to write as many."""
HEAVY = ("unet", "transformer", "vae", "vocoder")
"""Parts of pipelines that no caption passes through."""
CONFIGURED = {"StableAudioPipeline": StableAudioDiTModel}
"""Denoisers whose configuration their pipeline reads when it is put together: they are there without weights until then."""


def _clip(pipeline: DiffusionPipeline, captions: Sequence[str]) -> Tensor:
    embedded: Tensor = pipeline.encode_prompt(list(captions), pipeline.device, 1, False)[0]
    return embedded


def _clap(pipeline: DiffusionPipeline, captions: Sequence[str]) -> Tensor:
    """A vector of length 1, stretched so that its entries are as large as those of others."""
    ids = pipeline.tokenizer(
        list(captions), padding=True, truncation=True, max_length=pipeline.tokenizer.model_max_length, return_tensors="pt"
    )
    embedded = pipeline.text_encoder(**ids.to(pipeline.device)).text_embeds
    return functional.normalize(embedded, dim=-1)[:, None] * embedded.shape[-1] ** 0.5


def _sdxl(pipeline: DiffusionPipeline, captions: Sequence[str]) -> Tensor:
    words, _, pooled, _ = pipeline.encode_prompt(list(captions), do_classifier_free_guidance=False)
    return _and_pooled(words, pooled)


def _sd3(pipeline: DiffusionPipeline, captions: Sequence[str]) -> Tensor:
    words, _, pooled, _ = pipeline.encode_prompt(
        list(captions), None, None, do_classifier_free_guidance=False, max_sequence_length=T5_LENGTH
    )
    return _and_pooled(words, pooled)


def _and_pooled(words: Tensor, pooled: Tensor) -> Tensor:
    """The pooled embedding as one more query, filled up with zeros."""
    return torch.cat([words, functional.pad(pooled, (0, words.shape[-1] - pooled.shape[-1]))[:, None]], dim=1)


def _wan(pipeline: DiffusionPipeline, captions: Sequence[str]) -> Tensor:
    embedded: Tensor = pipeline.encode_prompt(list(captions), do_classifier_free_guidance=False, max_sequence_length=T5_LENGTH)[0]
    return embedded


def _ltx(pipeline: DiffusionPipeline, captions: Sequence[str]) -> Tensor:
    words, mask, _, _ = pipeline.encode_prompt(list(captions), do_classifier_free_guidance=False, max_sequence_length=T5_LENGTH)
    return _and_mask(words, mask)


def _audioldm2(pipeline: DiffusionPipeline, captions: Sequence[str]) -> Tensor:
    words, mask, generated = pipeline.encode_prompt(list(captions), pipeline.device, 1, do_classifier_free_guidance=False)
    wide = max(words.shape[-1], generated.shape[-1])
    words, generated = (functional.pad(tensor, (0, wide - tensor.shape[-1])) for tensor in (words, generated))
    return torch.cat([functional.pad(generated, (0, 1)), _and_mask(words, mask)], dim=1)


def _stable_audio(pipeline: DiffusionPipeline, captions: Sequence[str]) -> Tensor:
    """What its text encoder says; the pipeline projects it further by itself."""
    ids = pipeline.tokenizer(list(captions), padding=True, truncation=True, max_length=T5_LENGTH, return_tensors="pt").to(
        pipeline.device
    )
    return _and_mask(pipeline.text_encoder(**ids)[0], ids.attention_mask)


def _and_mask(words: Tensor, mask: Tensor) -> Tensor:
    """Embeddings [N, L, D] and whether they are read [N, L], as `T5_LENGTH` queries of D + 1 features."""
    read = mask[..., None].to(words.dtype)
    queries = torch.cat([words * read, 2 * read - 1], dim=-1)[:, :T5_LENGTH]
    nothing = functional.pad(torch.full_like(queries[:, :1, :1], -1), (words.shape[-1], 0))
    return torch.cat([queries, nothing.expand(-1, T5_LENGTH - queries.shape[1], -1)], dim=1)


ENCODED: dict[str, Callable[[DiffusionPipeline, Sequence[str]], Tensor]] = {
    "StableDiffusionPipeline": _clip,
    "TextToVideoSDPipeline": _clip,
    "AudioLDMPipeline": _clap,
    "StableDiffusionXLPipeline": _sdxl,
    "StableDiffusion3Pipeline": _sd3,
    "WanPipeline": _wan,
    "LTXPipeline": _ltx,
    "AudioLDM2Pipeline": _audioldm2,
    "StableAudioPipeline": _stable_audio,
}
"""By the name of the pipeline's class: captions to [N, L, D]."""
ALONE = ("AudioLDM2Pipeline",)
"""Pipelines that make something else of a caption beside a longer one, whose language model reads the places that are left empty."""


def _encoded_class(folder: Path) -> str:
    """Of a pipeline's folder. Raises `InputError` for one that no projection can be trained for, and `SetupError` for none."""
    name = pipeline_class(folder)
    if name not in ENCODED:
        raise InputError(f"No projection can be trained for a {name}. These can have one: {', '.join(ENCODED)}.")
    return name


def embedded_shape(folder: Path) -> tuple[int, int]:
    """How many embeddings of how many features a caption becomes, from the configurations in a pipeline's folder: nothing is loaded."""
    name = _encoded_class(folder)

    def width(part: str, key: str) -> int:
        return int(_read(folder / part / "config.json")[key])

    def words() -> int:
        return int(_read(folder / "tokenizer" / "tokenizer_config.json")["model_max_length"])

    if name == "AudioLDMPipeline":
        return 1, width("text_encoder", "projection_dim")
    if name == "StableDiffusionXLPipeline":
        return words() + 1, width("text_encoder", "hidden_size") + width("text_encoder_2", "hidden_size")
    if name == "StableDiffusion3Pipeline":
        return words() + T5_LENGTH + 1, width("text_encoder_3", "d_model")
    if name == "AudioLDM2Pipeline":
        return GENERATED + T5_LENGTH, max(width("text_encoder_2", "d_model"), width("language_model", "n_embd")) + 1
    if name in ("StableDiffusionPipeline", "TextToVideoSDPipeline"):
        return words(), width("text_encoder", "hidden_size")
    return T5_LENGTH, width("text_encoder", "d_model") + (name != "WanPipeline")  # the others have a mask


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


class CaptionEncoder:
    """The text encoders of a decoder."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Loads them alone from a pipeline's folder. Raises `InputError` for a pipeline that no projection can be trained for, `SetupError` for none."""
        self.name, named = _encoded_class(folder), _read(folder / "model_index.json")
        parts: dict[str, Any] = {part: None for part in HEAVY if part in named} | own_parts(self.name, folder, dtype)
        if denoiser := CONFIGURED.get(self.name):
            with torch.device("meta"):
                parts["transformer"] = denoiser.from_config(denoiser.load_config(folder / "transformer"))
        self.pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=dtype, **parts)
        if denoiser:
            self.pipeline.transformer = None
        self.pipeline.to(device)

    @torch.inference_mode()
    def __call__(self, captions: Sequence[str]) -> Tensor:
        """[N, L, D], of each what it is alone."""
        those = [[caption] for caption in captions] if self.name in ALONE else [captions]
        return torch.cat([ENCODED[self.name](self.pipeline, some) for some in those])
