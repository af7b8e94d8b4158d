"""The tables of the annotators' desk. What a person judged, and the record of it, are only ever added to: triggers in the database see to that.

A campaign's requests and answers are conversations like all others, of a user who is nobody. So the engine answers them as it answers people.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from nextgpt_chat.store.tables import Base, Id, new_id, now

APPEND_ONLY = ("judgements", "audit_events")
"""Tables in which nothing is changed or deleted."""


class ConsentRow(Base):
    """A user who lets annotators see their conversations, and lets what they think of replies into data sets."""

    __tablename__ = "consents"
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int]
    """Of the words that they agreed to."""
    created: Mapped[datetime] = mapped_column(default=now)


class RaterRow(Base):
    """Somebody who judges, under an id that says nothing about them. It outlives their account."""

    __tablename__ = "raters"
    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), unique=True)
    consent: Mapped[int] = mapped_column(default=0)
    """Version of the terms of the desk that they agreed to; 0 is none."""
    created: Mapped[datetime] = mapped_column(default=now)


class CampaignRow(Base):
    """What is judged together."""

    __tablename__ = "campaigns"
    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    """The nobody who has its conversations."""
    name: Mapped[str] = mapped_column(String(120), unique=True)
    mode: Mapped[str] = mapped_column(String(16))
    """pairwise, absolute."""
    status: Mapped[str] = mapped_column(String(16))
    """open, closed."""
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The description it was made of, without its items."""
    created: Mapped[datetime] = mapped_column(default=now)


class GuidelineRow(Base):
    """What annotators of a campaign are told; a change is another version."""

    __tablename__ = "guidelines"
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(default=now)


class ItemRow(Base):
    """One request of a campaign."""

    __tablename__ = "campaign_items"
    __table_args__ = (
        Index("items_of_campaign", "campaign_id", "number"),
        Index("item_of_conversation", "conversation_id"),
        Index("items_of_owner", "owner_id"),
        Index("items_of_source", "source_id"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"))
    number: Mapped[int]
    conversation_id: Mapped[str | None] = mapped_column(ForeignKey("conversations.id", ondelete="SET NULL"))
    """The request with its answers as versions of the last reply; empty once its owner took it back."""
    owner_id: Mapped[str | None] = mapped_column(Id)
    """The user whose conversation it was."""
    source_id: Mapped[str | None] = mapped_column(Id)
    """The conversation that it was copied from."""


class AnswerRow(Base):
    """One answer to an item."""

    __tablename__ = "campaign_answers"
    __table_args__ = (
        Index("answers_of_item", "item_id"),
        Index("answers_by_status", "status"),
        Index("answer_of_message", "message_id"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    item_id: Mapped[str] = mapped_column(ForeignKey("campaign_items.id"))
    system: Mapped[str] = mapped_column(String(120))
    """Under which name it counts in the statistics."""
    model: Mapped[str] = mapped_column(String(120))
    revision: Mapped[str] = mapped_column(String(64), default="")
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    seed: Mapped[int | None] = mapped_column(BigInteger)
    message_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"))
    status: Mapped[str] = mapped_column(String(16))
    """waiting, running, ready, failed."""
    tries: Mapped[int] = mapped_column(default=0)
    leak: Mapped[bool] = mapped_column(default=False)
    """Whether its text gives away who made it."""


class TaskRow(Base):
    """What one annotator judges at a time: an answer, or two side by side."""

    __tablename__ = "campaign_tasks"
    __table_args__ = (
        Index("tasks_of_campaign", "campaign_id", "number"),
        Index("tasks_of_item", "item_id"),
        Index("tasks_of_first", "first_id"),
        Index("tasks_of_second", "second_id"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"))
    number: Mapped[int]
    item_id: Mapped[str] = mapped_column(ForeignKey("campaign_items.id"))
    first_id: Mapped[str] = mapped_column(ForeignKey("campaign_answers.id"))
    second_id: Mapped[str | None] = mapped_column(ForeignKey("campaign_answers.id"))
    gold: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Criterion -> first, second, tie, bad, or a score; empty if nothing is known."""


class AssignmentRow(Base):
    """A task on one annotator's screen."""

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("task_id", "rater_id", "round", name="one_assignment_a_round"),
        Index("assignments_of_rater", "rater_id", "opened"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    task_id: Mapped[str] = mapped_column(ForeignKey("campaign_tasks.id"))
    rater_id: Mapped[str] = mapped_column(ForeignKey("raters.id"))
    round: Mapped[int]
    """0; 1 when it is shown again to see whether the annotator agrees with themselves."""
    swapped: Mapped[bool]
    """Whether the second answer stands on the left."""
    status: Mapped[str] = mapped_column(String(16))
    """open, done, skipped."""
    until: Mapped[datetime]
    """End of the lease: until then nobody else gets the task in this one's place."""
    guideline: Mapped[int]
    """Version of the guidelines that was shown."""
    draft: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What is filled in so far."""
    seconds: Mapped[float] = mapped_column(default=0.0)
    """Time in which it was in front of the annotator."""
    revision: Mapped[int] = mapped_column(default=0)
    """How often it was sent; judgements count only with the present one."""
    opened: Mapped[datetime] = mapped_column(default=now)
    sent: Mapped[datetime | None]


class JudgementRow(Base):
    """One answer of a person to one question. It refers to others by id alone, since it outlives them."""

    __tablename__ = "judgements"
    __table_args__ = (Index("judgements_of_assignment", "assignment_id", "revision"), Index("judgements_of_message", "message_id"))
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    rater_id: Mapped[str] = mapped_column(Id)
    assignment_id: Mapped[str | None] = mapped_column(Id)
    """Empty for what people think of replies in their own chats."""
    message_id: Mapped[str | None] = mapped_column(Id)
    """The reply that was judged; empty for comparisons."""
    revision: Mapped[int] = mapped_column(default=1)
    subject: Mapped[str] = mapped_column(String(8))
    """reply; number of a medium; image, audio or video where all of a kind are compared."""
    kind: Mapped[str] = mapped_column(String(8))
    """What the subject is: reply, image, audio, video."""
    criterion: Mapped[str] = mapped_column(String(40))
    """A criterion's key; flag, comment, thumb."""
    score: Mapped[int | None]
    """1 to 5; for a thumb 1, -1, or 0 when it was taken back."""
    choice: Mapped[str | None] = mapped_column(String(16))
    """first, second, tie, bad; for a flag what it is."""
    text: Mapped[str | None] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(default=now)


class AuditRow(Base):
    """What happened at the desk, in order. Each record has the hash of the one before, so that none can be taken out unseen."""

    __tablename__ = "audit_events"
    __table_args__ = (Index("audit_of_assignment", "assignment_id"),)
    stream: Mapped[str] = mapped_column(Id, primary_key=True)
    """Id of the campaign; for thumbs that of the rater."""
    seq: Mapped[int] = mapped_column(primary_key=True)
    """1, 2, 3, ... within a stream."""
    at: Mapped[datetime]
    rater_id: Mapped[str | None] = mapped_column(Id)
    assignment_id: Mapped[str | None] = mapped_column(Id)
    action: Mapped[str] = mapped_column(String(24))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    digest: Mapped[str] = mapped_column(String(64))
