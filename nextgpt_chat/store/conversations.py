"""Conversations and messages, each query in the name of one user.

What does not exist and what belongs to somebody else give the same `NotFoundError`.
"""

import time
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, selectinload

from nextgpt_chat.conversation import Conversation, Turn
from nextgpt_chat.errors import BusyError, InputError, NotFoundError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.codec import asset_row, part_from_row, part_to_row
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.tables import AssetRow, ConversationRow, JobRow, MessageRow, PartRow, UserRow, now

TITLE_LENGTH = 60
UNUSED = timedelta(hours=1)
"""How long a conversation without messages is kept, and a file without a message."""


@dataclass(frozen=True)
class Summary:
    """A conversation in the list of earlier ones."""

    id: str
    title: str
    updated: datetime


@dataclass(frozen=True)
class Message:
    """A message with everything that a page shows about it."""

    id: str
    role: str
    turn: Turn
    status: str
    """complete, running, stopped, interrupted, failed."""
    job: str | None = None
    """The job that makes or made this reply."""
    model: str | None = None
    error: str | None = None
    stats: dict[str, Any] = field(default_factory=dict)


class Conversations:
    """All reads and writes of history."""

    def __init__(self, database: Database, content: ContentStore, settings: Settings) -> None:
        self.database, self.content, self.settings = database, content, settings

    def start(self, user: str) -> str:
        """A new, empty conversation's id. Raises `BusyError` when the user keeps too many."""
        with self.database.session() as session:
            session.execute(  # begun but never written in; the list does not show them, so nobody could delete them
                delete(ConversationRow).where(
                    ConversationRow.user_id == user, ConversationRow.title == "", ConversationRow.updated < now() - UNUSED
                )
            )
            kept = session.scalar(select(func.count()).where(ConversationRow.user_id == user)) or 0
            if kept >= self.settings.max_conversations:
                raise BusyError(f"You keep {kept} conversations, which is the most there can be. Delete some to start a new one.")
            if session.get(UserRow, user) is None:
                session.add(UserRow(id=user))  # a visitor is written down with the first conversation, not with the first look
                session.flush()
            row = ConversationRow(user_id=user)
            session.add(row)
            session.flush()
            return row.id

    def recent(self, user: str, limit: int = 200) -> list[Summary]:
        """The user's conversations that have messages, the newest first."""
        with self.database.reading() as session:
            rows = session.scalars(
                select(ConversationRow)
                .where(ConversationRow.user_id == user, ConversationRow.title != "")
                .order_by(ConversationRow.updated.desc())
                .limit(limit)
            )
            return [Summary(row.id, row.title, row.updated) for row in rows]

    def messages(self, user: str, conversation: str) -> list[Message]:
        """The messages of the newest branch, in order."""
        with self.database.reading() as session:
            self._own(session, user, conversation)
            return [self._message(session, row) for row in branch(session, conversation)]

    def post(self, user: str, conversation: str, turn: Turn, model: str, settings: ReplySettings) -> str:
        """Writes a user turn and a job for its reply; returns the job's id. Raises `InputError` or `BusyError` with a sentence."""
        self._check(turn)
        with self.database.session() as session:
            owned = self._own(session, user, conversation)
            self._check_queue(session, conversation)
            if not all(medium.path.is_file() for medium in turn.media):  # deleted between upload and sending
                raise InputError(
                    "A file of this message was just deleted together with another conversation. Send it again, please."
                )
            path = branch(session, conversation)
            asked = MessageRow(
                conversation_id=conversation, parent_id=path[-1].id if path else None, role="user", status="complete", stats={}
            )
            session.add(asked)
            session.flush()
            write_parts(session, asked, turn)
            owned.title = owned.title or title_of(turn)
            return self._enqueue(session, owned, asked.id, model, settings)

    def retry(self, user: str, message: str, model: str, settings: ReplySettings) -> str:
        """Makes a reply again, as a new branch beside the old reply; returns the job's id."""
        with self.database.session() as session:
            reply = session.scalar(select(MessageRow).where(MessageRow.id == message))
            if reply is None or reply.role != "assistant" or reply.parent_id is None:
                raise NotFoundError("There is no such reply.")
            owned = self._own(session, user, reply.conversation_id)
            self._check_queue(session, owned.id)
            return self._enqueue(session, owned, reply.parent_id, model, settings)

    def delete(self, user: str, conversation: str) -> None:
        """Removes a conversation with its messages. Files that nothing refers to any more lose their rows and are deleted."""
        with self.database.session() as session:
            owned = self._own(session, user, conversation)
            running = select(JobRow.id).where(JobRow.conversation_id == conversation, JobRow.status == "running")
            if session.scalar(running):
                raise BusyError("A reply is still being made in this conversation. Stop it first, then delete.")
            # The branches are cut into single messages first: SQLite follows a chain of cascades only 1,000 deep.
            session.execute(update(MessageRow).where(MessageRow.conversation_id == conversation).values(parent_id=None))
            session.delete(owned)
            session.flush()
            orphans = session.scalars(
                select(AssetRow).where(~AssetRow.sha256.in_(select(PartRow.sha256).where(PartRow.sha256.is_not(None))))
            ).all()
            for asset in orphans:
                session.delete(asset)
                # Before the commit: whoever sends the same file again is served after it, and finds row and file gone together.
                self.content.path(asset.sha256, asset.mime).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Deletes files that were uploaded and never sent, an hour after they came. Returns how many."""
        before = time.time() - UNUSED.total_seconds()
        with self.database.session() as session:
            kept = set(session.scalars(select(AssetRow.sha256)))
            left = [path for path in self.content.files() if path.stem not in kept and path.stat().st_mtime < before]
            for path in left:
                path.unlink(missing_ok=True)
        return len(left)

    def media(self, user: str, sha256: str) -> tuple[Path, str]:
        """Path and mime type of a file that stands in one of the user's messages."""
        with self.database.reading() as session:
            asset = session.scalar(
                select(AssetRow)
                .join(PartRow, PartRow.sha256 == AssetRow.sha256)
                .join(MessageRow, MessageRow.id == PartRow.message_id)
                .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
                .where(ConversationRow.user_id == user, AssetRow.sha256 == sha256)
                .limit(1)
            )
            if asset is None:
                raise NotFoundError("There is no such file.")
            return self.content.path(asset.sha256, asset.mime), asset.mime

    def _own(self, session: Session, user: str, conversation: str) -> ConversationRow:
        row = session.get(ConversationRow, conversation)
        if row is None or row.user_id != user:
            raise NotFoundError("There is no such conversation.")
        return row

    def _check(self, turn: Turn) -> None:
        if not turn.media and not turn.text.strip():
            raise InputError("The message is empty. Type something, or add a picture.")
        if len(turn.text) > self.settings.max_message_characters:
            raise InputError(
                f"The message has {len(turn.text):,} characters. Accepted are up to {self.settings.max_message_characters:,}; shorten it, please."
            )
        if len(turn.media) > self.settings.max_files_per_message:
            raise InputError(
                f"The message has {len(turn.media)} files. Accepted are up to {self.settings.max_files_per_message} in one message."
            )

    def _check_queue(self, session: Session, conversation: str) -> None:
        open_jobs = select(func.count()).select_from(JobRow).where(JobRow.status.in_(("queued", "running")))
        if session.scalar(open_jobs.where(JobRow.conversation_id == conversation)):
            raise BusyError("A reply is still being made in this conversation. Wait for it, or press Stop.")
        if (session.scalar(open_jobs) or 0) >= self.settings.max_waiting_jobs:
            raise BusyError("Too many people are waiting for a reply just now. Try again in a minute.")

    def _enqueue(self, session: Session, owned: ConversationRow, asked: str, model: str, settings: ReplySettings) -> str:
        owned.updated = now()
        reply = MessageRow(conversation_id=owned.id, parent_id=asked, role="assistant", status="running", model=model, stats={})
        session.add(reply)
        session.flush()
        job = JobRow(
            conversation_id=owned.id, reply_id=reply.id, model=model, settings=asdict(settings), status="queued", cancel=False
        )
        session.add(job)
        session.flush()
        return job.id

    def _message(self, session: Session, row: MessageRow) -> Message:
        job = session.scalar(select(JobRow.id).where(JobRow.reply_id == row.id)) if row.role == "assistant" else None
        return Message(row.id, row.role, turn_of(row, self.content), row.status, job, row.model, row.error, row.stats)


