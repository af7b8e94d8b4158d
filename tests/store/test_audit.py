from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.events import Done, Stats, TextDelta
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.annotation_tables import APPEND_ONLY, AuditRow, JudgementRow
from nextgpt_chat.store.audit import first_break, record, records
from nextgpt_chat.store.ratings import WHOLE
from nextgpt_chat.store.tables import AccountRow, ConversationRow, now
from tests.annotating import annotator, create, filled, plan, rows_of, work
from tests.conftest import Opened, open_again

STATEMENTS: list[Callable[[], object]] = [
    lambda: update(AuditRow).values(action="other"),
    lambda: delete(AuditRow),
    lambda: update(JudgementRow).values(choice="second"),
    lambda: delete(JudgementRow),
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_nothing_is_changed_or_deleted_in_what_is_only_added_to(
    store: Opened, settings: Settings, statement: Callable[[], object]
) -> None:
    campaign = create(store, settings)
    work(Desk(store), annotator(store), campaign)
    with pytest.raises(DBAPIError, match="only added to"), store.database.session() as session:
        session.execute(statement())  # type: ignore[call-overload]
    assert len(rows_of(store, campaign)) == 6


def test_a_record_that_was_changed_behind_the_back_is_found(store: Opened, settings: Settings) -> None:
    campaign = create(store, settings, title="Grüße, 世界")
    work(Desk(store), annotator(store), campaign)
    store.close()
    again = open_again(settings)  # as it is read from the disk
    with again.database.session() as session:
        assert first_break(records(session, campaign)) is None
        sqlite = session.get_bind().dialect.name == "sqlite"
        for table in APPEND_ONLY:
            session.execute(text(f"DROP TRIGGER {table}_no_update" + ("" if sqlite else f" ON {table}")))
            session.execute(text(f"DROP TRIGGER {table}_no_delete" + ("" if sqlite else f" ON {table}")))
    with again.database.session() as session:
        session.execute(update(AuditRow).where(AuditRow.seq == 3).values(body={"sheet": "another"}))
    with again.database.session() as session:
        assert first_break(records(session, campaign)) == 3
        session.execute(delete(AuditRow).where(AuditRow.seq == 3))
        session.expire_all()
        assert first_break(records(session, campaign)) == 3
    again.close()


def test_work_outlives_the_account_of_who_did_it(store: Opened, settings: Settings) -> None:
    campaign, user = create(store, settings), annotator(store)
    store.accounts.create(user, "ada", "seven small birds")
    work(Desk(store), user, campaign)
    store.library.erase(user)
    with store.database.reading() as session:
        assert session.get(AccountRow, user) is None
    assert len(rows_of(store, campaign)) == 6


def test_thumbs_are_kept_with_every_change(store: Opened) -> None:
    conversation, _ = store.post("ada")
    reply = store.conversations.messages("ada", conversation)[-1].id
    store.ratings.rate("ada", reply, WHOLE, -1)
    store.ratings.reason("ada", reply, WHOLE, "quality")
    store.ratings.rate("ada", reply, WHOLE, 1)
    store.ratings.rate("ada", reply, WHOLE, 1)
    with store.database.session() as session:
        rows = session.query(JudgementRow).order_by(JudgementRow.number).all()
        assert [(row.score, row.text) for row in rows] == [(-1, None), (-1, "quality"), (1, None), (0, None)]
        assert first_break(records(session, rows[0].rater_id)) is None
        record(session, rows[0].rater_id, "thumb")


def test_campaigns_outlive_the_retention_of_chats(settings: Settings) -> None:
    store = open_again(settings.model_copy(update={"retention_days": 1}))
    campaign = create(store, settings)
    store.post("ada")
    with store.database.session() as session:
        session.execute(update(ConversationRow).values(updated=now() - timedelta(days=3)))
    store.library.sweep()
    assert not store.library.recent("ada")
    assert len(work(Desk(store), annotator(store), campaign)) == 6
    store.close()


def test_deleting_a_chat_deletes_its_copies(store: Opened, settings: Settings) -> None:
    for user in ("ada", "eva"):
        store.post(user)
        job = store.jobs.claim("test", "scripted")
        assert job
        store.jobs.append(job.id, TextDelta(f"For {user}."), Done(Stats("scripted", seed=1)))
        store.consents.give(user)
    campaign = Campaigns(store, settings).create(checked(plan() | {"mode": "absolute", "items": [], "conversations": 2}))
    store.library.erase("ada")
    seen = work(Desk(store), annotator(store), campaign, lambda shown: filled(shown, 3))
    assert [shown.answers[0].text for shown in seen] == ["For eva."]
