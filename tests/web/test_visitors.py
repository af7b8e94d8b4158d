"""Fifty people at once."""

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.visitors import crowd
from nextgpt_chat.application import App
from nextgpt_chat.conversation import Conversation
from nextgpt_chat.events import Done, Event, MediaReady, MediaStarted, Stats, TextDelta
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import ReplySettings, Settings
from tests.conftest import Scripted, picture, scripted
from tests.web.test_server import DESCRIPTION, free_port


def echo(content: ContentStore) -> Scripted:
    """Says what it was told, and draws."""

    def say(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta(f"You said: {conversation.turns[-1].text}")
        yield MediaStarted(0, "image", "a plain picture")
        yield MediaReady(0, picture(content))
        yield Done(Stats("scripted", seed=1))

    return scripted(content, say)


def test_fifty_visitors_at_once_get_their_own_replies_or_hear_when_to_come_back(tmp_path: Path) -> None:
    app = App(Settings(data=tmp_path / "data", port=free_port(), max_waiting_jobs=40), [(DESCRIPTION, echo)])
    app.launch()
    try:
        told = crowd(f"http://127.0.0.1:{app.settings.port}", 50)
    finally:
        app.close()
    replies = [one for one in told if one.finished]
    assert [one.text for one in replies] == [f"You said: {one.ask}" for one in replies]
    assert all(one.media == 1 for one in replies)
    refusals = {one.problem for one in told if not one.finished}
    assert refusals <= {"Too many people are waiting for a reply just now. Try again in a minute."}
    assert len(replies) >= 40
