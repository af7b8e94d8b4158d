import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text as sql

from nextgpt_chat.conversation import Conversation
from nextgpt_chat.engine.follow import follow
from nextgpt_chat.engine.worker import BROKEN, Worker
from nextgpt_chat.errors import Cancelled, SetupError
from nextgpt_chat.events import Done, Event, Failed, MediaProgress, MediaReady, MediaStarted, Model, Remake, Stats, TextDelta
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.jobs import INTERRUPTED, worker_name
from nextgpt_chat.store.tables import new_id
from tests.conftest import ROOT, Opened, open_again, picture, scripted


def run(store: Opened, load: Callable[[], Model], text: str = "hello") -> tuple[str, str, list[Event]]:
    """Sends a message, lets a worker answer it, and returns user, conversation and what a follower saw."""
    user = new_id()
    conversation, job = store.post(user, text)
    with Worker(store.jobs, load, "scripted"):
        events = [event for batch in follow(store.jobs, user, job) for _, event in batch]
    return user, conversation, events


def test_a_follower_sees_the_reply_in_order(store: Opened) -> None:
    _, _, events = run(store, lambda: scripted(store.content))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Here it is.Done."
    assert any(isinstance(event, MediaReady) for event in events)
    assert isinstance(events[-1], Done)


def test_a_follower_can_join_late(store: Opened) -> None:
    user = new_id()
    _, job = store.post(user)
    with Worker(store.jobs, lambda: scripted(store.content), "scripted"):
        numbered = [pair for batch in follow(store.jobs, user, job) for pair in batch]
    late = [pair for batch in follow(store.jobs, user, job, after=numbered[1][0]) for pair in batch]
    assert late == numbered[2:]


