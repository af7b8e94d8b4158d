"""Conversations that were saved come back: a ZIP file of `archive`, or its `dialogues.jsonl` alone where no media belong to it."""

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from nextgpt_chat.conversation import Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.export.dialogue_file import DialogueReader, MissingFileError, lines
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings

MOST_CONVERSATIONS = 20
"""Conversations in one file."""
MOST_FILES = 200
"""Files in one archive."""
LARGEST_MB = 200
"""Most megabytes of an archive when it is unpacked."""
LINES = "dialogues.jsonl"


def bring_back(file: Path, content: ContentStore, settings: Settings) -> list[list[Turn]]:
    """The conversations of a file, whose media are taken into the content store as uploads are.

    Raises `InputError` with a sentence for whatever is wrong with it.
    """
    told: list[list[Turn]] = []
    with _unpacked(file) as folder:
        reader = DialogueReader(folder, content, settings, made=True)
        for place, value in lines(folder / LINES, LINES):
            if len(told) == MOST_CONVERSATIONS:
                raise InputError(
                    f"The file has more than {MOST_CONVERSATIONS} conversations, which is the most that come back at once."
                )
            try:
                told.append(reader.turns(value))
            except MissingFileError as error:
                raise InputError(f"{place}: {error} Send the ZIP file, which has the media.") from error
            except InputError as error:
                raise InputError(f"{place}: {error}") from error
    if not told:
        raise InputError("The file has no conversation in it.")
    return told


@contextmanager
def _unpacked(file: Path) -> Iterator[Path]:
    """A folder with the lines and media of an archive, or with the lines alone; it is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        data = file.read_bytes()
        if not data.startswith(b"PK"):
            (Path(folder) / LINES).write_bytes(data)
            yield Path(folder)
            return
        try:
            with ZipFile(file) as archive:
                wanted = [entry for entry in archive.infolist() if entry.filename == LINES or entry.filename.startswith("media/")]
                if LINES not in [entry.filename for entry in wanted]:
                    raise InputError(f"The archive has no {LINES}. Accepted is what 'Save as ZIP' gives.")
                if len(wanted) > MOST_FILES or sum(entry.file_size for entry in wanted) > LARGEST_MB * 10**6:
                    raise InputError(
                        f"The archive is too large. Accepted are up to {MOST_FILES} files and {LARGEST_MB} MB unpacked."
                    )
                archive.extractall(folder, wanted)  # within the folder alone, and no more than the sizes that were said
        except (BadZipFile, zlib.error, OSError, RuntimeError, ValueError) as error:
            raise InputError("The archive is damaged or encrypted and cannot be unpacked. Save the chat again.") from error
        yield Path(folder)
