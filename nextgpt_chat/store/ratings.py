"""What people think of replies and of single media in them: thumbs, with reasons."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from nextgpt_chat.errors import InputError, NotFoundError
from nextgpt_chat.store.access import owned_message
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.messages import media_rows
from nextgpt_chat.store.tables import RatingRow, now

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
            else:
                row.value, row.reasons, row.updated = value, [], now()

    def reason(self, user: str, message: str, medium: int, reason: str) -> None:
        """Adds a reason to a judgement, or takes it back."""
        if reason not in REASONS:
            raise InputError(f"The reasons are: {', '.join(REASONS)}.")
        with self.database.session() as session:
            owned_message(session, user, message, "assistant")
            row = session.get(RatingRow, (message, medium))
            if row is None:
                raise NotFoundError("There is no judgement to which a reason could be given.")
            row.reasons = [key for key in REASONS if (key in row.reasons) != (key == reason)]
            row.updated = now()


def ratings_of(session: Session, messages: list[str]) -> dict[str, dict[int, Rating]]:
    """Message -> number of the medium, or `WHOLE` -> judgement."""
    found: dict[str, dict[int, Rating]] = {message: {} for message in messages}
    for row in session.scalars(select(RatingRow).where(RatingRow.message_id.in_(messages))):
        found[row.message_id][row.medium] = Rating(row.value, tuple(row.reasons))
    return found
