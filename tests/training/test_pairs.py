"""Captioned files in all layouts that are learnt from, on real files."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from nextgpt_chat.errors import InputError
from nextgpt_chat.media.stored import read_medium
from nextgpt_chat.training.pairs import read_pairs
from tests.datasets.captioned_folders import SCENES, write_audiocaps, write_cc3m, write_coco, write_named, write_webvid

LAYOUTS = {
    "named": (write_named, "pairs.json", {"image": 1, "video": 1, "audio": 1}, 3),
    "coco": (write_coco, "annotations/captions_val2017.json", {"image": 16}, 8),
    "audiocaps": (write_audiocaps, "test.csv", {"audio": 16}, 8),
    "webvid": (write_webvid, "results_2M_val.csv", {"video": 2}, 2),
    "cc3m": (write_cc3m, "", {"image": 3}, 3),
}
"""Writer, what `--pairs` is given, captions by kind, and files."""


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_caption_stands_with_its_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write, source, captions, files = LAYOUTS[name]
    folder = write(tmp_path / "set")
    pairs = read_pairs([folder / source])
    assert Counter(pair.kind for pair in pairs) == captions
    assert len({pair.path for pair in pairs}) == files
    things = [scene.thing for scene in SCENES]
    each = len(pairs) // files
    for number, pair in enumerate(pairs):
        thing = things[0 if name == "named" else number // each]
        assert thing in pair.caption
        assert read_medium(pair.kind, pair.path, 2).size
    monkeypatch.chdir(folder / Path(source).parent)
    assert read_pairs([Path(source).relative_to(Path(source).parent)]) == pairs  # paths do not depend on where one stands
    assert len(read_pairs([folder / source, folder / source])) == 2 * len(pairs)


@pytest.mark.parametrize("name", ["named", "coco", "audiocaps", "webvid"])
def test_files_need_not_be_there(tmp_path: Path, name: str) -> None:
    write, source, captions, _ = LAYOUTS[name]
    folder = write(tmp_path / "set")
    for pair in read_pairs([folder / source]):
        pair.path.unlink(missing_ok=True)
    pairs = read_pairs([folder / source])
    assert Counter(pair.kind for pair in pairs) == captions
    assert not any(pair.path.exists() for pair in pairs)


def test_pictures_may_lie_beside_their_captions(tmp_path: Path) -> None:
    folder = write_coco(tmp_path / "set")
    (folder / "annotations" / "captions_val2017.json").rename(folder / "val2017" / "captions.json")
    assert all(pair.path.is_file() for pair in read_pairs([folder / "val2017" / "captions.json"]))


def write_text(name: str, text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text, encoding="utf-8")
        return folder / name

    return write


def coco(name: str) -> str:
    return json.dumps({"images": [{"id": 1, "file_name": name}], "annotations": [{"image_id": 1, "caption": "x"}]})


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda folder: folder / "nowhere.json", "nowhere.json cannot be read as JSON"),
        (write_text("a.json", "{"), "cannot be read as JSON"),
        (write_text("a.json", "[" * 100_000), "cannot be read as JSON"),
        (
            write_text("a.json", "{}"),
            "is in no layout that is known. Accepted are a JSON array of .* COCO; .* WebVid; and a folder",
        ),
        (write_text("a.json", "[]"), "There are no pairs. Accepted are"),
        (write_text("a.json", '[{"caption": "x"}]'), "item 1: wanted are a caption and one of"),
        (write_text("a.json", '[{"caption": " ", "image_name": "0.png"}]'), "item 1: wanted are a caption"),
        (write_text("a.json", '[{"caption": "x", "image_name": "0.png", "audio_name": "0.wav"}]'), "item 1: wanted"),
        (write_text("a.json", '[{"caption": "x", "image_name": "../0.png"}]'), "item 1: '../0.png' is outside of the folder"),
        (write_text("a.json", '[{"caption": "x", "image_name": "/0.png"}]'), "is outside of the folder"),
        (write_text("a.json", '[{"caption": "x", "image_name": "0\\u0000.png"}]'), "is outside of the folder"),
        (write_text("a.json", "[1]"), "item 1: wanted"),
        (write_text("a.json", '{"annotations": []}'), "not laid out as expected, at images"),
        (write_text("a.json", coco("../a.jpg")), "'../a.jpg' is outside of the folder"),
        (write_text("a.csv", "caption,url\n"), "neither the columns of AudioCaps .* nor those of WebVid"),
        (write_text("a.csv", ""), "neither the columns"),
        (write_text("a.csv", "videoid,name,page_dir,duration,contentUrl\n1,x\n"), "cut off in its row 1"),
        (write_text("a.csv", "videoid,name,page_dir,duration,contentUrl\n1,x,../..,,\n"), "is outside of the folder"),
        (write_text("a.csv", f"videoid,name,page_dir,duration,contentUrl\n1,{'x' * 200_000},p,,\n"), "cannot be read as CSV"),
        (write_text("Train_GCC-training.tsv", "a dog\thttp://a.example/a.jpg\n"), "no pictures. Fetch them with img2dataset"),
        (lambda folder: write_text("00000/0.jpg", "")(folder).parent, "has no captioned media. Expected are files such as"),
        (lambda folder: write_text("00000.tar", "")(folder).parent, "Unpack its shards, such as 00000.tar"),
    ],
)
def test_what_is_laid_out_otherwise_gets_a_sentence(tmp_path: Path, write: Callable[[Path], Path], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_pairs([write(tmp_path / "set")])


@pytest.mark.parametrize(
    ("ending", "content", "sentence"),
    [
        (".txt", b"\xff\xfe", "cannot be read as text"),
        (".json", b"{", "as JSON"),
        (".json", b" " * 1_000_001, "more than 1,000,000"),
    ],
)
def test_a_damaged_caption_gets_a_sentence(tmp_path: Path, ending: str, content: bytes, sentence: str) -> None:
    first = write_cc3m(tmp_path / "set") / "00000" / "000000000.jpg"
    first.with_suffix(ending).write_bytes(content)
    with pytest.raises(InputError, match=f"000000000{ending} .*{sentence}"):
        read_pairs([tmp_path / "set"])
