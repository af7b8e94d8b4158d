"""COCO captions (Chen et al., arXiv 1504.00325), as cocodataset.org publishes them.

annotations/captions_val2017.json   {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}
val2017/000000000139.jpg
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nextgpt_chat.datasets.item import Item, captioned, checked, inside, read_json, sentences
from nextgpt_chat.errors import InputError


class _Image(BaseModel):
    id: int
    file_name: str


class _Annotation(BaseModel):
    image_id: int
    caption: str


class _Captions(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]


def read_coco(folder: Path, split: str) -> list[Item]:
    """The pictures of a split, such as `val2017`, with their captions. Raises `InputError` for a folder in another layout."""
    expected = f"annotations/captions_{split}.json of COCO, and its pictures in the folder {split}"
    path = folder / "annotations" / f"captions_{split}.json"
    if not path.is_file():
        there = sorted(file.stem.removeprefix("captions_") for file in path.parent.glob("captions_*.json"))
        choice = f" With --split, there are: {', '.join(there)}." if there else ""
        raise InputError(f"There is no {path}. Expected is {expected}.{choice}")
    return captioned(coco_items(read_json(path), path, folder / split), path, expected)


def coco_items(data: Any, path: Path, pictures: Path) -> list[Item]:
    """What is in a file of captions, whose pictures lie in a folder, there or not. Raises `InputError`."""
    read = checked(_Captions, data, path, "a file of COCO captions, with 'images' and 'annotations'")
    captions: dict[int, list[str]] = defaultdict(list)
    for annotation in read.annotations:
        captions[annotation.image_id].append(annotation.caption)
    files = {image.id: inside(pictures, image.file_name, str(path)) for image in read.images}
    return [Item(image.file_name, "image", files[image.id], sentences(captions[image.id])) for image in read.images]


def pictures_of(path: Path) -> Path:
    """Where the pictures of a file of captions lie: in the folder named after the split, or beside the file."""
    root, split = path.parent.parent if path.parent.name == "annotations" else path.parent, path.stem.removeprefix("captions_")
    return next((folder for folder in (root / split, root / "images" / split) if folder.is_dir()), path.parent)
