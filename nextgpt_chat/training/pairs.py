"""Captioned files to learn from, in the layouts in which CC3M, COCO, AudioCaps and WebVid are published, or as the authors of NExT-GPT lay them out:
a JSON array of captions and names of files beside or below it.

[{"caption": "a dog on a beach", "image_name": "000001.jpg"}, ...]      or video_name, or audio_name

No medium is opened here, and none needs to be there: whoever opens it says what is missing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextgpt_chat.conversation import MEDIA, Media, MediaKind
from nextgpt_chat.datasets import audiocaps, webvid
from nextgpt_chat.datasets.audiocaps import audiocaps_items
from nextgpt_chat.datasets.coco import coco_items, pictures_of
from nextgpt_chat.datasets.item import Item, inside, read_columns, read_json, sentences
from nextgpt_chat.datasets.sidecars import sidecar_items
from nextgpt_chat.datasets.webvid import webvid_items
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.stand_in import MIMES

NAMES: dict[MediaKind, str] = {"image": "image_name", "video": "video_name", "audio": "audio_name"}
"""Under which a file is named, by kind."""
ACCEPTED = (
    "Accepted are a JSON array of objects with caption and image_name, video_name or audio_name; captions_train2017.json of COCO; the CSV of "
    "AudioCaps or WebVid; and a folder of media that img2dataset or video2dataset wrote, each with its caption beside it."
)


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
    """A pair for each caption, of files or folders in any of the layouts. Raises `InputError` for what is laid out otherwise."""
    items = [item for source in sources for item in _read(source.parent.resolve() / source.name)]
    pairs = [Pair(item.kind, item.path, caption) for item in items for caption in item.captions]
    if not pairs:
        raise InputError(f"There are no pairs. {ACCEPTED}")
    return pairs


def _read(source: Path) -> Sequence[Item]:
    if source.is_dir():
        return sidecar_items(source)
    if source.suffix.lower() == ".csv":
        return _table(source)
    if source.suffix.lower() == ".tsv":
        raise InputError(
            f"{source} has captions and addresses, as CC3M is published, but no pictures. Fetch them with img2dataset, and give the "
            "folder that it wrote."
        )
    data = read_json(source)
    if isinstance(data, list):
        return [_named(item, source.parent, f"{source}, item {number}") for number, item in enumerate(data, 1)]
    if isinstance(data, dict) and "annotations" in data:
        return coco_items(data, source, pictures_of(source))
    raise InputError(f"{source} is in no layout that is known. {ACCEPTED}")


def _table(source: Path) -> list[Item]:
    """What is in a CSV file, which its columns tell apart."""
    columns = set(read_columns(source))
    if columns.issuperset(audiocaps.COLUMNS):
        return audiocaps_items(source, source.parent.parent if source.parent.name == "dataset" else source.parent)
    if columns.issuperset(webvid.COLUMNS):
        return webvid_items(source, source.parent)
    raise InputError(
        f"{source} has neither the columns of AudioCaps ({', '.join(audiocaps.COLUMNS)}) nor those of WebVid ({', '.join(webvid.COLUMNS)})."
    )


def _named(item: Any, folder: Path, place: str) -> Item:
    """An object of a JSON array."""
    named = [(kind, str(item[name])) for kind, name in NAMES.items() if name in item] if isinstance(item, dict) else []
    captions = sentences([str(item.get("caption", ""))]) if named else ()
    if len(named) != 1 or not captions:
        raise InputError(f"{place}: wanted are a caption and one of {', '.join(NAMES.values())}.")
    kind, name = named[0]
    return Item(name, kind, inside(folder, name, place), captions)
