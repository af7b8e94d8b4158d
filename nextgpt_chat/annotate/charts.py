"""A report as pictures (PNG). Figures are made without pyplot, whose state threads would share."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nextgpt_chat.annotate.report import Measure, Report
from nextgpt_chat.annotate.report_text import heading

COLOURS = ("#5457d6", "#d6863a", "#2f9e8f", "#c2457a", "#7a8b2c", "#4c8fd6", "#8a5fb0", "#777777")
CHARTS = ("means", "scores", "wins")


def chart(report: Report, name: str) -> bytes | None:
    """One of `CHARTS`; None where there is nothing to draw."""
    drawn = {"means": means, "scores": scores, "wins": wins}[name](report)
    if drawn is None:
        return None
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def means(report: Report) -> Figure | None:
    """Average scores by criterion and system on a scale of 1 to 100, as the human evaluation of NExT-GPT shows them (figure 5).

    Points 1 to 5 are spread over that scale; of comparisons it is the percentage that a system wins. Whiskers are 95 % intervals.
    """
    if not report.measures:
        return None
    systems = sorted({name for measure in report.measures for name in measure.means})
    figure = Figure(figsize=(max(5.0, 1.2 + 1.5 * len(report.measures)), 4), layout="constrained")
    axis = figure.add_subplot()
    width = 0.8 / len(systems)
    for number, system in enumerate(systems):
        at, value, low, high = [], [], [], []
        for place, measure in enumerate(report.measures):
            if one := measure.means.get(system):
                ends = [_on_hundred(edge, report.mode) for edge in (one.value, one.low, one.high)]
                at.append(place + (number - (len(systems) - 1) / 2) * width)
                value.append(ends[0])
                known = np.isfinite(one.high)
                low.append(ends[0] - ends[1] if known else np.nan)
                high.append(ends[2] - ends[0] if known else np.nan)
        axis.bar(at, value, width * 0.92, yerr=[low, high], capsize=3, label=_literal(system), color=COLOURS[number % len(COLOURS)])
    axis.set_xticks(range(len(report.measures)), [_literal(_wrapped(heading(one))) for one in report.measures])
    axis.set(ylim=(0, 100), ylabel="comparisons won, %" if report.mode == "pairwise" else "average, 1 to 100")
    axis.legend(fontsize=8)
    return figure


def scores(report: Report) -> Figure | None:
    """Bradley-Terry scores with their intervals, a panel for each criterion."""
    ranked = [measure for measure in report.measures if measure.ranking]
    if not ranked:
        return None
    figure, axes = _panels(ranked, 1.2)
    for axis, measure in zip(axes, ranked, strict=True):
        assert measure.ranking is not None
        names = list(measure.ranking.scores)[::-1]
        for row, name in enumerate(names):
            one = measure.ranking.scores[name]
            known = np.isfinite(one.high)
            axis.errorbar(
                one.value,
                row,
                xerr=[[one.value - one.low], [one.high - one.value]] if known else None,
                fmt="o",
                color=COLOURS[0],
                capsize=4,
            )
        axis.axvline(0, color="#999", linewidth=0.8)
        axis.set_yticks(range(len(names)), [_literal(name) for name in names])
        axis.set(title=_literal(heading(measure)), xlabel="log-odds", ylim=(-0.6, len(names) - 0.4))
    return figure


def wins(report: Report) -> Figure | None:
    """Who wins how often against whom, a panel for each criterion: rows against columns, in percent."""
    ranked = [measure for measure in report.measures if measure.ranking]
    if not ranked:
        return None
    figure, axes = _panels(ranked, 2.2)
    for axis, measure in zip(axes, ranked, strict=True):
        assert measure.ranking is not None
        names = list(measure.ranking.scores)
        cells = np.full((len(names), len(names)), np.nan)
        for one in measure.ranking.wins:
            cells[names.index(one.first), names.index(one.second)] = one.share
        axis.imshow(cells, vmin=0, vmax=1, cmap="PuOr_r")
        for (i, j), value in np.ndenumerate(cells):
            if np.isfinite(value):
                axis.text(
                    j, i, f"{100 * value:.0f}", ha="center", va="center", color="white" if abs(value - 0.5) > 0.33 else "black"
                )
        axis.set_xticks(range(len(names)), [_literal(name) for name in names], rotation=30, ha="right")
        axis.set_yticks(range(len(names)), [_literal(name) for name in names])
        axis.set(title=_literal(heading(measure)))
    return figure


def _panels(measures: Sequence[Measure], height: float) -> tuple[Figure, list[Any]]:
    columns = min(3, len(measures))
    rows = -(-len(measures) // columns)
    systems = max(len(one.means) for one in measures)
    figure = Figure(figsize=(4 * columns, rows * (height + 0.45 * systems)), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[len(measures) :]:
        axis.set_axis_off()
    return figure, axes[: len(measures)]


def _on_hundred(value: float, mode: str) -> float:
    spread = 100 * value if mode == "pairwise" else 1 + (value - 1) * 99 / 4
    return float(np.clip(spread, 0, 100))


def _literal(text: str) -> str:
    """A text that is drawn letter by letter: between dollar signs there would be a formula."""
    return text.replace("$", r"\$")


def _wrapped(text: str) -> str:
    return text.replace(" ", "\n", 1) if len(text) > 12 else text
