"""Campaigns for Label Studio and back: its labelling configuration, its tasks with the judgements that are there, and judgements given there.

Which of two answers comes first is drawn for each task, and nothing in it says which systems answered.
"""

import hashlib
import html
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

from sqlalchemy import select
from sqlalchemy.orm import Session

from nextgpt_chat.annotate.agreement import CHOICES, SCORES
from nextgpt_chat.annotate.campaigns import campaign_of, found, newest_guidelines
from nextgpt_chat.annotate.judgements import Judgement
from nextgpt_chat.annotate.material import Material
from nextgpt_chat.annotate.plain import check_clean
from nextgpt_chat.annotate.preferences import Names
from nextgpt_chat.annotate.sheet import LONGEST_COMMENT, Question, kind_of, questions
from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.store.annotation_tables import AnswerRow, AssignmentRow, JudgementRow, RaterRow, TaskRow
from nextgpt_chat.store.audit import record
from nextgpt_chat.store.messages import turn_of
from nextgpt_chat.store.tables import MessageRow, now

QUOTED = 3
"""What is wrong with a file, and named."""
MOST_TASKS = 20_000
"""Tasks of one file that is read."""
TAGS = {"image": '<img src="{}" style="max-width:100%">', "audio": '<audio controls src="{}"></audio>', "video": '<video controls src="{}" style="max-width:100%"></video>'}  # fmt: skip
LOCAL = "/data/local-files/?d="
"""Where Label Studio serves files of a local folder that is set up as its storage."""


def config(material: Material) -> str:
    """The labelling configuration: the request, the answers, and a control for every question that some task asks."""
    pairwise = material.mode == "pairwise"
    shown = ["request", "first", "second"] if pairwise else ["request", "first"]
    lines = [
        "<View>",
        *(f'  <Header value={quoteattr(name.capitalize())}/>\n  <HyperText name="{name}" value="${name}"/>' for name in shown),
    ]
    for question in _all_questions(material):
        name = _name(question)
        lines.append(f"  <Header value={quoteattr(f'{question.title}: {question.criterion.question}')}/>")
        if pairwise:
            choices = "".join(f'<Choice value="{choice}"/>' for choice in CHOICES)
            lines.append(f'  <Choices name="{name}" toName="request" choice="single-radio">{choices}</Choices>')
        else:
            lines.append(f'  <Rating name="{name}" toName="request" maxRating="5"/>')
    lines += ['  <TextArea name="comment" toName="request" placeholder="Comment"/>', "</View>"]
    return "\n".join(lines) + "\n"


def tasks(material: Material, names: Names) -> list[dict[str, Any]]:
    """Every task, with the judgements that were given. They are marked, so that `bring_in` does not take them for new ones."""
    answers = {answer.id: answer for answer in material.answers}
    given: dict[str, dict[str, list[Judgement]]] = defaultdict(lambda: defaultdict(list))
    for row in material.judgements:
        given[row.task][row.assignment].append(row)
    made = []
    for task, ids in material.tasks.items():
        swapped = exchanged(task, ids)
        shown = [answers[one] for one in (reversed(ids) if swapped else ids)]
        data = {"request": _page(shown[0].prompt, names)} | {
            name: _page([answer.turn], names) for name, answer in zip(("first", "second"), shown, strict=False)
        }
        annotations = [
            {
                "unique_id": str(uuid.UUID(assignment)),
                "lead_time": said[0].seconds,
                "result": [one for row in said if (one := _result(row, swapped))],
            }
            for assignment, said in given[task].items()
        ]
        meta = {
            "task": task,
            "item": shown[0].item,
        }
        made.append({"data": data, "meta": meta, "annotations": annotations})
    return made


def _all_questions(material: Material) -> list[Question]:
    """What is asked in any task of the campaign, each once."""
    turns = {answer.id: answer.turn for answer in material.answers}
    found_questions: dict[str, Question] = {}
    for ids in material.tasks.values():
        for question in questions(material.criteria, [turns[one] for one in ids]):
            found_questions.setdefault(question.key, question)
    return list(found_questions.values())


def _name(question: Question) -> str:
    return question.key.replace("/", "__")


