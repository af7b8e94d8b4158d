"""Everything that a campaign's judgements say, computed at once: for the admin page, the command line and the data card."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from statistics import median
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from nextgpt_chat.annotate.agreement import Alpha, Kappa, Share, alpha, kappas, with_gold, with_themselves
from nextgpt_chat.annotate.campaigns import Campaign, Campaigns, Counts, found
from nextgpt_chat.annotate.clustered import Estimate, mean
from nextgpt_chat.annotate.criteria import FLAGS, SKIPS
from nextgpt_chat.annotate.judgements import NOTES, Judgement, counted, judgements, pseudonym
from nextgpt_chat.annotate.ranking import Ranking, rank
from nextgpt_chat.media.names import NOUNS
from nextgpt_chat.store.annotation_tables import AssignmentRow, AuditRow, ItemRow, TaskRow

CHANGING = ("created", "sent", "skipped", "imported", "withdrawn")
"""What happens that can change a figure."""
MOST_NOTES = 200
"""Flags, comments and skips that a report lists."""


@dataclass(frozen=True)
class Measure:
    """The judgements by one criterion of one kind of subject."""

    criterion: str
    title: str
    kind: str
    """reply, image, audio, video."""
    judgements: int
    agreement: Alpha
    kappas: list[Kappa]
    means: dict[str, Estimate]
    """System -> mean score from 1 to 5; of comparisons the share that it wins, ties halved."""
    ranking: Ranking | None = None


@dataclass(frozen=True)
class Rater:
    """One annotator's work."""

    name: str
    done: int
    seconds: float
    """Median time of an item."""
    golds: Share
    themselves: Share
    left: Share
    """How often they chose the left side, of how often they chose a side."""


@dataclass(frozen=True)
class Note:
    """What an annotator remarked about an item."""

    item: int
    rater: str
    what: str
    """A flag, `comment`, or `skipped`."""
    text: str


@dataclass(frozen=True)
class Report:
    """A campaign in figures."""

    campaign: str
    mode: str
    counts: Counts
    judgements: int
    left_out: int
    """Judgements of answers that give away who made them."""
    flags: dict[str, int]
    measures: list[Measure] = field(default_factory=list)
    raters: list[Rater] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    """Flags, comments and skips, the newest first; the first `MOST_NOTES`."""

    def as_json(self) -> dict[str, Any]:
        """As plain values; what has no bound is null, which JSON knows."""
        plain: dict[str, Any] = _finite(asdict(self))
        return plain


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value


class Reports:
    """Makes reports; one that nothing changed is not made again."""

    def __init__(self, campaigns: Campaigns) -> None:
        self.campaigns, self.database = campaigns, campaigns.store.database
        self._made: dict[str, tuple[int, Report]] = {}
        self._making = threading.Lock()

    def of(self, campaign: str) -> Report:
        """The report of a campaign as it is now; one at a time is computed. Raises `NotFoundError`."""
        about, counts = self.campaigns.get(campaign), self.campaigns.counts(campaign)
        with self._making:
            with self.database.reading() as session:
                changing = select(func.max(AuditRow.seq)).where(AuditRow.stream == about.id, AuditRow.action.in_(CHANGING))
                state = session.scalar(changing) or 0
                known = self._made.get(about.id)
                if known and known[0] == state:
                    return replace(known[1], counts=counts)
                rows = judgements(session, found(session, about.id))
                skips = _skips(session, about.id)
            report = report_of(about, counts, rows, skips)
            self._made[about.id] = (state, report)
        return report


def report_of(campaign: Campaign, counts: Counts, rows: Sequence[Judgement], skips: Sequence[Note] = ()) -> Report:
    """The figures of judgements, and what was remarked."""
    real = [row for row in rows if row.criterion not in NOTES]
    groups: dict[tuple[str, str], list[Judgement]] = {}
    for row in counted(rows):
        groups.setdefault((row.criterion, row.kind), []).append(row)
    order = [(one, kind) for one in campaign.criteria for kind in ("reply", *NOUNS) if (one.key, kind) in groups]
    return Report(
        campaign=campaign.name,
        mode=campaign.mode,
        counts=counts,
        judgements=len(real),
        left_out=sum(row.leak for row in real),
        flags=dict(Counter(row.choice or "" for row in rows if row.criterion == "flag")),
        measures=[_measure(one.key, one.title, kind, groups[one.key, kind]) for one, kind in order],
        raters=_raters(rows),
        notes=[*_notes(rows), *skips][:MOST_NOTES],
    )


def _notes(rows: Sequence[Judgement]) -> list[Note]:
    noted = [row for row in reversed(rows) if row.criterion in NOTES]
    return [
        Note(row.item, row.rater, "comment", row.text or "")
        if row.criterion == "comment"
        else Note(row.item, row.rater, "flag", FLAGS.get(row.choice or "", ""))
        for row in noted
    ]


def _why(body: dict[str, Any]) -> str:
    """The reason of a skip, with what was flagged and written beside it."""
    sheet = body["sheet"]
    return "; ".join(
        filter(None, [SKIPS.get(body["reason"], ""), *(FLAGS.get(flag, "") for flag in sheet["flags"]), sheet["comment"]])
    )


def _skips(session: Session, campaign: str) -> list[Note]:
    """What is passed over, and why, the newest first."""
    rows = session.execute(
        select(AuditRow, ItemRow.number)
        .join(AssignmentRow, AssignmentRow.id == AuditRow.assignment_id)
        .join(TaskRow, TaskRow.id == AssignmentRow.task_id)
        .join(ItemRow, ItemRow.id == TaskRow.item_id)
        .where(AuditRow.stream == campaign, AuditRow.action == "skipped", AssignmentRow.status == "skipped")
        .order_by(AuditRow.seq.desc())
        .limit(MOST_NOTES)
    ).all()
    return [Note(item, pseudonym(campaign, row.rater_id or ""), "skipped", _why(row.body)) for row, item in rows]


def _measure(criterion: str, title: str, kind: str, rows: Sequence[Judgement]) -> Measure:
    ranking = rank(rows)
    return Measure(criterion, title, kind, len(rows), alpha(rows), kappas(rows), _means(rows), ranking)


def _means(rows: Sequence[Judgement]) -> dict[str, Estimate]:
    """System -> mean score, or share of comparisons won."""
    given: dict[str, list[tuple[float, Judgement]]] = {}
    for row in rows:
        if row.score is not None:
            given.setdefault(row.first, []).append((row.score, row))
        elif row.second is not None:
            share = {"first": 1.0, "second": 0.0}.get(row.choice or "", 0.5)
            given.setdefault(row.first, []).append((share, row))
            given.setdefault(row.second, []).append((1 - share, row))
    ends = (1.0, 5.0) if any(row.score is not None for row in rows) else (0.0, 1.0)
    return {
        system: mean([value for value, _ in got], [row.item for _, row in got], [row.rater for _, row in got], ends)
        for system, got in sorted(given.items())
    }


def _raters(rows: Sequence[Judgement]) -> list[Rater]:
    golds, themselves = with_gold(rows), with_themselves(rows)
    found = []
    for name in sorted({row.rater for row in rows}):
        mine = [row for row in rows if row.rater == name]
        times = {row.assignment: row.seconds for row in mine}
        sided = [row for row in mine if row.choice in ("first", "second") and row.second is not None]
        left = Share(sum(row.choice == row.left for row in sided), len(sided))
        none = Share(0, 0)
        found.append(Rater(name, len(times), median(times.values()), golds.get(name, none), themselves.get(name, none), left))
    return found
