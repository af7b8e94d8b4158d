"""What ImageBind makes of captioned files, computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nextgpt_chat.encode.imagebind import ImageBind
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


def embed(pairs: Sequence[Pair], imagebind: ImageBind, folder: Path) -> Embedded:
    """The embedding of each file; goes on where it was interrupted. Raises `InputError` if none can be read."""

    @torch.inference_mode()
    def row(number: int) -> np.ndarray:
        tensor = media_tensor(pairs[number].medium, imagebind.config)[None].to(imagebind.device, imagebind.dtype)
        return imagebind.encode_media(tensor, pairs[number].kind)[0].float().cpu().numpy()

    told = "\n".join(f"{pair.kind} {pair.path}" for pair in pairs)
    found = computed_once(folder, told, len(pairs), lambda: (imagebind.config.embedding,), np.float32, row)
    kept = [number for number in range(len(pairs)) if number not in found.wrong]
    skipped = [f"{pairs[number].path.name}: {why}" for number, why in found.wrong.items()]
    if not kept:
        raise InputError(f"None of the {len(pairs):,} files can be read. The first: {skipped[0]}")
    vectors = found.rows if not skipped else found.rows[kept]  # those of millions stay on disk
    return Embedded([pairs[number] for number in kept], vectors, skipped)
