"""Scores as pictures: bars by attribute, the any-to-any matrix, and the first drawings side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image as Picture

from nextgpt_chat.evaluation.table import NOUNS


def plot(scores: dict[str, Any], path: Path) -> None:
    """Bars by attribute for each kind, with chance as a line on each."""
    parts = [(f"{NOUNS[kind]} → text", task) for kind, task in scores["telling"].items()]
    parts += [(f"text → {NOUNS[kind]}", task) for kind, task in scores["making"].items()]
    rows = -(-len(parts) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(10, 3.6 * rows), layout="constrained", sharey=True, squeeze=False)
    for axis, (title, task) in zip(axes.T.flat, parts, strict=False):
        names = list(task["model"])
        values = [task["model"][name] for name in names]
        errors = [[v["value"] - v["low"] for v in values], [v["high"] - v["value"] for v in values]]
        axis.bar(names, [v["value"] for v in values], yerr=errors, color="#5457d6", capsize=3)
        axis.plot(names, [task["chance"][name] for name in names], "_", color="#d63a5e", markersize=18, label="chance")
        axis.plot(names, [task["shuffled"][name]["value"] for name in names], "x", color="#444", label="shuffled")
        axis.set(title=title, ylim=(0, 1.02))
        axis.tick_params(axis="x", rotation=30)
        axis.legend(loc="lower left", fontsize=8)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def matrix(scores: dict[str, Any], path: Path) -> None:
    """What goes in against what comes out: right attributes of each cell that was measured; text to text are dialogues right in words."""
    kinds = ["text", *(kind for kind in NOUNS if kind in scores["telling"] or kind in scores["making"])]
    cells = np.full((len(kinds), len(kinds)), np.nan)
    for i, source in enumerate(kinds):
        for j, kind in enumerate(kinds):
            cells[i, j] = _cell(scores, source, kind)
    figure, axis = plt.subplots(figsize=(1.6 + 1.1 * len(kinds), 1.2 + 0.9 * len(kinds)), layout="constrained")
    axis.imshow(cells, vmin=0, vmax=1, cmap="YlGn")
    for (i, j), value in np.ndenumerate(cells):
        axis.text(j, i, "" if np.isnan(value) else f"{100 * value:.1f}", ha="center", va="center")
    names = [NOUNS[kind] for kind in kinds]
    axis.set(xticks=range(len(kinds)), xticklabels=names, yticks=range(len(kinds)), yticklabels=names, xlabel="out", ylabel="in")
    axis.set_title("Right attributes, %")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _cell(scores: dict[str, Any], source: str, kind: str) -> float:
    if source == kind:
        done = scores.get("following", {}).get("words") if kind == "text" else scores["editing"].get(kind, {}).get("changed")
        return float(done["value"] if done else np.nan)
    task = scores["telling"].get(source) if kind == "text" else scores["turning"].get(f"{source} {kind}")
    if source == "text":
        task = scores["making"].get(kind)
    return float(task["model"]["all"]["value"]) if task else float("nan")


def sheet(records: Sequence[dict[str, Any]], path: Path, columns: int = 8, rows: int = 3) -> None:
    """The first drawings of the evaluation, unchosen, side by side."""
    pictures = [Picture.open(record["path"]) for record in records[: columns * rows] if record["path"]]
    if not pictures:
        return
    side = pictures[0].width
    whole = Picture.new("RGB", (columns * side, -(-len(pictures) // columns) * side), "white")
    for i, picture in enumerate(pictures):
        whole.paste(picture, (i % columns * side, i // columns * side))
    whole.save(path)
