"""COCO captions (Chen et al., arXiv 1504.00325), as cocodataset.org publishes them.

annotations/captions_val2017.json   {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}
val2017/000000000139.jpg
"""

from collections import defaultdict
from pathlib import Path

from pydantic import BaseModel

from nextgpt_chat.errors import InputError
from nextgpt_chat.evaluation.folders.item import Item, captioned, checked, read_json, sentences


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
    path, pictures = folder / "annotations" / f"captions_{split}.json", folder / split
    if not path.is_file():
        there = sorted(file.stem.removeprefix("captions_") for file in path.parent.glob("captions_*.json"))
        choice = f" With --split, there are: {', '.join(there)}." if there else ""
        raise InputError(f"There is no {path}. Expected is {expected}.{choice}")
    read = checked(_Captions, read_json(path), path, "a file of COCO captions, with 'images' and 'annotations'")
    captions: dict[int, list[str]] = defaultdict(list)
    for annotation in read.annotations:
        captions[annotation.image_id].append(annotation.caption)
    items = [Item(image.file_name, "image", pictures / image.file_name, sentences(captions[image.id])) for image in read.images]
    return captioned(items, path, expected)