def branch(session: Session, conversation: str) -> list[MessageRow]:
    """The messages from the first one to the newest one's branch end."""
    rows = session.scalars(
        select(MessageRow)
        .where(MessageRow.conversation_id == conversation)
        .order_by(MessageRow.number)
        .options(selectinload(MessageRow.parts))
    ).all()
    return path_to(rows[-1].id, {row.id: row for row in rows}) if rows else []


def path_to(leaf: str | None, rows: dict[str, MessageRow]) -> list[MessageRow]:
    """The messages from the root to `leaf`."""
    path = []
    while leaf is not None:
        path.append(rows[leaf])
        leaf = rows[leaf].parent_id
    return path[::-1]


def turn_of(row: MessageRow, content: ContentStore) -> Turn:
    """A message row as a value."""
    return Turn("user" if row.role == "user" else "assistant", tuple(part_from_row(part, content) for part in row.parts))


def conversation_up_to(session: Session, leaf: str | None, conversation: str, content: ContentStore) -> Conversation:
    """What the model gets to see: the branch that ends in the message `leaf`; replies without any part are left out."""
    rows = {row.id: row for row in session.scalars(select(MessageRow).where(MessageRow.conversation_id == conversation))}
    return Conversation(tuple(turn_of(row, content) for row in path_to(leaf, rows) if row.parts))


def write_parts(session: Session, message: MessageRow, turn: Turn) -> None:
    """Writes the parts of a message that has none yet."""
    for medium in turn.media:
        session.merge(asset_row(medium))
    session.flush()
    session.add_all(_placed(part_to_row(part, position), message) for position, part in enumerate(turn.parts))


def _placed(row: PartRow, message: MessageRow) -> PartRow:
    row.message_id = message.id
    return row


def title_of(turn: Turn) -> str:
    """The first words of a turn, or what it consists of."""
    words = " ".join(turn.text.split()) or " and ".join(sorted({medium.kind.capitalize() for medium in turn.media}))
    return words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1] + "…"
