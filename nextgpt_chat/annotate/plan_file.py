"""Campaigns as files: `campaign.json`, or a ZIP of it with its media in `media/`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nextgpt_chat.annotate.plain import read_json
from nextgpt_chat.annotate.plan import Plan, checked
from nextgpt_chat.errors import InputError
from nextgpt_chat.export.dialogue_file import text_of
from nextgpt_chat.export.unpacking import unpacked

NAME = "campaign.json"
MOST_FILES = 5_000
"""Files in one archive."""
LARGEST_MB = 1_000
"""Most megabytes of an archive when it is unpacked."""


@contextmanager
def plan_in(file: Path) -> Iterator[tuple[Plan, Path]]:
    """The plan in a file, and the folder in which its media lie: that of an archive, or the one around `campaign.json`.

    Raises `InputError` with a sentence for whatever is wrong with it.
    """
    if not file.is_file():
        raise InputError(f"There is no file {file}.")
    with unpacked(file, NAME, MOST_FILES, LARGEST_MB, f"has {NAME} in it, and media in media/") as folder:
        text = text_of(folder / NAME, NAME)
        with file.open("rb") as opened:
            around = folder if opened.read(2) == b"PK" else file.parent
        yield checked(read_json(text, NAME)), around
