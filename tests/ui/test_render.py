from dataclasses import replace
from pathlib import Path

import pytest

from nextgpt_chat.conversation import Image, Text, Turn
from nextgpt_chat.events import Done, Failed, MediaProgress, MediaReady, MediaStarted, Stats, TextDelta
from nextgpt_chat.languages.translate import say
from nextgpt_chat.store.conversations import Message, Remaking
from nextgpt_chat.ui.render import NOT_REMADE, GrowingRemake, GrowingReply, View, chat_message

IMAGE = Image("ab" * 32, Path("store/x.png"), "image/png", "a bird", 7, {"steps": 4}, width=80, height=80)


VIEW = View(lambda medium: "http://host/media/token")


def test_a_reply_grows_in_place() -> None:
    reply = GrowingReply(VIEW)
    assert reply.message()["content"] == ["…"]
    reply.add([TextDelta("Here "), TextDelta("it is."), MediaStarted(0, "image", "a bird")])
    assert reply.message()["content"] == ["Here it is.", "Drawing ▱▱▱▱▱▱▱▱▱▱▱▱"]
    reply.add([MediaProgress(0, 2, 4)])
    assert reply.message()["content"][-1] == "Drawing ▰▰▰▰▰▰▱▱▱▱▱▱ step 2 of 4"
    reply.add([MediaReady(0, IMAGE), TextDelta("Done."), Done(Stats("m", 1))])
    text, image, label, last = reply.message()["content"]
    assert (text, last) == ("Here it is.", "Done.")
    assert image["file"]["url"] == "http://host/media/token"
    assert "<summary>AI-generated picture, seed 7</summary>a bird<br>4 steps</details>" in label
    assert '<a href="http://host/media/token" download="a-bird-seed-7.png">Download</a>' in label
    assert "button" not in label


def test_what_was_stopped_or_failed_says_so_and_keeps_its_parts() -> None:
    reply = GrowingReply(VIEW)
    reply.add([TextDelta("half"), MediaStarted(0, "image", "x"), Failed("It <broke>.")])
    assert reply.message()["content"] == ["half", "⚠ It &lt;broke&gt;."]
    stopped = Message("1", "assistant", Turn("assistant", (Text("half"),)), "stopped")
    assert chat_message(stopped, VIEW)["content"] == ["half", "■ Stopped."]


def test_markup_is_shown_and_never_obeyed() -> None:
    message = Message("1", "user", Turn("user", (Text("<img src=x> & <b>"), IMAGE)), "complete")
    text, image, about = chat_message(message, VIEW)["content"]
    shown = '<span class="unseen shows">Your picture</span>'
    assert about == f'<div class="about">{shown}<a href="http://host/media/token" download="a-bird-seed-7.png">Download</a></div>'
    assert text == "&lt;img src=x&gt; &amp; &lt;b&gt;"
    assert image["type"] == "file"


STORED = Message("m1", "assistant", Turn("assistant", (Text("Two."), IMAGE, replace(IMAGE, caption='a "<b>" car'))), "complete")


def test_each_medium_can_be_made_again_by_its_number_where_its_kind_can_be() -> None:
    _, _, first, _, second = chat_message(STORED, VIEW, again=("image",))["content"]
    assert '<button type="button" class="act" name="again:0" value="m1">Another seed<' in first
    assert (
        'name="again:1" value="m1">Another seed<span class="unseen"> for this picture: a "&lt;b&gt;" car</span></button>' in second
    )
    for kinds in ((), ("audio",)):
        assert "again" not in str(chat_message(STORED, VIEW, again=kinds))
    asked = Message("m2", "user", Turn("user", (IMAGE,)), "complete")
    assert "again" not in str(chat_message(asked, VIEW, again=("image",)))


def test_a_medium_that_is_made_again_stays_with_its_progress_under_it() -> None:
    running = GrowingRemake(replace(STORED, remake=Remaking(1, "running")), VIEW)
    before = running.message()["content"]
    assert before[:4] == chat_message(STORED, VIEW)["content"][:4]
    assert (
        before[4]
        == '<div class="about"><span class="unseen shows">AI-generated picture: a "&lt;b&gt;" car</span>Drawing ▱▱▱▱▱▱▱▱▱▱▱▱</div>'
    )
    running.add([MediaStarted(1, "image", "a car"), MediaProgress(1, 1, 2)])
    assert "▰▰▰▰▰▰▱▱▱▱▱▱ step 1 of 2" in running.message()["content"][4]


@pytest.mark.parametrize(("status", "said"), [("done", False), ("stopped", False), ("failed", True), ("interrupted", True)])
def test_a_medium_that_could_not_be_made_again_says_so(status: str, said: bool) -> None:
    _, _, first, _, second = chat_message(replace(STORED, remake=Remaking(1, status)), VIEW)["content"]
    assert NOT_REMADE not in first
    assert (NOT_REMADE in second) == said


def test_how_a_medium_was_made() -> None:
    edited = replace(IMAGE, settings={"steps": 4, "guidance": 2.5, "start": "0" * 64, "strength": 0.6})
    about = chat_message(Message("m", "assistant", Turn("assistant", (edited,)), "complete"), VIEW)["content"][1]
    assert "a bird<br>4 steps, guidance 2.5, begun from an earlier medium, strength 60%</details>" in about


def test_a_reply_is_read_in_the_language_of_who_looks() -> None:
    german = View(VIEW.link, say("de-AT,en;q=0.5"))
    message = Message("m1", "assistant", Turn("assistant", (Text("Two."), IMAGE)), "stopped", stats={})
    _, _, about, stopped, tools = chat_message(message, german, again=("image",), buttons=True)["content"]
    assert "<summary>KI-erzeugt: Bild, Seed 7</summary>a bird<br>4 Schritte</details>" in about
    assert all(word in about for word in (">Herunterladen</a>", ">Anderer Seed<", ">Verwenden<"))
    assert stopped == "■ Angehalten."
    assert ">Gut<" in tools
    running = GrowingReply(german)
    running.add([MediaStarted(0, "video", "x"), MediaProgress(0, 1, 2)])
    assert running.message()["content"] == ["Filmt ▰▰▰▰▰▰▱▱▱▱▱▱ Schritt 1 von 2"]
