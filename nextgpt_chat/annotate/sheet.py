"""What an annotator is asked about a task, and what they fill in."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from nextgpt_chat.annotate.criteria import FLAGS, POINTS, Criterion
from nextgpt_chat.annotate.plain import check_clean
from nextgpt_chat.conversation import Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.names import NOUNS

SIDES = ("left", "right")
CHOICES = ("left", "right", "tie", "bad")
"""The answer on the left, that on the right, equally good, both bad."""
LONGEST_COMMENT = 2_000
Share = Annotated[float, Field(ge=0, le=1)]
Short = Annotated[str, StringConstraints(max_length=60)]


class Sheet(BaseModel):
    """What is filled in, as far as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: dict[Short, Annotated[int, Field(strict=True, ge=1, le=POINTS)] | Literal["left", "right", "tie", "bad"]] = Field(
        {}, max_length=200
    )
    """Key of a question -> a score, or a choice."""
    flags: list[Literal["unsafe", "identity", "damaged", "prompt"]] = Field([], max_length=len(FLAGS))
    comment: str = Field("", max_length=LONGEST_COMMENT)
    played: dict[Short, Share] = Field({}, max_length=200)
    """Place of a sound or clip -> the largest share of it that was played."""
    seconds: float = Field(0.0, ge=0, le=86_400)
    """Time in which the task was in front of the annotator."""

    @field_validator("flags")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        return list(dict.fromkeys(value))


@dataclass(frozen=True)
class Question:
    """One thing that is asked."""

    key: str
    """Subject and criterion, as `reply/overall` or `0/fidelity`."""
    subject: str
    criterion: Criterion

    @property
    def title(self) -> str:
        """What it is about, and by which criterion."""
        if self.subject == "reply":
            return self.criterion.title
        about = f"{NOUNS[self.subject].capitalize()}s" if self.subject in NOUNS else f"Medium {int(self.subject) + 1}"
        return f"{about}: {self.criterion.title}"


def questions(criteria: Sequence[Criterion], answers: Sequence[Turn]) -> list[Question]:
    """What is asked of one answer, medium by medium; or of two, where media of a kind are compared if both answers have some."""
    asked = []
    for criterion in criteria:
        if criterion.subject == "reply":
            subjects = ["reply"]
        elif len(answers) == 1:
            subjects = [str(number) for number, medium in enumerate(answers[0].media) if _is_about(criterion, medium.kind)]
        else:
            both = set.intersection(*({medium.kind for medium in turn.media} for turn in answers))
            subjects = [kind for kind in NOUNS if kind in both and _is_about(criterion, kind)]
        asked += [Question(f"{subject}/{criterion.key}", subject, criterion) for subject in subjects]
    return asked


def kind_of(subject: str, answer: Turn) -> str:
    """What a subject is: reply, image, audio, video."""
    return answer.media[int(subject)].kind if subject.isdecimal() else subject


def _is_about(criterion: Criterion, kind: str) -> bool:
    return criterion.subject in ("media", kind)


def checked_sheet(value: Any) -> Sheet:
    """A sheet from plain values. Raises `InputError`."""
    check_clean(value, "The judgement")
    try:
        return Sheet.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"The judgement cannot be read at `{'.'.join(map(str, first['loc']))}`: {first['msg']}.") from error


def check_complete(sheet: Sheet, asked: Sequence[Question], compares: bool, timed: Collection[str], share: float) -> None:
    """Raises `InputError` if something is not answered, or answered in the wrong way, or if a sound or clip was not played."""
    for question in asked:
        value = sheet.answers.get(question.key)
        if value is None:
            raise InputError(f"“{question.title}” is not judged yet.")
        if isinstance(value, int) == compares:
            raise InputError(f"“{question.title}” is judged by {'a choice' if compares else 'points from 1 to 5'}.")
    for place in timed:
        if sheet.played.get(place, 0.0) < share:
            raise InputError(
                f"Every sound and clip has to be played to {share:.0%} before you judge. One is not: {named_place(place)}."
            )


def named_place(place: str) -> str:
    """Where a medium stands, in words: `left/0` is the first one of answer A."""
    side, number = place.split("/")
    where = {"prompt": "the request", "left": "answer A", "right": "answer B"}[side]
    return f"number {int(number) + 1} of {where}"


def changes(before: dict[str, Any], sheet: Sheet) -> dict[str, Any]:
    """Which answers, flags and comment became what; what is played and the time change all the while and are kept with the judgement."""
    fields = [*{**before.get("answers", {}), **sheet.answers}]
    changed = {key: sheet.answers.get(key) for key in fields if before.get("answers", {}).get(key) != sheet.answers.get(key)}
    others = {"flags": sheet.flags, "comment": sheet.comment}
    return changed | {name: value for name, value in others.items() if value != before.get(name, type(value)())}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two sheets, as plain values, say the same."""
    return all(one.get(name) == other.get(name) for name in ("answers", "flags", "comment"))
