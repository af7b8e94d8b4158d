"""The sets whose layout is known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nextgpt_chat.conversation import MediaKind
from nextgpt_chat.datasets.audiocaps import read_audiocaps
from nextgpt_chat.datasets.coco import read_coco
from nextgpt_chat.datasets.item import Item
from nextgpt_chat.datasets.msrvtt import read_msrvtt
from nextgpt_chat.errors import InputError


@dataclass(frozen=True)
class Layout:
    """How one set is published."""

    title: str
    kind: MediaKind
    split: str
    """The part of the set on which results are usually reported."""
    read: Callable[[Path, str], list[Item]]


LAYOUTS = {
    "coco": Layout("COCO", "image", "val2017", read_coco),
    "audiocaps": Layout("AudioCaps", "audio", "test", read_audiocaps),
    "msrvtt": Layout("MSR-VTT", "video", "test", read_msrvtt),
}


def read_items(name: str, folder: Path, split: str) -> list[Item]:
    """What is in a folder in the layout `name`, in the order of its files. Raises `InputError`."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. Give the folder of {LAYOUTS[name].title} with --folder.")
    return LAYOUTS[name].read(folder, split)