def test_an_error_becomes_a_sentence(store: Opened) -> None:
    def broken(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta("half")
        raise ZeroDivisionError("secret detail")

    user, conversation, events = run(store, lambda: scripted(store.content, broken))
    assert events[-1] == Failed(BROKEN)
    reply = store.conversations.messages(user, conversation)[-1]
    assert (reply.status, reply.turn.text) == ("failed", "half")


def test_a_model_that_cannot_be_loaded_says_why(store: Opened) -> None:
    def load() -> Model:
        raise SetupError("The model is not there.")

    assert run(store, load)[2] == [Failed("The model is not there.")]


def test_stop_ends_the_reply_and_frees_the_worker(store: Opened) -> None:
    started = threading.Event()

    def endless(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        if conversation.turns[-1].text != "long":
            yield from scripted(store.content).reply(conversation, settings, cancelled)
            return
        yield TextDelta("on and on")
        try:
            while not cancelled():
                started.set()
                time.sleep(0.01)
            raise Cancelled
        except Cancelled:
            yield Done(Stats("scripted", 1, stopped=True))

    user = new_id()
    conversation, job = store.post(user, "long")
    _, waiting = store.post(user, "never begun")
    _, behind = store.post(user, "behind")
    with Worker(store.jobs, lambda: scripted(store.content, endless), "scripted"):
        assert started.wait(10)
        assert store.jobs.position(user, behind) == 2
        store.jobs.cancel(user, waiting)
        assert store.jobs.status(user, waiting) == "stopped"
        store.jobs.cancel(user, job)
        events = [event for batch in follow(store.jobs, user, behind) for _, event in batch]
    assert isinstance(events[-1], Done)
    assert store.jobs.status(user, job) == "stopped"
    reply = store.conversations.messages(user, conversation)[-1]
    assert (reply.status, reply.turn.text) == ("stopped", "on and on")


def test_a_medium_is_made_again_in_the_place_of_the_old_one(store: Opened) -> None:
    user, conversation, _ = run(store, lambda: scripted(store.content))
    reply = store.conversations.messages(user, conversation)[-1]
    job = store.conversations.remake(user, reply.id, 0, ["scripted"], ReplySettings())
    with Worker(store.jobs, lambda: scripted(store.content), "scripted"):
        events = [event for batch in follow(store.jobs, user, job) for _, event in batch]
    assert [type(event) for event in events] == [MediaStarted, MediaProgress, MediaReady, Done]
    made = store.conversations.messages(user, conversation)[-1]
    assert made.turn.text == reply.turn.text
    assert made.turn.media == (replace(picture(store.content, 100), seed=6),)


def test_a_medium_whose_remake_ends_early_is_still_there(store: Opened) -> None:
    """By Stop, by the end of the server, and by an error."""
    user, conversation, _ = run(store, lambda: scripted(store.content))
    reply = store.conversations.messages(user, conversation)[-1]
    started = threading.Event()

    def endless(conversation: Conversation, medium: int, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield MediaStarted(medium, "image", "never finished")
        started.set()
        while not cancelled():
            time.sleep(0.01)
        yield Done(Stats("scripted", 1, stopped=True))

    def broken(conversation: Conversation, medium: int, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield MediaStarted(medium, "image", "never finished")
        raise ZeroDivisionError

    def attempt(remake: Remake, stop: bool) -> str:
        started.clear()
        job = store.conversations.remake(user, reply.id, 0, ["scripted"], ReplySettings())
        with Worker(store.jobs, lambda: scripted(store.content, remake=remake), "scripted"):
            assert remake is broken or started.wait(10)
            if stop:
                store.jobs.cancel(user, job)
            if stop or remake is broken:
                assert isinstance([event for batch in follow(store.jobs, user, job) for _, event in batch][-1], Done | Failed)
        assert store.conversations.messages(user, conversation)[-1].turn == reply.turn
        assert store.conversations.messages(user, conversation)[-1].status == "complete"
        return store.jobs.status(user, job)

    assert attempt(endless, stop=True) == "stopped"
    assert attempt(endless, stop=False) == "interrupted"
    assert attempt(broken, stop=False) == "failed"


def test_a_remake_whose_process_is_gone_is_marked_and_leaves_the_reply_alone(store: Opened) -> None:
    user, conversation, _ = run(store, lambda: scripted(store.content))
    reply = store.conversations.messages(user, conversation)[-1]
    job = store.conversations.remake(user, reply.id, 0, ["scripted"], ReplySettings())
    store.jobs.claim("pid 1 started 1", "scripted")
    assert store.jobs.recover() == 1
    assert store.jobs.status(user, job) == "interrupted"
    left = store.conversations.messages(user, conversation)[-1]
    assert (left.turn, left.status, left.error, left.running) == (reply.turn, "complete", None, False)


def test_no_job_is_claimed_twice(store: Opened) -> None:
    jobs = {store.post(new_id())[1] for _ in range(12)}
    claimed: list[str] = []

    def claim() -> None:
        while job := store.jobs.claim("1", "scripted"):
            claimed.append(job.id)

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(jobs)


SLOW = """
import sys, time
from pathlib import Path
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.events import *
from nextgpt_chat.settings import Settings
from tests.conftest import open_again, picture, scripted
store = open_again(Settings(data=Path(sys.argv[1]), database=sys.argv[2]))
def slow(conversation, settings, cancelled):
    yield TextDelta("First ")
    yield MediaReady(0, picture(store.content))
    yield TextDelta("then ")
    yield MediaStarted(1, "image", "never finished")
    yield MediaProgress(1, 1, 9)
    print("half way", flush=True)
    time.sleep(60)
Worker(store.jobs, lambda: scripted(store.content, slow), "scripted").start()
time.sleep(60)
"""


def test_a_killed_process_loses_no_finished_part(settings: Settings) -> None:
    store = open_again(settings)
    user = new_id()
    conversation, job = store.post(user)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(settings.data), settings.database_url], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half way\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with Worker(store.jobs, lambda: scripted(store.content), "scripted"):
        events = [event for batch in follow(store.jobs, user, job) for _, event in batch]
        assert events[-1] == Failed(INTERRUPTED)
        reply = store.conversations.messages(user, conversation)[-1]
        assert reply.status == "interrupted"
        assert [part.kind for part in reply.turn.parts] == ["text", "image", "text"]
        assert Path(reply.turn.media[0].path).is_file()
        retried = store.conversations.retry(user, reply.id, "scripted", ReplySettings())
        assert isinstance([event for batch in follow(store.jobs, user, retried) for _, event in batch][-1], Done)
    assert store.conversations.messages(user, conversation)[-1].status == "complete"
    store.database.close()


def test_stopping_the_server_interrupts_the_reply(store: Opened) -> None:
    started = threading.Event()

    def endless(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta("half a reply")
        started.set()
        while not cancelled():
            time.sleep(0.01)
        yield Done(Stats("scripted", 1, stopped=True))

    user = new_id()
    conversation, _ = store.post(user)
    with Worker(store.jobs, lambda: scripted(store.content, endless), "scripted"):
        assert started.wait(10)
        time.sleep(0.2)
    reply = store.conversations.messages(user, conversation)[-1]
    assert (reply.status, reply.turn.text) == ("interrupted", "half a reply")


def test_a_reply_that_raises_cancelled_was_stopped(store: Opened) -> None:
    def leaves(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta("half")
        raise Cancelled

    user, conversation, events = run(store, lambda: scripted(store.content, leaves))
    assert isinstance(events[-1], Done)
    reply = store.conversations.messages(user, conversation)[-1]
    assert (reply.status, reply.turn.text) == ("stopped", "half")


def test_the_engine_outlives_a_database_that_fails_for_a_while(store: Opened) -> None:
    started, broken = threading.Event(), threading.Event()

    def waits(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta("before ")
        started.set()
        broken.wait(10)
        yield from scripted(store.content).reply(conversation, settings, cancelled)

    user = new_id()
    conversation, job = store.post(user)
    with Worker(store.jobs, lambda: scripted(store.content, waits), "scripted"):
        assert started.wait(10)
        time.sleep(0.1)  # lets the first words be written
        rename(store, "job_events", "away")
        broken.set()
        time.sleep(0.2)
        rename(store, "away", "job_events")
        assert [event for batch in follow(store.jobs, user, job) for _, event in batch][-1] == Failed(INTERRUPTED)
        reply = store.conversations.messages(user, conversation)[-1]
        assert (reply.status, reply.turn.text) == ("interrupted", "before ")
        _, after = store.post(user, "and now?", conversation)
        assert isinstance([event for batch in follow(store.jobs, user, after) for _, event in batch][-1], Done)


def rename(store: Opened, old: str, new: str) -> None:
    with store.database.session() as session:
        session.execute(sql(f"ALTER TABLE {old} RENAME TO {new}"))


def test_a_process_that_took_over_an_old_id_is_not_the_old_one(store: Opened) -> None:
    """A process runs under the id of a worker that is gone: its start tells the two apart."""
    user = new_id()
    _, lives = store.post(user)
    _, gone = store.post(user)
    process = subprocess.Popen(
        [sys.executable, "-c", "from nextgpt_chat.store.jobs import worker_name; print(worker_name(), flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    assert name != worker_name()
    store.jobs.claim(name, "scripted")
    store.jobs.claim(f"pid {process.pid} started 1", "scripted")
    assert store.jobs.recover() == 1
    assert (store.jobs.status(user, lives), store.jobs.status(user, gone)) == ("running", "interrupted")
    process.communicate("\n")
    assert store.jobs.recover() == 1
    assert store.jobs.status(user, lives) == "interrupted"


def test_at_the_end_a_running_reply_may_go_on_and_nothing_more_is_begun(store: Opened) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta("half ")
        begun.set()
        while not go_on.wait(0.01):
            if cancelled():
                raise Cancelled
        yield TextDelta("whole")
        yield Done(Stats("scripted", seed=1))

    user = new_id()
    conversation, running = store.post(user)
    _, waiting = store.post(user)
    worker = Worker(store.jobs, lambda: scripted(store.content, slow), "scripted")
    worker.start()
    assert begun.wait(10)
    ending = threading.Thread(target=lambda: worker.stop(drain=30))
    ending.start()
    while worker.state != "ending":
        time.sleep(0.01)
    go_on.set()
    ending.join(10)
    assert (store.jobs.status(user, running), store.jobs.status(user, waiting)) == ("done", "queued")
    assert store.conversations.messages(user, conversation)[-1].turn.text == "half whole"


def test_a_reply_that_takes_longer_is_interrupted(store: Opened) -> None:
    begun = threading.Event()

    def endless(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        begun.set()
        while not cancelled():
            yield TextDelta("more ")
            time.sleep(0.01)
        raise Cancelled

    user = new_id()
    _, job = store.post(user)
    worker = Worker(store.jobs, lambda: scripted(store.content, endless), "scripted")
    worker.start()
    assert begun.wait(10)
    worker.stop(drain=0.3)
    assert store.jobs.status(user, job) == "interrupted"
