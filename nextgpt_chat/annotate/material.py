"""What a data set is made of: answers with their requests, and the judgements about them. Of a campaign, or of the thumbs in people's own chats."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from nextgpt_chat.annotate.campaigns import campaign_of, found
from nextgpt_chat.annotate.criteria import Criterion
from nextgpt_chat.annotate.judgements import Judgement, judgements, pseudonym
from nextgpt_chat.conversation import Turn
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.store.annotation_tables import (
    AnswerRow,
    AssignmentRow,
    AuditRow,
    ConsentRow,
    GuidelineRow,
    ItemRow,
    JudgementRow,
    TaskRow,
)
from nextgpt_chat.store.audit import records
from nextgpt_chat.store.messages import messages_of, path_to, turn_of
from nextgpt_chat.store.raters import SHARING
from nextgpt_chat.store.ratings import REASONS, THUMB
from nextgpt_chat.store.tables import ConversationRow, MessageRow

CHAT = "chat"
"""In the place of a campaign's name: what people think of replies in their own chats."""


@dataclass(frozen=True)
class Answer:
    """An answer with what it answers."""

    id: str
    item: int
    """Number of the request: answers to the same request have the same."""
    system: str
    model: str
    revision: str
    seed: int | None
    settings: dict[str, Any]
    prompt: tuple[Turn, ...]
    turn: Turn


@dataclass(frozen=True)
class Material:
    """Everything that goes into one data set."""

    name: str
    mode: str
    """pairwise, absolute, thumbs."""
    criteria: list[Criterion]
    guidelines: list[str]
    """All versions, from the first."""
    answers: list[Answer]
    tasks: dict[str, tuple[str, ...]]
    """Id of a task -> ids of the answer or answers that are judged in it."""
    judgements: list[Judgement]
    """Flags and comments among them."""
    audit: list[dict[str, Any]]


def of_campaign(session: Session, content: ContentStore, name: str) -> Material:
    """What a campaign holds; answers that somebody took back are left out, with the judgements about them."""
    row = found(session, name)
    campaign = campaign_of(session, row)
    rows = session.execute(
        select(AnswerRow, ItemRow)
        .join(ItemRow, ItemRow.id == AnswerRow.item_id)
        .where(ItemRow.campaign_id == row.id, AnswerRow.status == "ready", ItemRow.conversation_id.is_not(None))
        .order_by(ItemRow.number, AnswerRow.system)
    ).all()
    told = _Told(session, content)
    answers = []
    for answer, item in rows:
        turns = told.up_to(answer.message_id)
        if turns:
            answers.append(
                Answer(
                    answer.id, item.number, answer.system, answer.model, answer.revision, answer.seed, answer.settings, turns[:-1], turns[-1]
                )
            )  # fmt: skip
    there = {answer.id for answer in answers}
    kept = [one for one in judgements(session, row) if there.issuperset(one.answers)]
    versions = session.scalars(select(GuidelineRow.text).where(GuidelineRow.campaign_id == row.id).order_by(GuidelineRow.version))
    judged = select(TaskRow).where(TaskRow.campaign_id == row.id).order_by(TaskRow.number)
    tasks = {one.id: tuple(answer for answer in (one.first_id, one.second_id) if answer) for one in session.scalars(judged)}
    tasks = {task: ids for task, ids in tasks.items() if there.issuperset(ids)}
    of_others = select(AssignmentRow.id).where(AssignmentRow.task_id.in_(tasks))
    open_to_all = set(session.scalars(of_others)) | {None}
    audit = [_record(one, row.id, one.assignment_id in open_to_all) for one in records(session, row.id)]
    return Material(campaign.name, campaign.mode, campaign.criteria, list(versions), answers, tasks, kept, audit)


def of_chats(session: Session, content: ContentStore) -> Material:
    """Thumbs and reasons of those who agreed to that, and the replies that they are about; other versions of those replies are the same item."""
    rows = session.execute(
        select(JudgementRow, MessageRow)
        .join(MessageRow, MessageRow.id == JudgementRow.message_id)
        .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
        .join(ConsentRow, ConsentRow.user_id == ConversationRow.user_id)
        .where(JudgementRow.criterion == THUMB, ConversationRow.deleted.is_(None), ConsentRow.version == SHARING)
        .order_by(JudgementRow.number)
    ).all()
    newest = {(row.message_id, row.subject): (row, message) for row, message in rows}
    told = _Told(session, content)
    items: dict[str, int] = {}
    answers: dict[str, Answer] = {}
    kept = []
    for row, message in newest.values():
        if not row.score or message.parent_id is None:
            continue
        item = items.setdefault(message.parent_id, len(items) + 1)
        model = message.model or ""
        if message.id not in answers:
            turns = told.up_to(message.id)
            seed = message.stats.get("seed")
            answers[message.id] = Answer(message.id, item, model, model, "", seed, {}, turns[:-1], turns[-1])
        kept.append(
            Judgement(
                campaign=CHAT, item=item, task=message.id, assignment="", rater=pseudonym(CHAT, row.rater_id), round=0, subject=row.subject,
                kind=row.kind, criterion=THUMB, score=row.score, choice=None, text=row.text,
                first=model, second=None, answers=(message.id,), left="first", gold=None, known=False, leak=False, seconds=0.0, guideline=0,
                revision=row.revision, at=row.created,
            )
        )  # fmt: skip
    guidelines = ["People press a thumb below a reply, or below a medium in it. Reasons: " + "; ".join(REASONS.values()) + "."]
    return Material(CHAT, "thumbs", [], guidelines, list(answers.values()), {}, kept, [])


class _Told:
    """Branches of conversations, each conversation read once."""

    def __init__(self, session: Session, content: ContentStore) -> None:
        self.session, self.content = session, content
        self._read: dict[str, dict[str, MessageRow]] = {}

    def up_to(self, message: str | None) -> tuple[Turn, ...]:
        """The turns that end with a message; none if it is not there any more."""
        row = self.session.scalar(select(MessageRow).where(MessageRow.id == message))
        if row is None:
            return ()
        if row.conversation_id not in self._read:
            self._read[row.conversation_id] = messages_of(self.session, row.conversation_id)
        return tuple(turn_of(one, self.content) for one in path_to(row.id, self._read[row.conversation_id]))


def _record(row: AuditRow, campaign: str, whole: bool) -> dict[str, Any]:
    """A record as it leaves the server; one about what somebody took back says no more than that there is one."""
    rater = row.rater_id and pseudonym(campaign, row.rater_id)
    about = {"seq": row.seq, "at": row.at.isoformat(), "rater": rater, "assignment": row.assignment_id, "action": row.action}
    return about | {"body": row.body if whole else None, "digest": row.digest}
