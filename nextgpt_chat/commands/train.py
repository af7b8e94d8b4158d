"""`nextgpt-chat train`."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from nextgpt_chat.training.recipe import STAGES, run_recipe


def main(
    stages: Annotated[list[str], typer.Argument(help=f"`all`, or some of: {', '.join(STAGES)}.")],
    folder: Annotated[Path, typer.Option(help="Folder of the run: states, logs, curves, parts.")] = Path("runs/tinyland"),
    out: Annotated[Path, typer.Option(help="Checkpoint folder that `assemble` writes.")] = Path("checkpoints/tinyland"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 7,
    scale: Annotated[float, typer.Option(min=0.0001, help="Share of the steps; below 1 for a quick try.")] = 1.0,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder (or one file) with dialogues for stage3_instruct, as `data mosit` or the NExT-GPT authors write them; may be repeated."
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option(help="Begin the stages anew instead of going on where they stopped.")] = False,
) -> None:
    """Trains the parts of a model. An interrupted run goes on where it stopped when the same command is given again."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    run_recipe(stages, folder, out, seed, scale, fresh, data or ())
