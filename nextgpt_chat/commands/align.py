"""`nextgpt-chat align`."""

import logging
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nextgpt_chat.checkpoint import Checkpoint, find_checkpoint
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from nextgpt_chat.training import any_decode, any_encode, any_instruct
from nextgpt_chat.training.loop import processes
from nextgpt_chat.training.mosit_reader import read_dialogues
from nextgpt_chat.training.pairs import Pair, read_pairs
from nextgpt_chat.training.sharding import check_shared

QUOTED = 3
"""Files that cannot be read and are named."""


class Stage(StrEnum):
    """The paper's three."""

    ENCODE = "encode"
    DECODE = "decode"
    INSTRUCT = "instruct"


def main(
    stage: Annotated[
        Stage,
        typer.Argument(
            help="encode: let the language model see and hear; decode: let it make media by signal tokens; instruct: tune it on dialogues."
        ),
    ],
    model: Annotated[str, typer.Argument(help="A model with the prompt 'chat': its name, or its folder.")],
    pairs: Annotated[
        list[Path] | None,
        typer.Option(
            help="To encode and decode: JSON array of captions and names of files beside it; may be repeated. To decode, captions suffice."
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
        bool, typer.Option(help="Only say what it would take. No language model and no denoiser is loaded.")
    ] = False,
) -> None:
    """Aligns a language model with ImageBind, or with a decoder, on captioned files, or tunes it on dialogues. Several GPUs: accelerate launch --module
    nextgpt_chat align."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    check_shared(shard)
    checkpoint = find_checkpoint(Settings().checkpoints, model)
    if stage == Stage.INSTRUCT:
        _instruct(
            checkpoint,
            data or (),
            run / stage,
            epochs,
            batch or any_instruct.BATCH,
            rate or any_instruct.RATE,
            seed,
            shard,
            dry_run,
        )
        return
    if not pairs:
        raise InputError("Say where the captions are: --pairs FILE, a JSON array of captions and names of files.")
    told, rate = read_pairs(pairs), rate or any_encode.RATE
    if stage == Stage.ENCODE:
        if imagebind is None:
            raise InputError("Say where the encoder is: --imagebind imagebind_huge.pth, or the folder imagebind of another model.")
        _encode(checkpoint, told, imagebind, run / stage, epochs, batch or any_encode.BATCH, rate, seed, shard, dry_run)
        return
    named = sorted({pair.kind for pair in told})
    kinds = [kind for kind in named if checkpoint.prompt != "chat" or kind not in checkpoint.signals]
    for kind in set(named) - set(kinds):
        _say(f"{checkpoint.title} has signal tokens for this already: {kind}.")
    for kind in kinds:
        any_decode.check(checkpoint, kind)
    for kind in kinds:
        captions = [pair.caption for pair in told if pair.kind == kind]
        plan = any_decode.plan_for(len(captions), epochs, batch or any_decode.BATCH, rate, processes().num_processes)
        _report(kind, len(captions), any_decode.size(checkpoint, kind, plan, several=_sharing(shard)))
        if not dry_run:
            any_decode.train(
                find_checkpoint(Settings().checkpoints, model),
                kind,
                captions,
                run / stage / kind,
                plan,
                batch or any_decode.BATCH,
                seed,
                shard,
            )
            _say(f"{checkpoint.title} has signal tokens for this now: {kind}. The log and the curve are in {run / stage / kind}.")


def _instruct(
    checkpoint: Checkpoint,
    sources: Sequence[Path],
    run: Path,
    epochs: float,
    batch: int,
    rate: float,
    seed: int,
    shard: bool,
    dry_run: bool,
) -> None:
    any_instruct.check(checkpoint)
    if not sources:
        raise InputError("Say where the dialogues are: --data FOLDER, with dialogues.jsonl or the JSON files of their authors.")
    settings = Settings()
    told = [dialogue for source in sources for dialogue in read_dialogues(source, ContentStore(run / "media"), settings)]
    replies = sum(len(dialogue) // 2 for dialogue in told)
    plan = any_instruct.plan_for(replies, epochs, batch, rate, processes().num_processes)
    _report("replies", replies, any_instruct.size(checkpoint, plan, _sharing(shard)))
    if dry_run:
        return
    count = any_instruct.train(checkpoint, told, run, epochs, batch, rate, seed, shard)
    _say(f"{checkpoint.title} has learnt from {count:,} of {replies:,} replies. The log and the curve are in {run}.")


def _encode(
    checkpoint: Checkpoint,
    told: Sequence[Pair],
    imagebind: Path,
    run: Path,
    epochs: float,
    batch: int,
    rate: float,
    seed: int,
    shard: bool,
    dry_run: bool,
) -> None:
    any_encode.check(checkpoint)
    plan = any_encode.plan_for(len(told), epochs, batch, rate, processes().num_processes)
    _report("pairs", len(told), any_encode.size(checkpoint, imagebind, plan, _sharing(shard)))
    if dry_run:
        return
    read = any_encode.train(checkpoint, imagebind, told, run, epochs, batch, rate, seed, shard)
    if read.skipped:
        _say(f"{len(read.skipped):,} files could not be read. The first: {'; '.join(read.skipped[:QUOTED])}")
    _say(
        f"{checkpoint.title} takes {', '.join(sorted({pair.kind for pair in read.pairs}))} now. The log and the curve are in {run}."
    )


def _sharing(shard: bool) -> int:
    """How many processes hold one language model."""
    return processes().num_processes if shard else 1


def _report(what: str, count: int, found: any_encode.Size) -> None:
    _say(
        f"{what}: {count:,}, {found.steps:,} steps. {found.trained:,} of {found.whole:,} parameters learn ({found.trained / found.whole:.2%}). "
        f"On each GPU {found.memory / 10**9:.1f} GB for weights, gradients and moments, with activations on top; "
        f"{count * found.disk / 10**9:.2f} GB of disk for what is embedded once."
    )


def _say(sentence: str) -> None:
    if processes().is_main_process:
        sys.stdout.write(f"{sentence}\n")
        sys.stdout.flush()
