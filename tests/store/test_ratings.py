import pytest

from nextgpt_chat.errors import InputError, NotFoundError
from nextgpt_chat.store.ratings import WHOLE, Rating
from nextgpt_chat.store.tables import new_id
from tests.conftest import Opened
from tests.store.test_conversations import replied


def test_a_reply_and_a_medium_in_it_are_judged_apart(store: Opened) -> None:
    user = new_id()
    reply = replied(store, user)
    store.ratings.rate(user, reply.id, WHOLE, 1)
    store.ratings.rate(user, reply.id, 0, -1)
    store.ratings.reason(user, reply.id, 0, "quality")
    store.ratings.reason(user, reply.id, 0, "instruction")
    assert ratings(store, user) == {WHOLE: Rating(1), 0: Rating(-1, ("instruction", "quality"))}
    store.ratings.reason(user, reply.id, 0, "quality")
    assert ratings(store, user)[0] == Rating(-1, ("instruction",))
    store.ratings.rate(user, reply.id, 0, 1)
    assert ratings(store, user)[0] == Rating(1)
    store.ratings.rate(user, reply.id, 0, 1)
    assert ratings(store, user) == {WHOLE: Rating(1)}


def ratings(store: Opened, user: str) -> dict[int, Rating]:
    conversation = store.library.recent(user)[0].id
    return store.conversations.messages(user, conversation)[-1].ratings


def test_what_cannot_be_judged(store: Opened) -> None:
    user = new_id()
    reply = replied(store, user)
    asked = store.conversations.messages(user, store.library.recent(user)[0].id)[0]
    for visitor, message, medium in ((new_id(), reply.id, WHOLE), (user, reply.id, 1), (user, asked.id, WHOLE), (user, "x", WHOLE)):
        with pytest.raises(NotFoundError):
            store.ratings.rate(visitor, message, medium, 1)
    with pytest.raises(InputError):
        store.ratings.rate(user, reply.id, WHOLE, 5)
    with pytest.raises(NotFoundError, match="no judgement"):
        store.ratings.reason(user, reply.id, WHOLE, "quality")
    with pytest.raises(InputError, match="The reasons are"):
        store.ratings.reason(user, reply.id, WHOLE, "because")
    assert ratings(store, user) == {}
