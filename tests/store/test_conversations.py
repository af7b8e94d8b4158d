import os
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from nextgpt_chat.conversation import Image, Text, Turn
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import BusyError, InputError, NotFoundError
from nextgpt_chat.events import Done, Event, Failed, MediaProgress, MediaReady, MediaStarted, Stats, TextDelta
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.conversations import Message, Remaking, title_of
from nextgpt_chat.store.jobs import INTERRUPTED
from nextgpt_chat.store.tables import ConversationRow, JobRow, MessageRow, new_id, now
from tests.conftest import Opened, open_again, picture, scripted


def answer(store: Opened, job: str) -> None:
    """Makes a queued reply."""
    claimed = store.jobs.claim("1", "scripted")
    assert claimed is not None
    assert claimed.id == job
    for event in scripted(store.content).reply(claimed.conversation, claimed.settings, lambda: False):
        store.jobs.append(job, event)


def test_a_conversation_is_there_tomorrow(store: Opened, settings: Settings) -> None:
    user = new_id()
    conversation, job = store.post(user, "draw ünïcode 🙂")
    answer(store, job)
    store.database.close()
    again = open_again(settings)
    asked, replied = again.conversations.messages(user, conversation)
    assert asked.turn == Turn("user", (Text("draw ünïcode 🙂"),))
    first, image, last = replied.turn.parts
    assert (first, last) == (Text("Here it is."), Text("Done."))
    assert isinstance(image, Image)
    assert image == picture(again.content)
    assert replied.status == "complete"
    assert [summary.title for summary in again.library.recent(user)] == ["draw ünïcode 🙂"]
    again.database.close()


def test_the_model_sees_the_whole_conversation(store: Opened) -> None:
    user = new_id()
    conversation, job = store.post(user, "one")
    answer(store, job)
    store.post(user, "two", conversation)
    claimed = store.jobs.claim("1", "scripted")
    assert claimed is not None
    assert [turn.text for turn in claimed.conversation.turns] == ["one", "Here it is.Done.", "two"]


def test_another_visitor_finds_nothing(store: Opened) -> None:
    owner, other = new_id(), new_id()
    conversation, job = store.post(owner)
    answer(store, job)
    sha256 = picture(store.content).sha256
    assert store.conversations.media(owner, sha256)[1] == "image/png"
    assert store.library.recent(other) == []
    reply = store.conversations.messages(owner, conversation)[-1].id
    for forbidden in (
        lambda: store.conversations.messages(other, conversation),
        lambda: store.conversations.media(other, sha256),
        lambda: store.post(other, "mine now", conversation),
        lambda: store.conversations.retry(other, reply, "scripted", ReplySettings()),
        lambda: store.conversations.remake(other, reply, 0, ["scripted"], ReplySettings()),
        lambda: store.library.delete(other, conversation),
        lambda: store.jobs.events(other, job),
        lambda: store.jobs.cancel(other, job),
        lambda: store.jobs.status(other, job),
    ):
        with pytest.raises(NotFoundError):
            forbidden()


@pytest.mark.parametrize(
    ("text", "sentence"), [("", "The message is empty"), ("  \n ", "The message is empty"), ("word " * 20_000, "characters")]
)
def test_messages_that_cannot_be_sent(store: Opened, text: str, sentence: str) -> None:
    user = new_id()
    with pytest.raises(InputError, match=sentence):
        store.post(user, text)
    assert store.library.recent(user) == []


def test_one_reply_at_a_time_in_a_conversation(store: Opened) -> None:
    user = new_id()
    conversation, job = store.post(user)
    with pytest.raises(BusyError, match="still being made"):
        store.post(user, "again", conversation)
    answer(store, job)
    store.post(user, "again", conversation)


def test_the_queue_and_the_number_of_conversations_have_a_limit(settings: Settings) -> None:
    store = open_again(settings.model_copy(update={"max_waiting_jobs": 2, "max_conversations": 3}))
    user = new_id()
    store.post(user)
    store.post(user)
    with pytest.raises(BusyError, match="Too many people"):
        store.post(user)
    with pytest.raises(BusyError, match="3 conversations"):
        store.conversations.start(user)
    store.database.close()


def test_retry_makes_a_branch_and_keeps_the_old_reply_out_of_sight(store: Opened) -> None:
    user = new_id()
    conversation, job = store.post(user)
    store.jobs.claim("1", "scripted")
    store.jobs.append(job, TextDelta("half"), Failed("It broke."))
    broken = store.conversations.messages(user, conversation)[-1]
    assert (broken.status, broken.error, broken.turn.text) == ("failed", "It broke.", "half")
    second = store.conversations.retry(user, broken.id, "scripted", ReplySettings(seed=3))
    claimed = store.jobs.claim("1", "scripted")
    assert claimed is not None
    assert claimed.settings.seed == 3
    assert [turn.text for turn in claimed.conversation.turns] == ["hello"]
    store.jobs.append(second, TextDelta("whole"), Done(Stats("scripted", 3)))
    messages = store.conversations.messages(user, conversation)
    assert [message.turn.text for message in messages] == ["hello", "whole"]


