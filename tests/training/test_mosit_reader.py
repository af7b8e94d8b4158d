import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextgpt_chat.conversation import Turn
from nextgpt_chat.datasets.item import LARGEST_JSON
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.audio_file import RATE, encode_wav
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png, read_image
from nextgpt_chat.settings import Settings
from nextgpt_chat.training.mosit import write_mosit
from nextgpt_chat.training.mosit_reader import read_dialogues

Read = Callable[[Path], list[list[Turn]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return lambda source: read_dialogues(source, ContentStore(tmp_path / "store"), Settings())


def write_lines(folder: Path, *lines: Any) -> Path:
    """A folder of two small files and a dialogue a line; a text stands as it is."""
    folder.mkdir(exist_ok=True)
    (folder / "a.png").write_bytes(encode_png(np.full((8, 8, 3), 200, np.uint8), {}))
    (folder / "a.wav").write_bytes(encode_wav(np.sin(np.arange(8000) / 5), RATE, {}))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    rows = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "dialogues.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def exchange(*shown: Any, reply: Any = None) -> dict[str, Any]:
    """A dialogue of one message and its reply."""
    asked = [*shown, {"kind": "text", "text": "well?"}]
    made = [{"kind": "text", "text": "Well."}, *([reply] if reply else [])]
    return {"turns": [{"role": "user", "parts": asked}, {"role": "assistant", "parts": made}]}


def test_what_was_written_is_read(tmp_path: Path, read: Read) -> None:
    folder = tmp_path / "mosit"
    write_mosit(folder, 12, 3)
    told = read(folder)
    lines = [json.loads(line) for line in (folder / "dialogues.jsonl").read_text(encoding="utf-8").splitlines()]
    starts = kinds = 0
    for turns, line in zip(told, lines, strict=True):
        assert [turn.role for turn in turns] == [turn["role"] for turn in line["turns"]]
        for turn, written in zip(turns, line["turns"], strict=True):
            assert [part.kind for part in turn.parts] == [part["kind"] for part in written["parts"]]
            assert turn.text == "".join(part.get("text", "") for part in written["parts"])
            media = [part for part in written["parts"] if part["kind"] != "text"]
            for medium, part in zip(turn.media, media, strict=True):
                assert medium.caption == part["caption"]
                assert medium.settings == ({"start": True} if part.get("start") else {})
                starts += bool(medium.settings)
                if turn.role == "assistant":
                    assert medium.path == folder / part["file"]
                elif medium.kind == "image":
                    kinds += 1
                    assert np.array_equal(read_image(medium.path), read_image(folder / part["file"]))
                else:
                    kinds += 1
                    assert medium.path == ContentStore(tmp_path / "store").path(medium.sha256, medium.mime)
                    assert medium.path.is_file()
    assert starts
    assert kinds


def test_others_may_leave_out_what_is_not_needed(tmp_path: Path, read: Read) -> None:
    folder = write_lines(
        tmp_path / "mosit",
        exchange({"kind": "image", "file": "a.png"}, reply={"kind": "video"}),
        "",
        exchange({"kind": "audio", "file": "a.wav", "caption": "a tone", "length": 3}, reply={"kind": "audio", "caption": "a"}),
    )
    for source in (folder, folder / "dialogues.jsonl"):
        first, second = read(source)
        assert [medium.caption for turn in first for medium in turn.media] == [None, None]
        assert [medium.caption for turn in second for medium in turn.media] == ["a tone", "a"]


def test_folders_of_media_may_be_links_and_each_file_stays_in_its_own(tmp_path: Path, read: Read) -> None:
    folder = write_lines(
        tmp_path / "mosit", exchange({"kind": "image", "file": "a.png"}), exchange({"kind": "image", "file": "deep/b.png"})
    )
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (folder / "images").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "deep" / "b.png").write_bytes(encode_png(np.zeros((4, 6, 3), np.uint8), {}))
    assert [read_image(asked.media[0].path).shape for asked, _ in read(folder)] == [(8, 8, 3), (4, 6, 3)]
    (tmp_path / "elsewhere" / "deep" / "b.png").rename(tmp_path / "secret.png")
    (tmp_path / "elsewhere" / "deep" / "b.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match="line 2: The file 'deep/b.png' lies outside of"):
        read(folder)


def turns(*roles: str) -> dict[str, Any]:
    return {"turns": [{"role": role, "parts": [{"kind": "text", "text": "hm"}]} for role in roles]}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "This is not JSON"),
        ("[]", "has no turns"),
        ({"turns": []}, "has no turns"),
        (turns("user"), "The last turn is the user's"),
        (turns("user", "user"), "Turn 2 has the role 'user' instead of 'assistant'"),
        (turns("assistant", "user"), "Turn 1 has the role 'assistant' instead of 'user'"),
        ({"turns": ["hm"]}, "Turn 1 has the role None"),
        ({"turns": [{"role": "user", "parts": []}]}, "Turn 1 has no parts"),
        (exchange("smell"), "There is no kind of part 'None'"),
        (exchange({"kind": ["image"]}), "There is no kind of part \"['image']\""),
        (exchange({"kind": "smell"}), "There is no kind of part 'smell'; the kinds are text, image, video, audio."),
        (exchange({"kind": "text"}), "needs a text under `text`"),
        (exchange({"kind": "image"}), "needs a text under `file`"),
        (exchange({"kind": "image", "file": "a.png", "caption": 3}), "needs a text under `caption`"),
        (exchange({"kind": "image", "file": "a\0.png"}), "is not the name of a file"),
        (exchange({"kind": "image", "file": "a" * 5000}), "is not the name of a file"),
        (exchange({"kind": "image", "file": "../mosit/../secret.png"}), "lies outside of"),
        (exchange({"kind": "image", "file": "/etc/hostname"}), "lies outside of"),
        (exchange({"kind": "image", "file": "/nowhere.png"}), "lies outside of"),
        (exchange({"kind": "image", "file": "../nowhere.png"}), "lies outside of"),
        (exchange({"kind": "image", "file": "link.png"}), "lies outside of"),
        (exchange(reply={"kind": "image", "start": "yes"}), "`start` is 'yes'"),
    ],
)
def test_what_is_wrong_gets_a_sentence_with_its_line(tmp_path: Path, read: Read, line: Any, sentence: str) -> None:
    (tmp_path / "secret.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8), {}))
    folder = write_lines(tmp_path / "mosit", exchange(), line)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError) as raised:
        read(folder)
    assert str(raised.value).startswith(f"{folder / 'dialogues.jsonl'}, line 2: ")
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("dialogue", "reason"),
    [
        (exchange({"kind": "image", "file": "b.png"}), "The file 'b.png' is not there"),
        (exchange(reply={"kind": "image", "file": "b.png"}), "The file 'b.png' is not there"),
        (exchange({"kind": "image", "file": "broken.png"}), "'broken.png' is not a picture that can be read"),
        (exchange({"kind": "image", "file": "dialogues.jsonl"}), "'dialogues.jsonl' is not a picture"),
        (exchange({"kind": "image", "file": "a.wav"}), "'a.wav' is of the kind audio, and the line says image"),
        (exchange({"kind": "audio", "file": "long.wav"}), "'long.wav' lasts more than 1 seconds"),
        (exchange({"kind": "audio", "file": "large.wav"}), "'large.wav' has 2 MB. Accepted are files up to 1 MB"),
    ],
)
def test_dialogues_whose_files_cannot_be_used_are_left_out(
    tmp_path: Path, dialogue: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_lines(tmp_path / "mosit", exchange(), *[dialogue] * 5)
    (folder / "long.wav").write_bytes(encode_wav(np.zeros(2 * RATE), RATE, {}))
    (folder / "large.wav").write_bytes(bytes(2 * 10**6))
    settings = Settings(max_upload_mb=1, max_audio_seconds=1)
    with caplog.at_level(logging.INFO):
        ((asked, _),) = read_dialogues(folder, ContentStore(tmp_path / "store"), settings)
    assert asked.text == "well?"
    assert "5 left out, since a file in them cannot be used" in caplog.text
    assert [f"line {number}: {reason}" in caplog.text for number in range(2, 7)] == [True] * 3 + [False] * 2
    write_lines(folder, dialogue)
    with pytest.raises(InputError, match="has no dialogue that can be learnt from. 1 left out.*") as raised:
        read_dialogues(folder, ContentStore(tmp_path / "store"), settings)
    assert reason in str(raised.value)


def test_folders_without_dialogues_get_a_sentence(tmp_path: Path, read: Read) -> None:
    for source, sentence in (
        (tmp_path, "is no folder with a file dialogues.jsonl"),
        (tmp_path / "nowhere", "There is no file or folder"),
    ):
        with pytest.raises(InputError, match=sentence):
            read(source)
    for content, sentence in ((b"", "has no dialogue"), (b"\xff\xfe", "cannot be read as UTF-8 text")):
        (tmp_path / "dialogues.jsonl").write_bytes(content)
        with pytest.raises(InputError, match=sentence):
            read(tmp_path)


def test_files_beyond_what_is_read_get_a_sentence(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, line = write_lines(tmp_path / "mosit", exchange(), exchange()), len(json.dumps(exchange()))
    monkeypatch.setattr("nextgpt_chat.export.dialogue_file.LONGEST_LINE", line + 1)
    assert len(read(folder)) == 2
    monkeypatch.setattr("nextgpt_chat.export.dialogue_file.LONGEST_LINE", line)
    with pytest.raises(InputError, match=rf"line 1: This line has more than {line} characters"):
        read(folder)
    with (folder / "data.json").open("wb") as file:
        file.truncate(LARGEST_JSON + 1)
    with pytest.raises(InputError, match="data.json has more than 2,000,000,000 bytes"):
        read(folder / "data.json")


def message(speaker: str, value: str) -> dict[str, str]:
    return {"from": speaker, "value": value}


def test_the_authors_data_are_read_and_dialogues_whose_files_nobody_has_are_left_out(
    tmp_path: Path, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_lines(tmp_path / "T-T+X_data")
    (folder / "dialogues.jsonl").unlink()
    (folder / "images").mkdir()
    (folder / "a.png").rename(folder / "images" / "it_img_0.png")
    told = [message("human", "<image>\nWhat is it?"), message("gpt", "A dog.")]
    items = [{"input_image": name, "conversations": told} for name in ("it_img_0.png", "it_img_1.png")]
    (folder / "image.json").write_text(json.dumps(items), encoding="utf-8")
    with caplog.at_level(logging.INFO):
        ((asked, replied),) = read(folder)
    assert "1 left out" in caplog.text
    assert "image.json, item 2: The file 'it_img_1.png' is not there." in caplog.text
    assert [part.kind for part in asked.parts] == ["image", "text"]
    assert (asked.text, replied.text) == ("What is it?", "A dog.")
    assert read_image(asked.media[0].path).shape == (8, 8, 3)
    (folder / "image.json").write_text(json.dumps(items[1:]), encoding="utf-8")
    with pytest.raises(InputError, match="no dialogue that can be learnt from. 1 left out, .*item 1: The file 'it_img_1.png'"):
        read(folder)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[\n{]", "cannot be read as JSON: .*line 2"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("{}", "This is not a JSON array"),
        ('[{"caption": "a dog", "image_name": "1.jpg"}]', "item 1: The item has no list `conversation`"),
        ('[{"conversation": ["hm"]}]', "item 1: A message of the item has no text"),
        ('[{"conversation": [{"from": "human", "value": "<image>"}]}]', "1 left out, .*item 1: The item names no file for <image>"),
        ('[{"conversation": [{"from": "system", "value": "Hm."}]}]', "item 1: Turn 1 has the role 'system'"),
        ('[{"conversation": [{"from": ["gpt"], "value": "Hm."}]}]', r"item 1: Turn 1 has the role \['gpt'\]"),
        ('[{"conversation": [{"from": "human", "value": " "}]}]', "item 1: Turn 1 has no parts"),
    ],
)
def test_what_is_wrong_in_the_authors_format_gets_a_sentence(tmp_path: Path, read: Read, text: str, sentence: str) -> None:
    (tmp_path / "data.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read(tmp_path)
    assert str(tmp_path / "data.json") in str(raised.value)
    assert re.search(sentence, str(raised.value))


def test_llava_as_it_is_published(tmp_path: Path, read: Read) -> None:
    folder = write_lines(tmp_path / "llava")
    (folder / "dialogues.jsonl").unlink()
    (folder / "a.png").rename(folder / "000000033471.jpg")
    told = [message("human", "<image>\nWhat is it?"), message("gpt", "A bus.")]
    items = [
        {"id": "000000033471", "image": "000000033471.jpg", "conversations": told},
        {"id": "wgByO4Y_0", "conversations": [message("human", "Hi"), message("gpt", "Hello!")]},
    ]
    file = folder / "llava_instruct_150k.json"
    file.write_text(json.dumps(items), encoding="utf-8")
    shown, words = read(file)
    assert [part.kind for part in shown[0].parts] == ["image", "text"]
    assert [turn.text for turn in (*shown, *words)] == ["What is it?", "A bus.", "Hi", "Hello!"]
