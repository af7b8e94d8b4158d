"""How much one visitor may ask for, so that everybody gets a turn."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from nextgpt_chat.errors import BusyError
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.tables import ConversationRow, JobRow, MessageRow, PartRow, now

OPEN = ("queued", "running")
"""What the status of a job is until it ends."""
MINUTE = timedelta(minutes=1)


def check_quota(session: Session, settings: Settings, user: str) -> None:
    """Raises `BusyError`, which says when there is room again, if the queue is full or the user asks for more than the settings allow."""
    if (session.scalar(select(func.count()).select_from(JobRow).where(JobRow.status.in_(OPEN))) or 0) >= settings.max_waiting_jobs:
        raise BusyError("Too many people are waiting for a reply just now. Try again in a minute.")
    mine = select(JobRow).join(ConversationRow, ConversationRow.id == JobRow.conversation_id).where(ConversationRow.user_id == user)
    waiting = len(session.scalars(mine.where(JobRow.status.in_(OPEN))).all())
    if waiting >= settings.max_jobs_per_visitor:
        raise BusyError(f"{waiting} replies are already being made for you. Wait until one is done, or stop one.")
    recent = session.scalars(mine.where(JobRow.created > now() - MINUTE).order_by(JobRow.created.desc())).all()
    if len(recent) >= settings.max_replies_per_minute:
        room = recent[settings.max_replies_per_minute - 1].created + MINUTE - now()
        seconds = max(1, round(room.total_seconds()))
        raise BusyError(
            f"You asked for {len(recent)} replies within a minute, which is the most there can be. Try again in {seconds} seconds."
        )
    kept = (
        select(func.count(func.distinct(PartRow.sha256)))
        .join(MessageRow, MessageRow.id == PartRow.message_id)
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .where(ConversationRow.user_id == user)
    )
    if (session.scalar(kept) or 0) >= settings.max_files_per_visitor:
        raise BusyError(
            f"You keep {settings.max_files_per_visitor:,} files, which is the most there can be. Delete chats, and in an hour there is room again."
        )