def replied(store: Opened, user: str, conversation: str | None = None) -> Message:
    """A finished reply with a picture."""
    conversation, job = store.post(user, conversation=conversation)
    answer(store, job)
    return store.conversations.messages(user, conversation)[-1]


def conversation_of(store: Opened, user: str) -> str:
    return store.library.recent(user)[0].id


def test_a_medium_is_made_again_and_everything_else_stays(store: Opened) -> None:
    user = new_id()
    reply = replied(store, user)
    conversation = conversation_of(store, user)
    replied(store, user, conversation)
    before = store.conversations.messages(user, conversation)
    job = store.conversations.remake(user, reply.id, 0, ["scripted"], ReplySettings(seed=6))
    waiting = store.conversations.messages(user, conversation)[1]
    assert (waiting.running, waiting.status, waiting.job, waiting.remake) == (True, "complete", job, Remaking(0, "queued"))
    claimed = store.jobs.claim("1", "scripted")
    assert claimed is not None
    assert (claimed.id, claimed.medium, claimed.settings.seed) == (job, 0, 6)
    assert [turn.role for turn in claimed.conversation.turns] == ["user", "assistant"]
    assert claimed.conversation.turns[-1] == reply.turn
    for event in scripted(store.content).remake(claimed.conversation, 0, claimed.settings, lambda: False):
        store.jobs.append(job, event)
    after = store.conversations.messages(user, conversation)
    first, image, last = after[1].turn.parts
    assert (first, last) == (Text("Here it is."), Text("Done."))
    assert image == replace(picture(store.content, 100), seed=6)
    assert (after[1].running, after[1].status, after[1].stats, after[1].remake) == (
        False,
        "complete",
        reply.stats,
        Remaking(0, "done"),
    )
    assert [after[0], *after[2:]] == [before[0], *before[2:]]


def test_a_medium_that_was_not_made_again_stays(store: Opened) -> None:
    user = new_id()
    reply = replied(store, user)
    conversation = conversation_of(store, user)

    def attempt(*events: Event) -> Message:
        job = store.conversations.remake(user, reply.id, 0, ["scripted"], ReplySettings())
        if events:
            store.jobs.claim("1", "scripted")
            store.jobs.append(job, MediaStarted(0, "image", "a plain picture"), MediaProgress(0, 1, 2), *events)
        else:
            store.jobs.cancel(user, job)
        return store.conversations.messages(user, conversation)[-1]

    ends: list[tuple[list[Event], str]] = [
        ([Failed("It broke.")], "failed"),
        ([Failed(INTERRUPTED)], "interrupted"),
        ([Done(Stats("scripted", 1, stopped=True))], "stopped"),
        ([], "stopped"),
    ]
    for events, status in ends:
        assert replace(attempt(*events), job=reply.job, remake=None) == reply
        assert store.conversations.messages(user, conversation)[-1].remake == Remaking(0, status)


def test_what_cannot_be_made_again(store: Opened) -> None:
    user = new_id()
    reply = replied(store, user)
    asked = store.conversations.messages(user, conversation_of(store, user))[0]
    for message, medium, sentence in (
        (asked.id, 0, "no such reply"),
        ("x" * 32, 0, "no such reply"),
        (reply.id, 1, "no such picture"),
        (reply.id, -1, "no such picture"),
    ):
        with pytest.raises(NotFoundError, match=sentence):
            store.conversations.remake(user, message, medium, ["scripted"], ReplySettings())
    with pytest.raises(InputError, match="another model, scripted"):
        store.conversations.remake(user, reply.id, 0, ["newer"], ReplySettings())
    store.conversations.remake(user, reply.id, 0, ["scripted"], ReplySettings())
    for busy in (
        lambda: store.conversations.remake(user, reply.id, 0, ["scripted"], ReplySettings()),
        lambda: store.post(user, "again", conversation_of(store, user)),
    ):
        with pytest.raises(BusyError, match="still being made"):
            busy()


