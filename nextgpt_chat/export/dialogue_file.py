"""Dialogues as lines of JSON with files beside them: what `archive` and `nextgpt-chat data mosit` write.

A line is `{"turns": [{"role": ..., "parts": [...]}]}`, and a part a text or a file with its caption. Files are taken into a content store as
uploads are, with the same limits, or stay where they are.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from nextgpt_chat.conversation import MEDIA, Audio, Image, Part, Role, Text, Turn, Video
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.stand_in import stand_in
from nextgpt_chat.media.upload import accept_upload
from nextgpt_chat.settings import Settings

LONGEST_LINE = 10**7
"""Most characters of a dialogue, with the end of its line."""


class UnusableFileError(InputError):
    """A file that is not there, cannot be read, or is over the limits, in a dialogue that is right otherwise."""


class MissingFileError(UnusableFileError):
    """A file that is named and not there."""


def lines(file: Path, name: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a file of JSON lines, and where each stands, in the file called `name`. Empty lines are passed over."""
    for number, line in enumerate(_lines_of(file, name), 1):
        place = f"{name or file}, line {number}"
        if len(line) > LONGEST_LINE:
            raise InputError(f"{place}: This line has more than {LONGEST_LINE:,} characters, which is the most that is read.")
        if line.strip():
            try:
                yield place, json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{place}: This is not JSON: {error.msg} (column {error.colno}).") from error
            except RecursionError as error:
                raise InputError(f"{place}: This is JSON in which too many things stand in each other.") from error


def _lines_of(file: Path, name: str) -> Iterator[str]:
    """One after the other; of a line that is too long there is more than is read."""
    try:
        with file.open(encoding="utf-8-sig") as opened:
            while line := opened.readline(LONGEST_LINE + 1):
                yield line
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name or file} cannot be read as UTF-8 text.") from error


def text_of(file: Path, name: str = "") -> str:
    """A file as text. Raises `InputError` if it is none."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name or file} cannot be read as UTF-8 text.") from error


class DialogueReader:
    """Makes turns of lines; their files lie below `folder`. What the model made is opened only if `made` says so, and without `content` nothing is."""

    def __init__(self, folder: Path, content: ContentStore | None, settings: Settings, made: bool = False) -> None:
        self.folder, self.content, self.settings, self.made = folder, content, settings, made
        self._taken: dict[tuple[str, Path], Image | Audio | Video] = {}

    @property
    def count(self) -> int:
        """Different files that are shown."""
        return len(self._taken)

    def turns(self, line: Any) -> list[Turn]:
        """A dialogue. Raises `InputError` for what is none."""
        turns = line.get("turns") if isinstance(line, dict) else None
        if not isinstance(turns, list) or not turns:
            raise InputError("The dialogue has no turns.")
        roles: cycle[Role] = cycle(("user", "assistant"))
        told = [self._turn(turn, number, role) for number, (turn, role) in enumerate(zip(turns, roles, strict=False), 1)]
        if told[-1].role == "user":
            raise InputError("The last turn is the user's; every message needs its reply.")
        return told

    def _turn(self, turn: Any, number: int, role: Role) -> Turn:
        said = turn if isinstance(turn, dict) else {}
        if said.get("role") != role:
            raise InputError(
                f"Turn {number} has the role {said.get('role')!r} instead of '{role}'; the user begins, and roles alternate."
            )
        parts = said.get("parts")
        if not isinstance(parts, list) or not parts:
            raise InputError(f"Turn {number} has no parts.")
        return Turn(role, tuple(self._part(part, role) for part in parts))

    def _part(self, part: Any, role: Role) -> Part:
        fields = part if isinstance(part, dict) else {}
        kind = str(fields.get("kind"))
        if kind == "text":
            return Text(_string(fields, "text"))
        if kind not in MEDIA:
            raise InputError(f"There is no kind of part {kind!r}; the kinds are text, {', '.join(MEDIA)}.")
        caption = None if fields.get("caption") is None else _string(fields, "caption")
        if role == "user":
            return replace(self._shown(kind, self._path(kind, _string(fields, "file"))), caption=caption)
        start = fields.get("start", False)
        if not isinstance(start, bool):
            raise InputError(f"`start` is {start!r}; it is true or false.")
        made = stand_in(kind, caption, start)
        if self.made:
            seed = fields.get("seed")
            usable = isinstance(seed, int) and 0 <= seed < 2**31
            opened = self._shown(kind, self._path(kind, _string(fields, "file")))
            return replace(opened, caption=caption, seed=seed if usable else None, settings=made.settings)
        return made if fields.get("file") is None else replace(made, path=self._path(kind, _string(fields, "file")))

    def _path(self, kind: str, name: str) -> Path:
        """The file that is named, from the folder on, or from its `images`, `videos` or `audios`, where the authors' data have theirs."""
        within = not Path(name).is_absolute() and ".." not in Path(name).parts
        try:
            bases = [folder.resolve() for folder in (self.folder, self.folder / f"{kind}s")]  # which may be links
            found = [(base, path) for base in bases if (path := (base / name).resolve()).is_file()] if within else []
        except (OSError, ValueError) as error:
            raise InputError(f"{name!r} is not the name of a file.") from error
        if not within or (found and not found[0][1].is_relative_to(found[0][0])):
            raise InputError(f"The file {name!r} lies outside of the folder of its dialogue.")
        if not found:
            raise MissingFileError(f"The file {name!r} is not there.")
        return found[0][1]

    def _shown(self, kind: str, path: Path) -> Image | Audio | Video:
        if self.content is None:
            return self._taken.setdefault((kind, path), replace(stand_in(kind, None), sha256=f"{kind} {path}", path=path))
        if (kind, path) not in self._taken:
            try:
                self._taken[kind, path] = accept_upload(path, path.name, self.settings, self.content, MEDIA)
            except InputError as error:
                raise UnusableFileError(str(error)) from error
        medium = self._taken[kind, path]
        if medium.kind != kind:
            raise UnusableFileError(f"{path.name!r} is of the kind {medium.kind}, and the line says {kind}.")
        return medium


def _string(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise InputError(f"A part of the kind {fields['kind']} needs a text under `{name}`.")
    return value
