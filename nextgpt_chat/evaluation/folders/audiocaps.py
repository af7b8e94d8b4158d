"""AudioCaps (Kim et al., NAACL 2019): a table of captions, and sounds that everybody fetches from YouTube alone.

    test.csv (or dataset/test.csv)      audiocap_id,youtube_id,start_time,caption; a sound has a line for each caption
    wherever/VzY3fLzGBsM.wav            named after youtube_id, also with the Y of AudioSet before it, or after audiocap_id

Many of the recordings are gone, so a set is rarely whole.
"""

import csv
from collections import defaultdict
from pathlib import Path

from nextgpt_chat.errors import InputError
from nextgpt_chat.evaluation.folders.item import Item, captioned, sentences

COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
Row = dict[str, str]


def read_audiocaps(folder: Path, split: str) -> list[Item]:
    """The sounds of a split, such as `test`, with their captions. Raises `InputError` for a folder in another layout."""
    expected = f"{split}.csv of AudioCaps, and below the folder WAV files that are named after youtube_id or audiocap_id"
    path = next((path for path in (folder / f"{split}.csv", folder / "dataset" / f"{split}.csv") if path.is_file()), None)
    if path is None:
        there = sorted({file.stem for file in (*folder.glob("*.csv"), *folder.glob("dataset/*.csv"))})
        choice = f" With --split, there are: {', '.join(there)}." if there else ""
        raise InputError(f"There is no {folder / f'{split}.csv'}. Expected is {expected}.{choice}")
    clips: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in _rows(path):
        clips[row["youtube_id"], row["start_time"]].append(row)
    files = {file.stem: file for file in sorted(folder.rglob("*.wav"))}
    items = []
    for (video, _), rows in clips.items():
        names = [video, f"Y{video}", *(row["audiocap_id"] for row in rows)]
        file = next((files[name] for name in names if name in files), folder / f"{video}.wav")
        items.append(Item(video, "audio", file, sentences([row["caption"] for row in rows])))
    return captioned(items, path, expected)


def _rows(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise InputError(f"{path} lacks the columns {', '.join(missing)}. Expected are {', '.join(COLUMNS)}.")
            rows = list(table)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}. Get the file again.") from error
    for number, row in enumerate(rows, 1):
        if any(row[name] is None for name in COLUMNS):
            raise InputError(f"{path} is cut off in its row {number}. Expected are {', '.join(COLUMNS)} in every row.")
    return rows
