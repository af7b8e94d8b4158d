"""The file that describes a campaign, checked as a whole before anything is made of it."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from nextgpt_chat.annotate.criteria import STANDARD, Criterion
from nextgpt_chat.annotate.identity import named_in, spoken
from nextgpt_chat.annotate.plain import check_clean
from nextgpt_chat.errors import InputError

MOST_ITEMS = 1_000
"""Items of one campaign."""
LONGEST_GUIDELINES = 20_000
"""Characters."""
MOST_TASKS = 5_000
"""Answers, or pairs of them, that are judged in one campaign."""
MOST_SYSTEMS = 8
"""Systems of one campaign: models, or one model at several settings."""
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f|]+$")]


class Strict(BaseModel):
    """Nothing is there that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Made(Strict):
    """The settings by which a reply is made; what is left out is the model's own."""

    seed: int | None = Field(None, ge=0, lt=2**31)
    temperature: float = Field(0.0, ge=0, le=2)
    max_new_tokens: int | None = Field(None, ge=1, le=8192)
    steps: int | None = Field(None, ge=1, le=1000)
    guidance: float | None = Field(None, ge=0, le=100)
    frames: int | None = Field(None, ge=1, le=1000)
    seconds: float | None = Field(None, gt=0, le=120)
    kinds: tuple[Literal["image", "audio", "video"], ...] = ()


class System(Strict):
    """What answers: a model of this server at certain settings."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    label: Label | None = None
    """Its name in the statistics; empty takes the model's."""
    settings: Made = Made()

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return self.label or self.model


class ReadyAnswer(Strict):
    """An answer that was made elsewhere."""

    system: Label
    parts: list[dict[str, Any]] = Field(min_length=1, max_length=40)
    """As in a line of `dialogues.jsonl`: texts, and files beside the campaign's file."""
    model: str = Field("", max_length=120)
    revision: str = Field("", max_length=64)
    seed: int | None = Field(None, ge=0, lt=2**63)
    settings: dict[str, Any] = {}
    gold: dict[str, Annotated[int, Field(ge=1, le=5)]] = {}
    """Criterion -> the right score, where one is beyond doubt."""


class Item(Strict):
    """One request, and the answers to it where they are there already."""

    prompt: str | None = Field(None, max_length=20_000)
    """A request of text alone."""
    turns: list[dict[str, Any]] = Field([], max_length=100)
    """A request as in a line of `dialogues.jsonl`, which ends with what the user says."""
    answers: list[ReadyAnswer] = Field([], max_length=MOST_SYSTEMS)
    gold: dict[str, str] = {}
    """Criterion -> the system whose answer is beyond doubt the better one, or `tie`, or `bad`."""

    @model_validator(mode="after")
    def _one_request(self) -> Self:
        if (self.prompt is None) == (not self.turns):
            raise ValueError("an item has either a `prompt` or `turns`")
        if self.prompt is not None and not self.prompt.strip():
            raise ValueError("the prompt is empty")
        names = [answer.system for answer in self.answers]
        if len(set(names)) < len(names):
            raise ValueError("two answers of the item are of the same system")
        return self

    def dialogue(self) -> list[dict[str, Any]]:
        """The request as turns."""
        return self.turns or [{"role": "user", "parts": [{"kind": "text", "text": self.prompt}]}]


