"""One medium of a set with its captions, and what the readers of all layouts share."""

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nextgpt_chat.conversation import MediaKind
from nextgpt_chat.errors import InputError

Shape = TypeVar("Shape", bound=BaseModel)
LARGEST_JSON = 2 * 10**9
"""Most bytes of a JSON file, which is read as a whole."""
KINDS: dict[str, MediaKind] = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp"), "image"),
    **dict.fromkeys((".mp4", ".webm"), "video"),
    **dict.fromkeys((".wav", ".flac", ".mp3", ".ogg", ".m4a"), "audio"),
}
"""What a file holds, by the ending of its name."""


@dataclass(frozen=True)
class Item:
    """A medium and what people wrote about it."""

    name: str
    """Its name or number in the set."""
    kind: MediaKind
    path: Path
    """Where its file should be; it may be missing or damaged."""
    captions: tuple[str, ...]
    """At least one, none of them empty."""


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:
    """What is in a JSON file. Raises `InputError`."""
    try:
        if path.stat().st_size > largest:
            raise InputError(f"{path} has more than {largest:,} bytes, which is the most that is read. Split it.")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}. Get the file again.") from error


def read_columns(path: Path) -> list[str]:
    """The names in the first line of a CSV file. Raises `InputError`."""
    with _table(path) as rows:
        return list(rows.fieldnames or ())


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """The rows of a CSV file that has these columns, one after the other. Raises `InputError`."""
    with _table(path) as rows:
        missing = [name for name in columns if name not in (rows.fieldnames or ())]
        if missing:
            raise InputError(f"{path} lacks the columns {', '.join(missing)}. Expected are {', '.join(columns)}.")
        for number, row in enumerate(rows, 1):
            if any(row[name] is None for name in columns):
                raise InputError(f"{path} is cut off in its row {number}. Expected are {', '.join(columns)} in every row.")
            yield row


@contextmanager
def _table(path: Path) -> Iterator["csv.DictReader[str]"]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield csv.DictReader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}. Get the file again.") from error


def media_files(folder: Path) -> list[Path]:
    """All pictures, clips and sounds anywhere below a folder, by the endings of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in KINDS)


def by_stem(folder: Path, kind: MediaKind) -> dict[str, Path]:
    """The files of a kind anywhere below a folder, by their names without the ending; of equal names the first in the order of their paths."""
    return {path.stem: path for path in reversed(media_files(folder)) if KINDS[path.suffix.lower()] == kind}


def inside(folder: Path, name: str, place: str) -> Path:
    """The file that is named below a folder, at a `place` of its set. Raises `InputError` if the name leads out of the folder."""
    if "\0" in name or ".." in Path(name).parts or Path(name).is_absolute():
        raise InputError(f"{place}: {name!r} is outside of the folder {folder}.")
    return folder / name


def checked(shape: type[Shape], data: Any, path: Path, expected: str) -> Shape:
    """`data` of the file `path` in a shape; `expected` describes it to a person. Raises `InputError`."""
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(f"{path} is not laid out as expected, at {where}: {first['msg']}. Expected is {expected}.") from error


def captioned(items: Sequence[Item], source: Path, expected: str) -> list[Item]:
    """The items that have a caption; `expected` says which files belong to them.

    Raises `InputError` if there is none, or no file of any: then this is not the right folder, while single files may be missing.
    """
    found = [item for item in items if item.captions]
    if not found:
        raise InputError(f"{source} has no captions. Expected is {expected}.")
    if not any(item.path.is_file() for item in found):
        first = found[0]
        raise InputError(
            f"None of the {len(found):,} files that {source} speaks of is there, such as {first.path}. Expected is {expected}."
        )
    return found


def sentences(captions: Sequence[str]) -> tuple[str, ...]:
    """Captions on one line each, without empty and repeated ones."""
    return tuple(dict.fromkeys(" ".join(caption.split()) for caption in captions if caption.strip()))
