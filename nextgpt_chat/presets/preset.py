"""A preset: which parts a model is made of, where they are, and under which licences.

It is a JSON file. With a `description` it becomes a checkpoint as soon as its parts are there; without one, the parts are those of the published
NExT-GPT, which is converted.
"""

import hashlib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from nextgpt_chat.errors import NotFoundError, SetupError

FOLDER = Path(__file__).parent
"""Of the presets that come with the project."""
LOCK = "sources.json"
"""In a model's folder: the preset with the revisions that were fetched, so that what is fetched later fits."""

COMMIT = re.compile("[0-9a-f]{40}")


class Source(BaseModel):
    """Where a part is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repo: str = ""
    """Name at the hub."""
    revision: str = "main"
    """A branch, a tag or a commit. Of a branch, the commit is noted in the model's folder when it is first fetched."""
    until: date | None = None
    """Of a branch, the commit that was its newest at the end of this day, in UTC, is meant: a pin for a repository whose commits nobody has named."""
    files: tuple[str, ...] = ()
    """Patterns of the files that are needed."""
    url: str = ""
    """Address of a file that is not at the hub."""
    sha256: str = ""
    """Of that file; empty if nobody made it known."""
    licence: str
    """Its name, and what it does not allow."""
    page: str = ""
    """Where it can be read; the hub's page of `repo` if empty."""

    @model_validator(mode="after")
    def _one_pin(self) -> "Source":
        if self.until and (self.url or COMMIT.fullmatch(self.revision)):
            raise ValueError("until is for a branch at the hub; a commit or a url needs no day")
        return self

    def check(self, path: Path) -> None:
        """Raises `SetupError` unless the file at `path` is that at `url`, as far as its SHA-256 is known."""
        if not self.sha256:
            return
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise SetupError(
                f"'{path}' is not {self.url}: its SHA-256 is {found} instead of {self.sha256}. Get it again from there."
            )


class Preset(BaseModel):
    """A model that can be fetched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    says: str
    """One sentence on what it is and what it needs."""
    sources: dict[str, Source]
    """By part, which is also the folder."""
    description: dict[str, Any] | None = None
    """What becomes `nextgpt.json`, without format and name."""


def names() -> list[str]:
    """Of the presets that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def find_preset(name: str, target: Path) -> Preset:
    """The preset of that name, or in a file; as it was noted in the folder `target`, if something was fetched into it before.

    Raises `NotFoundError` for an unknown one and `SetupError` for a file that is none.
    """
    path = next((path for path in (target / LOCK, FOLDER / f"{name}.json", Path(name)) if path.is_file()), None)
    if path is None:
        raise NotFoundError(f"There is no preset called '{name}'. Presets: {', '.join(names())}; or give a JSON file of your own.")
    try:
        return Preset.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors())
        raise SetupError(f"The preset {path} is not right: {wrong}.") from error
    except (OSError, ValueError) as error:
        raise SetupError(f"The preset {path} cannot be read: {error}") from error
