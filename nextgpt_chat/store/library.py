"""A visitor's conversations as a whole: the list and its search, titles, pins, deletion, and what is swept away."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from nextgpt_chat.errors import BusyError, InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.access import owned
from nextgpt_chat.store.annotation_tables import CampaignRow, ItemRow
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.quota import count_jobs
from nextgpt_chat.store.raters import withdraw
from nextgpt_chat.store.tables import AssetRow, ConversationRow, JobRow, MessageRow, PartRow, UserRow, now

log = logging.getLogger(__name__)

TITLE = 120
"""Most characters of a title."""
SEARCH = 200
"""Most characters of what is searched for; the rest is not looked at."""
UNUSED = timedelta(hours=1)
"""How long a file without a message is kept, a conversation without messages, and one that was deleted and may be brought back."""


@dataclass(frozen=True)
class Summary:
    """A conversation in the list of earlier ones."""

    id: str
    title: str
    updated: datetime
    pinned: bool = False


class Library:
    """Reads and changes conversations without looking into them."""

    def __init__(self, database: Database, content: ContentStore, settings: Settings) -> None:
        self.database, self.content, self.settings = database, content, settings

    def summary(self, user: str, conversation: str) -> Summary:
        """What the list shows of a conversation."""
        with self.database.reading() as session:
            return _summary(owned(session, user, conversation))

    def recent(self, user: str, search: str = "", limit: int = 200) -> list[Summary]:
        """The user's conversations that have messages: the pinned ones, then the others, the newest first.

        `search` leaves those that have it in the title, in a text or in a caption, in upper or lower case.
        """
        shown = select(ConversationRow).where(
            ConversationRow.user_id == user, ConversationRow.title != "", ConversationRow.deleted.is_(None)
        )
        if sought := search.strip()[:SEARCH]:
            said = (
                select(MessageRow.conversation_id)
                .join(PartRow, PartRow.message_id == MessageRow.id)
                .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
                .where(ConversationRow.user_id == user)
                .where(or_(*(column.icontains(sought, autoescape=True) for column in (PartRow.text, PartRow.caption))))
            )
            shown = shown.where(or_(ConversationRow.title.icontains(sought, autoescape=True), ConversationRow.id.in_(said)))
        with self.database.reading() as session:
            ordered = shown.order_by(ConversationRow.pinned.desc(), ConversationRow.updated.desc()).limit(limit)
            return [_summary(row) for row in session.scalars(ordered)]

    def rename(self, user: str, conversation: str, title: str) -> None:
        """Gives a conversation another title. Raises `InputError` for an empty or a very long one."""
        title = " ".join(title.split())
        if not 0 < len(title) <= TITLE:
            raise InputError(f"A title has between 1 and {TITLE} characters; this one has {len(title)}.")
        with self.database.session() as session:
            owned(session, user, conversation).title = title

    def pin(self, user: str, conversation: str) -> bool:
        """Keeps a conversation at the top of the list, or no longer; returns which of both."""
        with self.database.session() as session:
            row = owned(session, user, conversation)
            row.pinned = not row.pinned
            return row.pinned

    def delete(self, user: str, conversation: str) -> None:
        """Takes a conversation out of sight; `restore` brings it back until `sweep` removes it for good."""
        with self.database.session() as session:
            row = owned(session, user, conversation)
            _check_quiet(session, JobRow.conversation_id == conversation)
            row.deleted = now()

    def restore(self, user: str, conversation: str) -> None:
        """Brings a deleted conversation back."""
        with self.database.session() as session:
            owned(session, user, conversation, deleted=True).deleted = None

    def erase(self, user: str) -> int:
        """Removes everything that is kept of a visitor, at once and for good. Returns how many conversations that were."""
        with self.database.session() as session:
            kept = select(ConversationRow.id).where(ConversationRow.user_id == user)
            _check_quiet(session, JobRow.conversation_id.in_(kept))
            withdraw(session, ItemRow.owner_id == user)
            count = self._remove(session, list(session.scalars(kept)))
            session.execute(delete(UserRow).where(UserRow.id == user))
            return count

    def sweep(self) -> int:
        """Removes what is left over: conversations an hour after their deletion or at the end of their retention, and files that were
        uploaded and never sent. Returns how many files that were."""
        over = ConversationRow.deleted < now() - UNUSED
        if self.settings.retention_days is not None:
            old = ConversationRow.updated < now() - timedelta(days=self.settings.retention_days)
            over = or_(over, and_(old, ConversationRow.user_id.not_in(select(CampaignRow.user_id))))
        with self.database.session() as session:
            busy = select(JobRow.conversation_id).where(JobRow.status == "running")
            left_over = select(ConversationRow.id).where(over, ConversationRow.id.not_in(busy))
            self._remove(session, list(session.scalars(left_over)))
        before = time.time() - UNUSED.total_seconds()
        with self.database.session() as session:
            kept = set(session.scalars(select(AssetRow.sha256)))
            left = [path for path in self.content.files() if path.stem not in kept and path.stat().st_mtime < before]
            for path in left:
                path.unlink(missing_ok=True)
        if left:
            log.info("%d files that nobody needs were deleted", len(left))
        return len(left)

    def hashes(self) -> set[str]:
        """Content hashes of all files that belong to somebody."""
        with self.database.reading() as session:
            return set(session.scalars(select(AssetRow.sha256)))

    def _remove(self, session: Session, conversations: list[str]) -> int:
        """Deletes conversations with their messages. Files that nothing refers to any more lose their rows and are deleted.

        Copies of them in campaigns go with the next sweep.
        """
        for batch in batched(conversations):
            withdraw(session, ItemRow.source_id.in_(batch))
        for conversation in conversations:
            # The branches are cut into single messages first: SQLite follows a chain of cascades only 1,000 deep.
            session.execute(update(MessageRow).where(MessageRow.conversation_id == conversation).values(parent_id=None))
            session.execute(delete(ConversationRow).where(ConversationRow.id == conversation))
        if conversations:
            used = select(PartRow.sha256).where(PartRow.sha256.is_not(None))
            for asset in session.scalars(select(AssetRow).where(~AssetRow.sha256.in_(used))).all():
                session.delete(asset)
                # Before the commit: whoever sends the same file again is served after it, and finds row and file gone together.
                self.content.path(asset.sha256, asset.mime).unlink(missing_ok=True)
        return len(conversations)


def batched(ids: list[str], size: int = 500) -> Iterator[list[str]]:
    """The ids, as many at a time as a statement takes."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _summary(row: ConversationRow) -> Summary:
    return Summary(row.id, row.title, row.updated, row.pinned)


def _check_quiet(session: Session, whose: ColumnElement[bool]) -> None:
    """Raises `BusyError` while a reply is being made in one of the conversations."""
    if count_jobs(session, whose, JobRow.status == "running"):
        raise BusyError("A reply is still being made here. Stop it first, then delete.")
