"""Estimates from judgements that are not independent: those of one rater resemble each other, and so do those of one item.

Standard errors are robust to both kinds of clusters at once (Cameron, Gelbach & Miller 2011, statsmodels). Intervals use Student's t with as many
degrees of freedom as the smaller number of clusters less one: with a handful of raters the normal distribution is too sure of itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy.stats import t as student

LEVEL = 0.95
"""Of all intervals."""


@dataclass(frozen=True)
class Estimate:
    """A number and how sure it is."""

    value: float
    low: float
    high: float
    p: float
    """How probable so large a deviation from 0 would be by chance."""
    n: int
    """Judgements behind it."""


def numbered(names: Sequence[Any]) -> np.ndarray:
    """Each name as the number of its cluster, int [N]."""
    order = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names])


def estimates(model: Any, items: np.ndarray, raters: np.ndarray, linear: np.ndarray, n: int) -> list[Estimate]:
    """Fits a statsmodels model [N observations] and returns the combinations `linear` [M, P] of its parameters, with intervals.

    The first `n` observations are judgements. With one cluster of a kind the other alone counts; with one of each there is no interval, and it
    is as wide as can be.
    """
    groups = [group for group in (items, raters) if len(set(group[:n])) > 1]
    if not groups:
        values = linear @ model.fit().params
        return [Estimate(float(value), -np.inf, np.inf, 1.0, n) for value in values]
    fitted = model.fit(cov_type="cluster", cov_kwds={"groups": np.column_stack(groups), "use_correction": True})
    values, spread = linear @ fitted.params, np.diag(linear @ fitted.cov_params() @ linear.T).copy()
    for group in groups if len(groups) > 1 else ():
        # The two-way estimate is a difference and can come out too small, even below nothing; each one-way estimate is a lower bound.
        one = model.fit(cov_type="cluster", cov_kwds={"groups": group, "use_correction": True})
        spread = np.maximum(spread, np.diag(linear @ one.cov_params() @ linear.T))
    freedom = min(len(set(group[:n])) for group in groups) - 1
    error = np.sqrt(spread)
    width = student.ppf((1 + LEVEL) / 2, freedom) * error
    chance = 2 * student.sf(np.abs(values) / np.maximum(error, 1e-12), freedom)
    return [
        Estimate(float(value), float(value - w), float(value + w), float(p), n)
        for value, w, p in zip(values, width, chance, strict=True)
    ]


def mean(values: Sequence[float], items: Sequence[Any], raters: Sequence[Any]) -> Estimate:
    """A mean with its interval."""
    model = sm.OLS(np.asarray(values, float), np.ones((len(values), 1)))
    return estimates(model, numbered(items), numbered(raters), np.ones((1, 1)), len(values))[0]
