"""The annotators' desk: who gets which task, and what becomes of it.

A task that is open on somebody's screen is leased: it counts as taken until the lease ends, and whoever has it may send it even later. So
annotators never wait for each other, and nothing that was filled in is lost.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from nextgpt_chat import __version__
from nextgpt_chat.annotate.campaigns import found, is_id, newest_guidelines
from nextgpt_chat.annotate.choosing import choose, has_room, remaining
from nextgpt_chat.annotate.criteria import SKIPS
from nextgpt_chat.annotate.sheet import SIDES, Sheet, changes, check_complete, kind_of, same
from nextgpt_chat.annotate.shown_task import Shown, check_known, is_there, provenance, shown_task
from nextgpt_chat.errors import InputError, NotFoundError
from nextgpt_chat.store.annotation_tables import (
    AnswerRow,
    AssignmentRow,
    AuditRow,
    CampaignRow,
    ItemRow,
    JudgementRow,
    RaterRow,
    TaskRow,
)
from nextgpt_chat.store.audit import record
from nextgpt_chat.store.raters import TERMS, rater_of
from nextgpt_chat.store.store import Store
from nextgpt_chat.store.tables import now

MOST_DRAFTS = 500
"""Drafts of one task that are recorded; later ones are kept and not recorded."""
NOT_YOURS = "There is no such item."


@dataclass(frozen=True)
class Progress:
    """How far one annotator is with one campaign."""

    done: int
    left: int
    """Tasks that could be theirs now."""


class Desk:
    """All that annotators do. Each call is in the name of one user."""

    def __init__(self, store: Store) -> None:
        self.store, self.database, self.content = store, store.database, store.content

    def agreed(self, user: str) -> bool:
        """Whether the user agreed to the terms of the desk."""
        with self.database.reading() as session:
            row = session.scalar(select(RaterRow).where(RaterRow.user_id == user))
            return row is not None and row.consent >= TERMS

    def rater(self, user: str) -> str:
        """A number that tells the user from others and says nothing of them; empty for somebody who never judged."""
        with self.database.reading() as session:
            return session.scalar(select(RaterRow.id).where(RaterRow.user_id == user)) or ""

    def agree(self, user: str) -> None:
        """The user agrees to them."""
        with self.database.session() as session:
            rater = rater_of(session, user)
            if rater.consent < TERMS:
                rater.consent = TERMS
                record(session, rater.id, "agreed", rater.id, terms=TERMS)

    def progress(self, user: str, campaign: str) -> Progress:
        """How far the user is."""
        with self.database.reading() as session:
            row = found(session, campaign)
            rater = session.scalar(select(RaterRow).where(RaterRow.user_id == user))
            done, left = remaining(session, row, rater)
            return Progress(done, left)

    def next(self, user: str, campaign: str) -> Shown | None:
        """The task that is open on the user's screen, or another one, leased to them; None if there is nothing for them now."""
        with self.database.session() as session:
            row, rater = self._working(session, user, campaign, lock=True)
            assignment = self._at_work(session, row, rater)
            if assignment is None:
                if row.status != "open":
                    return None
                picked = choose(session, row, rater)
                if picked is None:
                    return None
                told = newest_guidelines(session, row.id).version
                assignment = AssignmentRow(
                    task_id=picked.task, rater_id=rater.id, round=picked.round, swapped=picked.swapped, status="open", until=now(),
                    guideline=told, draft={},
                )  # fmt: skip
                session.add(assignment)
                session.flush()
                record(
                    session,
                    row.id,
                    "opened",
                    rater.id,
                    assignment.id,
                    task=picked.task,
                    round=picked.round,
                    swapped=picked.swapped,
                    guideline=told,
                )
            assignment.until = now() + _lease(row)
            return shown_task(session, self.content, row, assignment)

    def back(self, user: str, campaign: str, before: str | None = None) -> Shown:
        """The task that the user sent or skipped last, or last before the task `before`, to look at it again."""
        with self.database.reading() as session:
            row, rater = self._working(session, user, campaign)
            there = _mine(row, rater).join(ItemRow, ItemRow.id == TaskRow.item_id).where(ItemRow.conversation_id.is_not(None))
            ended = list(session.scalars(there.where(AssignmentRow.sent.is_not(None)).order_by(AssignmentRow.opened)))
            ids = [one.id for one in ended]
            if before in ids:
                ended = ended[: ids.index(before)]
            if not ended:
                raise NotFoundError("There is nothing before this.")
            return shown_task(session, self.content, row, ended[-1])

    def shown(self, user: str, assignment: str) -> Shown:
        """A task that is or was on the user's screen."""
        with self.database.reading() as session:
            row, campaign, _ = self._own(session, user, assignment)
            return shown_task(session, self.content, campaign, row)

    def save(self, user: str, assignment: str, sheet: Sheet | None) -> datetime:
        """Keeps what is filled in, if something is said of it, and the lease; returns its new end."""
        with self.database.session() as session:
            row, campaign, rater = self._own(session, user, assignment, lock=True)
            if row.status == "open":
                if sheet is not None:
                    check_known(sheet, shown_task(session, self.content, campaign, row))
                    if (changed := changes(row.draft, sheet)) and _drafts(session, row) < MOST_DRAFTS:
                        record(session, campaign.id, "draft", rater.id, row.id, changes=changed)
                    row.draft, row.seconds = sheet.model_dump(mode="json"), sheet.seconds
                row.until = now() + _lease(campaign)
            return row.until

    def send(self, user: str, assignment: str, sheet: Sheet) -> None:
        """The judgement. Sent again it is another revision, and the earlier ones stay. Raises `InputError` while something is missing."""
        with self.database.session() as session:
            row, campaign, rater = self._own(session, user, assignment, lock=True)
            shown = shown_task(session, self.content, campaign, row)
            check_known(sheet, shown)
            check_complete(sheet, shown.questions, len(shown.answers) > 1, shown.timed, shown.play)
            kept = sheet.model_dump(mode="json")
            if row.status == "done" and same(row.draft, kept):
                return  # the browser did not hear the answer to the first time
            if campaign.status != "open" and row.status != "open":
                raise InputError("The campaign is closed. What was on your screen then could still be sent; this was not.")
            if row.status == "skipped" and row.round == 0 and not has_room(session, campaign, row.task_id):
                raise InputError("You skipped this, and others have judged it meanwhile. Go on with the next item.")
            before = row.draft if row.revision else None
            row.revision += 1
            row.status, row.draft, row.seconds, row.sent = "done", kept, sheet.seconds, now()
            self._write(session, row, rater, shown, sheet)
            record(
                session, campaign.id, "sent", rater.id, row.id, revision=row.revision, sheet=kept, before=before, swapped=row.swapped,
                guideline=row.guideline, round=row.round, app=__version__, answers=provenance(session, row.task_id),
            )  # fmt: skip

    def skip(self, user: str, assignment: str, reason: str, sheet: Sheet) -> None:
        """The user cannot or does not want to judge this. What was filled in is kept."""
        if reason not in SKIPS:
            raise InputError(f"The reasons are: {', '.join(SKIPS)}.")
        with self.database.session() as session:
            row, campaign, rater = self._own(session, user, assignment, lock=True)
            if row.status == "skipped":
                return
            if row.status == "done":
                raise InputError("You have judged this already. Send another judgement instead, or leave it as it is.")
            if not is_there(session, row):
                self._give_up(session, campaign, rater, row)
                return
            check_known(sheet, shown_task(session, self.content, campaign, row))
            kept = sheet.model_dump(mode="json")
            row.status, row.draft, row.seconds, row.sent = "skipped", kept, sheet.seconds, now()
            record(session, campaign.id, "skipped", rater.id, row.id, reason=reason, sheet=kept, revision=row.revision)

    def _working(self, session: Session, user: str, campaign: str, lock: bool = False) -> tuple[CampaignRow, RaterRow]:
        """The campaign, and the user as a rater who agreed."""
        row = found(session, campaign, lock)
        rater = session.scalar(select(RaterRow).where(RaterRow.user_id == user))
        if rater is None or rater.consent < TERMS:
            raise InputError("Read and accept first what is kept of your work.")
        return row, rater

    def _at_work(self, session: Session, campaign: CampaignRow, rater: RaterRow) -> AssignmentRow | None:
        """The task that is open on the rater's screen; one that its owner took back meanwhile is not."""
        rows = session.execute(
            _mine(campaign, rater)
            .add_columns(ItemRow.conversation_id)
            .join(ItemRow, ItemRow.id == TaskRow.item_id)
            .where(AssignmentRow.status == "open")
            .order_by(AssignmentRow.opened)
        )
        row: AssignmentRow
        for row, conversation in rows:
            if conversation is not None:
                return row
            self._give_up(session, campaign, rater, row)
        return None

    def _give_up(self, session: Session, campaign: CampaignRow, rater: RaterRow, row: AssignmentRow) -> None:
        """There is nothing to judge any more: its owner took it back."""
        row.status, row.sent = "skipped", now()
        record(session, campaign.id, "withdrawn", rater.id, row.id)

    def _own(self, session: Session, user: str, assignment: str, lock: bool = False) -> tuple[AssignmentRow, CampaignRow, RaterRow]:
        """The user's assignment; `lock` lets nobody else change it meanwhile, such as a second click."""
        sought = (
            select(AssignmentRow, CampaignRow, RaterRow)
            .join(TaskRow, TaskRow.id == AssignmentRow.task_id)
            .join(CampaignRow, CampaignRow.id == TaskRow.campaign_id)
            .join(RaterRow, RaterRow.id == AssignmentRow.rater_id)
            .where(AssignmentRow.id == assignment, RaterRow.user_id == user)
        )
        found_row = session.execute(sought).first() if is_id(assignment) else None
        if lock and found_row is not None:  # the campaign first, as `next` does: two who wait for each other would wait for ever
            found(session, found_row[1].id, lock=True)
            session.refresh(found_row[0], with_for_update=True)
        if found_row is None:
            raise NotFoundError(NOT_YOURS)
        row, campaign, rater = found_row
        return row, campaign, rater

    def _write(self, session: Session, row: AssignmentRow, rater: RaterRow, shown: Shown, sheet: Sheet) -> None:
        """The judgement as rows, in the task's own order of answers."""
        task = session.get_one(TaskRow, row.task_id)
        message = None if task.second_id else session.get_one(AnswerRow, task.first_id).message_id
        common: dict[str, Any] = {"rater_id": rater.id, "assignment_id": row.id, "message_id": message, "revision": row.revision}
        for question in shown.questions:
            value = sheet.answers[question.key]
            said = {"score": value} if isinstance(value, int) else {"choice": true_choice(value, row.swapped)}
            kind = kind_of(question.subject, shown.answers[0])
            session.add(JudgementRow(subject=question.subject, kind=kind, criterion=question.criterion.key, **said, **common))
        for flag in sheet.flags:
            session.add(JudgementRow(subject="reply", kind="reply", criterion="flag", choice=flag, **common))
        if sheet.comment.strip():
            session.add(JudgementRow(subject="reply", kind="reply", criterion="comment", text=sheet.comment.strip(), **common))
        session.flush()


def true_choice(seen: str, swapped: bool) -> str:
    """first, second, tie or bad, for what was chosen on a screen where the answers may stand the other way round."""
    if seen in SIDES:
        return "second" if (seen == "right") != swapped else "first"
    return seen


def _mine(campaign: CampaignRow, rater: RaterRow) -> Any:
    return (
        select(AssignmentRow)
        .join(TaskRow, TaskRow.id == AssignmentRow.task_id)
        .where(TaskRow.campaign_id == campaign.id, AssignmentRow.rater_id == rater.id)
    )


def _drafts(session: Session, row: AssignmentRow) -> int:
    """How many drafts of an assignment are on record."""
    return session.scalar(select(func.count()).where(AuditRow.assignment_id == row.id, AuditRow.action == "draft")) or 0


def _lease(campaign: CampaignRow) -> timedelta:
    return timedelta(minutes=campaign.plan["lease_minutes"])
