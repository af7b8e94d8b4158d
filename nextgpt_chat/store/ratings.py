"""What people think of replies and of single media in them: thumbs, with reasons."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from nextgpt_chat.errors import InputError, NotFoundError
from nextgpt_chat.store.access import owned_message
from nextgpt_chat.store.annotation_tables import JudgementRow
from nextgpt_chat.store.audit import record
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.messages import media_rows
from nextgpt_chat.store.raters import rater_of
from nextgpt_chat.store.tables import MessageRow, RatingRow, now

THUMB = "thumb"
"""The criterion of these judgements."""
WHOLE = -1
"""In the place of a medium's number: the reply as a whole."""
REASONS = {"instruction": "not what I asked for", "quality": "looks or sounds wrong", "modality": "wrong kind of answer", "harm": "harmful"}  # fmt: skip
"""What can be wrong, in the order in which it is offered."""


@dataclass(frozen=True)
class Rating:
    """One judgement."""

    value: int
    """1 for good, -1 for bad."""
    reasons: tuple[str, ...] = ()
    """Keys of `REASONS`."""


class Ratings:
    """Judges in the name of the conversation's owner."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def rate(self, user: str, message: str, medium: int, value: int) -> None:
        """Judges number `medium` of a reply's media, or `WHOLE` of it, as good (1) or bad (-1); the same judgement again takes it back."""
        if value not in (1, -1):
            raise InputError("A judgement is 1 for good or -1 for bad.")
        with self.database.session() as session:
            reply, _ = owned_message(session, user, message, "assistant")
            if medium not in range(WHOLE, len(media_rows(reply))):
                raise NotFoundError("There is no such picture, sound or clip in the reply.")
            row = session.get(RatingRow, (message, medium))
            if row is None:
                session.add(RatingRow(message_id=message, medium=medium, value=value, reasons=[]))
            elif row.value == value:
                session.delete(row)
                value = 0
            else:
                row.value, row.reasons, row.updated = value, [], now()
            _keep(session, user, reply, medium, value, [])

    def reason(self, user: str, message: str, medium: int, reason: str) -> None:
        """Adds a reason to a judgement, or takes it back."""
        if reason not in REASONS:
            raise InputError(f"The reasons are: {', '.join(REASONS)}.")
        with self.database.session() as session:
            reply, _ = owned_message(session, user, message, "assistant")
            row = session.get(RatingRow, (message, medium))
            if row is None:
                raise NotFoundError("There is no judgement to which a reason could be given.")
            row.reasons = [key for key in REASONS if (key in row.reasons) != (key == reason)]
            row.updated = now()
            _keep(session, user, reply, medium, row.value, row.reasons)


def _keep(session: Session, user: str, reply: MessageRow, medium: int, value: int, reasons: list[str]) -> None:
    """Adds a judgement to those of the annotators' desk, and to the record: 1, -1, or 0 when it was taken back."""
    rater, subject = rater_of(session, user).id, "reply" if medium == WHOLE else str(medium)
    kind = "reply" if medium == WHOLE else media_rows(reply)[medium].kind
    said: dict[str, Any] = {"score": value, "text": " ".join(reasons) or None}
    session.add(JudgementRow(rater_id=rater, message_id=reply.id, subject=subject, kind=kind, criterion=THUMB, **said))
    made = {"model": reply.model, "seed": reply.stats.get("seed")}
    record(session, rater, "thumb", rater, message=reply.id, subject=subject, **said, **made)


def ratings_of(session: Session, messages: list[str]) -> dict[str, dict[int, Rating]]:
    """Message -> number of the medium, or `WHOLE` -> judgement."""
    found: dict[str, dict[int, Rating]] = {message: {} for message in messages}
    for row in session.scalars(select(RatingRow).where(RatingRow.message_id.in_(messages))):
        found[row.message_id][row.medium] = Rating(row.value, tuple(row.reasons))
    return found
