"""Estimates from judgements that are not independent: those of one rater resemble each other, and so do those of one item.

Standard errors are robust to both kinds of clusters at once (Cameron, Gelbach & Miller 2011, statsmodels). Intervals use Student's t with as many
degrees of freedom as the smaller number of clusters less one: with a handful of raters the normal distribution is too sure of itself.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy.stats import t as student
from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

LEVEL = 0.95
"""Of all intervals."""
FEWEST = 3
"""Items, and raters, from which on an interval is given: two say next to nothing about others."""


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

    The first `n` observations are judgements. With fewer than `FEWEST` items or raters, and where nothing varies, there is no interval: it is as wide
    as can be.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerfectSeparationWarning)  # scores stay finite, see `ranking`
        return _estimates(model, items, raters, linear, n)


def _estimates(model: Any, items: np.ndarray, raters: np.ndarray, linear: np.ndarray, n: int) -> list[Estimate]:
    groups = (items, raters)
    freedom = min(len(set(group[:n])) for group in groups) - 1
    if freedom + 1 < FEWEST:
        values = linear @ model.fit().params
        return [Estimate(float(value), -np.inf, np.inf, 1.0, n) for value in values]
    fitted = model.fit(cov_type="cluster", cov_kwds={"groups": np.column_stack(groups), "use_correction": True})
    values, spread = linear @ fitted.params, np.diag(linear @ fitted.cov_params() @ linear.T).copy()
    for group in groups:
        # The two-way estimate is a difference and can come out too small, even below nothing; each one-way estimate is a lower bound.
        one = model.fit(cov_type="cluster", cov_kwds={"groups": group, "use_correction": True})
        spread = np.maximum(spread, np.diag(linear @ one.cov_params() @ linear.T))
    error = np.sqrt(spread)
    width = np.where(error > 1e-9, student.ppf((1 + LEVEL) / 2, freedom) * error, np.inf)
    chance = 2 * student.sf(np.abs(values) / np.maximum(error, 1e-12), freedom)
    return [
        Estimate(float(value), float(value - w), float(value + w), float(p), n)
        for value, w, p in zip(values, width, chance, strict=True)
    ]


def mean(values: Sequence[float], items: Sequence[Any], raters: Sequence[Any], ends: tuple[float, float]) -> Estimate:
    """A mean with its interval, which is cut off at the ends of the scale."""
    model = sm.OLS(np.asarray(values, float), np.ones((len(values), 1)))
    found = estimates(model, numbered(items), numbered(raters), np.ones((1, 1)), len(values))[0]
    if not np.isfinite(found.high):
        return found
    low, high = (float(np.clip(edge, *ends)) for edge in (found.low, found.high))
    return replace(found, low=low, high=high)
