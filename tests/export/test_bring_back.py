import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.errors import BusyError, InputError
from nextgpt_chat.export import bring_back as bringing
from nextgpt_chat.export.archive import write_archive
from nextgpt_chat.export.bring_back import bring_back
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.conversations import BROUGHT
from tests.conftest import Opened, open_again, picture
from tests.export.test_export import talk

HELLO = {"turns": [{"role": role, "parts": [{"kind": "text", "text": role}]} for role in ("user", "assistant")]}


def lines(folder: Path, *values: Any) -> Path:
    file = folder / "saved.jsonl"
    file.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return file


def archive(folder: Path, **entries: bytes | str) -> Path:
    file = folder / "saved.zip"
    with ZipFile(file, "w", ZIP_DEFLATED) as opened:
        for name, data in entries.items():
            opened.writestr(name.replace("__", "/"), data)
    return file


def asking(name: str) -> str:
    parts = [{"kind": "image", "file": name}]
    return json.dumps({"turns": [{"role": "user", "parts": parts}, HELLO["turns"][1]]})


def test_what_was_saved_comes_back_with_its_media(store: Opened, tmp_path: Path) -> None:
    saved, settings = talk(store, "look"), Settings(data=tmp_path / "other")
    with (tmp_path / "saved.zip").open("wb") as file:
        write_archive("Birds", "c1", saved, file)
    other = open_again(settings)
    (turns,) = bring_back(tmp_path / "saved.zip", other.content, settings)
    conversation = other.conversations.bring("me", turns)
    asked, reply = other.conversations.messages("me", conversation)
    assert [part.kind for part in reply.turn.parts] == [part.kind for part in saved[1].turn.parts]
    assert (asked.turn.text, reply.turn.text) == (saved[0].turn.text, saved[1].turn.text)
    assert (reply.model, reply.status, reply.running) == (BROUGHT, "complete", False)
    made = reply.turn.media[0]
    assert (made.caption, made.seed) == ("a plain picture", 5)
    assert other.conversations.media("me", made.sha256)[0].is_file()
    assert other.library.summary("me", conversation).title == "look"
    other.conversations.post("me", conversation, Turn("user", (Text("go on"),)), "scripted", ReplySettings())
    assert len(other.conversations.messages("me", conversation)) == 4
    other.close()


def test_lines_alone_come_back_as_conversations(store: Opened, settings: Settings, tmp_path: Path) -> None:
    told = bring_back(lines(tmp_path, HELLO, HELLO), store.content, settings)
    assert [[turn.text for turn in turns] for turns in told] == [["user", "assistant"]] * 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("media/none.png", "line 1: The file 'media/none.png' is not there. Send the ZIP file"),
        ("/etc/passwd", "lies outside of the folder"),
        ("../../etc/passwd", "lies outside of the folder"),
        ("media/broken.png", "broken.png"),
        ("media/text.png", "is not a picture"),
    ],
)
def test_files_that_are_not_its_own_or_broken_get_a_sentence(
    store: Opened, settings: Settings, tmp_path: Path, name: str, sentence: str
) -> None:
    broken = {"media__broken.png": b"\x89PNG\r\n\x1a\n and no more", "media__text.png": b"just text"}
    file = archive(tmp_path, **{"dialogues.jsonl": asking(name)}, **broken)
    with pytest.raises(InputError, match=sentence) as refused:
        bring_back(file, store.content, settings)
    assert "/tmp" not in str(refused.value)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no conversation"),
        (b"{", "line 1: This is not JSON"),
        (b"\xff\xfe\x00", r"^dialogues\.jsonl cannot be read as UTF-8"),
        (b"[" * 100_000, "too many things stand in each other"),
        (b"[1]", "The dialogue has no turns"),
        (b'{"turns": []}', "The dialogue has no turns"),
        (b"PK\x03\x04 and no more", "damaged or encrypted"),
    ],
)
def test_what_is_no_saved_chat_gets_a_sentence(
    store: Opened, settings: Settings, tmp_path: Path, data: bytes, sentence: str
) -> None:
    (tmp_path / "saved.jsonl").write_bytes(data)
    with pytest.raises(InputError, match=sentence):
        bring_back(tmp_path / "saved.jsonl", store.content, settings)


@pytest.mark.parametrize("seed", [2**80, -1, "7", None, [7]])
def test_a_seed_that_is_none_is_left_out(store: Opened, settings: Settings, tmp_path: Path, seed: object) -> None:
    made = {"kind": "image", "file": "media/a.png", "caption": "a bird", "seed": seed}
    line = {"turns": [HELLO["turns"][0], {"role": "assistant", "parts": [made]}]}
    file = archive(tmp_path, **{"dialogues.jsonl": json.dumps(line), "media__a.png": picture(store.content).path.read_bytes()})
    ((_, reply),) = bring_back(file, store.content, settings)
    assert (reply.media[0].seed, reply.media[0].caption) == (None, "a bird")
    store.conversations.bring("me", [Turn("user", (Text("hello"),)), reply])


def test_archives_beyond_the_bounds_are_refused(
    store: Opened, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"no dialogues\.jsonl"):
        bring_back(archive(tmp_path, readme="hello"), store.content, settings)
    monkeypatch.setattr(bringing, "LARGEST_MB", 1)
    bomb = archive(tmp_path, **{"dialogues.jsonl": json.dumps(HELLO), "media__zeros.png": bytes(2_000_000)})
    assert bomb.stat().st_size < 10_000
    with pytest.raises(InputError, match="up to 200 files and 1 MB"):
        bring_back(bomb, store.content, settings)
    monkeypatch.setattr(bringing, "MOST_CONVERSATIONS", 1)
    with pytest.raises(InputError, match="more than 1 conversations"):
        bring_back(lines(tmp_path, HELLO, HELLO), store.content, settings)


def test_a_damaged_archive_gets_a_sentence(store: Opened, settings: Settings, tmp_path: Path) -> None:
    file = archive(tmp_path, **{"dialogues.jsonl": json.dumps(HELLO) * 100})
    data = bytearray(file.read_bytes())
    data[45:60] = bytes(15)
    file.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        bring_back(file, store.content, settings)


def test_what_leads_out_of_the_archive_stays_in_the_folder(store: Opened, settings: Settings, tmp_path: Path) -> None:
    file = archive(tmp_path, **{"dialogues.jsonl": json.dumps(HELLO), "media__..__..__..__escaped": "x"})
    bring_back(file, store.content, settings)
    assert not list(tmp_path.parent.rglob("escaped"))


def test_limits_hold_for_what_is_brought(store: Opened, settings: Settings, tmp_path: Path) -> None:
    small = open_again(Settings(data=settings.data, database=settings.database, max_files_per_visitor=1, max_message_characters=5))
    with pytest.raises(InputError, match="6 characters"):
        small.conversations.bring("me", [Turn("user", (Text("longer"),))])
    turns = [Turn("user", (picture(store.content),)), Turn("assistant", (Text("ok"),))]
    small.conversations.bring("me", turns)
    with pytest.raises(BusyError, match="You keep 1 files"):
        small.conversations.bring("me", turns)
    small.close()
