"""How far people agree with each other, with themselves, and with what is known."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import krippendorff
import numpy as np
from sklearn.metrics import cohen_kappa_score

from nextgpt_chat.annotate.clustered import numbered
from nextgpt_chat.annotate.judgements import NOTES, Judgement

SCORES = (1, 2, 3, 4, 5)
CHOICES = ("first", "second", "tie", "bad")
DRAWS = 1_000
"""Samples of the bootstrap."""
LEAST_SHARED = 2
"""Fewest units that two raters must share for their kappa to say anything."""
CLOSE = 1
"""How many points a score may lie beside the known one."""


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha: 1 is full agreement, 0 what chance gives."""

    value: float | None
    """None where everybody said the same all the time, or nobody judged what another one judged: then there is nothing to measure."""
    low: float | None
    high: float | None
    """95 % interval: the same computed on items drawn again and again."""
    units: int
    """What at least two people judged."""
    raters: int
    raw: float | None
    """Share of pairs of judgements that are the same; unlike alpha it is high where one value is common."""


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa of two raters; quadratic weights for scores."""

    one: str
    other: str
    units: int
    value: float | None
    """None where both said the same single value all the time."""
    raw: float


@dataclass(frozen=True)
class Share:
    """How many of how many."""

    right: int
    of: int


def alpha(rows: Sequence[Judgement], seed: int = 0) -> Alpha:
    """Agreement over units that several people judged: ordinal for scores, nominal for choices."""
    ordinal = any(row.score is not None for row in rows)
    values: tuple[int, ...] | tuple[str, ...] = SCORES if ordinal else CHOICES
    units: dict[tuple[str, str, str], list[Judgement]] = defaultdict(list)
    for row in rows:
        units[row.unit].append(row)
    shared = [unit for unit in units.values() if len(unit) > 1]
    counts = np.array([[sum(row.value == value for row in unit) for value in values] for unit in shared]).reshape(-1, len(values))
    level: Literal["ordinal", "nominal"] = "ordinal" if ordinal else "nominal"
    value = _alpha(counts, level)
    items = numbered([unit[0].item for unit in shared])
    drawn = (
        _drawn(counts, items, ordinal, np.random.default_rng(seed)) if value is not None and len(set(items)) > 1 else np.empty(0)
    )
    low, high = (float(end) for end in np.quantile(drawn, (0.025, 0.975))) if len(drawn) else (None, None)
    same = sum(float((row * (row - 1)).sum()) for row in counts)
    pairs = sum(float(row.sum() * (row.sum() - 1)) for row in counts)
    raters = len({row.rater for unit in shared for row in unit})
    return Alpha(value, low, high, len(shared), raters, same / pairs if pairs else None)


def _alpha(counts: np.ndarray, level: Literal["ordinal", "nominal"]) -> float | None:
    """Of value counts [units, values]; None where only one value was ever given."""
    if len(counts) == 0 or (counts.sum(0) > 0).sum() < 2:
        return None
    return float(
        krippendorff.alpha(value_counts=counts, value_domain=list(range(1, counts.shape[1] + 1)), level_of_measurement=level)
    )


def coincidences(counts: np.ndarray, items: np.ndarray) -> np.ndarray:
    """How often two judgements of one unit coincide, by item, [items, V, V], of value counts [units, V] and the units' items, 0, 1, ..."""
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[1])
    summed = np.zeros((items.max() + 1, counts.shape[1], counts.shape[1]))
    np.add.at(summed, items, pairs / (counts.sum(1) - 1)[:, None, None])
    return summed


def alphas(coincident: np.ndarray, ordinal: bool) -> np.ndarray:
    """Krippendorff's alpha of many matrices of coincidences [N, V, V]; nan where one value alone occurs.

    Alpha depends on these sums alone (Krippendorff 2011, section 3), so a bootstrap need not look at the units again; `krippendorff` computes it of one
    set of units at a time, and gives the value itself.
    """
    totals = coincident.sum(2)
    size = totals.shape[1]
    if ordinal:
        below = np.concatenate([np.zeros((len(totals), 1)), np.cumsum(totals, 1)], 1)
        between = np.abs((below[:, None, 1:] + below[:, None, :-1] - below[:, 1:, None] - below[:, :-1, None]) / 2)
        distance = between**2
    else:
        distance = np.broadcast_to(1 - np.eye(size), coincident.shape)
    seen = (coincident * distance).sum((1, 2))
    by_chance = (totals[:, :, None] * totals[:, None, :] * distance).sum((1, 2)) / (totals.sum(1) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = np.where(by_chance > 0, 1 - seen / by_chance, np.nan)
    return found


def _drawn(counts: np.ndarray, items: np.ndarray, ordinal: bool, random: np.random.Generator) -> np.ndarray:
    """Alpha of items drawn again and again, with replacement."""
    by_item = coincidences(counts, items)
    times = random.multinomial(len(by_item), np.full(len(by_item), 1 / len(by_item)), DRAWS)
    found = alphas(np.tensordot(times, by_item, 1), ordinal)
    kept: np.ndarray = found[np.isfinite(found)]
    return kept


def kappas(rows: Sequence[Judgement], most: int = 200) -> list[Kappa]:
    """Every two raters who judged the same units, those who share most first."""
    given: dict[str, dict[tuple[str, str, str], int | str]] = defaultdict(dict)
    for row in rows:
        if row.value is not None:
            given[row.rater][row.unit] = row.value
    ordinal = any(row.score is not None for row in rows)
    pairs = [(one, other, [unit for unit in given[one] if unit in given[other]]) for one, other in combinations(sorted(given), 2)]
    found = []
    for one, other, shared in sorted(pairs, key=lambda pair: -len(pair[2]))[:most]:
        if len(shared) < LEAST_SHARED:
            continue
        mine, theirs = [given[one][unit] for unit in shared], [given[other][unit] for unit in shared]
        labels, weights = (list(SCORES), "quadratic") if ordinal else (list(CHOICES), None)
        varied = len({*mine, *theirs}) > 1
        value = float(cohen_kappa_score(mine, theirs, labels=labels, weights=weights)) if varied else None
        raw = sum(a == b for a, b in zip(mine, theirs, strict=True)) / len(shared)
        found.append(Kappa(one, other, len(shared), value, raw))
    return found


def with_themselves(rows: Sequence[Judgement]) -> dict[str, Share]:
    """Rater -> how often they said the same when they were shown the same again, the sides exchanged."""
    first = {(row.rater, row.unit): row.value for row in rows if row.round == 0 and row.criterion not in NOTES}
    of, right = Counter[str](), Counter[str]()
    for row in rows:
        if row.round == 1 and row.criterion not in NOTES and (row.rater, row.unit) in first:
            of[row.rater] += 1
            right[row.rater] += row.value == first[row.rater, row.unit]
    return {rater: Share(right[rater], of[rater]) for rater in of}


def with_gold(rows: Sequence[Judgement]) -> dict[str, Share]:
    """Rater -> how often they said what is known to be right; a score may be off by one point."""
    of, right = Counter[str](), Counter[str]()
    for row in rows:
        if row.gold is not None and row.round == 0:
            of[row.rater] += 1
            close = isinstance(row.gold, int) and row.score is not None and abs(row.score - row.gold) <= CLOSE
            right[row.rater] += close or row.value == row.gold
    return {rater: Share(right[rater], of[rater]) for rater in of}
