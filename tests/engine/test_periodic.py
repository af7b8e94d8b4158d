import logging
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from nextgpt_chat.engine.periodic import Periodic
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.tables import ConversationRow, new_id, now
from tests.conftest import Opened, open_again, picture
from tests.store.test_library import titles, told


def test_conversations_end_with_their_retention(settings: Settings) -> None:
    store = open_again(settings.model_copy(update={"retention_days": 30}))
    user = new_id()
    told(store, user, "old")
    with store.database.session() as session:
        session.execute(update(ConversationRow).values(updated=now() - timedelta(days=31)))
    told(store, user, "new")
    sweeper = Periodic("sweep", store.library.sweep, every=0.05)
    sweeper.start()
    wait_for(lambda: titles(store, user) == ["new"])
    sweeper.stop()
    assert picture(store.content).path.is_file()
    store.close()


def test_a_sweep_that_fails_is_followed_by_the_next(store: Opened, caplog: pytest.LogCaptureFixture) -> None:
    user = new_id()
    conversation = told(store, user, "gone")
    store.library.delete(user, conversation)
    with store.database.session() as session:
        session.execute(update(ConversationRow).values(deleted=now() - timedelta(hours=2)))
        session.execute(text("ALTER TABLE ratings RENAME TO elsewhere"))
        session.execute(text("ALTER TABLE assets RENAME TO away"))
    sweeper = Periodic("sweep", store.library.sweep, every=0.05)
    with caplog.at_level(logging.ERROR):
        sweeper.start()
        wait_for(lambda: "the sweep failed; the next one tries again" in caplog.text)
    with store.database.session() as session:
        session.execute(text("ALTER TABLE away RENAME TO assets"))
        session.execute(text("ALTER TABLE elsewhere RENAME TO ratings"))
    wait_for(lambda: not list(store.content.files()))
    sweeper.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")
