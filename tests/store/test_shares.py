import pytest

from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.store.tables import new_id
from tests.conftest import Opened
from tests.store.test_library import told


def test_a_link_shows_the_conversation_until_it_is_taken_back(store: Opened) -> None:
    user = new_id()
    conversation = told(store, user, "first")
    assert store.shares.token(user, conversation) is None
    token = store.shares.share(user, conversation)
    assert store.shares.share(user, conversation) == token == store.shares.token(user, conversation)
    title, messages = store.shares.read(token)
    assert (title, [message.turn.text for message in messages]) == ("first", ["first", "Here it is.Done."])
    store.shares.revoke(user, conversation)
    with pytest.raises(NotFoundError, match="or no longer"):
        store.shares.read(token)
    assert store.shares.share(user, conversation) != token


def test_a_link_ends_with_its_conversation(store: Opened) -> None:
    user = new_id()
    conversation = told(store, user, "first")
    token = store.shares.share(user, conversation)
    store.library.delete(user, conversation)
    with pytest.raises(NotFoundError):
        store.shares.read(token)
    store.library.restore(user, conversation)
    assert store.shares.read(token)
    store.library.erase(user)
    with pytest.raises(NotFoundError):
        store.shares.read(token)


def test_only_the_owner_shares(store: Opened) -> None:
    user, other = new_id(), new_id()
    conversation = told(store, user, "first")
    token = store.shares.share(user, conversation)
    for ask in (store.shares.share, store.shares.revoke, store.shares.token):
        with pytest.raises(NotFoundError):
            ask(other, conversation)
    assert store.shares.token(user, conversation) == token
    for guess in ("", conversation, token[:-1], token + "%"):
        with pytest.raises(NotFoundError):
            store.shares.read(guess)
