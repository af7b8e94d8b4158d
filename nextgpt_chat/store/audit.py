"""The record of the annotators' desk: added to, never changed, and checked by a chain of hashes."""

import hashlib
import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from nextgpt_chat.store.annotation_tables import AuditRow, CampaignRow, RaterRow
from nextgpt_chat.store.tables import now


def record(
    session: Session, stream: str, action: str, rater: str | None = None, assignment: str | None = None, **body: Any
) -> AuditRow:
    """Adds a record; `stream` is the id of a campaign, or of a rater for what they think of replies in their own chats."""
    for table in (CampaignRow, RaterRow):  # one writer at a time, on database servers too, since each record needs the one before
        session.execute(select(table.id).where(table.id == stream).with_for_update())
    last = session.scalar(select(AuditRow).where(AuditRow.stream == stream).order_by(AuditRow.seq.desc()).limit(1))
    row = AuditRow(
        stream=stream, seq=last.seq + 1 if last else 1, at=now(), rater_id=rater, assignment_id=assignment, action=action, body=body
    )
    row.digest = _digest(row, last.digest if last else "")
    session.add(row)
    session.flush()
    return row


def records(session: Session, stream: str) -> list[AuditRow]:
    """A whole stream in order."""
    return list(session.scalars(select(AuditRow).where(AuditRow.stream == stream).order_by(AuditRow.seq)))


def first_break(rows: list[AuditRow]) -> int | None:
    """Number of the first record that is not as it was written, or before which one is missing; None if the stream is whole."""
    before = ""
    for number, row in enumerate(rows, 1):
        if row.seq != number or row.digest != _digest(row, before):
            return number
        before = row.digest
    return None


def _digest(row: AuditRow, before: str) -> str:
    said = [row.stream, row.seq, row.at.isoformat(), row.rater_id, row.assignment_id, row.action, row.body]
    return hashlib.sha256((before + json.dumps(said, sort_keys=True)).encode()).hexdigest()
