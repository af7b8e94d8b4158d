"""AudioCaps (Kim et al., NAACL 2019): a table of captions, and sounds that everybody fetches from YouTube alone.

    test.csv (or dataset/test.csv)      audiocap_id,youtube_id,start_time,caption; a sound has a line for each caption
    wherever/VzY3fLzGBsM.wav            named after youtube_id, also with start_time behind it (VzY3fLzGBsM_30.wav) or with the Y of
                                        AudioSet before it, or after audiocap_id, if no file is named after youtube_id

Many of the recordings are gone, so a set is rarely whole.
"""

from collections import defaultdict
from pathlib import Path

from nextgpt_chat.datasets.item import Item, by_stem, captioned, read_rows, sentences
from nextgpt_chat.errors import InputError

COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")


def read_audiocaps(folder: Path, split: str) -> list[Item]:
    """The sounds of a split, such as `test`, with their captions. Raises `InputError` for a folder in another layout."""
    expected = f"{split}.csv of AudioCaps, and below the folder sounds that are named after youtube_id or audiocap_id"
    path = next((path for path in (folder / f"{split}.csv", folder / "dataset" / f"{split}.csv") if path.is_file()), None)
    if path is None:
        there = sorted({file.stem for file in (*folder.glob("*.csv"), *folder.glob("dataset/*.csv"))})
        choice = f" With --split, there are: {', '.join(there)}." if there else ""
        raise InputError(f"There is no {folder / f'{split}.csv'}. Expected is {expected}.{choice}")
    return captioned(audiocaps_items(path, folder, folder), path, expected)


def audiocaps_items(path: Path, folder: Path, own: Path | None = None) -> list[Item]:
    """What is in a table, whose sounds lie anywhere below a folder, there or not. Raises `InputError`.

    A bare number may be the name of anything, so an audiocap_id is looked for only below `own`, which holds nothing else: if not given, the
    table's own folder.
    """
    clips: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in read_rows(path, COLUMNS):
        clips[row["youtube_id"], row["start_time"]].append(row)
    files, numbered = by_stem(folder, "audio"), by_stem(own or path.parent, "audio")
    items = []
    for (video, start), rows in clips.items():
        found = [files.get(stem) for stem in (f"{video}_{start}", f"Y{video}_{start}", video, f"Y{video}")]
        found += [numbered.get(row["audiocap_id"]) for row in rows]
        file = next((file for file in found if file), folder / f"{video}.wav")
        items.append(Item(video, "audio", file, sentences([row["caption"] for row in rows])))
    return items
