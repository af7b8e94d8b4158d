"""Following a reply without looking into the database all the time."""

import threading

import pytest
from sqlalchemy import event

from nextgpt_chat.engine import follow as following
from nextgpt_chat.engine.follow import follow
from nextgpt_chat.events import Done, Stats, TextDelta
from nextgpt_chat.store.tables import new_id
from tests.conftest import Opened

END = Done(Stats("scripted", seed=1))


def test_whoever_follows_is_woken_and_need_not_look(store: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK", 10**6)
    monkeypatch.setattr(following, "QUIET", 10**6)
    user = new_id()
    _, job = store.post(user)
    seen, first = [], threading.Event()

    def watch() -> None:
        for events in follow(store.jobs, user, job):
            seen.extend(one for _, one in events)
            first.set()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    store.jobs.append(job, TextDelta("a"))
    assert first.wait(30)
    store.jobs.append(job, END)
    watching.join(30)
    assert seen == [TextDelta("a"), END]


def test_an_engine_that_rings_no_bell_is_heard_all_the_same(store: Opened) -> None:
    user = new_id()
    _, job = store.post(user)
    rest = follow(store.jobs, user, job)
    assert next(rest) == []  # nothing for a second
    with store.database.session() as session:
        store.jobs._append(session, job, END)  # as another process does it
    assert [one for events in rest for _, one in events] == [END]


def test_who_waits_in_the_queue_asks_seldom(store: Opened) -> None:
    user = new_id()
    _, job = store.post(user)
    asked: list[str] = []
    event.listen(store.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    rest = follow(store.jobs, user, job)
    assert [next(rest), next(rest)] == [[], []]
    assert len(asked) <= 12