def _result(row: Judgement, swapped: bool) -> dict[str, Any] | None:
    if row.criterion == "flag":
        return None
    mark = {"id": row.assignment}
    if row.criterion == "comment":
        return mark | {"from_name": "comment", "to_name": "request", "type": "textarea", "value": {"text": [row.text]}}
    name = f"{row.subject}__{row.criterion}"
    if row.score is not None:
        return mark | {"from_name": name, "to_name": "request", "type": "rating", "value": {"rating": row.score}}
    return mark | {
        "from_name": name,
        "to_name": "request",
        "type": "choices",
        "value": {"choices": [as_shown(row.choice or "", swapped)]},
    }


def _page(turns: Sequence[Turn], names: Names) -> str:
    """Turns as HTML; files are where Label Studio serves a local folder."""
    pieces = []
    for turn in turns:
        who = "<p><b>User</b></p>" if len(turns) > 1 and turn.role == "user" else "<p><b>Model</b></p>" if len(turns) > 1 else ""
        pieces.append(who)
        for part in turn.parts:
            if isinstance(part, Text):
                pieces.append(f"<p>{html.escape(part.text)}</p>")
            elif part.sha256 in names:
                pieces.append(TAGS[part.kind].format(html.escape(LOCAL + names[part.sha256])))
    return "".join(pieces)


@dataclass
class Brought:
    """What became of the judgements in a file."""

    taken: int = 0
    known: int = 0
    """Those that came from here, or were taken before."""
    refused: list[str] = field(default_factory=list)
    """What is wrong with the others, as sentences."""

    def __str__(self) -> str:
        told = [f"{self.taken} judged items were taken in, {self.known} were known already and stay as they are."]
        if self.refused:
            told.append(f"{len(self.refused)} were not taken: {' '.join(self.refused[:QUOTED])}")
        return " ".join(told)


def exchanged(task: str, answers: Sequence[object]) -> bool:
    """Whether the second answer of a task comes first in Label Studio: drawn, and the same whenever it is asked."""
    return len(answers) > 1 and hashlib.sha256(f"label studio {task}".encode()).digest()[0] % 2 == 1


def as_shown(choice: str, swapped: bool) -> str:
    """A choice in the order in which Label Studio shows the answers, or back."""
    return {"first": "second", "second": "first"}.get(choice, choice) if swapped else choice


def bring_in(session: Session, content: ContentStore, campaign: str, exported: Any) -> Brought:
    """Takes judgements that were given in Label Studio into a campaign whose tasks were made there by `tasks`.

    What was taken before, and what came from here, is not taken again; what is not complete is refused, and the rest taken. Raises `InputError` for a
    file that is no export, and for tasks of another campaign; then nothing is taken.
    """
    row = found(session, campaign, lock=True)
    about = campaign_of(session, row)
    if not isinstance(exported, list) or len(exported) > MOST_TASKS or not all(isinstance(one, dict) for one in exported):
        raise InputError(
            f"The file is no export of Label Studio: it has a list of up to {MOST_TASKS:,} tasks (JSON, not JSON-MIN)."
        )
    check_clean(exported, "The file")
    told, brought = newest_guidelines(session, row.id).version, Brought()
    ours = set(
        session.scalars(
            select(AssignmentRow.id).join(TaskRow, TaskRow.id == AssignmentRow.task_id).where(TaskRow.campaign_id == row.id)
        )
    )
    for number, one in enumerate(exported, 1):
        place = f"Task {number} of the file"
        meta, annotations = one.get("meta"), one.get("annotations")
        task = session.get(TaskRow, str(meta.get("task"))) if isinstance(meta, dict) else None
        if task is None or task.campaign_id != row.id:
            raise InputError(f"{place} is none of the campaign {about.name!r}: its meta.task is not one of its tasks.")
        answers = [session.get_one(AnswerRow, answer) for answer in (task.first_id, task.second_id) if answer]
        turns = [_turn(session, content, answer) for answer in answers]
        asked = {_name(question): question for question in questions(about.criteria, turns)}
        for annotation in annotations if isinstance(annotations, list) else ():
            if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
                continue
            if ours & _marks(annotation):
                brought.known += 1
                continue
            try:
                rows = _rows(annotation, asked, about.mode, place, exchanged(task.id, answers), turns[0])
            except InputError as error:
                brought.refused.append(str(error))
                continue
            rater = _rater(session, row.id, annotation.get("completed_by"))
            same = select(AssignmentRow.id).where(AssignmentRow.task_id == task.id, AssignmentRow.rater_id == rater.id)
            if session.scalar(same):
                brought.known += 1
                continue
            assignment = AssignmentRow(
                task_id=task.id, rater_id=rater.id, round=0, swapped=exchanged(task.id, answers), status="done", until=now(), guideline=told, draft={},
                seconds=_seconds(annotation.get("lead_time")), revision=1, sent=now(),
            )  # fmt: skip
            session.add(assignment)
            session.flush()
            message = answers[0].message_id if len(answers) == 1 else None
            for said in rows:
                session.add(JudgementRow(rater_id=rater.id, assignment_id=assignment.id, message_id=message, revision=1, **said))
            record(session, row.id, "imported", rater.id, assignment.id, source="Label Studio", judgements=rows, guideline=told)
            brought.taken += 1
    return brought


