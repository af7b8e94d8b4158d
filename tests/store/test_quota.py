from datetime import timedelta

import pytest
from sqlalchemy import update

from nextgpt_chat.errors import BusyError
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.tables import JobRow, new_id, now
from tests.conftest import Opened, open_again
from tests.store.test_conversations import answer, replied


def opened(settings: Settings, **limits: int) -> Opened:
    return open_again(settings.model_copy(update=limits))


def test_one_visitor_does_not_fill_the_queue(settings: Settings) -> None:
    store = opened(settings, max_jobs_per_visitor=2)
    user = new_id()
    _, job = store.post(user)
    store.post(user)
    with pytest.raises(BusyError, match="2 replies are already being made for you"):
        store.post(user)
    store.post(new_id())
    answer(store, job)
    store.post(user)
    store.close()


def test_who_asks_too_often_is_told_when_to_come_back(settings: Settings) -> None:
    store = opened(settings, max_replies_per_minute=2)
    user = new_id()
    reply = replied(store, user)
    conversation = store.library.recent(user)[0].id
    answer(store, store.conversations.retry(user, reply.id, "scripted", ReplySettings()))
    with store.database.session() as session:
        session.execute(update(JobRow).values(created=now() - timedelta(seconds=20)))
    for ask in (
        lambda: store.post(user, "more", conversation),
        lambda: store.conversations.retry(user, reply.id, "scripted", ReplySettings()),
        lambda: store.conversations.remake(user, reply.id, 0, ["scripted"], ReplySettings()),
    ):
        with pytest.raises(BusyError, match=r"2 replies within a minute.* Try again in (39|40) seconds"):
            ask()
    with store.database.session() as session:
        session.execute(update(JobRow).values(created=now() - timedelta(seconds=61)))
    store.post(user, "more", conversation)
    store.close()


def test_files_have_a_limit_too(settings: Settings) -> None:
    store = opened(settings, max_files_per_visitor=1)
    user = new_id()
    replied(store, user)
    with pytest.raises(BusyError, match="You keep 1 files"):
        store.post(user)
    store.post(new_id())
    store.close()
