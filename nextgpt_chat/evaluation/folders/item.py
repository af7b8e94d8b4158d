"""One medium of a set with its captions, and what the readers of all layouts share."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nextgpt_chat.conversation import MediaKind
from nextgpt_chat.errors import InputError

Shape = TypeVar("Shape", bound=BaseModel)


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


def read_json(path: Path) -> Any:
    """What is in a JSON file. Raises `InputError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}. Get the file again.") from error


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
