"""Messages that are said otherwise, and the branches that come of it."""

import pytest

from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.errors import BusyError, NotFoundError
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.store.tables import new_id
from tests.conftest import Opened, picture
from tests.store.test_conversations import answer


def say(store: Opened, user: str, conversation: str, turn: Turn, instead: str | None = None) -> str:
    job = store.conversations.post(user, conversation, turn, "scripted", ReplySettings(), instead)
    answer(store, job)
    return store.conversations.messages(user, conversation)[-2].id


def words(store: Opened, user: str, conversation: str) -> list[str]:
    return [message.turn.text for message in store.conversations.messages(user, conversation) if message.role == "user"]


def test_an_earlier_message_is_said_otherwise_and_both_versions_are_kept(store: Opened) -> None:
    user = new_id()
    conversation = store.conversations.start(user)
    seen = picture(store.content)
    first = say(store, user, conversation, Turn("user", (seen, Text("one"))))
    say(store, user, conversation, Turn("user", (Text("two"),)))
    other = say(store, user, conversation, Turn("user", (*store.conversations.said(user, first).media, Text("uno"))), first)
    assert words(store, user, conversation) == ["uno"]
    shown = store.conversations.messages(user, conversation)[0]
    assert (shown.version, shown.versions, shown.turn.media) == (2, 2, (seen,))
    store.conversations.choose(user, other, -1)
    assert words(store, user, conversation) == ["one", "two"]
    say(store, user, conversation, Turn("user", (Text("three"),)))
    assert words(store, user, conversation) == ["one", "two", "three"]
    store.conversations.choose(user, first, 1)
    assert words(store, user, conversation) == ["uno"]
    store.conversations.choose(user, other, -1)
    assert words(store, user, conversation) == ["one", "two", "three"]


def test_the_model_reads_the_branch_that_is_shown(store: Opened) -> None:
    user = new_id()
    conversation = store.conversations.start(user)
    first = say(store, user, conversation, Turn("user", (Text("one"),)))
    say(store, user, conversation, Turn("user", (Text("uno"),)), first)
    store.conversations.choose(user, store.conversations.messages(user, conversation)[0].id, -1)
    store.post(user, "two", conversation)
    claimed = store.jobs.claim("1", "scripted")
    assert claimed is not None
    assert [turn.text for turn in claimed.conversation.turns if turn.role == "user"] == ["one", "two"]


def test_replies_have_versions_too(store: Opened) -> None:
    user = new_id()
    conversation = store.conversations.start(user)
    say(store, user, conversation, Turn("user", (Text("one"),)))
    before = store.conversations.messages(user, conversation)[-1]
    answer(store, store.conversations.retry(user, before.id, "scripted", ReplySettings()))
    after = store.conversations.messages(user, conversation)[-1]
    assert (after.version, after.versions) == (2, 2)
    store.conversations.choose(user, after.id, -1)
    assert store.conversations.messages(user, conversation)[-1].id == before.id


def test_a_medium_of_an_earlier_message_is_found_by_its_place(store: Opened) -> None:
    user = new_id()
    conversation = store.conversations.start(user)
    seen = picture(store.content, 90)
    asked = say(store, user, conversation, Turn("user", (Text("one"), seen)))
    reply = store.conversations.messages(user, conversation)[-1].id
    assert store.conversations.medium(user, asked, 0) == seen
    assert store.conversations.medium(user, reply, 0) == picture(store.content)
    for visitor, message, number in ((new_id(), asked, 0), (user, asked, 1), (user, asked, -1), (user, "x", 0)):
        with pytest.raises(NotFoundError):
            store.conversations.medium(visitor, message, number)


def test_what_cannot_be_chosen_or_changed(store: Opened) -> None:
    user, other = new_id(), new_id()
    conversation = store.conversations.start(user)
    first = say(store, user, conversation, Turn("user", (Text("one"),)))
    foreign = store.conversations.start(other)
    theirs = say(store, other, foreign, Turn("user", (Text("theirs"),)))
    for visitor, message, step in ((user, first, 1), (user, first, -1), (other, first, 0), (user, "x", 0)):
        with pytest.raises(NotFoundError):
            store.conversations.choose(visitor, message, step)
    with pytest.raises(NotFoundError):
        store.conversations.said(other, first)
    for instead in (theirs, "x", store.conversations.messages(user, conversation)[-1].id):
        with pytest.raises(NotFoundError):
            store.conversations.post(user, conversation, Turn("user", (Text("mine"),)), "scripted", ReplySettings(), instead)
    store.post(user, "two", conversation)
    with pytest.raises(BusyError):
        store.conversations.choose(user, first, 0)
