"""Campaigns: made of a plan, opened and closed, counted. For admins and for the command line."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from nextgpt_chat.annotate.criteria import Criterion
from nextgpt_chat.annotate.identity import named_in
from nextgpt_chat.annotate.items import models_in, read_items, write_items
from nextgpt_chat.annotate.plain import check_clean
from nextgpt_chat.annotate.plan import LONGEST_GUIDELINES, Plan
from nextgpt_chat.errors import InputError, NotFoundError
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.annotation_tables import (
    AnswerRow,
    AssignmentRow,
    CampaignRow,
    GuidelineRow,
    ItemRow,
    TaskRow,
)
from nextgpt_chat.store.audit import record
from nextgpt_chat.store.store import Store
from nextgpt_chat.store.tables import UserRow, new_id

MOST_CAMPAIGNS = 200
"""Campaigns of one server."""


@dataclass(frozen=True)
class Campaign:
    """A campaign without its items."""

    id: str
    name: str
    mode: str
    """pairwise, absolute."""
    open: bool
    plan: dict[str, Any]
    guidelines: str
    version: int
    """Of the guidelines."""
    created: datetime

    @property
    def title(self) -> str:
        """What annotators see in the name's place."""
        return self.plan["title"] or f"Campaign {self.id[:6]}"

    @property
    def criteria(self) -> list[Criterion]:
        """By what answers are judged."""
        return [Criterion.model_validate(one) for one in self.plan["criteria"]]


@dataclass(frozen=True)
class Counts:
    """How far a campaign is."""

    answers: dict[str, int] = field(default_factory=dict)
    """waiting, running, ready, failed -> how many answers."""
    tasks: int = 0
    """What is judged, without what is known."""
    wanted: int = 0
    """How often that is wanted: tasks times overlap."""
    done: int = 0
    skipped: int = 0
    raters: int = 0


