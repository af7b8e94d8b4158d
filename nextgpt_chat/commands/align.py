"""`nextgpt-chat align`."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from nextgpt_chat.checkpoint import find_checkpoint
from nextgpt_chat.settings import Settings
from nextgpt_chat.training.any_encode import BATCH, RATE, check, plan_for, size, train
from nextgpt_chat.training.loop import processes
from nextgpt_chat.training.pairs import read_pairs

QUOTED = 3
"""Files that cannot be read and are named."""


def main(
    model: Annotated[str, typer.Argument(help="A model that sees nothing yet: its name, or its folder.")],
    pairs: Annotated[list[Path], typer.Option(help="JSON array of captions and names of files beside it; may be repeated.")],
    imagebind: Annotated[Path, typer.Option(help="imagebind_huge.pth, or the folder imagebind of another model.")],
    run: Annotated[Path, typer.Option(help="Folder of the run: embeddings, states, log, curve.")] = Path("runs/align"),
    epochs: Annotated[float, typer.Option(min=0.0001, help="How often each pair is met.")] = 1.0,
    batch: Annotated[int, typer.Option(min=1, help="Pairs in a step, on each GPU.")] = BATCH,
    rate: Annotated[float, typer.Option(min=0, help="Highest learning rate.")] = RATE,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 7,
    dry_run: Annotated[bool, typer.Option(help="Only say what it would take; nothing is loaded.")] = False,
) -> None:
    """Lets a language model see and hear: trains a layer from ImageBind to it on captioned files. Several GPUs: accelerate launch."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    checkpoint = find_checkpoint(Settings().checkpoints, model)
    check(checkpoint)
    told = read_pairs(pairs)
    found = size(checkpoint, imagebind, told, plan_for(len(told), epochs, batch, rate, processes().num_processes))
    _say(
        f"{len(told):,} pairs, {found.steps:,} steps. {found.trained:,} of {found.whole:,} parameters learn ({found.trained / found.whole:.2%}). "
        f"On each GPU {found.memory / 10**9:.1f} GB for weights, gradients and moments, with activations on top; "
        f"{len(told) * 4096 / 10**9:.2f} GB of disk for embeddings of 1,024 features."
    )
    if dry_run:
        return
    read = train(checkpoint, imagebind, told, run, epochs, batch, rate, seed)
    if read.skipped:
        _say(f"{len(read.skipped):,} files could not be read. The first: {'; '.join(read.skipped[:QUOTED])}")
    _say(
        f"{checkpoint.title} takes {', '.join(sorted({pair.kind for pair in read.pairs}))} now. The log and the curve are in {run}."
    )


def _say(sentence: str) -> None:
    if processes().is_main_process:
        sys.stdout.write(f"{sentence}\n")
