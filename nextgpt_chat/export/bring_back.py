"""Conversations that were saved come back: a ZIP file of `archive`, or its `dialogues.jsonl` alone where no media belong to it."""

from pathlib import Path

from nextgpt_chat.conversation import Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.export.dialogue_file import DialogueReader, MissingFileError, lines
from nextgpt_chat.export.unpacking import unpacked
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
    with unpacked(file, LINES, MOST_FILES, LARGEST_MB, "'Save as ZIP' gives") as folder:
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
