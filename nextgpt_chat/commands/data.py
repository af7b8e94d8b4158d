"""`nextgpt-chat data`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from nextgpt_chat.errors import InputError
from nextgpt_chat.training.mosit import write_mosit


class DataSet(StrEnum):
    """What can be written."""

    MOSIT = "mosit"


def main(
    name: Annotated[DataSet, typer.Argument(help="The data set: mosit, dialogues in which modalities switch.")],
    out: Annotated[Path, typer.Option(help="Folder that receives it; it must be new or empty.")] = Path("runs/mosit"),
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="Dialogues.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 7,
) -> None:
    """Writes a data set: JSON lines, media files and a data card."""
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"The folder {out} is not empty. Choose another with --out.")
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(name.value, total=count)
        write_mosit(out, count, seed, lambda done: bar.update(task, completed=done))
    sys.stdout.write(f"{count} dialogues are in {out}.\n")
