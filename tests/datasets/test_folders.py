"""The layouts of published sets, on real files; what is wrong with a folder is said in a sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nextgpt_chat.datasets.audiocaps import audiocaps_items
from nextgpt_chat.datasets.layouts import LAYOUTS, read_items
from nextgpt_chat.errors import InputError
from tests.datasets.captioned_folders import SCENES, write_audiocaps, write_coco, write_msrvtt

WRITERS = {"coco": write_coco, "audiocaps": write_audiocaps, "msrvtt": write_msrvtt}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_item_has_its_file_and_all_its_captions(tmp_path: Path, name: str) -> None:
    items = read_items(name, WRITERS[name](tmp_path), LAYOUTS[name].split)
    assert len(items) == len({item.path for item in items}) == len(SCENES)
    for item, scene in zip(items, SCENES, strict=True):
        assert item.kind == LAYOUTS[name].kind
        assert item.path.is_file()
        assert len(item.captions) == 2
        assert scene.thing in item.captions[0]


def test_another_split_of_coco(tmp_path: Path) -> None:
    write_coco(tmp_path, "val2014")
    assert len(read_items("coco", tmp_path, "val2014")) == len(SCENES)
    with pytest.raises(InputError, match="captions_val2017.json.* With --split, there are: val2014"):
        read_items("coco", tmp_path, "val2017")


def test_a_clip_for_training_is_not_in_the_test(tmp_path: Path) -> None:
    write_msrvtt(tmp_path)
    assert "video0" not in {item.name for item in read_items("msrvtt", tmp_path, "test")}
    with pytest.raises(InputError, match="no clip of the split 'validate'. With --split, there are: test, train"):
        read_items("msrvtt", tmp_path, "validate")


def test_captions_that_are_in_two_files_count_once(tmp_path: Path) -> None:
    write_msrvtt(tmp_path)
    (tmp_path / "MSRVTT_data.json").write_bytes((tmp_path / "test_videodatainfo.json").read_bytes())
    assert all(len(item.captions) == 2 for item in read_items("msrvtt", tmp_path, "test"))


def test_one_missing_file_stays_an_item_and_no_file_at_all_is_refused(tmp_path: Path) -> None:
    first, *others = sorted((write_coco(tmp_path) / "val2017").iterdir())
    first.unlink()
    assert len(read_items("coco", tmp_path, "val2017")) == len(SCENES)
    for path in others:
        path.unlink()
    with pytest.raises(InputError, match="None of the 8 files .* is there, such as .*000000000101.jpg. Expected is"):
        read_items("coco", tmp_path, "val2017")


def test_of_equal_names_the_first_is_taken(tmp_path: Path) -> None:
    write_msrvtt(tmp_path)
    for folder in ("all", "zoo"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "video7010.mp4").write_bytes((tmp_path / "videos" / "video7010.mp4").read_bytes())
    assert read_items("msrvtt", tmp_path, "test")[0].path == tmp_path / "all" / "video7010.mp4"


def test_sounds_that_are_named_by_numbers_alone_are_taken_from_their_own_folder(tmp_path: Path) -> None:
    """The third sound of four has its audiocap_id, 1005, as its name."""
    write_audiocaps(tmp_path)
    (tmp_path / "dataset").mkdir()
    table = (tmp_path / "test.csv").rename(tmp_path / "dataset" / "test.csv")
    audio = tmp_path / "audio" / "test"
    assert [item.path for item in read_items("audiocaps", tmp_path, "test")[:3]] == [
        audio / name for name in ("-xYz_0.wav", "Y-xYz_1.wav", "1005.wav")
    ]
    # beside a table there may be other sets
    assert [item.path for item in audiocaps_items(table, tmp_path)[1:3]] == [audio / "Y-xYz_1.wav", tmp_path / "-xYz_2.wav"]
    own = (audio / "1005.wav").rename(tmp_path / "dataset" / "1005.wav")
    assert audiocaps_items(table, tmp_path)[2].path == own
    (audio / "-xYz_2_30.wav").write_bytes(own.read_bytes())
    assert audiocaps_items(table, tmp_path)[2].path == audio / "-xYz_2_30.wav"


def rewrite(path: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / path).write_text(change((folder / path).read_text(encoding="utf-8")), encoding="utf-8")

    return spoil


def without(key: str) -> Callable[[str], str]:
    return lambda text: json.dumps({name: value for name, value in json.loads(text).items() if name != key})


@pytest.mark.parametrize(
    ("name", "spoil", "sentence"),
    [
        ("coco", rewrite("annotations/captions_val2017.json", lambda text: text[:-9]), "cannot be read as JSON"),
        ("coco", rewrite("annotations/captions_val2017.json", without("annotations")), "not laid out as expected, at annotations"),
        ("coco", rewrite("annotations/captions_val2017.json", lambda _: "[]"), "not laid out as expected, at the whole"),
        (
            "coco",
            rewrite("annotations/captions_val2017.json", lambda text: text.replace('"image_id": 101', '"image_id": "x"')),
            "at annotations.0.image_id",
        ),
        ("audiocaps", lambda folder: (folder / "test.csv").rename(folder / "val.csv"), "With --split, there are: val"),
        ("audiocaps", rewrite("test.csv", lambda text: text.replace("youtube_id", "ytid")), "lacks the columns youtube_id"),
        ("audiocaps", rewrite("test.csv", lambda text: text + "9,abc\n"), "cut off in its row 17"),
        ("audiocaps", lambda folder: (folder / "test.csv").write_bytes(b"\xff\xfe\x00"), "cannot be read as CSV"),
        ("msrvtt", rewrite("test_videodatainfo.json", lambda text: text[1:]), "cannot be read as JSON"),
        ("msrvtt", rewrite("test_videodatainfo.json", lambda text: text.replace('"split"', '"part"')), "at videos.0.split"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path, name: str, spoil: Callable[[Path], None], sentence: str) -> None:
    spoil(WRITERS[name](tmp_path))
    with pytest.raises(InputError, match=sentence):
        read_items(name, tmp_path, LAYOUTS[name].split)


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_empty_folder_and_none_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="Expected is"):
        read_items(name, tmp_path, LAYOUTS[name].split)
    with pytest.raises(InputError, match="There is no folder"):
        read_items(name, tmp_path / "nowhere", LAYOUTS[name].split)
