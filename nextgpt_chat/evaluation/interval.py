"""Means with their 95 % intervals, and how they are written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """A mean over items, scenes or dialogues with its 95 % bootstrap interval; of yes and no it is a share from 0 to 1."""

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


def plain(value: Any, digits: int = 4) -> Any:
    """Scores as JSON values, rounded to `digits` behind the point."""
    if isinstance(value, Score):
        low, high = round(value.low, digits), round(value.high, digits)
        return {"value": round(value.value, digits), "low": low, "high": high, "count": value.count}
    if isinstance(value, dict):
        return {name: plain(inner, digits) for name, inner in value.items()}
    return round(value, digits) if isinstance(value, float) else value
