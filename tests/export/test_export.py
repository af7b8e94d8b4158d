import io
import json
from pathlib import Path
from zipfile import ZipFile

import pytest

from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.export.archive import literal, write_archive
from nextgpt_chat.export.limits import check_size
from nextgpt_chat.export.page import page
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.conversations import Message
from nextgpt_chat.training.mosit_reader import read_dialogues
from tests.conftest import Opened, picture

HOSTILE = "<script>alert(1)</script> ![x](http://example.com/x.png) `*_#"


def talk(store: Opened, said: str = "hello") -> list[Message]:
    shown, made = picture(store.content, 90), picture(store.content)
    asked = Turn("user", (shown, Text(said)))
    reply = Turn("assistant", (Text(HOSTILE), made, Text("Again:"), made))
    return [Message("1", "user", asked, "complete"), Message("2", "assistant", reply, "complete", model="scripted")]


def test_an_archive_has_every_medium_once_and_can_be_trained_on(store: Opened, tmp_path: Path) -> None:
    file = io.BytesIO()
    write_archive("Birds", "c1", talk(store), file)
    archive = ZipFile(file)
    names = ["conversation.md", "dialogues.jsonl", "media/001-a-plain-picture-seed-5.png", "media/002-a-plain-picture-seed-5.png"]
    assert archive.namelist() == names
    assert archive.read(names[3]) == picture(store.content).path.read_bytes()
    archive.extractall(tmp_path)
    told = read_dialogues(tmp_path, ContentStore(tmp_path / "content"), Settings())
    assert [[part.kind for part in turn.parts] for turn in told[0]] == [["image", "text"], ["text", "image", "text", "image"]]
    assert told[0][1].text == HOSTILE + "Again:"


def test_the_text_of_an_archive_shows_what_was_written(store: Opened) -> None:
    file = io.BytesIO()
    write_archive("# a *title*", "c1", talk(store), file)
    text = ZipFile(file).read("conversation.md").decode()
    assert text.startswith("# \\# a \\*title\\*\n\n**You**")
    assert "<script>" not in text
    assert "![x](" not in text
    assert "![AI\\-generated picture: a plain picture](<media/002-a-plain-picture-seed-5.png>)" in text
    assert literal("a_b") == "a\\_b"


@pytest.mark.parametrize("status", ["failed", "stopped", "interrupted"])
def test_what_failed_is_read_and_not_learnt(store: Opened, status: str) -> None:
    asked, reply = talk(store)
    file = io.BytesIO()
    write_archive("t", "c1", [asked, Message("2", "assistant", reply.turn, status)], file)
    assert json.loads(ZipFile(file).read("dialogues.jsonl"))["turns"] == []
    assert f"*{status}*" in ZipFile(file).read("conversation.md").decode()


def test_a_page_holds_everything_and_runs_nothing(store: Opened) -> None:
    shown = page("<b>title</b>", talk(store))
    assert "<title>&lt;b&gt;title&lt;/b&gt;</title>" in shown
    assert "<script" not in shown
    assert "default-src 'none'" in shown
    assert shown.count("data:image/png;base64,") == 3
    assert 'src="http' not in shown
    assert "AI-generated picture: a plain picture, seed 5" in shown


def test_media_beyond_the_limit_are_refused(store: Opened) -> None:
    messages = talk(store)
    messages[0].turn.media[0].path.write_bytes(b"0" * 3_000_000)
    check_size(messages, 3 + 1)
    with pytest.raises(InputError, match="has 3 MB of media; up to 2 MB"):
        check_size(messages, 2)


def test_a_medium_that_is_gone_is_said_to_be(store: Opened) -> None:
    messages = talk(store)
    messages[0].turn.media[0].path.unlink()
    file = io.BytesIO()
    write_archive("t", "c1", messages, file)
    assert len(ZipFile(file).namelist()) == 3
    assert "is no longer there" in page("t", messages)
