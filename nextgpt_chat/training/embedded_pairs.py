"""What ImageBind makes of captioned files, computed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from nextgpt_chat.encode.imagebind import ImageBind, ImageBindConfig
from nextgpt_chat.encode.preprocessing import media_tensor
from nextgpt_chat.errors import InputError
from nextgpt_chat.training.computed_once import computed_once
from nextgpt_chat.training.pairs import Pair


@dataclass(frozen=True)
class Embedded:
    """Pairs whose files could be read."""

    pairs: Sequence[Pair]
    vectors: np.ndarray
    """float32 [N, E]."""
    skipped: Sequence[str]
    """What is wrong with the others, as sentences."""


def embed(pairs: Sequence[Pair], config: ImageBindConfig, load: Callable[[], ImageBind], folder: Path) -> Embedded:
    """The embedding of each file by the encoder that `load` gives, which is let go afterwards; goes on where it was interrupted. Raises `InputError` if
    no file can be read."""
    loaded = cache(load)  # not at all where nothing is missing

    @torch.inference_mode()
    def row(number: int) -> np.ndarray:
        imagebind = loaded()
        tensor = media_tensor(pairs[number].medium, config)[None].to(imagebind.device, imagebind.dtype)
        return imagebind.encode_media(tensor, pairs[number].kind)[0].float().cpu().numpy()

    told = "\n".join(f"{pair.kind} {pair.path}" for pair in pairs)
    found = computed_once(folder, told, len(pairs), lambda: (config.embedding,), np.float32, row)
    kept = [number for number in range(len(pairs)) if number not in found.wrong]
    skipped = [f"{pairs[number].path.name}: {why}" for number, why in found.wrong.items()]
    if not kept:
        raise InputError(f"None of the {len(pairs):,} files can be read. The first: {skipped[0]}")
    vectors = found.rows if not skipped else found.rows[kept]  # those of millions stay on disk
    return Embedded([pairs[number] for number in kept], vectors, skipped)
