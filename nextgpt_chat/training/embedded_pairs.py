"""What ImageBind makes of captioned files, computed once for each file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from nextgpt_chat.encode.imagebind import ImageBind, ImageBindConfig
from nextgpt_chat.encode.preprocessing import media_tensor
from nextgpt_chat.training.computed_once import computed_once
from nextgpt_chat.training.pairs import Pair

EMBEDDED_AT_ONCE = 8
"""Media: as many clips, of which each is 30 frames, take one or two GB."""


@dataclass(frozen=True)
class Embedded:
    """Pairs whose files could be read."""

    pairs: Sequence[Pair]
    files: np.ndarray
    """float32 [F, E], on disk: the embedding of each file."""
    places: np.ndarray
    """[N]: for each pair the number of its file, which may have several captions."""
    skipped: Sequence[str]
    """What is wrong with the other files, as sentences."""

    def vectors(self, numbers: Sequence[int]) -> np.ndarray:
        """float32 [n, E], of the pairs with these numbers."""
        found: np.ndarray = self.files[self.places[list(numbers)]]
        return found


def files_of(pairs: Sequence[Pair]) -> dict[tuple[str, Path], Pair]:
    """The files of all pairs by kind and path, each with the first pair that names it."""
    files: dict[tuple[str, Path], Pair] = {}
    for pair in pairs:
        files.setdefault((pair.kind, pair.path), pair)
    return files


def embed(pairs: Sequence[Pair], config: ImageBindConfig, load: Callable[[], ImageBind], folder: Path) -> Embedded:
    """The embedding of each file by the encoder that `load` gives, which is let go afterwards; goes on where it was interrupted."""
    loaded = cache(load)  # not at all where nothing is missing
    files = files_of(pairs)
    every, numbers = list(files.values()), {file: number for number, file in enumerate(files)}

    @torch.inference_mode()
    def rows(read: list[tuple[str, np.ndarray]]) -> list[np.ndarray]:
        imagebind, made = loaded(), dict[int, np.ndarray]()
        for kind, shape in {(kind, medium.shape) for kind, medium in read}:
            alike = [place for place, (other, medium) in enumerate(read) if (other, medium.shape) == (kind, shape)]
            media = torch.from_numpy(np.stack([read[place][1] for place in alike])).to(imagebind.device, imagebind.dtype)
            made |= zip(alike, imagebind.encode_media(media, kind).float().cpu().numpy(), strict=True)
        return [made[place] for place in range(len(read))]

    found = computed_once(
        folder,
        "\n".join(f"{kind} {path}" for kind, path in files),
        len(files),
        (config.embedding,),
        np.float32,
        lambda number: (every[number].kind, media_tensor(every[number].medium, config).numpy()),
        rows,
        EMBEDDED_AT_ONCE,
    )
    kept = [(pair, number) for pair in pairs if (number := numbers[pair.kind, pair.path]) not in found.wrong]
    skipped = [f"{every[number].path.name}: {why}" for number, why in found.wrong.items()]
    return Embedded([pair for pair, _ in kept], found.rows, np.array([number for _, number in kept], int), skipped)
