"""Which system is better, from comparisons: Bradley-Terry scores, who wins how often, and how much the side decides.

The model is a logistic regression: the log-odds that the left answer wins are the left system's score less the right one's, plus a constant that
is there for whoever stands on the left. So the position bias is estimated with the scores and does not get into them. A tie, also of two bad
answers, counts half for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import statsmodels.api as sm
from statsmodels.stats.proportion import proportion_confint

from nextgpt_chat.annotate.clustered import Estimate, estimates, numbered
from nextgpt_chat.annotate.judgements import Judgement

ELO = 400 / np.log(10)
"""Points of the scale that chess players know, for each unit of log-odds."""


@dataclass(frozen=True)
class Wins:
    """How two systems did against each other."""

    first: str
    second: str
    won: int
    """By the first."""
    lost: int
    tied: int
    bad: int
    share: float
    """Of the first, ties halved."""
    low: float
    high: float
    """Wilson interval, as if all judgements were independent."""


@dataclass(frozen=True)
class Ranking:
    """The outcome of comparisons by one criterion."""

    scores: dict[str, Estimate]
    """System -> Bradley-Terry score in log-odds; they sum to 0. The best comes first."""
    position: Estimate
    """Log-odds for the left side between equal answers."""
    left: tuple[int, int]
    """How often the left side won, of how many comparisons that somebody won."""
    wins: list[Wins]


def rank(rows: Sequence[Judgement]) -> Ranking | None:
    """The ranking by comparisons of one criterion; None without any."""
    rows = [row for row in rows if row.second is not None]
    systems = sorted({name for row in rows for name in (row.first, row.second) if name})
    if not rows:
        return None
    place = {name: number for number, name in enumerate(systems)}
    left = np.array([place[_on_left(row)] for row in rows])
    right = np.array([place[_on_right(row)] for row in rows])
    won = np.array([_left_won(row) for row in rows])
    items, raters = numbered([row.item for row in rows]), numbered([row.rater for row in rows])
    # Between every two systems stand two comparisons more that nobody made, one in each order, half won and half lost: so a system that never
    # lost has a finite score, and so have systems that never met.
    pairs = np.array([(one, other) for one in range(len(systems)) for other in range(len(systems)) if one != other])
    left, right = np.concatenate([left, pairs[:, 0]]), np.concatenate([right, pairs[:, 1]])
    won = np.concatenate([won, np.full(len(pairs), 0.5)])
    items, raters = (np.concatenate([group, group.max() + 1 + np.arange(len(pairs))]) for group in (items, raters))
    free = np.vstack([np.eye(len(systems) - 1), -np.ones(len(systems) - 1)])  # scores that sum to 0
    exog = np.column_stack([free[left] - free[right], np.ones(len(left))])
    model = sm.GLM(won, exog, family=sm.families.Binomial())
    linear = np.zeros((len(systems) + 1, len(systems)))
    linear[:-1, :-1], linear[-1, -1] = free, 1
    *scores, position = estimates(model, items, raters, linear, len(rows))
    ordered = sorted(zip(systems, scores, strict=True), key=lambda pair: -pair[1].value)
    decided = [_left_won(row) for row in rows if row.choice in ("first", "second")]
    return Ranking(dict(ordered), position, (int(sum(decided)), len(decided)), matrix(rows, [name for name, _ in ordered]))


def matrix(rows: Sequence[Judgement], systems: Sequence[str]) -> list[Wins]:
    """Every two systems that met, seen from both of them."""
    found = []
    for one in systems:
        for other in systems:
            met = [row for row in rows if {row.first, row.second} == {one, other} and one != other]
            if not met:
                continue
            won, lost = (sum(row.choice in _winner(row, name) for row in met) for name in (one, other))
            bad = sum(row.choice == "bad" for row in met)
            tied = len(met) - won - lost - bad
            share = (won + (tied + bad) / 2) / len(met)
            low, high = proportion_confint(share * len(met), len(met), method="wilson")
            found.append(Wins(one, other, won, lost, tied, bad, share, float(low), float(high)))
    return found


def _winner(row: Judgement, system: str) -> tuple[str, ...]:
    return ("first",) if row.first == system else ("second",)


def _on_left(row: Judgement) -> str:
    return row.first if row.left == "first" or row.second is None else row.second


def _on_right(row: Judgement) -> str:
    return row.first if row.left != "first" or row.second is None else row.second


def _left_won(row: Judgement) -> float:
    """1, 0, or one half for a tie."""
    return float(row.choice == row.left) if row.choice in ("first", "second") else 0.5
