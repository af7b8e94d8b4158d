"""`nextgpt-chat align`."""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nextgpt_chat.checkpoint import Checkpoint, find_checkpoint, folder_of, read_checkpoint
from nextgpt_chat.disk import check_room
from nextgpt_chat.errors import InputError
from nextgpt_chat.settings import Settings
from nextgpt_chat.training import any_decode, any_encode, any_instruct
from nextgpt_chat.training.computed_once import kept
from nextgpt_chat.training.course import Course
from nextgpt_chat.training.embedded_pairs import files_of
from nextgpt_chat.training.left_out import left_out
from nextgpt_chat.training.loop import processes
from nextgpt_chat.training.mosit_reader import read_dialogues
from nextgpt_chat.training.pairs import ACCEPTED, Pair, read_pairs
from nextgpt_chat.training.sharding import configured
from nextgpt_chat.training.size import Size
from nextgpt_chat.training.taking_places import finish


class Stage(StrEnum):
    """The paper's three."""

    ENCODE = "encode"
    DECODE = "decode"
    INSTRUCT = "instruct"


USUAL = {
    Stage.ENCODE: (any_encode.BATCH, any_encode.RATE),
    Stage.DECODE: (any_decode.BATCH, any_decode.RATE),
    Stage.INSTRUCT: (any_instruct.BATCH, any_instruct.RATE),
}
"""The paper's batch and learning rate."""