class Plan(Strict):
    """A campaign: what is judged, how, by how many."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\n\r\t]+$")]
    title: str = Field("", max_length=120, pattern=r"^[^\n\r\t]*$")
    """What annotators see in the name's place; it must not say what answers."""
    mode: Literal["pairwise", "absolute"] = "pairwise"
    guidelines: str = Field(min_length=1, max_length=LONGEST_GUIDELINES)
    """What annotators are told, in plain text."""
    criteria: tuple[Criterion, ...] = Field(min_length=1, max_length=12)
    """Keys of standard criteria, or criteria of one's own."""
    overlap: int = Field(3, ge=1, le=50)
    """How many annotators judge each item."""
    repeats: float = Field(0.1, ge=0, le=0.5)
    """Share of an annotator's items that are shown a second time, the sides exchanged, to see whether they agree with themselves."""
    golds: float = Field(0.1, ge=0, le=0.5)
    """Share of an annotator's items whose answer is known, as long as there are such items."""
    lease_minutes: int = Field(20, ge=1, le=240)
    """How long an item that is open on a screen waits for its annotator before others may get it."""
    play: float = Field(0.9, ge=0, le=1)
    """Share of every sound and clip that must have been played before a judgement counts."""
    seed: int = 0
    """Decides the order of items and sides."""
    systems: list[System] = Field([], max_length=MOST_SYSTEMS)
    """What answers those items that have no answers."""
    items: list[Item] = Field([], max_length=MOST_ITEMS)
    conversations: int = Field(0, ge=0, le=MOST_ITEMS)
    """How many stored replies, of people who agreed to that, are judged as well."""

    @field_validator("criteria", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        unknown = [one for one in value if isinstance(one, str) and one not in STANDARD]
        if unknown:
            raise ValueError(f"there is no criterion {unknown[0]!r}; there are {', '.join(STANDARD)}, and those that you describe")
        return [STANDARD[one] if isinstance(one, str) else one for one in value]

    @field_validator("items", mode="before")
    @classmethod
    def _by_text(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if len(value) > MOST_ITEMS:
            raise ValueError(f"there are {len(value):,} items; a campaign has up to {MOST_ITEMS:,}")
        return [{"prompt": one} if isinstance(one, str) else one for one in value]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        keys = [criterion.key for criterion in self.criteria]
        if len(set(keys)) < len(keys):
            raise ValueError("two criteria have the same key")
        names = [system.name for system in self.systems]
        if len(set(names)) < len(names):
            raise ValueError("two systems have the same name; give one of them a label")
        if not self.items and not self.conversations:
            raise ValueError("there is nothing to judge: neither items nor conversations")
        if self.conversations and self.mode == "pairwise" and not self.systems:
            raise ValueError("stored replies are compared with those of `systems`, and there are none")
        whole = [criterion.key for criterion in self.criteria if criterion.subject == "reply"]
        needed = 2 if self.mode == "pairwise" else 1
        tasks = self.conversations * _tasks(self.mode, 1 + len(self.systems) if self.mode == "pairwise" else 1)
        for number, item in enumerate(self.items, 1):
            found = len(item.answers) or len(self.systems)
            tasks += _tasks(self.mode, found)
            if found < needed:
                raise ValueError(f"item {number} has {found} answers, and {self.mode} judging needs {needed}; add `systems`")
            _check_gold(item, number, whole, [answer.system for answer in item.answers] or names)
        if tasks > MOST_TASKS:
            raise ValueError(f"there are {tasks:,} answers or pairs of them to judge; a campaign has up to {MOST_TASKS:,}")
        if not self.golds and any(item.gold or any(answer.gold for answer in item.answers) for item in self.items):
            raise ValueError("some answers are known, and `golds` is 0, so nobody would see them; give it a share, such as 0.1")
        own = [one for one in self.criteria if one != STANDARD.get(one.key)]
        shown = [text for one in own for text in (one.title, one.question, one.compare or "", *one.anchors)]
        answering = [*names, *self.models(), *(answer.system for item in self.items for answer in item.answers)]
        if named := named_in("\n".join([self.title, self.guidelines, *shown]), answering):
            raise ValueError(f"title, guidelines or criteria name {named!r}, which answers; annotators must not know who does")
        return self

    def models(self) -> list[str]:
        """Names of the models that answer, by which an answer would give itself away. Labels are known to admins alone."""
        ready = [answer.model or answer.system for item in self.items for answer in item.answers]
        return spoken([*(system.model for system in self.systems), *ready])


def _tasks(mode: str, answers: int) -> int:
    """What there is to judge in an item with so many answers."""
    return answers * (answers - 1) // 2 if mode == "pairwise" else answers


def _check_gold(item: Item, number: int, keys: Sequence[str], systems: Sequence[str]) -> None:
    named = [*item.gold, *(key for answer in item.answers for key in answer.gold)]
    if wrong := [key for key in named if key not in keys]:
        raise ValueError(
            f"item {number} has gold for {wrong[0]!r}, which is no criterion of the campaign that looks at the whole reply"
        )
    if wrong := [value for value in item.gold.values() if value not in (*systems, "tie", "bad")]:
        raise ValueError(f"item {number} has gold {wrong[0]!r}, which is neither one of its systems nor tie nor bad")


def checked(value: Any) -> Plan:
    """A plan from plain values. Raises `InputError` that says where the first fault is."""
    check_clean(value, "The campaign")
    try:
        return Plan.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"The campaign is not right{f' at `{place}`' if place else ''}: {message}.") from error
