"""Arrays that take long to compute and are the same in every epoch: kept beside the run, and gone on with where that was interrupted.

All processes of a launch, which are on one machine, compute a share of them, and many rows at once, while the files of the next ones are read.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.progress import track

from nextgpt_chat.errors import InputError
from nextgpt_chat.media.ffmpeg import FFmpegError
from nextgpt_chat.training.loop import processes
from nextgpt_chat.training.made_ahead import made_ahead

ROWS, STATES, WRONG = "computed.npy", "states.npy", "wrong.{}.jsonl"
"""Files of the rows, of their states, and, for each process, of why some of them could not be made."""
OPEN, MADE, LEFT_OUT = range(3)
"""States of a row."""
READERS = 16
"""Most processes that read ahead for a GPU."""
SAVED_EVERY = 200
"""Rows after which an interrupted run can go on."""

T = TypeVar("T")


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
    folder: Path,
    told: str,
    count: int,
    shape: tuple[int, ...],
    dtype: type,
    read: Callable[[int], T],
    make: Callable[[list[T]], Sequence[np.ndarray]],
    together: int,
) -> Computed:
    """`count` rows of a `shape`. `make` makes them, `together` at once, of what `read` gives for each, which are no tensors: readers are processes,
    whose shared memory a container bounds. A row whose file cannot be read is left out.

    `told` is what they are made of: if it is another than before, all begins anew. Every process of `accelerate launch` calls this with the same
    arguments, makes a share, and gets all rows.
    """
    if processes().is_main_process:
        _lay_out(folder, hashlib.sha256(told.encode()).hexdigest(), count, shape, dtype)
    processes().wait_for_everyone()
    rows, states = (np.lib.format.open_memmap(folder / name, "r+") for name in (ROWS, STATES))
    mine = np.flatnonzero(states == OPEN)[processes().process_index :: processes().num_processes].tolist()
    processes().wait_for_everyone()  # before anything is made that another one would not count
    wrong, given, unsaved = folder / WRONG.format(processes().process_index), dict[int, T](), dict[int, int]()

    def make_and_save(last: bool) -> None:
        if len(given) == together or (last and given):
            for number, row in zip(given, make([*given.values()]), strict=True):
                rows[number], unsaved[number] = row, MADE
            given.clear()
        if len(unsaved) >= SAVED_EVERY or last:
            rows.flush()
            for number, state in unsaved.items():
                states[number] = state
            states.flush()
            unsaved.clear()

    def reading(number: int) -> tuple[int, Any, str | None]:
        try:
            return number, read(number), None
        except (InputError, FFmpegError, OSError) as error:
            return number, None, str(error).strip().rsplit("\n", 1)[-1]  # of what ffmpeg says, the end

    share = max(1, (os.cpu_count() or 1) // processes().num_processes)
    ahead = made_ahead(reading, mine, processes().device, min(READERS, share))
    for number, value, why in track(ahead, "embedding", len(mine), disable=not processes().is_main_process):
        if why is None:
            given[number] = value
        else:
            with wrong.open("a", encoding="utf-8") as file:
                file.write(json.dumps([number, why]) + "\n")
            unsaved[number] = LEFT_OUT
        make_and_save(last=False)
    make_and_save(last=True)
    processes().wait_for_everyone()
    reasons = _reasons(folder)
    return Computed(rows, {number: reasons.get(number, "") for number in np.flatnonzero(states == LEFT_OUT).tolist()})


def _reasons(folder: Path) -> dict[int, str]:
    """Why rows are left out, by their numbers; a line that was not written to its end is passed over."""
    said: dict[int, str] = {}
    for path in folder.glob(WRONG.format("*")):
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                number, why = json.loads(line)
                said[number] = why
    return said


def _lay_out(folder: Path, made_of: str, count: int, shape: tuple[int, ...], dtype: type) -> None:
    """Empty rows, unless there are some of the same thing."""
    mark = folder / "computed.txt"
    if mark.is_file() and mark.read_text(encoding="utf-8") == made_of:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for path in (mark, *folder.glob(WRONG.format("*"))):
        path.unlink(missing_ok=True)
    np.lib.format.open_memmap(folder / ROWS, "w+", dtype, (count, *shape))
    np.lib.format.open_memmap(folder / STATES, "w+", np.uint8, (count,))
    mark.write_text(made_of, encoding="utf-8")  # when all is there
