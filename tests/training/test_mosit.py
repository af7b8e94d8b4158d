import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from nextgpt_chat.commands import data
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.audio_file import read_audio
from nextgpt_chat.media.image_file import read_image
from nextgpt_chat.media.video_file import read_video
from nextgpt_chat.tinyland.derive import contradictions
from nextgpt_chat.tinyland.dialogues import dialogue
from nextgpt_chat.tinyland.exchange import Exchange, Medium
from nextgpt_chat.tinyland.scene import Scene
from nextgpt_chat.training.mosit import write_mosit, wrong_answers


def test_the_data_set_is_whole_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    done: list[int] = []
    write_mosit(tmp_path / "a", 12, 3, done.append)
    write_mosit(tmp_path / "b", 12, 3)
    assert done == list(range(1, 13))
    one, other = ((tmp_path / name / "dialogues.jsonl").read_text(encoding="utf-8") for name in "ab")
    assert one == other
    dialogues = [json.loads(line) for line in one.splitlines()]
    assert len({told["id"] for told in dialogues}) == 12
    readers = {"image": read_image, "audio": read_audio, "video": lambda path: read_video(path, 8)}
    kinds = set()
    for told in dialogues:
        assert 6 <= len(told["turns"]) <= 14
        assert [turn["role"] for turn in told["turns"][:2]] == ["user", "assistant"]
        for part in (part for turn in told["turns"] for part in turn["parts"] if part["kind"] != "text"):
            kinds.add(part["kind"])
            assert readers[part["kind"]](tmp_path / "a" / part["file"]).size
    assert kinds == {"image", "audio", "video"}
    card = (tmp_path / "a" / "README.md").read_text(encoding="utf-8")
    assert "12 dialogues of" in card
    assert ": 0 contradictions." in card
    assert "| text + picture |" in card


def test_no_answer_contradicts_its_scenes() -> None:
    rng = random.Random(4)
    assert not [wrong for _ in range(1500) for wrong in wrong_answers(dialogue(rng, 5))]


def test_wrong_answers_are_found() -> None:
    dog = Medium("image", Scene("dog", "blue", place="left"))
    good = Exchange("what is it?", "It is a dog.", shown=(dog,))
    assert not contradictions(good, ())
    for reply in (
        "It is a car.",
        "It is red.",
        "Nothing is on the left. The dog is on the left.",
        "It is blue, not blue.",
        "It is moving left.",
    ):
        assert contradictions(replace(good, reply=reply), ()), reply
    sounds = (dog, Medium("image", Scene("car", "red")), Medium("audio", Scene("car", "red")))
    assert not contradictions(Exchange("which?", "It is the second one.", shown=sounds), ())
    assert contradictions(Exchange("which?", "It is the first one.", shown=sounds), ())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        data.main(data.DataSet.MOSIT, tmp_path, 1, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
