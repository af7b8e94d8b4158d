"""A task as one annotator sees it: the request, the answers from left to right, and what is asked about them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from nextgpt_chat.annotate.criteria import Criterion
from nextgpt_chat.annotate.sheet import SIDES, Question, Sheet, questions
from nextgpt_chat.conversation import Media, Turn
from nextgpt_chat.errors import GoneError, InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.store.annotation_tables import AnswerRow, AssignmentRow, CampaignRow, ItemRow, TaskRow
from nextgpt_chat.store.messages import messages_up_to, turn_of
from nextgpt_chat.store.tables import MessageRow


@dataclass(frozen=True)
class Shown:
    """A task as it is on one annotator's screen."""

    assignment: str
    prompt: tuple[Turn, ...]
    answers: tuple[Turn, ...]
    """From left to right."""
    questions: list[Question]
    sheet: dict[str, Any]
    """What is filled in already."""
    sent: bool
    """Whether it was sent before and is looked at again."""
    play: float
    """Share of every sound and clip that must be played."""

    @property
    def places(self) -> dict[str, Media]:
        """Place of a medium -> the medium: `prompt/0` is the first of the request, `left/0` that of the answer on the left."""
        asked = [medium for turn in self.prompt for medium in turn.media]
        sides = zip(SIDES, self.answers, strict=False)
        groups = [("prompt", asked), *((side, list(turn.media)) for side, turn in sides)]
        return {f"{name}/{number}": medium for name, media in groups for number, medium in enumerate(media)}

    @property
    def timed(self) -> list[str]:
        """Places of the answers' sounds and clips: they must be played."""
        return [place for place, medium in self.places.items() if medium.kind != "image" and not place.startswith("prompt")]


def is_there(session: Session, row: AssignmentRow) -> bool:
    """Whether there is still something to judge."""
    return (
        session.scalar(
            select(ItemRow.conversation_id).join(TaskRow, TaskRow.item_id == ItemRow.id).where(TaskRow.id == row.task_id)
        )
        is not None
    )


def shown_task(session: Session, content: ContentStore, campaign: CampaignRow, row: AssignmentRow) -> Shown:
    """A task as it is on the screen of who has it. Raises `GoneError` if the person whose conversation it was took it back."""
    task = session.get_one(TaskRow, row.task_id)
    messages = [session.get_one(AnswerRow, answer).message_id for answer in _in_order(row, task)]
    rows = session.scalars(select(MessageRow).where(MessageRow.id.in_([one for one in messages if one])))
    replies = {message.id: message for message in rows}
    item = session.get_one(ItemRow, task.item_id)
    if item.conversation_id is None or len(replies) < len(messages):
        raise GoneError("The person whose conversation this was has taken it back.")
    first = replies[messages[0] or ""]
    answers = tuple(turn_of(replies[message or ""], content) for message in messages)
    criteria = [Criterion.model_validate(one) for one in campaign.plan["criteria"]]
    asked = tuple(turn_of(message, content) for message in messages_up_to(session, first.parent_id, first.conversation_id))
    return Shown(
        row.id, asked, answers, questions(criteria, answers), row.draft, row.sent is not None, campaign.plan["play"],
    )  # fmt: skip


def check_known(sheet: Sheet, shown: Shown) -> None:
    """Raises `InputError` for answers to questions that are not asked, and for media that are not there."""
    keys: Collection[str] = {question.key for question in shown.questions}
    for given, known in ((sheet.answers, keys), (sheet.played, shown.places)):
        if strange := [name for name in given if name not in known]:
            raise InputError(f"There is no {strange[0]!r} here. Reload the page.")


def _in_order(row: AssignmentRow, task: TaskRow) -> Sequence[str]:
    """Ids of the answers from left to right."""
    if task.second_id is None:
        return [task.first_id]
    return [task.second_id, task.first_id] if row.swapped else [task.first_id, task.second_id]


def provenance(session: Session, task: str) -> list[dict[str, Any]]:
    """How the answers of a task came to be, in the task's own order."""
    row = session.get_one(TaskRow, task)
    answers = [session.get_one(AnswerRow, one) for one in (row.first_id, row.second_id) if one]
    names = ("id", "system", "model", "revision", "settings", "seed", "message_id")
    return [{name: getattr(answer, name) for name in names} for answer in answers]
