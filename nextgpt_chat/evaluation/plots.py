"""Scores as pictures: bars by attribute, the any-to-any matrix, and the first drawings side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image as Picture

from nextgpt_chat.evaluation.table import NAMES
from nextgpt_chat.media.names import NOUNS

READABLE = 0.6
"""Above it a cell is so dark that what it says is written in white."""


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
    """What goes in against what comes out: right attributes of each cell that was measured.

    Text to text are dialogues right in words, a kind to itself are edits changed as asked, and several media to text are answers right.
    """
    kinds = ["text", *(kind for kind in NOUNS if kind in scores["telling"] or kind in scores["making"])]
    mixed = scores.get("mixing", {})
    sources, made = [*kinds, *(["in"] if "in" in mixed else [])], [*kinds, *(mix for mix in ("image", "video") if mix in mixed)]
    cells = np.full((len(sources), len(made)), np.nan)
    for i, source in enumerate(sources):
        for j, kind in enumerate(made):
            cells[i, j] = _mixed_cell(mixed, source, kind) if max(i, j) >= len(kinds) else _cell(scores, source, kind)
    figure, axis = plt.subplots(figsize=(1.8 + 1.1 * len(made), 1.4 + 0.8 * len(sources)), layout="constrained")
    axis.imshow(cells, vmin=0, vmax=1, cmap="YlGn", aspect="auto")
    for (i, j), value in np.ndenumerate(cells):
        if not np.isnan(value):
            axis.text(j, i, f"{100 * value:.1f}", ha="center", va="center", color="white" if value > READABLE else "black")
    rows = [NAMES.get(source, "several media") for source in sources]
    columns = [NAMES[kind] if j < len(kinds) else f"{NOUNS[kind]}\nand sound" for j, kind in enumerate(made)]
    axis.set(xticks=range(len(made)), xticklabels=columns, yticks=range(len(sources)), yticklabels=rows, xlabel="out", ylabel="in")
    axis.set_title("Right attributes, %")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _mixed_cell(mixed: dict[str, Any], source: str, kind: str) -> float:
    """Several media in and text out, or text in and two media out; other mixes are not measured."""
    mix = {("in", "text"): "in", ("text", kind): kind}.get((source, kind))
    return float(mixed[mix]["value"]) if mix in mixed else float("nan")


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
