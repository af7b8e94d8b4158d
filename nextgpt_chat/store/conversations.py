"""Conversations and messages, each query in the name of one user.

What does not exist and what belongs to somebody else give the same `NotFoundError`.
"""

import time
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from nextgpt_chat.conversation import Turn
from nextgpt_chat.errors import BusyError, InputError, NotFoundError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.messages import branch, media_rows, turn_of, write_parts
from nextgpt_chat.store.tables import AssetRow, ConversationRow, JobRow, MessageRow, PartRow, UserRow, now

TITLE_LENGTH = 60
OPEN = ("queued", "running")
"""What the status of a job is until it ends."""
UNUSED = timedelta(hours=1)
"""How long a conversation without messages is kept, and a file without a message."""


@dataclass(frozen=True)
class Summary:
    """A conversation in the list of earlier ones."""

    id: str
    title: str
    updated: datetime


@dataclass(frozen=True)
class Remaking:
    """One medium of a reply being made again, or the attempt at it."""

    medium: int
    """Number among the media of the reply, from 0."""
    status: str
    """That of its job: queued, running, done, stopped, failed, interrupted."""


@dataclass(frozen=True)
class Message:
    """A message with everything that a page shows about it."""

    id: str
    role: str
    turn: Turn
    status: str
    """complete, running, stopped, interrupted, failed."""
    job: str | None = None
    """The newest job on this reply: the one that makes or made it, or one of its media again."""
    model: str | None = None
    error: str | None = None
    stats: dict[str, Any] = field(default_factory=dict)
    remake: Remaking | None = None
    """What that job is doing or did, if it was about one medium."""

    @property
    def running(self) -> bool:
        """Whether the reply, or one of its media, is being made."""
        return self.status == "running" or (self.remake is not None and self.remake.status in OPEN)


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
            return self._enqueue(session, owned, _new_reply(session, asked.id, owned, model), settings)

    def retry(self, user: str, message: str, model: str, settings: ReplySettings) -> str:
        """Makes a reply again, as a new branch beside the old reply; returns the job's id."""
        with self.database.session() as session:
            reply = session.scalar(select(MessageRow).where(MessageRow.id == message))
            if reply is None or reply.role != "assistant" or reply.parent_id is None:
                raise NotFoundError("There is no such reply.")
            owned = self._own(session, user, reply.conversation_id)
            self._check_queue(session, owned.id)
            return self._enqueue(session, owned, _new_reply(session, reply.parent_id, owned, model), settings)

    def remake(self, user: str, message: str, medium: int, model: str, settings: ReplySettings) -> str:
        """Makes number `medium` of the media of a reply again, by the model that made the reply; returns the job's id.

        The new medium takes the old one's place once it is there. Raises `NotFoundError`, `InputError` or `BusyError` with a sentence.
        """
        with self.database.session() as session:
            reply = session.scalar(select(MessageRow).where(MessageRow.id == message))
            if reply is None or reply.role != "assistant":
                raise NotFoundError("There is no such reply.")
            owned = self._own(session, user, reply.conversation_id)
            if reply.model != model:
                raise InputError(f"That reply was made by another model, {reply.model}, which is not the one that is here now.")
            if medium not in range(len(media_rows(reply))):
                raise NotFoundError("There is no such picture, sound or clip in the reply.")
            self._check_queue(session, owned.id)
            return self._enqueue(session, owned, reply, settings, medium)

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
        open_jobs = select(func.count()).select_from(JobRow).where(JobRow.status.in_(OPEN))
        if session.scalar(open_jobs.where(JobRow.conversation_id == conversation)):
            raise BusyError("A reply is still being made in this conversation. Wait for it, or press Stop.")
        if (session.scalar(open_jobs) or 0) >= self.settings.max_waiting_jobs:
            raise BusyError("Too many people are waiting for a reply just now. Try again in a minute.")

    def _enqueue(
        self, session: Session, owned: ConversationRow, reply: MessageRow, settings: ReplySettings, medium: int | None = None
    ) -> str:
        owned.updated = now()
        job = JobRow(
            conversation_id=owned.id,
            reply_id=reply.id,
            medium=medium,
            model=reply.model,
            settings=asdict(settings),
            status="queued",
            cancel=False,
        )
        session.add(job)
        session.flush()
        return job.id

    def _message(self, session: Session, row: MessageRow) -> Message:
        newest = select(JobRow).where(JobRow.reply_id == row.id).order_by(JobRow.number.desc()).limit(1)
        job = session.scalar(newest) if row.role == "assistant" else None
        remake = Remaking(job.medium, job.status) if job and job.medium is not None else None
        turn = turn_of(row, self.content)
        return Message(row.id, row.role, turn, row.status, job.id if job else None, row.model, row.error, row.stats, remake)


def _new_reply(session: Session, asked: str, owned: ConversationRow, model: str) -> MessageRow:
    """An empty reply to the message `asked`."""
    reply = MessageRow(conversation_id=owned.id, parent_id=asked, role="assistant", status="running", model=model, stats={})
    session.add(reply)
    session.flush()
    return reply


def title_of(turn: Turn) -> str:
    """The first words of a turn, or what it consists of."""
    words = " ".join(turn.text.split()) or " and ".join(sorted({medium.kind.capitalize() for medium in turn.media}))
    return words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1] + "…"
