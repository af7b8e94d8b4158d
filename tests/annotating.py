"""What tests of the annotators' desk share: campaigns of texts, annotators, and sheets that are filled in."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.annotate.judgements import Judgement, judgements
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.annotate.sheet import Sheet
from nextgpt_chat.annotate.shown_task import Shown
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.annotation_tables import CampaignRow
from nextgpt_chat.store.tables import UserRow
from tests.conftest import Opened

NAMES = ("walrus", "heron", "otter")
"""Systems whose answers say which they are by a word that is no name of theirs: `WORDS`."""
WORDS = {"walrus": "apple", "heron": "pear", "otter": "plum"}


def answer(system: str, item: int, **more: Any) -> dict[str, Any]:
    """An answer of a system as a plan has it."""
    return {"system": system, "parts": [{"kind": "text", "text": f"{WORDS[system]} number {item}"}], **more}


def plan(count: int = 6, systems: Sequence[str] = NAMES[:2], **given: Any) -> dict[str, Any]:
    """A plan of texts alone."""
    made = [{"prompt": f"Say {item}.", "answers": [answer(system, item) for system in systems]} for item in range(count)]
    usual = {
        "name": "the campaign",
        "title": "Fruit",
        "guidelines": "Judge well.",
        "criteria": ["overall"],
        "repeats": 0,
        "golds": 0,
    }
    return {**usual, "items": made, **given}


def create(store: Opened, settings: Settings, folder: Path | None = None, **given: Any) -> str:
    """A campaign of `plan`."""
    return Campaigns(store, settings).create(checked(plan(**given)), folder)


def annotator(store: Opened, number: int = 1) -> str:
    """A user who agreed to the terms."""
    user = f"{number:032x}"
    with store.database.session() as session:
        if session.get(UserRow, user) is None:
            session.add(UserRow(id=user))
    Desk(store).agree(user)
    return user


def filled(shown: Shown, value: Any = None, **more: Any) -> Sheet:
    """A sheet with the same answer everywhere, and everything played."""
    usual: Any = "left" if len(shown.answers) > 1 else 3
    answers = {question.key: usual if value is None else value for question in shown.questions}
    return Sheet(**{"answers": answers, "played": dict.fromkeys(shown.timed, 1.0), "seconds": 5.0, **more})


def work(desk: Desk, user: str, campaign: str, how: Callable[[Shown], Sheet] = filled, most: int = 1000) -> list[Shown]:
    """Judges what there is; returns what was shown."""
    seen: list[Shown] = []
    while len(seen) < most and (shown := desk.next(user, campaign)):
        desk.send(user, shown.assignment, how(shown))
        seen.append(shown)
    return seen


def rows_of(store: Opened, campaign: str) -> list[Judgement]:
    """The judgements of a campaign."""
    with store.database.reading() as session:
        return judgements(session, session.get_one(CampaignRow, campaign))


def judgement(
    item: int = 1, rater: str = "ada", score: int | None = None, choice: str | None = None, first: str = "walrus", second: str | None = None,
    left: str = "first", **more: Any,
) -> Judgement:  # fmt: skip
    """A judgement for tests of statistics."""
    given: dict[str, Any] = {
        "campaign": "c", "task": f"{item}-{first}-{second}", "assignment": f"{item}-{rater}", "round": 0, "subject": "reply", "kind": "reply",
        "criterion": "overall", "text": None, "answers": (f"{item}-{first}", *([f"{item}-{second}"] if second else [])), "gold": None, "known": more.get("gold") is not None, "leak": False,
        "seconds": 1.0, "guideline": 1, "revision": 1, "at": datetime(2026, 1, 1),
    }  # fmt: skip
    return Judgement(item=item, rater=rater, score=score, choice=choice, first=first, second=second, left=left, **{**given, **more})
