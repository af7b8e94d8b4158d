"""Captions, stored media and noise as points of ImageBind's space. This module knows files and tensors, no world and no data set."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from nextgpt_chat.conversation import Media
from nextgpt_chat.encode.imagebind import ImageBind, ImageBindConfig
from nextgpt_chat.encode.mel import HOP
from nextgpt_chat.encode.preprocessing import array_tensor, media_tensor

BATCH = 32
"""Captions or media that are encoded at once."""


@torch.inference_mode()
def encoded_captions(imagebind: ImageBind, tokenizer: PreTrainedTokenizerBase, captions: Sequence[str]) -> Tensor:
    """Captions as unit vectors [N, E]; one that is longer than the text tower reads is cut, and keeps its end token."""
    device, length = imagebind.device, imagebind.config.text_length
    found = [torch.empty(0, imagebind.config.embedding)]
    for start in range(0, len(captions), BATCH):
        batch = list(captions[start : start + BATCH])
        encoded = tokenizer(batch, padding=True, truncation=True, max_length=length, return_tensors="pt")
        last = encoded.attention_mask.sum(dim=1) - 1
        found.append(imagebind.encode_text(encoded.input_ids.to(device), last.to(device)).float().cpu())
    return torch.cat(found)


def encoded_media(imagebind: ImageBind, kind: str, media: Iterable[Media]) -> Tensor:
    """Stored media of one kind as unit vectors [N, E]; of a clip, the frames that the vision tower sees at once."""
    return _encoded(imagebind, kind, (media_tensor(medium, imagebind.config) for medium in media))


def encoded_noise(imagebind: ImageBind, kind: str, count: int, seed: int) -> Tensor:
    """Media of one kind in which nothing is to be seen or heard, as unit vectors [count, E]: uniform pixels, or white noise."""
    rng = np.random.default_rng(seed)
    return _encoded(imagebind, kind, (_noise(imagebind.config, kind, rng) for _ in range(count)))


def _noise(encoder: ImageBindConfig, kind: str, rng: np.random.Generator) -> Tensor:
    side = encoder.image_size
    if kind == "audio":
        noise = rng.normal(0, 0.2, encoder.audio_size[0] * HOP).clip(-1, 1)
    else:
        noise = rng.integers(0, 256, (side, side, 3) if kind == "image" else (encoder.frames, side, side, 3), np.uint8)
    return array_tensor(noise, kind, encoder)


@torch.inference_mode()
def _encoded(imagebind: ImageBind, kind: str, media: Iterator[Tensor]) -> Tensor:
    device = imagebind.device
    found = [torch.empty(0, imagebind.config.embedding)]
    while batch := list(islice(media, BATCH)):
        found.append(imagebind.encode_media(torch.stack(batch).to(device, imagebind.dtype), kind).float().cpu())
    return torch.cat(found)
