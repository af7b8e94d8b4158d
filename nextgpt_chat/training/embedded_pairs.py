"""What ImageBind makes of captioned files, computed once and kept beside the run: half a stage's work, and the same in every epoch."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.encode.preprocessing import media_tensor
from nextgpt_chat.errors import InputError
from nextgpt_chat.training.pairs import Pair

SAVED_EVERY = 200
"""Files after which an interrupted run can go on."""


@dataclass(frozen=True)
class Embedded:
    """Pairs whose files could be read."""

    pairs: Sequence[Pair]
    vectors: np.ndarray
    """float32 [N, E], on disk."""
    skipped: Sequence[str]
    """What is wrong with the others, as sentences."""


def embed(pairs: Sequence[Pair], imagebind: ImageBind, folder: Path) -> Embedded:
    """The embedding of each file; goes on where it was interrupted. Raises `InputError` if none can be read."""
    folder.mkdir(parents=True, exist_ok=True)
    told = hashlib.sha256("\n".join(f"{pair.kind} {pair.path}" for pair in pairs).encode()).hexdigest()
    notes, path, shape = folder / "embedded.json", folder / "embeddings.npy", (len(pairs), imagebind.config.embedding)
    state = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    if state.get("pairs") != told or not path.is_file():
        state = {"pairs": told, "done": 0, "wrong": {}}
        np.lib.format.open_memmap(path, "w+", np.float32, shape)
    vectors = np.lib.format.open_memmap(path, "r+")

    def save(done: int) -> None:
        vectors.flush()
        notes.write_text(json.dumps({**state, "done": done}), encoding="utf-8")

    for number in track(range(state["done"], len(pairs)), "embedding"):
        try:
            tensor = media_tensor(pairs[number].medium, imagebind.config)[None].to(imagebind.device, imagebind.dtype)
        except (InputError, OSError) as error:
            state["wrong"][str(number)] = f"{pairs[number].path.name}: {error}"
            continue
        with torch.inference_mode():
            vectors[number] = imagebind.encode_media(tensor, pairs[number].kind)[0].float().cpu().numpy()
        if (number + 1) % SAVED_EVERY == 0:
            save(number + 1)
    save(len(pairs))
    kept = [number for number in range(len(pairs)) if str(number) not in state["wrong"]]
    if not kept:
        raise InputError(f"None of the {len(pairs):,} files can be read. The first: {next(iter(state['wrong'].values()))}")
    return Embedded([pairs[number] for number in kept], vectors[kept], list(state["wrong"].values()))
