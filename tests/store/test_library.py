from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from nextgpt_chat.errors import BusyError, InputError, NotFoundError
from nextgpt_chat.store.library import TITLE
from nextgpt_chat.store.tables import ConversationRow, new_id, now
from tests.conftest import Opened, picture
from tests.store.test_conversations import answer


def told(store: Opened, user: str, text: str) -> str:
    """A conversation with one answered message."""
    conversation, job = store.post(user, text)
    answer(store, job)
    return conversation


def titles(store: Opened, user: str, search: str = "") -> list[str]:
    return [one.title for one in store.library.recent(user, search)]


def test_pinned_ones_stand_before_newer_ones(store: Opened) -> None:
    user = new_id()
    first = told(store, user, "first")
    told(store, user, "second")
    assert titles(store, user) == ["second", "first"]
    assert store.library.pin(user, first)
    assert titles(store, user) == ["first", "second"]
    assert store.library.summary(user, first).pinned
    assert not store.library.pin(user, first)
    assert titles(store, user) == ["second", "first"]


def test_a_title_can_be_changed_and_stays(store: Opened) -> None:
    user = new_id()
    conversation = told(store, user, "first")
    store.library.rename(user, conversation, "  My \n birds ")
    store.post(user, "more", conversation)
    assert titles(store, user) == ["My birds"]
    for title in (" ", "x" * (TITLE + 1)):
        with pytest.raises(InputError, match="between 1 and 120 characters"):
            store.library.rename(user, conversation, title)


@pytest.mark.parametrize(
    ("search", "found"),
    [("BIRDS", ["two birds"]), ("it is", ["hello", "two birds"]), ("plain pict", ["hello", "two birds"]), ("100%", []), ("_", []), (" ", ["hello", "two birds"])],
)  # fmt: skip
def test_search_looks_at_titles_texts_and_captions(store: Opened, search: str, found: list[str]) -> None:
    user, other = new_id(), new_id()
    told(store, user, "two birds")
    told(store, user, "hello")
    told(store, other, "birds of somebody else")
    assert titles(store, user, search) == found


@pytest.mark.parametrize("search", ["über", "ÜBER", "ärger", "дождь", "ДОЖДЬ", "雨"])
def test_search_knows_upper_and_lower_case_of_all_letters(store: Opened, search: str) -> None:
    user = new_id()
    told(store, user, "Über Ärger, Дождь und 雨")
    assert titles(store, user, search) == ["Über Ärger, Дождь und 雨"]
    assert titles(store, user, "uber") == []


def test_what_was_deleted_can_be_brought_back_for_an_hour(store: Opened) -> None:
    user = new_id()
    conversation = told(store, user, "first")
    path = picture(store.content).path
    store.library.delete(user, conversation)
    assert titles(store, user) == []
    with pytest.raises(NotFoundError):
        store.conversations.messages(user, conversation)
    assert store.library.sweep() == 0
    store.library.restore(user, conversation)
    assert len(store.conversations.messages(user, conversation)) == 2
    store.library.delete(user, conversation)
    with store.database.session() as session:
        session.execute(update(ConversationRow).values(deleted=now() - timedelta(hours=2)))
    store.library.sweep()
    assert not path.exists()
    with pytest.raises(NotFoundError):
        store.library.restore(user, conversation)


def test_everything_of_a_visitor_can_be_erased_and_nothing_of_others(store: Opened) -> None:
    user, other = new_id(), new_id()
    told(store, user, "first")
    gone = told(store, user, "deleted")
    store.library.delete(user, gone)
    told(store, other, "mine")
    assert store.library.erase(user) == 2
    assert titles(store, user) == []
    assert titles(store, other) == ["mine"]
    assert picture(store.content).path.is_file()
    with pytest.raises(NotFoundError):
        store.library.restore(user, gone)
    told(store, user, "again")
    assert titles(store, user) == ["again"]


def test_nothing_is_deleted_while_a_reply_is_made(store: Opened) -> None:
    user = new_id()
    conversation, _ = store.post(user)
    assert store.jobs.claim("1", "scripted") is not None
    for delete in (lambda: store.library.delete(user, conversation), lambda: store.library.erase(user)):
        with pytest.raises(BusyError, match="Stop it first"):
            delete()


@pytest.mark.parametrize("ask", ["summary", "pin", "delete", "restore"])
def test_another_visitor_changes_nothing(store: Opened, ask: str) -> None:
    conversation = told(store, new_id(), "first")
    asked: Callable[[str, str], object] = getattr(store.library, ask)
    with pytest.raises(NotFoundError):
        asked(new_id(), conversation)
    with pytest.raises(NotFoundError):
        store.library.rename(new_id(), conversation, "mine now")
