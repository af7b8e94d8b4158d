"""WebVid (Bain et al., ICCV 2021): a table of captions, and clips that everybody fetched alone.

results_2M_train.csv                videoid,name,page_dir,duration,contentUrl; `name` is the caption
videos/014001_014050/32793685.mp4   below page_dir, or in any other folder, named after videoid
"""

from pathlib import Path

from nextgpt_chat.datasets.item import Item, by_stem, inside, read_rows, sentences

COLUMNS = ("videoid", "name", "page_dir")


def webvid_items(path: Path, folder: Path) -> list[Item]:
    """What is in a table, whose clips lie anywhere below a folder, there or not. Raises `InputError`."""
    files = by_stem(folder, "video")
    items = []
    for row in read_rows(path, COLUMNS):
        video = row["videoid"]
        file = files.get(video) or inside(folder, f"{row['page_dir']}/{video}.mp4", str(path))
        items.append(Item(video, "video", file, sentences([row["name"]])))
    return items
