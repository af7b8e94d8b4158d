"""Measures a checkpoint and writes `scores.json`, `scores.png`, `samples.png` and the table of the model card."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from PIL import Image as Picture
from rich.progress import track

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.evaluation.scores import attribute_scores, chance, plain, share, shuffled
from nextgpt_chat.evaluation.tasks import Bench, Record, calibrated_reader, choosing, drawing, following, seeing
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.pipeline import Pipeline, load_pipeline

log = logging.getLogger(__name__)

CALIBRATION = 3000
"""Rendered pictures on which the picture reader is calibrated."""
FAILURES = 6
"""Failed dialogues that are published with the scores."""


def run(checkpoint: Checkpoint, out: Path, scenes: int, seed: int, random_weights: bool, device: str) -> dict[str, Any]:
    """Runs every task on `scenes` held-out scenes or dialogues; with `random_weights`, the same model before any training."""
    out.mkdir(parents=True, exist_ok=True)
    content = ContentStore(out / "media")
    pipeline = load_pipeline(checkpoint.folder, content, device)
    if random_weights:
        randomise(pipeline, seed)
    reader, reader_right = calibrated_reader(CALIBRATION, seed)
    bench = Bench(pipeline.reply, content, reader, seed)
    scores: dict[str, Any] = {"model": checkpoint.name, "scenes": scenes, "seed": seed, "random_weights": random_weights}
    scores |= {"chance": chance(), "reader": reader_right}
    saw = _collect(seeing, bench, scenes)
    truths = [record["truth"] for record in saw]
    found = [record["found"] for record in saw]
    scores["seeing"] = {
        "model": attribute_scores(truths, found),
        "blind": attribute_scores(truths, [record["blind"] for record in saw]),
        "shuffled": attribute_scores(truths, shuffled(found, seed)),
    }
    drew = _collect(drawing, bench, scenes)
    truths, found = [record["truth"] for record in drew], [record["found"] for record in drew]
    scores["drawing"] = {
        "model": attribute_scores(truths, found),
        "said": attribute_scores(truths, [record["said"] for record in drew]),
        "shuffled": attribute_scores(truths, shuffled(found, seed)),
    }
    chose = _collect(choosing, bench, scenes)
    wanted = sum(record["wanted"] for record in chose) / len(chose)
    scores["choosing"] = {"model": share([float(record["right"]) for record in chose]), "always the same": max(wanted, 1 - wanted)}
    scores["choosing"]["outside"] = share(
        [float(record["right"]) for record in chose if record["intent"] in ("outside", "media")] or [0.0]
    )
    followed = _collect(following, bench, scenes)
    scores["following"] = {name: share([float(record[name]) for record in followed]) for name in ("words", "pixels")}
    scores["failures"] = [record["steps"] for record in followed if not record["words"]][:FAILURES]
    result: dict[str, Any] = plain(scores)
    (out / "scores.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    plot(result, out / "scores.png")
    sheet(drew, out / "samples.png")
    (out / "table.md").write_text(table(result), encoding="utf-8")
    return result


def _collect(task: Callable[[Bench, int], Iterator[Record]], bench: Bench, count: int) -> list[Record]:
    return list(track(task(bench, count), total=count, description=task.__name__))


def randomise(pipeline: Pipeline, seed: int) -> None:
    """Gives every trained part fresh random weights: what is left is the architecture."""
    torch.manual_seed(seed)
    decoder = pipeline.image_decoder.pipeline
    parts = (
        pipeline.imagebind,
        pipeline.language_model.model,
        pipeline.input_projection,
        pipeline.output_projections,
        decoder.unet,
        decoder.vae,
    )
    for part in parts:
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.02)


def table(scores: dict[str, Any]) -> str:
    """The scores as a Markdown table, with the baselines beside them."""
    rows = [
        "| picture → text | model | blind | shuffled | chance |",
        "|---|---|---|---|---|",
        *_rows(scores, "seeing", ("model", "blind", "shuffled")),
        "",
        "| text → picture | read from pixels | said in the reply | shuffled | chance | reader's own error |",
        "|---|---|---|---|---|---|",
        *_rows(scores, "drawing", ("model", "said", "shuffled"), reader=True),
        "",
        "| task | model | baseline |",
        "|---|---|---|",
        f"| choice of modality | {_cell(scores['choosing']['model'])} | {100 * scores['choosing']['always the same']:.1f} % (always the same) |",
        f"| … for words from outside, never trained on | {_cell(scores['choosing']['outside'])} | |",
        f"| three exchanges right in words and choice | {_cell(scores['following']['words'])} | |",
        f"| three exchanges right, and every picture in all six attributes | {_cell(scores['following']['pixels'])} | |",
    ]
    return "\n".join(rows) + "\n"


def _rows(scores: dict[str, Any], task: str, columns: tuple[str, ...], reader: bool = False) -> list[str]:
    rows = []
    for name in scores[task]["model"]:
        title = {"all": "**all attributes**", "scene": "whole scene"}.get(name, name)
        cells = [_cell(scores[task][column][name]) for column in columns] + [f"{100 * scores['chance'][name]:.1f} %"]
        if reader:
            cells.append(f"{100 * (1 - scores['reader'][name]):.2f} %" if name in scores["reader"] else "")
        rows.append(f"| {title} | {' | '.join(cells)} |")
    return rows


def _cell(score: dict[str, float]) -> str:
    return f"{100 * score['value']:.1f} % ({100 * score['low']:.1f}-{100 * score['high']:.1f})"


def plot(scores: dict[str, Any], path: Path) -> None:
    """Bars by attribute for seeing and drawing, with chance as a line on each."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained", sharey=True)
    for axis, task, title in zip(axes, ("seeing", "drawing"), ("picture → text", "text → picture"), strict=True):
        names = list(scores[task]["model"])
        values = [scores[task]["model"][name] for name in names]
        errors = [[v["value"] - v["low"] for v in values], [v["high"] - v["value"] for v in values]]
        axis.bar(names, [v["value"] for v in values], yerr=errors, color="#5457d6", capsize=3)
        axis.plot(names, [scores["chance"][name] for name in names], "_", color="#d63a5e", markersize=18, label="chance")
        axis.plot(names, [scores[task]["shuffled"][name]["value"] for name in names], "x", color="#444", label="shuffled")
        axis.set(title=title, ylim=(0, 1.02))
        axis.tick_params(axis="x", rotation=30)
        axis.legend(loc="lower left", fontsize=8)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def sheet(records: list[Record], path: Path, columns: int = 8, rows: int = 3) -> None:
    """The first drawings of the evaluation, unchosen, side by side."""
    pictures = [Picture.open(record["path"]) for record in records[: columns * rows] if record["path"]]
    if not pictures:
        return
    side = pictures[0].width
    whole = Picture.new("RGB", (columns * side, -(-len(pictures) // columns) * side), "white")
    for i, picture in enumerate(pictures):
        whole.paste(picture, (i % columns * side, i // columns * side))
    whole.save(path)