class Campaigns:
    """Makes and finds campaigns."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings

    def create(self, plan: Plan, folder: Path | None = None) -> str:
        """Makes a campaign; files that its items name lie in `folder`. Returns its id.

        Raises `InputError` for a name that is taken, for files that are not there or cannot be accepted, and where too few people agreed to
        have their conversations judged.
        """
        read = read_items(plan, folder, self.store.content, self.settings)
        with self.store.database.session() as session:
            if session.scalar(select(CampaignRow.id).where(CampaignRow.name == plan.name)):
                raise InputError(f"There is a campaign called {plan.name!r} already. Choose another name.")
            if (session.scalar(select(func.count()).select_from(CampaignRow)) or 0) >= MOST_CAMPAIGNS:
                raise InputError(f"There are {MOST_CAMPAIGNS} campaigns, which is the most there can be.")
            user = new_id()
            session.add(UserRow(id=user))
            session.flush()
            kept = plan.model_dump(mode="json", exclude={"items", "guidelines"})
            row = CampaignRow(user_id=user, name=plan.name, mode=plan.mode, status="open", plan=kept)
            session.add(row)
            session.flush()
            session.add(GuidelineRow(campaign_id=row.id, version=1, text=plan.guidelines))
            items, tasks = write_items(session, self.store.content, row, plan, read)
            record(session, row.id, "created", plan=kept, items=items, tasks=tasks, guideline=1)
            return row.id

    def all(self) -> list[Campaign]:
        """The campaigns, the newest first."""
        with self.store.database.reading() as session:
            rows = session.scalars(select(CampaignRow).order_by(CampaignRow.created.desc(), CampaignRow.id))
            return [campaign_of(session, row) for row in rows]

    def get(self, campaign: str) -> Campaign:
        """A campaign by its id. Raises `NotFoundError`."""
        with self.store.database.reading() as session:
            return campaign_of(session, found(session, campaign))

    def named(self, name: str) -> Campaign:
        """A campaign by its name. Raises `NotFoundError`."""
        with self.store.database.reading() as session:
            row = session.scalar(select(CampaignRow).where(CampaignRow.name == name))
            if row is None:
                raise NotFoundError(f"There is no campaign called {name!r}.")
            return campaign_of(session, row)

    def counts(self, campaign: str) -> Counts:
        """How far it is."""
        with self.store.database.reading() as session:
            row = found(session, campaign)
            answers = session.execute(
                select(AnswerRow.status, func.count())
                .join(ItemRow, ItemRow.id == AnswerRow.item_id)
                .where(ItemRow.campaign_id == row.id)
                .group_by(AnswerRow.status)
            )
            tasks = session.execute(select(TaskRow.id, TaskRow.gold).where(TaskRow.campaign_id == row.id)).all()
            asked = {task for task, gold in tasks if not gold} or {task for task, _ in tasks}
            states = session.execute(
                select(AssignmentRow.task_id, AssignmentRow.status, AssignmentRow.rater_id)
                .join(TaskRow, TaskRow.id == AssignmentRow.task_id)
                .where(TaskRow.campaign_id == row.id, AssignmentRow.round == 0)
            ).all()
            done = [task for task, status, _ in states if status == "done" and task in asked]
            return Counts(
                answers=dict(answers.tuples().all()),
                tasks=len(asked),
                wanted=len(asked) * row.plan["overlap"],
                done=sum(min(count, row.plan["overlap"]) for count in Counter(done).values()),
                skipped=sum(status == "skipped" for _, status, _ in states),
                raters=len({rater for _, _, rater in states}),
            )

    def set_open(self, campaign: str, is_open: bool) -> None:
        """Opens a campaign for annotators, or closes it: what is on screens then can still be sent."""
        with self.store.database.session() as session:
            row = found(session, campaign, lock=True)
            row.status = "open" if is_open else "closed"
            record(session, row.id, "opened" if is_open else "closed")

    def set_guidelines(self, campaign: str, text: str) -> int:
        """Tells annotators something else from now on; returns the new version's number."""
        check_clean(text, "The text")
        text = text.strip().replace("\r\n", "\n")
        if not 0 < len(text) <= LONGEST_GUIDELINES:
            raise InputError(f"Guidelines have between 1 and {LONGEST_GUIDELINES:,} characters.")
        with self.store.database.session() as session:
            row = found(session, campaign, lock=True)
            systems = select(AnswerRow.system).join(ItemRow, ItemRow.id == AnswerRow.item_id).where(ItemRow.campaign_id == row.id)
            if named := named_in(text, [*models_in(session, row.id), *session.scalars(systems.distinct())]):
                raise InputError(f"The guidelines name {named!r}, which answers. Annotators must not know who does.")
            last = newest_guidelines(session, row.id)
            if last.text == text:
                return last.version
            session.add(GuidelineRow(campaign_id=row.id, version=last.version + 1, text=text))
            record(session, row.id, "guidelines", version=last.version + 1, text=text)
            return last.version + 1

    def try_again(self, campaign: str) -> int:
        """Answers that could not be made are made once more; returns how many those are."""
        with self.store.database.session() as session:
            row = found(session, campaign, lock=True)
            failed = session.scalars(
                select(AnswerRow)
                .join(ItemRow, ItemRow.id == AnswerRow.item_id)
                .where(ItemRow.campaign_id == row.id, AnswerRow.status == "failed", ItemRow.conversation_id.is_not(None))
            ).all()
            for answer in failed:
                answer.status, answer.tries = "waiting", 0
            return len(failed)


def is_id(text: str) -> bool:
    """Whether something can be an id: database servers do not look for what no text may hold."""
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def found(session: Session, campaign: str, lock: bool = False) -> CampaignRow:
    """A campaign by its id; `lock` keeps others from changing it until the end of the transaction."""
    row = session.get(CampaignRow, campaign, with_for_update=lock, populate_existing=lock) if is_id(campaign) else None
    if row is None:
        raise NotFoundError("There is no such campaign.")
    return row


def campaign_of(session: Session, row: CampaignRow) -> Campaign:
    """A row as a value."""
    told = newest_guidelines(session, row.id)
    return Campaign(row.id, row.name, row.mode, row.status == "open", row.plan, told.text, told.version, row.created)


def newest_guidelines(session: Session, campaign: str) -> GuidelineRow:
    """What annotators are told now."""
    newest = select(GuidelineRow).where(GuidelineRow.campaign_id == campaign).order_by(GuidelineRow.version.desc()).limit(1)
    return session.scalars(newest).one()
