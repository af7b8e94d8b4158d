"""Media with their captions in files of the same names: what img2dataset makes of the table of CC3M, and video2dataset of WebVid's.

00000/000000012.jpg
00000/000000012.txt     the caption
00000/000000012.json    {"caption": ..., "url": ...}; it is read where there is no .txt
"""

from pathlib import Path

from nextgpt_chat.datasets.item import KINDS, Item, media_files, read_json, sentences
from nextgpt_chat.errors import InputError

LARGEST_NOTE = 10**6
"""Most bytes of a caption's file."""


def sidecar_items(folder: Path) -> list[Item]:
    """All media below a folder that have a caption. Raises `InputError` if there is none."""
    items = [Item(path.name, KINDS[path.suffix.lower()], path, sentences([_caption(path)])) for path in media_files(folder)]
    found = [item for item in items if item.captions]
    if not found:
        packed = next(folder.rglob("*.tar"), None)
        advice = f" Unpack its shards, such as {packed.name}, or let img2dataset write files." if packed else ""
        raise InputError(
            f"{folder} has no captioned media. Expected are files such as 0001.jpg, each with 0001.txt or 0001.json.{advice}"
        )
    return found


def _caption(path: Path) -> str:
    """What is said of a medium, or nothing."""
    words, note = path.with_suffix(".txt"), path.with_suffix(".json")
    if words.is_file():
        try:
            with words.open(encoding="utf-8") as file:
                return file.read(LARGEST_NOTE)
        except (OSError, ValueError) as error:
            raise InputError(f"{words} cannot be read as text: {error}.") from error
    described = read_json(note, LARGEST_NOTE) if note.is_file() else {}
    caption = described.get("caption") if isinstance(described, dict) else None
    return caption if isinstance(caption, str) else ""
