"""JSON from outside: read, and free of what databases and files cannot hold."""

import json
import re
from collections.abc import Iterator
from typing import Any

from nextgpt_chat.errors import InputError

UNHEARD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Control characters that no text has, and halves of characters."""


def read_json(data: str | bytes, name: str) -> Any:
    """The values in a text. Raises `InputError` if it is not JSON or not clean; `name` stands in its sentence."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON: {error}.") from error
    check_clean(value, name)
    return value


def check_clean(value: Any, name: str) -> None:
    """Raises `InputError` if a text in the value holds a character that cannot be kept."""
    for text in _texts(value):
        if found := UNHEARD.search(text):
            raise InputError(f"{name} holds the character U+{ord(found[0]):04X}, which cannot be kept. Take it out.")


def _texts(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            left += one
