"""Which task an annotator gets next: what has been judged least, in balance between the systems, with known and repeated ones among them."""

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from nextgpt_chat.store.annotation_tables import AnswerRow, AssignmentRow, CampaignRow, ItemRow, RaterRow, TaskRow
from nextgpt_chat.store.tables import now

STEP = 5
"""What is left is told in steps of so many."""
GAP = 5
"""Tasks between the first and the second time that somebody sees one."""


@dataclass(frozen=True)
class Picked:
    """A task, and how it will be shown."""

    task: str
    round: int
    swapped: bool


def has_room(session: Session, campaign: CampaignRow, task: str) -> bool:
    """Whether a task may be judged once more."""
    return any(one.task == task and (one.gold or one.taken < campaign.plan["overlap"]) for one in _there(session, campaign))


@dataclass(frozen=True)
class _Candidate:
    task: str
    owner: str | None
    """The user whose conversation it was."""
    pair: tuple[str, str]
    gold: bool
    taken: int
    """How many have judged it, or have it on their screens."""


def choose(session: Session, campaign: CampaignRow, rater: RaterRow) -> Picked | None:
    """The next task for a rater; None if there is none for them now. The campaign's row must be locked, so that two choices see each other."""
    mine, there = _mine(session, campaign, rater), _there(session, campaign)
    usual, golds = _open_to(there, campaign, rater, mine, _all_known(session, campaign))
    known = {task for _, task, gold in mine if gold}
    if golds and len(known) + 0.5 <= campaign.plan["golds"] * (len(mine) + 1):
        return _fresh(min(golds, key=lambda one: _draw(campaign, rater, one.task)), campaign, rater)
    if again := _again(campaign, mine, {one.task for one in there}):
        return Picked(again.task_id, 1, not again.swapped)
    if not usual:
        return None
    pairs = Counter[tuple[str, str]]()
    for one in there:
        pairs[one.pair] += one.taken
    best = min(usual, key=lambda one: (one.taken, pairs[one.pair], _draw(campaign, rater, one.task)))
    return _fresh(best, campaign, rater)


def remaining(session: Session, campaign: CampaignRow, rater: RaterRow | None) -> tuple[int, int]:
    """How many tasks of a campaign a rater has judged, and about how many could be theirs now: rounded up, so that it does not tell which of
    them are known or repeated."""
    mine = _mine(session, campaign, rater) if rater else []
    usual, _ = _open_to(_there(session, campaign), campaign, rater, mine, _all_known(session, campaign))
    at_work = sum(row.status == "open" for row, _, _ in mine)
    left = at_work + (len(usual) if campaign.status == "open" else 0)
    return sum(row.status == "done" for row, _, _ in mine), -(-left // STEP) * STEP


def _there(session: Session, campaign: CampaignRow) -> list[_Candidate]:
    """The tasks that can be judged by somebody, in the campaign's order."""
    first, second = aliased(AnswerRow), aliased(AnswerRow)
    taken = (
        select(AssignmentRow.task_id, func.count().label("count"))
        .join(TaskRow, TaskRow.id == AssignmentRow.task_id)
        .where(TaskRow.campaign_id == campaign.id, AssignmentRow.round == 0)
        .where(or_(AssignmentRow.status == "done", (AssignmentRow.status == "open") & (AssignmentRow.until > now())))
        .group_by(AssignmentRow.task_id)
        .subquery()
    )
    rows = (
        select(TaskRow.id, ItemRow.owner_id, first.system, second.system, TaskRow.gold, func.coalesce(taken.c.count, 0))
        .join(first, first.id == TaskRow.first_id)
        .outerjoin(second, second.id == TaskRow.second_id)
        .join(ItemRow, ItemRow.id == TaskRow.item_id)
        .outerjoin(taken, taken.c.task_id == TaskRow.id)
        .where(TaskRow.campaign_id == campaign.id, ItemRow.conversation_id.is_not(None), first.status == "ready")
        .where(or_(TaskRow.second_id.is_(None), second.status == "ready"))
        .order_by(TaskRow.number)
    )
    return [
        _Candidate(task, owner, (one, other or ""), bool(gold), count)
        for task, owner, one, other, gold, count in session.execute(rows)
    ]


def _all_known(session: Session, campaign: CampaignRow) -> bool:
    """Whether the answers to all tasks are known, also to those that are not ready: then they are judged as usual ones."""
    return all(session.scalars(select(TaskRow.gold).where(TaskRow.campaign_id == campaign.id)))


def _open_to(
    there: Sequence[_Candidate],
    campaign: CampaignRow,
    rater: RaterRow | None,
    mine: Sequence[tuple[AssignmentRow, str, bool]],
    only_golds: bool,
) -> tuple[list[_Candidate], list[_Candidate]]:
    """The tasks that a rater may get, and those of them whose answer is known (which count as usual ones where there are no others)."""
    seen = {task for _, task, _ in mine}
    user = rater.user_id if rater else None
    free = [one for one in there if one.task not in seen and (one.owner is None or one.owner != user)]
    usual = [one for one in free if (only_golds or not one.gold) and one.taken < campaign.plan["overlap"]]
    return usual, [] if only_golds else [one for one in free if one.gold]


def _mine(session: Session, campaign: CampaignRow, rater: RaterRow) -> list[tuple[AssignmentRow, str, bool]]:
    """A rater's assignments in order, each with its task and whether its answer is known."""
    rows = session.execute(
        select(AssignmentRow, TaskRow.id, TaskRow.gold)
        .join(TaskRow, TaskRow.id == AssignmentRow.task_id)
        .where(TaskRow.campaign_id == campaign.id, AssignmentRow.rater_id == rater.id)
        .order_by(AssignmentRow.opened, AssignmentRow.id)
    )
    return [(row, task, bool(gold)) for row, task, gold in rows]


def _again(campaign: CampaignRow, mine: Sequence[tuple[AssignmentRow, str, bool]], there: Collection[str]) -> AssignmentRow | None:
    """The oldest task that may come a second time, if one is due; `there` are those that nobody took back."""
    done = [row for row, _, gold in mine if row.round == 0 and row.status == "done" and not gold]
    repeated = {row.task_id for row, _, _ in mine if row.round == 1}
    if len(repeated) + 1 > campaign.plan["repeats"] * len(done):
        return None
    recent = {row.task_id for row, _, _ in mine[-GAP:]}
    return next((row for row in done if row.task_id in there and row.task_id not in repeated | recent), None)


def _fresh(one: _Candidate, campaign: CampaignRow, rater: RaterRow) -> Picked:
    return Picked(one.task, 0, bool(one.pair[1]) and _draw(campaign, rater, one.task, "side") % 2 == 1)


def _draw(campaign: CampaignRow, rater: RaterRow, *what: str) -> int:
    """A number that looks random and comes out the same whenever it is drawn."""
    return int.from_bytes(hashlib.sha256("|".join([str(campaign.plan["seed"]), rater.id, *what]).encode()).digest()[:8])