@pytest.mark.parametrize("shown", [1, 2])
def test_a_file_that_was_replaced_goes_when_nothing_shows_it(store: Opened, shown: int) -> None:
    user = new_id()
    for _ in range(shown):
        reply = replied(store, user)
    old = picture(store.content)
    job = store.conversations.remake(user, reply.id, 0, ["scripted"], ReplySettings())
    store.jobs.claim("1", "scripted")
    new = replace(picture(store.content, 100), seed=6)
    store.jobs.append(job, MediaReady(0, new), Done(Stats("scripted", 6)))
    for path in (old.path, new.path):
        os.utime(path, (0, 0))
    assert store.library.sweep() == (1 if shown == 1 else 0)
    assert (old.path.is_file(), new.path.is_file()) == (shown == 2, True)
    assert store.conversations.media(user, new.sha256)[0] == new.path
    if shown == 1:
        with pytest.raises(NotFoundError):
            store.conversations.media(user, old.sha256)


def test_deleting_removes_files_that_nobody_else_shows(store: Opened) -> None:
    first, second = new_id(), new_id()
    _, job = store.post(first)
    answer(store, job)
    _, job = store.post(second)
    answer(store, job)
    path = picture(store.content).path
    assert store.library.erase(second) == 1
    assert path.is_file()
    assert store.library.erase(first) == 1
    assert not path.exists()


def test_titles() -> None:
    assert title_of(Turn("user", (Text("  a \n b "),))) == "a b"
    assert len(title_of(Turn("user", (Text("x" * 300),)))) == 60


def test_worker_is_the_only_writer_of_replies(store: Opened) -> None:
    """The page writes a turn and a job; a worker makes the reply."""
    user = new_id()
    conversation, job = store.post(user)
    assert store.conversations.messages(user, conversation)[-1].turn.parts == ()
    with Worker(store.jobs, lambda: scripted(store.content), "scripted"):
        while store.jobs.status(user, job) != "done":
            pass
    assert store.conversations.messages(user, conversation)[-1].turn.text == "Here it is.Done."


def test_a_very_long_conversation_can_be_deleted(store: Opened) -> None:
    """SQLite follows a chain of cascades only 1,000 deep, and each message refers to the one before it."""
    user = new_id()
    conversation = store.conversations.start(user)
    with store.database.session() as session:
        ids = [new_id() for _ in range(1200)]
        for before, this in zip([None, *ids], ids, strict=False):
            session.add(
                MessageRow(id=this, parent_id=before, conversation_id=conversation, role="user", status="complete", stats={})
            )
            session.flush()
    store.library.erase(user)
    with store.database.reading() as session:
        assert session.query(MessageRow).count() == 0


def test_conversations_never_written_in_do_not_fill_the_limit(settings: Settings) -> None:
    store = open_again(settings.model_copy(update={"max_conversations": 2}))
    user = new_id()
    kept, _ = store.post(user)
    empty = store.conversations.start(user)
    with store.database.session() as session:
        for conversation in (kept, empty):
            row = session.get(ConversationRow, conversation)
            assert row is not None
            row.updated = now() - timedelta(hours=2)
    store.conversations.start(user)
    assert len(store.conversations.messages(user, kept)) == 2
    with pytest.raises(NotFoundError):
        store.conversations.messages(user, empty)
    store.database.close()


def test_files_that_were_never_sent_are_swept(store: Opened) -> None:
    user = new_id()
    _, job = store.post(user)
    answer(store, job)
    shown, young, old = picture(store.content).path, picture(store.content, 10).path, picture(store.content, 20).path
    for path in (shown, old):
        os.utime(path, (0, 0))
    assert store.library.sweep() == 1
    assert (shown.is_file(), young.is_file(), old.is_file()) == (True, True, False)


def test_a_file_that_was_deleted_before_it_was_sent(store: Opened) -> None:
    image = picture(store.content)
    image.path.unlink()
    user = new_id()
    with pytest.raises(InputError, match="Send it again"):
        store.conversations.post(user, store.conversations.start(user), Turn("user", (image,)), "scripted", ReplySettings())


def test_a_reply_that_no_engine_takes_is_given_up(store: Opened) -> None:
    user = new_id()
    _, recent = store.post(user)
    _, old = store.post(user)
    with store.database.session() as session:
        session.execute(update(JobRow).where(JobRow.id == old).values(created=now() - timedelta(hours=2)))
    assert store.jobs.recover() == 1
    assert (store.jobs.status(user, recent), store.jobs.status(user, old)) == ("queued", "interrupted")


def test_an_engine_for_one_job_leaves_the_others(store: Opened) -> None:
    user = new_id()
    store.post(user)
    _, mine = store.post(user)
    claimed = store.jobs.claim("1", "scripted", only=mine)
    assert claimed is not None
    assert claimed.id == mine
    assert store.jobs.claim("1", "scripted", only=mine) is None
