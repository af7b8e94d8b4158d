"""Captioned files, as the authors of NExT-GPT lay out CC3M, WebVid and AudioCaps: a JSON array of captions and names of files.

[{"caption": "a dog on a beach", "image_name": "000001.jpg"}, ...]      or video_name, or audio_name
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nextgpt_chat.conversation import MEDIA, Media
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.stand_in import MIMES

NAMES = {"image": "image_name", "video": "video_name", "audio": "audio_name"}
"""Under which a file is named, by kind."""


@dataclass(frozen=True)
class Pair:
    """A file and what is seen or heard in it."""

    kind: str
    path: Path
    caption: str

    @property
    def medium(self) -> Media:
        """As the encoder takes it; nothing but its file is known."""
        return MEDIA[self.kind](sha256=str(self.path), path=self.path, mime=MIMES[self.kind], caption=self.caption)


def read_pairs(sources: Iterable[Path]) -> list[Pair]:
    """The pairs in JSON files, whose media lie beside or below them. Raises `InputError` with file and item for what is laid out otherwise."""
    pairs = [pair for source in sources for pair in _read(source)]
    if not pairs:
        raise InputError(
            "There are no pairs. Accepted are JSON arrays of objects with caption and image_name, video_name or audio_name."
        )
    return pairs


def _read(source: Path) -> list[Pair]:
    try:
        items = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{source} cannot be read as JSON: {error}.") from error
    if not isinstance(items, list):
        raise InputError(
            f"{source} is no JSON array. Accepted are arrays of objects with caption and image_name, video_name or audio_name."
        )
    pairs = []
    for number, item in enumerate(items, 1):
        named = {kind: item[name] for kind, name in NAMES.items() if name in item} if isinstance(item, dict) else {}
        if len(named) != 1 or not str(item.get("caption", "")).strip():
            raise InputError(f"{source}, item {number}: wanted are a caption and one of {', '.join(NAMES.values())}.")
        (kind, name), folder = next(iter(named.items())), source.parent.resolve()
        path = (folder / str(name)).resolve()
        if not path.is_relative_to(folder):
            raise InputError(f"{source}, item {number}: '{name}' is outside of the folder of the JSON file.")
        pairs.append(Pair(kind, path, " ".join(str(item["caption"]).split())))
    return pairs
