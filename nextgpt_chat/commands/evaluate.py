"""`nextgpt-chat evaluate`."""

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nextgpt_chat.checkpoint import find_checkpoint
from nextgpt_chat.commands.options import settings_with
from nextgpt_chat.datasets.layouts import LAYOUTS
from nextgpt_chat.errors import InputError
from nextgpt_chat.evaluation import evaluate_folder
from nextgpt_chat.evaluation.card import write_card
from nextgpt_chat.evaluation.evaluate import run
from nextgpt_chat.evaluation.folder_table import folder_table
from nextgpt_chat.evaluation.table import table

RANDOM_SCENES = 20
"""Scenes for the model card's figures of random weights, which are slow (their text never ends) and hardly vary."""
ITEMS = 100
"""Items of a folder that are measured where --count is not given."""


class On(StrEnum):
    """What can be measured on."""

    TINYLAND = "tinyland"
    COCO = "coco"
    AUDIOCAPS = "audiocaps"
    MSRVTT = "msrvtt"


def main(
    model: Annotated[str | None, typer.Option(help="Name of a model, or a checkpoint folder.")] = None,
    on: Annotated[
        On, typer.Option(help="Held-out scenes of Tinyland, or a folder of yours in the layout of COCO, AudioCaps or MSR-VTT.")
    ] = On.TINYLAND,
    out: Annotated[Path, typer.Option(help="Folder for scores, plots and pictures.")] = Path("runs/evaluation"),
    scenes: Annotated[int, typer.Option(min=1, help="Held-out scenes in each task, on tinyland.")] = 200,
    dialogues: Annotated[
        int | None, typer.Option(min=1, help="Dialogues and choices of modality, on tinyland.", show_default="as many as scenes")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Your folder, on coco, audiocaps and msrvtt.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Part of the set in your folder.", show_default="val2017 of coco, test of the others")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=2, help="Most items of your folder, chosen at random.", show_default=str(ITEMS))
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the scenes or items, and of the replies.")] = 11,
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Only what goes in against what comes out: no retrieval, choice or dialogues.")
    ] = False,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Measure the same architecture before any training.")
    ] = False,
    card: Annotated[
        bool,
        typer.Option("--card", help="Also measure random weights, and write scores and model card into the checkpoint folder."),
    ] = False,
) -> None:
    """Measures a model on scenes that no training saw, or on a folder of captioned media, beside baselines."""
    if on is On.TINYLAND and (folder or split or count):
        sets = ", ".join(LAYOUTS)
        raise InputError(f"--folder, --split and --count are for a folder of yours; say in which layout it is with --on: {sets}.")
    if dialogues and (matrix or on is not On.TINYLAND):
        raise InputError("--dialogues is for tinyland, and for the evaluation of all of it, without --matrix.")
    if card and matrix:
        raise InputError("The model card shows all scores: leave out --matrix.")
    if on is not On.TINYLAND and (folder is None or card or matrix):
        what = "--card and --matrix are for Tinyland" if card or matrix else f"Say where your folder of {LAYOUTS[on].title} is"
        raise InputError(f"{what}: nextgpt-chat evaluate --on {on} --folder PATH")
    settings = settings_with(model=model)
    checkpoint = find_checkpoint(settings.checkpoints, settings.models[0])
    if folder is not None:
        task = evaluate_folder.Task(on, folder, split or LAYOUTS[on].split, count or ITEMS, seed, random_weights)
        sys.stdout.write(folder_table(evaluate_folder.run(checkpoint, out, task, settings)))
        return
    scores = run(
        checkpoint,
        out,
        scenes=scenes,
        dialogues=dialogues or scenes,
        seed=seed,
        random_weights=random_weights,
        device=settings.device,
        cells_alone=matrix,
    )
    sys.stdout.write(table(scores))
    if card:
        few = min(scenes, RANDOM_SCENES)
        random = run(checkpoint, out / "random", scenes=few, dialogues=few, seed=seed, random_weights=True, device=settings.device)
        for name in ("scores.json", "scores.png", "matrix.png", "samples.png"):
            shutil.copyfile(out / name, checkpoint.folder / name)
        sys.stdout.write(f"\n{write_card(checkpoint, scores, random)} is written.\n")
