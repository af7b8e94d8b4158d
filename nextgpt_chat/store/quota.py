"""How much one visitor may ask for, so that everybody gets a turn."""

from datetime import timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from nextgpt_chat.errors import BusyError
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.tables import ConversationRow, JobRow, MessageRow, PartRow, now

OPEN = ("queued", "running")
"""What the status of a job is until it ends."""
MINUTE = timedelta(minutes=1)


def count_jobs(session: Session, *which: ColumnElement[bool]) -> int:
    """How many jobs there are of which all that is said."""
    return session.scalar(select(func.count()).select_from(JobRow).where(*which)) or 0


def check_quota(session: Session, settings: Settings, user: str) -> None:
    """Raises `BusyError`, which says when there is room again, if the queue is full or the user asks for more than the settings allow."""
    if count_jobs(session, JobRow.status.in_(OPEN)) >= settings.max_waiting_jobs:
        raise BusyError("Too many people are waiting for a reply just now. Try again in a minute.")
    mine = JobRow.conversation_id.in_(select(ConversationRow.id).where(ConversationRow.user_id == user))
    waiting = count_jobs(session, mine, JobRow.status.in_(OPEN))
    if waiting >= settings.max_jobs_per_visitor:
        raise BusyError(f"{waiting} replies are already being made for you. Wait until one is done, or stop one.")
    most = settings.max_replies_per_minute
    newest = select(JobRow.created).where(mine, JobRow.created > now() - MINUTE).order_by(JobRow.created.desc())
    if first := session.scalar(newest.offset(most - 1).limit(1)):
        seconds = max(1, round((first + MINUTE - now()).total_seconds()))
        raise BusyError(
            f"You asked for {most} replies within a minute, which is the most there can be. Try again in {seconds} seconds."
        )
    check_files(session, settings, user)


def check_files(session: Session, settings: Settings, user: str) -> None:
    """Raises `BusyError` if the user keeps as many files as there can be."""
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
