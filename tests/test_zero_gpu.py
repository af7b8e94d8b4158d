"""A borrowed GPU, with a stand-in for `spaces` that does with a call what that library does: a forked process, pickled values, exceptions
of which the name alone comes back, and an end of the call when its caller leaves."""

import multiprocessing
import pickle
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from nextgpt_chat.conversation import Conversation, Text, Turn
from nextgpt_chat.engine.follow import follow
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import BusyError, InputError
from nextgpt_chat.events import Done, Event, MediaReady, TextDelta
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.zero_gpu import SECONDS, Lent, is_zero_gpu
from tests.conftest import Opened, scripted

ASKED = Conversation((Turn("user", (Text("hello"),)),))
context = multiprocessing.get_context("fork")


def lend(task: Callable[..., Iterator[Any]], duration: int) -> Callable[..., Iterator[Any]]:
    assert duration == SECONDS

    def handler(*given: Any) -> Iterator[Any]:
        asked, (here, there), stop = pickle.dumps(given), context.Pipe(), context.Event()

        def forked() -> None:
            try:
                for value in task(*pickle.loads(asked)):
                    if stop.is_set():
                        break
                    there.send(("value", value))
                there.send(("end", None))
            except Exception as error:
                there.send(("error", type(error).__name__))

        process = context.Process(target=forked)
        process.start()
        try:
            while (received := here.recv())[0] == "value":
                yield received[1]
            if received[0] == "error":
                raise gr.Error(received[1])
        except GeneratorExit:
            stop.set()
            raise
        finally:
            process.join(10)

    return handler


@pytest.fixture(autouse=True)
def spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=lend, __spec__=SimpleNamespace(name="spaces")))


def test_only_a_space_with_such_a_gpu_borrows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_zero_gpu()
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert is_zero_gpu()
    monkeypatch.delitem(sys.modules, "spaces")
    assert not is_zero_gpu()


def test_a_reply_and_a_remake_are_made_over_there_and_kept_here(store: Opened) -> None:
    conversation, job = store.post("me")
    with Worker(store.jobs, lambda: Lent(scripted(store.content), "scripted"), "scripted") as worker:
        events = [event for some in follow(store.jobs, "me", job) for _, event in some]
        assert isinstance(events[-1], Done)
        reply = store.conversations.messages("me", conversation)[-1]
        again = store.conversations.remake("me", reply.id, 0, ["scripted"], ReplySettings())
        worker.notify()
        assert any(isinstance(event, MediaReady) for some in follow(store.jobs, "me", again) for _, event in some)
    message = store.conversations.messages("me", conversation)[-1]
    assert message.turn.text == "Here it is.Done."
    assert (message.turn.media[0].seed, message.turn.media[0].path.is_file()) == (6, True)


def saying(*events: Event | Exception) -> Callable[..., Iterator[Event]]:
    def reply(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event

    return reply


def test_stop_ends_the_call_and_keeps_the_seed(store: Opened) -> None:
    model = Lent(scripted(store.content, saying(*(TextDelta(str(number)) for number in range(1000)))), "scripted")
    told = list(model.reply(ASKED, ReplySettings(), lambda: True))
    assert [type(event) for event in told] == [TextDelta, Done]
    assert isinstance(told[-1], Done)
    assert told[-1].stats.stopped
    assert list(model.reply(ASKED, ReplySettings(seed=told[-1].stats.seed), lambda: True))[-1] == told[-1]


def test_errors_for_people_come_back_whole_and_others_as_busy(store: Opened) -> None:
    refused = Lent(scripted(store.content, saying(TextDelta("a"), InputError("This is too long."))), "scripted")
    with pytest.raises(InputError, match=r"This is too long\."):
        list(refused.reply(ASKED, ReplySettings(), lambda: False))
    broken = Lent(scripted(store.content, saying(ZeroDivisionError("secret"))), "scripted")
    with pytest.raises(BusyError, match=r"No GPU could be borrowed: ZeroDivisionError\. Try again later\."):
        list(broken.reply(ASKED, ReplySettings(), lambda: False))
