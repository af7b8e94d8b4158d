"""The messages of conversations: what is said, answered, answered again and said otherwise. Each query is in the name of one user.

Messages with the same parent are versions of each other. One branch is shown: that in which something was said last, or that was chosen.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from nextgpt_chat.conversation import Audio, Image, Turn, Video
from nextgpt_chat.errors import BusyError, InputError, NotFoundError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.access import owned, owned_message
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.library import UNUSED
from nextgpt_chat.store.messages import branch, media_rows, newest_leaf, turn_of, write_parts
from nextgpt_chat.store.quota import OPEN, check_files, check_quota, count_jobs
from nextgpt_chat.store.ratings import Rating, ratings_of
from nextgpt_chat.store.tables import AssetRow, ConversationRow, JobRow, MessageRow, PartRow, UserRow, now

TITLE_LENGTH = 60
BROUGHT = "brought along"
"""Stands for the model of replies that were made elsewhere: nobody knows by which."""


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
    version: int = 1
    """Which of the versions this is, from 1."""
    versions: int = 1
    ratings: dict[int, Rating] = field(default_factory=dict)
    """Number of the medium, or `WHOLE` -> what the owner thinks of it."""

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
            kept = (
                session.scalar(select(func.count()).where(ConversationRow.user_id == user, ConversationRow.deleted.is_(None))) or 0
            )
            if kept >= self.settings.max_conversations:
                raise BusyError(f"You keep {kept} conversations, which is the most there can be. Delete some to start a new one.")
            if session.get(UserRow, user) is None:
                session.add(UserRow(id=user))  # a visitor is written down with the first conversation, not with the first look
                session.flush()
            row = ConversationRow(user_id=user)
            session.add(row)
            session.flush()
            return row.id

    def messages(self, user: str, conversation: str) -> list[Message]:
        """The messages of the branch that is shown, in order."""
        with self.database.reading() as session:
            path, versions = branch(session, owned(session, user, conversation))
            ratings = ratings_of(session, [row.id for row in path])
            return [self._message(session, row, versions[row.parent_id], ratings[row.id]) for row in path]

    def post(
        self, user: str, conversation: str, turn: Turn, model: str, settings: ReplySettings, instead: str | None = None
    ) -> str:
        """Writes a user turn and a job for its reply; returns the job's id. Raises `InputError` or `BusyError` with a sentence.

        The turn follows what is shown, or becomes another version of the user's message `instead`, whose branch stays as it is.
        """
        self._check(turn)
        with self.database.session() as session:
            row = owned(session, user, conversation)
            self._check_quiet(session, conversation)
            if not all(medium.path.is_file() for medium in turn.media):  # deleted between upload and sending
                raise InputError(
                    "A file of this message was just deleted together with another conversation. Send it again, please."
                )
            asked = MessageRow(
                conversation_id=conversation, parent_id=_before(session, row, instead), role="user", status="complete", stats={}
            )
            session.add(asked)
            session.flush()
            write_parts(session, asked, turn)
            row.title = row.title or title_of(turn)
            return self._enqueue(session, row, _new_reply(session, asked.id, row, model), settings)

    def bring(self, user: str, turns: Sequence[Turn]) -> str:
        """Writes a conversation that took place elsewhere; returns its id. Raises `InputError` or `BusyError` with a sentence."""
        for turn in turns:
            self._check(turn)
        conversation = self.start(user)
        with self.database.session() as session:
            row = owned(session, user, conversation)
            check_files(session, self.settings, user)
            row.title = title_of(turns[0])
            for turn in turns:
                model = BROUGHT if turn.role == "assistant" else None
                message = MessageRow(
                    conversation_id=row.id, parent_id=row.leaf_id, role=turn.role, status="complete", model=model, stats={}
                )
                session.add(message)
                session.flush()
                write_parts(session, message, turn)
                row.leaf_id = message.id
        return conversation

    def said(self, user: str, message: str) -> Turn:
        """A message of the user's, to be said otherwise."""
        with self.database.reading() as session:
            return turn_of(owned_message(session, user, message, "user")[0], self.content)

    def medium(self, user: str, message: str, number: int) -> Image | Audio | Video:
        """Number `number` of the media of a message, whoever wrote it."""
        with self.database.reading() as session:
            media = turn_of(owned_message(session, user, message)[0], self.content).media
        if number not in range(len(media)):
            raise NotFoundError("There is no such picture, sound or clip in the message.")
        return media[number]

    def choose(self, user: str, message: str, step: int) -> None:
        """Shows the version of a message that stands `step` places after it, with the newest branch behind it."""
        with self.database.session() as session:
            row, conversation = owned_message(session, user, message)
            self._check_quiet(session, conversation.id)
            same = MessageRow.parent_id.is_(None) if row.parent_id is None else MessageRow.parent_id == row.parent_id
            versions = session.scalars(
                select(MessageRow).where(MessageRow.conversation_id == conversation.id, same).order_by(MessageRow.number)
            ).all()
            place = versions.index(row) + step
            if place not in range(len(versions)):
                raise NotFoundError("There is no such version of the message.")
            conversation.leaf_id = newest_leaf(session, versions[place])

    def retry(self, user: str, message: str, model: str, settings: ReplySettings) -> str:
        """Makes a reply again, as another version beside the old one; returns the job's id."""
        with self.database.session() as session:
            reply, row = owned_message(session, user, message, "assistant")
            self._check_quiet(session, row.id)
            assert reply.parent_id is not None
            return self._enqueue(session, row, _new_reply(session, reply.parent_id, row, model), settings)

    def remake(self, user: str, message: str, medium: int, models: Collection[str], settings: ReplySettings) -> str:
        """Makes number `medium` of the media of a reply again, by the model that made it, which must be one of `models`; returns the job's id.

        The new medium takes the old one's place once it is there. Raises `NotFoundError`, `InputError` or `BusyError` with a sentence.
        """
        with self.database.session() as session:
            reply, row = owned_message(session, user, message, "assistant")
            if reply.model not in models:
                raise InputError(f"That reply was made by another model, {reply.model}, which is not here now.")
            if medium not in range(len(media_rows(reply))):
                raise NotFoundError("There is no such picture, sound or clip in the reply.")
            self._check_quiet(session, row.id)
            return self._enqueue(session, row, reply, settings, medium)

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

    def _check_quiet(self, session: Session, conversation: str) -> None:
        if count_jobs(session, JobRow.conversation_id == conversation, JobRow.status.in_(OPEN)):
            raise BusyError("A reply is still being made in this conversation. Wait for it, or press Stop.")

    def _enqueue(
        self, session: Session, row: ConversationRow, reply: MessageRow, settings: ReplySettings, medium: int | None = None
    ) -> str:
        check_quota(session, self.settings, row.user_id)
        row.updated = now()
        if medium is None:
            row.leaf_id = reply.id
        job = JobRow(
            conversation_id=row.id,
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

    def _message(self, session: Session, row: MessageRow, versions: list[str], ratings: dict[int, Rating]) -> Message:
        newest = select(JobRow).where(JobRow.reply_id == row.id).order_by(JobRow.number.desc()).limit(1)
        job = session.scalar(newest) if row.role == "assistant" else None
        return Message(
            id=row.id,
            role=row.role,
            turn=turn_of(row, self.content),
            status=row.status,
            job=job.id if job else None,
            model=row.model,
            error=row.error,
            stats=row.stats,
            remake=Remaking(job.medium, job.status) if job and job.medium is not None else None,
            version=versions.index(row.id) + 1,
            versions=len(versions),
            ratings=ratings,
        )


def _before(session: Session, conversation: ConversationRow, instead: str | None) -> str | None:
    """What a new message follows: the end of the branch that is shown, or what the message `instead` follows."""
    if instead is None:
        return conversation.leaf_id
    row = session.scalar(select(MessageRow).where(MessageRow.id == instead, MessageRow.role == "user"))
    if row is None or row.conversation_id != conversation.id:
        raise NotFoundError("There is no such message.")
    return row.parent_id


def _new_reply(session: Session, asked: str, conversation: ConversationRow, model: str) -> MessageRow:
    """An empty reply to the message `asked`."""
    reply = MessageRow(conversation_id=conversation.id, parent_id=asked, role="assistant", status="running", model=model, stats={})
    session.add(reply)
    session.flush()
    return reply


def title_of(turn: Turn) -> str:
    """The first words of a turn, or what it consists of."""
    words = " ".join(turn.text.split()) or " and ".join(sorted({medium.kind.capitalize() for medium in turn.media}))
    return words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1] + "…"
