"""Command-line options over settings from the environment."""

from typing import Any

from pydantic import ValidationError

from nextgpt_chat.errors import InputError
from nextgpt_chat.settings import Settings


def settings_with(**given: Any) -> Settings:
    """The settings in force, with the options that were given. Raises `InputError` for a value out of its range."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(f"The setting '{name}' has the value '{first['input']}': {first['msg']}.") from error
