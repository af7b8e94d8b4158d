"""MSR-VTT (Xu et al., CVPR 2016), in the layout of its authors.

    test_videodatainfo.json             {"videos": [{"video_id", "split"}], "sentences": [{"video_id", "caption"}]}
    videos/video7010.mp4                or in any other folder below

The JSON files lie in the folder or in its `annotation`; several, such as one for training and one for tests, are read together.
"""

from collections import defaultdict
from pathlib import Path

from pydantic import BaseModel

from nextgpt_chat.datasets.item import Item, by_stem, captioned, checked, read_json, sentences
from nextgpt_chat.errors import InputError


class _Video(BaseModel):
    video_id: str
    split: str


class _Sentence(BaseModel):
    video_id: str
    caption: str


class _Information(BaseModel):
    videos: list[_Video]
    sentences: list[_Sentence]


def read_msrvtt(folder: Path, split: str) -> list[Item]:
    """The clips of a split (`train`, `validate` or `test`) with their captions. Raises `InputError` for a folder in another layout."""
    expected = "a JSON file of MSR-VTT with 'videos' and 'sentences', and clips below the folder that are named after video_id"
    splits: dict[str, str] = {}
    captions: dict[str, list[str]] = defaultdict(list)
    for path in sorted((*folder.glob("*.json"), *folder.glob("annotation*/*.json"))):
        data = read_json(path)
        if isinstance(data, dict) and {"videos", "sentences"} <= data.keys():
            read = checked(_Information, data, path, expected)
            splits |= {video.video_id: video.split for video in read.videos}
            for sentence in read.sentences:
                captions[sentence.video_id].append(sentence.caption)
    if not splits:
        raise InputError(f"There is no description of MSR-VTT in {folder}. Expected is {expected}.")
    names = [name for name, its in splits.items() if its == split]
    if not names:
        there = ", ".join(sorted(set(splits.values())))
        raise InputError(f"{folder} has no clip of the split '{split}'. With --split, there are: {there}.")
    files = by_stem(folder, "video")
    missing = folder / "videos"
    items = [Item(name, "video", files.get(name, missing / f"{name}.mp4"), sentences(captions[name])) for name in names]
    return captioned(items, folder, expected)
