"""The tables. Ids are 32 hexadecimal digits; times are UTC; media are referred to by content hash and never stored in rows."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def new_id() -> str:
    """A fresh random id."""
    return uuid4().hex


def now() -> datetime:
    """The present, UTC, without a time zone mark (SQLite keeps none)."""
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    """Base of all tables."""


Id = String(32)


class UserRow(Base):
    """A visitor, known by a signed cookie; some have an account."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    created: Mapped[datetime] = mapped_column(default=now)


class AccountRow(Base):
    """What a user is known by from any browser: a name with a password, or an identity that a sign-in service vouches for."""

    __tablename__ = "accounts"
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    key: Mapped[str] = mapped_column(String(200), unique=True)
    """The name as it is compared: without difference between upper and lower case."""
    subject: Mapped[str | None] = mapped_column(String(255), unique=True)
    """The identity: address of the service, and the user there."""
    password: Mapped[str | None] = mapped_column(String(255))
    """Argon2 hash; empty if there is an identity instead."""
    role: Mapped[str] = mapped_column(String(16))
    """user, annotator, admin."""
    generation: Mapped[int]
    """Cookies count only with the present one."""
    tries: Mapped[int]
    """Wrong passwords in a row within the window that ends after `tried`."""
    tried: Mapped[datetime | None]
    created: Mapped[datetime] = mapped_column(default=now)


class ConversationRow(Base):
    """A conversation of one user."""

    __tablename__ = "conversations"
    __table_args__ = (Index("conversations_of_user", "user_id", "updated"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(120), default="")
    leaf_id: Mapped[str | None] = mapped_column(Id)
    """The last message of the branch that is shown; empty as long as there is none."""
    pinned: Mapped[bool] = mapped_column(default=False)
    deleted: Mapped[datetime | None]
    """When it was taken out of sight; empty if it was not."""
    created: Mapped[datetime] = mapped_column(default=now)
    updated: Mapped[datetime] = mapped_column(default=now)


class MessageRow(Base):
    """A message. Messages with the same parent are versions of each other, each with a branch of its own; one branch is shown."""

    __tablename__ = "messages"
    __table_args__ = (Index("messages_of_conversation", "conversation_id", "number"), Index("messages_of_parent", "parent_id"))
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    """Order of creation; the newest of several branches has the highest."""
    id: Mapped[str] = mapped_column(Id, unique=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    """complete, running, stopped, interrupted, failed."""
    model: Mapped[str | None] = mapped_column(String(120))
    error: Mapped[str | None] = mapped_column(Text)
    """The sentence that a person read when the reply failed."""
    stats: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created: Mapped[datetime] = mapped_column(default=now)
    parts: Mapped[list["PartRow"]] = relationship(order_by="PartRow.position", cascade="all, delete-orphan", passive_deletes=True)


class AssetRow(Base):
    """A file of the content store; the same bytes are one row, whoever owns them."""

    __tablename__ = "assets"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    mime: Mapped[str] = mapped_column(String(40))
    width: Mapped[int] = mapped_column(default=0)
    height: Mapped[int] = mapped_column(default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    rate: Mapped[int] = mapped_column(default=0)
    frames: Mapped[int] = mapped_column(default=0)
    created: Mapped[datetime] = mapped_column(default=now)


class PartRow(Base):
    """One part of a message: text, or a medium with how it was made."""

    __tablename__ = "message_parts"
    __table_args__ = (Index("parts_of_asset", "sha256"),)
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    text: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[str | None] = mapped_column(ForeignKey("assets.sha256"))
    caption: Mapped[str | None] = mapped_column(Text)
    seed: Mapped[int | None]
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    asset: Mapped[AssetRow | None] = relationship(lazy="joined")


class RatingRow(Base):
    """What the owner of a conversation thinks of a reply, or of one medium in it."""

    __tablename__ = "ratings"
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    medium: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Number of the medium among those of the reply; -1 is the reply as a whole."""
    value: Mapped[int]
    """1 for good, -1 for bad."""
    reasons: Mapped[list[str]] = mapped_column(JSON, default=list)
    created: Mapped[datetime] = mapped_column(default=now)
    updated: Mapped[datetime] = mapped_column(default=now)


class ShareRow(Base):
    """A link under which anybody who has it reads a conversation."""

    __tablename__ = "shares"
    __table_args__ = (Index("share_of_conversation", "conversation_id", unique=True),)
    token: Mapped[str] = mapped_column(String(40), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    created: Mapped[datetime] = mapped_column(default=now)


class JobRow(Base):
    """A reply to be made, or one medium of it again: written by the page, claimed by the engine."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_by_status", "status", "number"),
        Index("jobs_of_conversation", "conversation_id"),
        Index("jobs_of_reply", "reply_id"),
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    """Place in the queue: the lowest queued number is next."""
    id: Mapped[str] = mapped_column(Id, unique=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    reply_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    medium: Mapped[int | None]
    """Number of the medium, among those of the reply, that is made again; empty if the whole reply is made."""
    model: Mapped[str] = mapped_column(String(120))
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(16), default="queued")
    """queued, running, done, stopped, failed, interrupted."""
    cancel: Mapped[bool] = mapped_column(default=False)
    worker: Mapped[str | None] = mapped_column(String(80))
    created: Mapped[datetime] = mapped_column(default=now)


class JobEventRow(Base):
    """What happened while a reply was made; only ever appended to."""

    __tablename__ = "job_events"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    """1, 2, 3, ... within a job."""
    kind: Mapped[str] = mapped_column(String(16))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
