"""Arrays that take long to compute and are the same in every epoch: kept beside the run, and gone on with where that was interrupted."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from nextgpt_chat.errors import InputError
from nextgpt_chat.media.ffmpeg import FFmpegError

ROWS = "computed.npy"
SAVED_EVERY = 200
"""Rows after which an interrupted run can go on."""


@dataclass(frozen=True)
class Computed:
    """What was computed, and what could not be."""

    rows: np.ndarray
    """[N, ...], on disk."""
    wrong: dict[int, str]
    """Why, by the numbers of the rows, which are left as they are."""


def claim(folder: Path, told: str) -> None:
    """Ties the folder of a run to what it is a run of. Raises `InputError` if it holds another one, with whose state this one would go on."""
    mark, made_of = folder / "run.txt", hashlib.sha256(told.encode()).hexdigest()
    if mark.is_file() and mark.read_text(encoding="utf-8") != made_of:
        raise InputError(
            f"{folder} holds a run over another model, other pairs or other settings. Delete it, or choose another folder with --run."
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(made_of, encoding="utf-8")


def kept(folder: Path) -> int:
    """Bytes of disk that the rows in and below a folder take so far."""
    return sum(512 * path.stat().st_blocks for path in folder.rglob(ROWS))


def computed_once(
    folder: Path, told: str, count: int, shape: Callable[[], tuple[int, ...]], dtype: type, row: Callable[[int], np.ndarray]
) -> Computed:
    """`count` rows of a `shape`, each made by `row`; a row of a file that cannot be read is left out. `told` is what they are made of: if it is another
    than before, all begins anew."""
    folder.mkdir(parents=True, exist_ok=True)
    notes, path, made_of = folder / "computed.json", folder / ROWS, hashlib.sha256(told.encode()).hexdigest()
    state = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    if state.get("made_of") != made_of or not path.is_file():
        state = {"made_of": made_of, "done": 0, "wrong": {}}
        notes.write_text(json.dumps(state), encoding="utf-8")  # before the rows, which are empty from now on
        np.lib.format.open_memmap(path, "w+", dtype, (count, *shape()))
    rows = np.lib.format.open_memmap(path, "r+")
    for number in track(range(state["done"], count), "embedding"):
        try:
            rows[number] = row(number)
        except (InputError, FFmpegError, OSError) as error:
            state["wrong"][str(number)] = str(error)
        if (number + 1) % SAVED_EVERY == 0 or number + 1 == count:
            rows.flush()
            notes.write_text(json.dumps(state | {"done": number + 1}), encoding="utf-8")
    return Computed(rows, {int(number): why for number, why in state["wrong"].items()})