def _turn(session: Session, content: ContentStore, answer: AnswerRow) -> Turn:
    message = session.scalar(select(MessageRow).where(MessageRow.id == answer.message_id))
    return turn_of(message, content) if message else Turn("assistant", ())


def _marks(annotation: dict[str, Any]) -> set[str]:
    """The assignments of ours that an annotation may be."""
    results = _dicts(annotation.get("result"))
    return {str(one).replace("-", "") for one in (annotation.get("unique_id"), *(result.get("id") for result in results))}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _seconds(value: Any) -> float:
    """The time that somebody took, as far as it can be believed."""
    return float(min(value, 86_400)) if isinstance(value, int | float) and value > 0 else 0.0


def _rows(
    annotation: dict[str, Any], asked: dict[str, Question], mode: str, place: str, swapped: bool, first: Turn
) -> list[dict[str, Any]]:
    """One annotation as judgements. Raises `InputError` if it is not complete or says what cannot be said."""
    said: dict[str, dict[str, Any]] = {}
    for result in _dicts(annotation.get("result")):
        name, value = str(result.get("from_name")), result.get("value")
        value = value if isinstance(value, dict) else {}
        if name == "comment":
            texts = value.get("text")
            words = (
                [texts]
                if isinstance(texts, str)
                else [one for one in texts if isinstance(one, str)]
                if isinstance(texts, list)
                else []
            )
            if any(words):
                said[name] = {
                    "subject": "reply",
                    "kind": "reply",
                    "criterion": "comment",
                    "text": " ".join(words)[:LONGEST_COMMENT],
                }
        elif name in asked:
            question = asked[name]
            chosen = value.get("choices")
            judged = (
                {"choice": chosen[0] if isinstance(chosen, list) and chosen else None}
                if mode == "pairwise"
                else {"score": value.get("rating")}
            )
            given = next(iter(judged.values()))
            if isinstance(given, bool) or given not in (CHOICES if mode == "pairwise" else SCORES):
                raise InputError(f"{place}: {question.title!r} has the value {given!r}.")
            if mode == "pairwise":
                judged = {"choice": as_shown(str(given), swapped)}
            said[name] = {
                "subject": question.subject,
                "kind": kind_of(question.subject, first),
                "criterion": question.criterion.key,
                **judged,
            }
    if missing := [question.title for name, question in asked.items() if name not in said]:
        raise InputError(f"{place}: {missing[0]!r} is not judged.")
    return list(said.values())


def _rater(session: Session, campaign: str, completed_by: Any) -> RaterRow:
    """The rater that somebody of Label Studio is in this campaign."""
    named = completed_by.get("id") if isinstance(completed_by, dict) else completed_by
    identity = uuid.uuid5(uuid.NAMESPACE_OID, f"label studio {campaign} {named}").hex
    row = session.get(RaterRow, identity)
    if row is None:
        row = RaterRow(id=identity, user_id=None, consent=0)
        session.add(row)
        session.flush()
    return row
