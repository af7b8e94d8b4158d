"""What a stage has learnt takes its places in the folder of a model: all of it, whenever that is ended and gone on with."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nextgpt_chat.checkpoint import BEING_WRITTEN, FILE_NAME
from nextgpt_chat.training.loop import processes


def take_places(folder: Path, places: Mapping[str, str], run: Path, gone: Sequence[str] = ()) -> None:
    """Files and folders below `folder`, whole under their first names, get their second ones instead of what has these; what is `gone` is deleted.
    For the first process alone; `run` is the folder of the run that made them."""
    told = {"run": str(run.resolve()), "places": dict(places), "gone": [*gone]}
    begun = folder / f"{BEING_WRITTEN}.new"
    begun.write_text(json.dumps(told), encoding="utf-8")
    begun.replace(folder / BEING_WRITTEN)
    _go_on(folder, told)


def write_description(folder: Path, changes: Mapping[str, Any]) -> dict[str, str]:
    """Writes the description of the model with `changes` beside the old one, which is kept under another name; returns which place it takes."""
    path = folder / FILE_NAME
    new, described = path.with_suffix(".new"), json.loads(path.read_text(encoding="utf-8"))
    shutil.copy(path, path.with_suffix(".before.json"))
    new.write_text(json.dumps(described | changes, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return {new.name: path.name}


def finish(folder: Path) -> str:
    """Goes on with that where it was ended, and returns the folder of the run that made it; "" if nothing was. For all processes."""
    mark = folder / BEING_WRITTEN
    told: dict[str, Any] = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else {}
    processes().wait_for_everyone()
    if told and processes().is_main_process:
        _go_on(folder, told)
    processes().wait_for_everyone()
    return str(told.get("run", ""))


def _go_on(folder: Path, told: dict[str, Any]) -> None:
    for new, name in told["places"].items():
        if (folder / new).is_dir():
            _delete(folder / name)
        if (folder / new).exists():
            (folder / new).replace(folder / name)
    for name in told["gone"]:
        _delete(folder / name)
    (folder / BEING_WRITTEN).unlink()


def _delete(path: Path) -> None:
    """A file, a folder or a link, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
