"""Instruction dialogues from files: what `mosit` writes, others' data in the same format, and what the authors of NExT-GPT and LLaVA published.

What a person shows is taken into a content store as an upload is, with the same limits and before anything is trained; or it stays where it is, and
whoever opens it says what is wrong with it. What the model makes is learnt from its caption, so its file is not opened.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nextgpt_chat.conversation import Turn
from nextgpt_chat.datasets.item import read_json
from nextgpt_chat.errors import InputError
from nextgpt_chat.export.dialogue_file import DialogueReader, UnusableFileError, lines
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from nextgpt_chat.training.left_out import left_out
from nextgpt_chat.training.published import as_mosit

log = logging.getLogger(__name__)


def read_dialogues(source: Path, content: ContentStore | None, settings: Settings) -> list[list[Turn]]:
    """All dialogues of a folder: of its `dialogues.jsonl`, or of its JSON files in the authors' format. `source` may be one such file too. Without
    `content`, files stay where they are.

    Raises `InputError` with file and line (file and item) for what is no dialogue. Dialogues are left out if a file is not there, which is so for
    many of the authors', or, with `content`, cannot be read or is over the limits; the log says how many, and why the first.
    """
    reader = DialogueReader(source if source.is_dir() else source.parent, content, settings)
    told: list[list[Turn]] = []
    unusable: list[str] = []
    for file in _files(source):
        ours = file.suffix == ".jsonl"
        for place, value in lines(file) if ours else _items(file):
            try:
                told.append(reader.turns(value if ours else as_mosit(value)))
            except UnusableFileError as error:
                unusable.append(f"{place}: {error}")
            except InputError as error:
                raise InputError(f"{place}: {error}") from error
    without = left_out("left out, since a file in them cannot be used", unusable) if unusable else ""
    if not told:
        raise InputError(f"{source} has no dialogue that can be learnt from. {without}".strip())
    log.info("%s: %d dialogues with %d files shown. %s", source, len(told), reader.count, without)
    return told


def _files(source: Path) -> list[Path]:
    if not source.exists():
        raise InputError(f"There is no file or folder {source}.")
    if source.is_file():
        return [source]
    ours = source / "dialogues.jsonl"
    found = [ours] if ours.is_file() else sorted(source.glob("*.json"))
    if not found:
        raise InputError(
            f"{source} is no folder with a file dialogues.jsonl, or with JSON files in the format of the NExT-GPT authors."
        )
    return found


def _items(file: Path) -> Iterator[tuple[str, Any]]:
    """The items of a JSON array, and where each stands."""
    items = read_json(file)
    if not isinstance(items, list):
        raise InputError(f"{file}: This is not a JSON array.")
    return ((f"{file}, item {number}", item) for number, item in enumerate(items, 1))
