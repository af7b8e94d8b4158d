"""`nextgpt-chat download`."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from nextgpt_chat.checkpoint import FILE_NAME, KINDS, read_checkpoint
from nextgpt_chat.errors import InputError
from nextgpt_chat.presets.download import fetch, plan
from nextgpt_chat.presets.preset import LOCK, Preset, find_preset, names
from nextgpt_chat.settings import Settings


def main(
    preset: Annotated[str, typer.Argument(help=f"One of {', '.join(names())}, or a JSON file of that form.")],
    accept_licences: Annotated[bool, typer.Option(help="Say that you accept the licences that are shown.")] = False,
) -> None:
    """Fetches the parts of a model from the Hugging Face hub; it can be stopped and goes on where it was."""
    folder = Settings().checkpoints / (Path(preset).stem if preset.endswith(".json") else preset)
    if (folder / FILE_NAME).is_file() and not (folder / LOCK).is_file():
        raise InputError(f"There is a model in {folder} already.")
    # parts of which another folder is made stay beside it, and can be deleted afterwards
    parts = folder if (found := find_preset(preset, folder)).description else folder.with_name(f"{folder.name}.parts")
    if parts != folder:
        found = find_preset(preset, parts)
    _say(f"{found.title}: {found.says}\n{_licences(found)}")
    if not (accept_licences or (sys.stdin.isatty() and typer.confirm("Do you accept all of them?"))):
        raise InputError("Nothing was fetched. Read the licences, then say --accept-licences.")
    planned = plan(found, parts)
    _say(f"{planned.total / 10**9:.1f} GB are to be fetched into {parts}.")
    fetch(planned, parts, _say)
    if found.description:
        described = {"format": 1, "name": folder.name, "title": found.title, **found.description}
        if not (folder / FILE_NAME).is_file():  # it may have been edited since
            (folder / FILE_NAME).write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        _convert(parts, folder)
        return
    read_checkpoint(folder)
    _say(f"{found.title} is in {folder}. Talk to it with: NEXTGPT_MODEL={folder.name} nextgpt-chat serve")


def _convert(parts: Path, folder: Path) -> None:
    """As the command of that name does, which is not imported until it is wanted: it loads PyTorch."""
    import_module("nextgpt_chat.commands.convert").main(
        official=parts / "official",
        base=parts / "base",
        delta=parts / "delta",
        imagebind=parts / "imagebind" / "imagebind_huge.pth",
        **{f"{kind}_decoder": parts / f"{kind}_decoder" for kind in KINDS},
        out=folder,
    )
    _say(f"{parts} is not needed any longer.")


def _licences(preset: Preset) -> str:
    lines = (
        f"  {part}: {source.licence} ({source.page or f'https://huggingface.co/{source.repo}'})"
        for part, source in preset.sources.items()
    )
    return "\n".join(["Its parts have these licences:", *lines])


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()
