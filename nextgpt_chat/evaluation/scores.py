"""Records to scores: shares with 95 % intervals, next to chance and to answers that were shuffled between scenes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextgpt_chat.tinyland.scene import VALUES

RESAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """A share from 0 to 1 with its 95 % bootstrap interval over scenes or dialogues."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f}-{100 * self.high:.1f})"


def share(rows: Sequence[float], seed: int = 0) -> Score:
    """The mean of one number per scene."""
    values = np.asarray(rows, dtype=float)
    means = np.random.default_rng(seed).choice(values, (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Score(float(values.mean()), float(low), float(high), len(values))


def attribute_scores(truths: Sequence[dict[str, str]], found: Sequence[dict[str, str]]) -> dict[str, Score]:
    """Share of right values by attribute, over all attributes (`all`), and of scenes that are right as a whole (`scene`)."""
    right = [
        {name: float(read.get(name) == value) for name, value in true.items()} for true, read in zip(truths, found, strict=True)
    ]
    by_name = {name: share([row[name] for row in right]) for name in truths[0]}
    every = {
        "all": share([sum(row.values()) / len(row) for row in right]),
        "scene": share([float(all(row.values())) for row in right]),
    }
    return {**by_name, **every}


def shuffled(found: list[dict[str, str]], seed: int) -> list[dict[str, str]]:
    """The same readings, each beside another scene."""
    turned = found.copy()
    random.Random(seed).shuffle(turned)
    return turned


def chance(names: Sequence[str]) -> dict[str, float]:
    """What guessing gives: by attribute, on average, and for a whole scene."""
    each = {name: 1 / len(VALUES[name]) for name in names}
    return {**each, "all": sum(each.values()) / len(each), "scene": float(np.prod(list(each.values())))}


def plain(value: Any) -> Any:
    """Scores as JSON values."""
    if isinstance(value, Score):
        return {"value": round(value.value, 4), "low": round(value.low, 4), "high": round(value.high, 4), "count": value.count}
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value
