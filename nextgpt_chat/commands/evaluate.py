"""`nextgpt-chat evaluate`."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from nextgpt_chat.checkpoint import find_checkpoint
from nextgpt_chat.commands.options import settings_with
from nextgpt_chat.evaluation.card import write_card
from nextgpt_chat.evaluation.evaluate import run
from nextgpt_chat.evaluation.table import table

RANDOM_SCENES = 20
"""Scenes for the model card's figures of random weights, which are slow (their text never ends) and hardly vary."""


def main(
    model: Annotated[str | None, typer.Option(help="Name of a model, or a checkpoint folder.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for scores, plots and pictures.")] = Path("runs/evaluation"),
    scenes: Annotated[int, typer.Option(min=1, help="Held-out scenes or dialogues in each task.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the scenes and of the replies.")] = 11,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Measure the same architecture before any training.")
    ] = False,
    card: Annotated[
        bool,
        typer.Option("--card", help="Also measure random weights, and write scores and model card into the checkpoint folder."),
    ] = False,
) -> None:
    """Measures a model on scenes that no training saw, beside chance, blind and shuffled baselines."""
    settings = settings_with(model=model)
    checkpoint = find_checkpoint(settings.checkpoints, settings.model)
    scores = run(checkpoint, out, scenes, seed, random_weights, settings.device)
    sys.stdout.write(table(scores))
    if card:
        random = run(checkpoint, out / "random", min(scenes, RANDOM_SCENES), seed, True, settings.device)
        for name in ("scores.json", "scores.png", "matrix.png", "samples.png"):
            shutil.copyfile(out / name, checkpoint.folder / name)
        sys.stdout.write(f"\n{write_card(checkpoint, scores, random)} is written.\n")
