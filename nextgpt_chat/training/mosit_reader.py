"""Instruction dialogues from files: what `mosit` writes, others' data in the same format, and what the NExT-GPT authors published.

Every file is opened before anything is trained. What a person shows is taken into a content store as an upload is, with the same limits;
what the model makes is learnt from its caption, so its file is not opened.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from nextgpt_chat.conversation import Audio, Image, Part, Role, Text, Turn, Video
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.upload import accept_upload
from nextgpt_chat.settings import Settings
from nextgpt_chat.training.published import as_mosit
from nextgpt_chat.training.talk import MEDIA, stand_in

log = logging.getLogger(__name__)


class MissingFileError(InputError):
    """A file that is named and not there."""


def read_dialogues(source: Path, content: ContentStore, settings: Settings) -> list[list[Turn]]:
    """All dialogues of a folder: of its `dialogues.jsonl`, or of its JSON files in the authors' format. `source` may be one such file too.

    Raises `InputError` with file and line (file and item) for whatever is wrong. Of the authors' data, of which many files were never
    published, dialogues are left out if something that is shown is not there; the log says how many.
    """
    reader = _Reader(source if source.is_dir() else source.parent, content, settings)
    told: list[list[Turn]] = []
    missing = 0
    for file in _files(source):
        ours = file.suffix == ".jsonl"
        for place, value in _lines(file) if ours else _items(file):
            try:
                told.append(reader.turns(value if ours else as_mosit(value)))
            except InputError as error:
                if ours or not isinstance(error, MissingFileError):
                    raise InputError(f"{place}: {error}") from error
                missing += 1
    if not told:
        raise InputError(f"{source} has no dialogue that can be learnt from; {missing} lack files that are shown.")
    log.info("%s: %d dialogues with %d files shown; %d lack files and are left out", source, len(told), reader.count, missing)
    return told


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    ours = source / "dialogues.jsonl"
    found = [ours] if ours.is_file() else sorted(source.glob("*.json"))
    if not found:
        raise InputError(
            f"{source} is no folder with a file dialogues.jsonl, or with JSON files in the format of the NExT-GPT authors."
        )
    return found


def _lines(file: Path) -> Iterator[tuple[str, Any]]:
    """The values of a file of JSON lines, and where each stands. Empty lines are passed over."""
    for number, line in enumerate(_text(file).split("\n"), 1):
        if line.strip():
            place = f"{file}, line {number}"
            try:
                yield place, json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{place}: This is not JSON: {error.msg} (column {error.colno}).") from error


def _items(file: Path) -> Iterator[tuple[str, Any]]:
    """The items of a JSON array, and where each stands."""
    try:
        items = json.loads(_text(file))
    except json.JSONDecodeError as error:
        raise InputError(f"{file}, line {error.lineno}: This is not JSON: {error.msg} (column {error.colno}).") from error
    if not isinstance(items, list):
        raise InputError(f"{file}: This is not a JSON array.")
    return ((f"{file}, item {number}", item) for number, item in enumerate(items, 1))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as UTF-8 text.") from error


class _Reader:
    """Makes turns of lines; their files lie below `folder`."""

    def __init__(self, folder: Path, content: ContentStore, settings: Settings) -> None:
        self.folder, self.content, self.settings = folder, content, settings
        self._taken: dict[Path, Image | Audio | Video] = {}

    @property
    def count(self) -> int:
        """Different files that were taken into the store."""
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
        return made if fields.get("file") is None else replace(made, path=self._path(kind, _string(fields, "file")))

    def _path(self, kind: str, name: str) -> Path:
        """The file that is named, from the folder on, or from its `images`, `videos` or `audios`, where the authors' data have theirs."""
        root = self.folder.resolve()
        try:
            paths = [(folder / name).resolve() for folder in (root, root / f"{kind}s")]
            found = [path for path in paths if path.is_file()]
        except (OSError, ValueError) as error:
            raise InputError(f"{name!r} is not the name of a file.") from error
        if not all(path.is_relative_to(root) for path in paths):
            raise InputError(f"The file {name!r} lies outside of {self.folder}.")
        if not found:
            raise MissingFileError(f"The file {name!r} is not there.")
        return found[0]

    def _shown(self, kind: str, path: Path) -> Image | Audio | Video:
        if path not in self._taken:
            self._taken[path] = accept_upload(path, path.name, self.settings, self.content, MEDIA)
        medium = self._taken[path]
        if medium.kind != kind:
            raise InputError(f"{path.name!r} is of the kind {medium.kind}, and the line says {kind}.")
        return medium


def _string(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise InputError(f"A part of the kind {fields['kind']} needs a text under `{name}`.")
    return value
