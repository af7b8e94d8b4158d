"""Judgements in long format: one row for each answer of a person to one question. Statistics and data sets read these, and nothing else."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from nextgpt_chat.store.annotation_tables import AnswerRow, AssignmentRow, CampaignRow, ItemRow, JudgementRow, TaskRow

NOTES = ("flag", "comment")
"""What is said beside the judgement."""


@dataclass(frozen=True)
class Judgement:
    """One answer of a person to one question, with what it was about."""

    campaign: str
    item: int
    """Number of the item in its campaign, from 1."""
    task: str
    assignment: str
    rater: str
    """Pseudonym, good within the campaign."""
    round: int
    """0; 1 if it was shown to the same person a second time."""
    subject: str
    """reply; number of a medium; image, audio or video where all of a kind are compared."""
    kind: str
    """reply, image, audio, video: what the subject is."""
    criterion: str
    score: int | None
    """1 to 5."""
    choice: str | None
    """first, second, tie, bad; for a flag what it is."""
    text: str | None
    """A comment."""
    first: str
    """System of the answer, or of the first of two."""
    second: str | None
    answers: tuple[str, ...]
    """Ids of the answer, or of both in this order."""
    left: str
    """Which of both stood on the left: first, second."""
    gold: int | str | None
    """What is known to be right."""
    known: bool
    """Whether anything is known to be right of what was judged."""
    leak: bool
    """Whether an answer gives away who made it, by its text or because somebody flagged it."""
    seconds: float
    guideline: int
    revision: int
    at: datetime

    @property
    def unit(self) -> tuple[str, str, str]:
        """What was judged: several people may have judged the same."""
        return self.task, self.subject, self.criterion

    @property
    def value(self) -> int | str | None:
        """The score or the choice."""
        return self.choice if self.score is None else self.score


def pseudonym(campaign: str, rater: str) -> str:
    """What a rater is called in what leaves the server: in another campaign it is something else."""
    return f"rater-{hashlib.sha256(f'{campaign} {rater}'.encode()).hexdigest()[:10]}"


def judgements(session: Session, campaign: CampaignRow) -> list[Judgement]:
    """All judgements that count, with flags and comments, in the order in which they were given."""
    answers = {
        row.id: row
        for row in session.scalars(
            select(AnswerRow).join(ItemRow, ItemRow.id == AnswerRow.item_id).where(ItemRow.campaign_id == campaign.id)
        )
    }
    rows = session.execute(
        select(JudgementRow, AssignmentRow, TaskRow, ItemRow.number)
        .join(AssignmentRow, AssignmentRow.id == JudgementRow.assignment_id)
        .join(TaskRow, TaskRow.id == AssignmentRow.task_id)
        .join(ItemRow, ItemRow.id == TaskRow.item_id)
        .where(TaskRow.campaign_id == campaign.id, AssignmentRow.status == "done", JudgementRow.revision == AssignmentRow.revision)
        .order_by(JudgementRow.number)
    ).all()
    flagged = {task.id for row, _, task, _ in rows if row.criterion == "flag" and row.choice == "identity"}
    names: dict[str, str] = {}
    found = []
    for row, assignment, task, number in rows:
        first = answers[task.first_id]
        second = answers[task.second_id] if task.second_id else None
        rater = names.setdefault(row.rater_id, pseudonym(campaign.id, row.rater_id))
        found.append(
            Judgement(
                campaign=campaign.name,
                item=number,
                task=task.id,
                assignment=assignment.id,
                rater=rater,
                round=assignment.round,
                subject=row.subject,
                kind=row.kind,
                criterion=row.criterion,
                score=row.score,
                choice=row.choice,
                text=row.text,
                first=first.system,
                second=second.system if second else None,
                answers=(first.id, second.id) if second else (first.id,),
                left="second" if assignment.swapped else "first",
                gold=task.gold.get(row.criterion) if row.subject == "reply" else None,
                known=bool(task.gold),
                leak=task.id in flagged or first.leak or bool(second and second.leak),
                seconds=assignment.seconds,
                guideline=assignment.guideline,
                revision=row.revision,
                at=row.created,
            )
        )
    return found


def counted(rows: Iterable[Judgement], golds: bool = False) -> list[Judgement]:
    """The judgements that statistics are made of: first ones, blind ones, without notes; of known answers only if `golds`."""
    return [row for row in rows if row.round == 0 and not row.leak and row.criterion not in NOTES and (golds or not row.known)]