def main(
    stage: Annotated[
        Stage,
        typer.Argument(
            help="encode: let the language model see and hear; decode: let it make media by signal tokens; instruct: tune it on dialogues."
        ),
    ],
    model: Annotated[str, typer.Argument(help="A model with the prompt 'chat', or to instruct 'vicuna': its name, or its folder.")],
    pairs: Annotated[
        list[Path] | None,
        typer.Option(
            help="To encode and decode: captioned files, as COCO, AudioCaps, WebVid or NExT-GPT lay them out, or a folder of img2dataset; may be repeated."
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="To instruct: folder, or one file, of dialogues as `data mosit`, LLaVA or the NExT-GPT authors write them; may be repeated."
        ),
    ] = None,
    imagebind: Annotated[
        Path | None, typer.Option(help="To encode: imagebind_huge.pth, or the folder imagebind of another model.")
    ] = None,
    run: Annotated[Path, typer.Option(help="Folder of the run: embeddings, states, log, curve.")] = Path("runs/align"),
    epochs: Annotated[float, typer.Option(min=0.0001, help="How often each pair is met.")] = 1.0,
    batch: Annotated[int | None, typer.Option(min=1, help="Pairs in a step, on each GPU; the paper's if left out.")] = None,
    rate: Annotated[float | None, typer.Option(min=0, help="Highest learning rate; the paper's if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 7,
    shard: Annotated[
        bool, typer.Option("--shard", help="Several GPUs hold the language model together, each a part of every layer (FSDP).")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Only say what it would take: parameters, memory, steps, disk. No weights are loaded.")
    ] = False,
) -> None:
    """Aligns a language model with ImageBind, or with a decoder, on captioned files, or tunes it on dialogues. Several GPUs: accelerate launch --module
    nextgpt_chat align."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    usual_batch, usual_rate = USUAL[stage]
    course = Course(run / stage, epochs, batch or usual_batch, rate or usual_rate, seed, configured() or shard)
    ended = "" if dry_run else finish(folder_of(Settings().checkpoints, model))
    checkpoint = find_checkpoint(Settings().checkpoints, model)
    if ended == str(course.run.resolve()):
        _say(f"{checkpoint.title} has what the run in {course.run} learnt: it was ended while that was written, which is done now.")
        return
    if checkpoint.prompt == "turns":
        raise InputError(
            f"{checkpoint.title} cannot be taught so. It is trained by: nextgpt-chat train all; and on dialogues of yours by: "
            "nextgpt-chat train stage3_instruct --data FOLDER"
        )
    if stage == Stage.INSTRUCT:
        _instruct(checkpoint, data or (), course, dry_run)
        return
    if not pairs:
        raise InputError(f"Say where the captions are: --pairs FILE. {ACCEPTED}")
    told = read_pairs(pairs)
    if stage == Stage.ENCODE:
        if imagebind is None:
            raise InputError("Say where the encoder is: --imagebind imagebind_huge.pth, or the folder imagebind of another model.")
        _encode(checkpoint, told, imagebind, course, dry_run)
        return
    named = sorted({pair.kind for pair in told})
    kinds = [kind for kind in named if checkpoint.prompt != "chat" or kind not in checkpoint.signals]
    for kind in set(named) - set(kinds):
        _say(f"{checkpoint.title} has signal tokens for this already: {kind}.")
    for kind in kinds:
        any_decode.check(checkpoint, kind)
    captions = {kind: [pair.caption for pair in told if pair.kind == kind] for kind in kinds}
    _decode(checkpoint, captions, course, dry_run)


def _decode(checkpoint: Checkpoint, captions: dict[str, list[str]], course: Course, dry_run: bool) -> None:
    found = {kind: any_decode.size(checkpoint, kind, len(those), course) for kind, those in captions.items()}
    for kind, size in found.items():
        _report(kind, len(captions[kind]), size)
    if dry_run:
        return
    _check_room(checkpoint, course, {course.run / kind: size for kind, size in found.items()})
    for kind, those in captions.items():
        mine = replace(course, run=course.run / kind)
        any_decode.train(read_checkpoint(checkpoint.folder), kind, those, mine)
        _say(f"{checkpoint.title} has signal tokens for this now: {kind}. The log and the curve are in {mine.run}.")


def _instruct(checkpoint: Checkpoint, sources: Sequence[Path], course: Course, dry_run: bool) -> None:
    any_instruct.check(checkpoint)
    if not sources:
        raise InputError("Say where the dialogues are: --data FOLDER, with dialogues.jsonl or the JSON files of their authors.")
    told = [dialogue for source in sources for dialogue in read_dialogues(source, None, Settings())]
    found, replies = any_instruct.size(checkpoint, told, course), sum(len(dialogue) // 2 for dialogue in told)
    _report("replies", replies, found)
    if dry_run:
        return
    _check_room(checkpoint, course, {course.run: found})
    count = any_instruct.train(checkpoint, told, course)
    _say(f"{checkpoint.title} has learnt from {count:,} of {replies:,} replies. The log and the curve are in {course.run}.")


def _encode(checkpoint: Checkpoint, told: Sequence[Pair], imagebind: Path, course: Course, dry_run: bool) -> None:
    any_encode.check(checkpoint)
    found = any_encode.size(checkpoint, imagebind, len(told), len(files_of(told)), course)
    _report("pairs", len(told), found)
    if dry_run:
        return
    _check_room(checkpoint, course, {course.run: found})
    read = any_encode.train(checkpoint, imagebind, told, course)
    if read.skipped:
        _say(left_out("files could not be read", read.skipped))
    kinds = ", ".join(sorted({pair.kind for pair in read.pairs}))
    _say(f"{checkpoint.title} takes {kinds} now. The log and the curve are in {course.run}.")


def _report(what: str, count: int, found: Size) -> None:
    memory, activations, encoders, disk, written = (
        f"{size / 10**9:.2f} GB" for size in (found.memory, found.activations, found.encoders, found.disk, found.written)
    )
    _say(
        f"{what}: {count:,}, {found.steps:,} steps. {found.trained:,} of {found.whole:,} parameters learn ({found.trained / found.whole:.2%}). "
        f"During the steps each GPU holds {memory} of weights, gradients and moments, and, as an estimate from above, {activations} of activations; "
        f"before them an encoder takes {encoders}. On disk {disk} are embedded once, and {written} are written into the model."
    )


def _check_room(checkpoint: Checkpoint, course: Course, found: Mapping[Path, Size]) -> None:
    """Of runs one after the other, by folder, each of which writes the model anew. Raises `SetupError` if the disk is too small."""
    run = sum(max(0, size.disk + size.state - kept(folder)) for folder, size in found.items())
    written = max((size.written for size in found.values()), default=0)
    check_room(
        f"{(run + written) / 10**9:.1f} GB are to be written, {run / 10**9:.1f} into {course.run} and {written / 10**9:.1f} into {checkpoint.folder}",
        {course.run: run, checkpoint.folder: written},
        "Free some, or choose another folder with --run and NEXTGPT_CHECKPOINTS.",
    )


def _say(sentence: str) -> None:
    if processes().is_main_process:
        sys.stdout.write(f"{sentence}\n")
        sys.stdout.flush()
