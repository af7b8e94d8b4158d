from pathlib import Path

from nextgpt_chat.conversation import Image, Text, Turn
from nextgpt_chat.events import Done, Failed, MediaProgress, MediaReady, MediaStarted, Stats, TextDelta
from nextgpt_chat.store.conversations import Message
from nextgpt_chat.ui.render import GrowingReply, chat_message

IMAGE = Image("ab" * 32, Path("store/x.png"), "image/png", "a bird", 7, {"steps": 4}, width=80, height=80)


def link(medium: object) -> str:
    return "http://host/media/token"


def test_a_reply_grows_in_place() -> None:
    reply = GrowingReply(link)
    assert reply.message()["content"] == ["…"]
    reply.add([TextDelta("Here "), TextDelta("it is."), MediaStarted(0, "image", "a bird")])
    assert reply.message()["content"] == ["Here it is.", "Drawing ▱▱▱▱▱▱▱▱▱▱▱▱"]
    reply.add([MediaProgress(0, 2, 4)])
    assert reply.message()["content"][-1] == "Drawing ▰▰▰▰▰▰▱▱▱▱▱▱ step 2 of 4"
    reply.add([MediaReady(0, IMAGE), TextDelta("Done."), Done(Stats("m", 1))])
    text, image, label, last = reply.message()["content"]
    assert (text, last) == ("Here it is.", "Done.")
    assert image["file"]["url"] == "http://host/media/token"
    assert label == "AI-generated picture, seed 7"


def test_what_was_stopped_or_failed_says_so_and_keeps_its_parts() -> None:
    reply = GrowingReply(link)
    reply.add([TextDelta("half"), MediaStarted(0, "image", "x"), Failed("It <broke>.")])
    assert reply.message()["content"] == ["half", "⚠ It &lt;broke&gt;."]
    stopped = Message("1", "assistant", Turn("assistant", (Text("half"),)), "stopped")
    assert chat_message(stopped, link)["content"] == ["half", "■ Stopped."]


def test_markup_is_shown_and_never_obeyed() -> None:
    message = Message("1", "user", Turn("user", (Text("<img src=x> & <b>"), IMAGE)), "complete")
    text, image = chat_message(message, link)["content"]
    assert text == "&lt;img src=x&gt; &amp; &lt;b&gt;"
    assert image["alt_text"] == "Your picture"
