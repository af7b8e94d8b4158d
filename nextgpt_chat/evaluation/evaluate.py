"""Measures a checkpoint and writes `scores.json`, `scores.png`, `samples.png` and the table of the model card."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.evaluation.bench import Bench, Reader
from nextgpt_chat.evaluation.calibration import calibrated_motion_reader, calibrated_picture_reader, calibrated_sound_reader
from nextgpt_chat.evaluation.interval import plain, share
from nextgpt_chat.evaluation.plots import matrix, plot, sheet
from nextgpt_chat.evaluation.randomise import randomise
from nextgpt_chat.evaluation.retrieval import recalls
from nextgpt_chat.evaluation.scores import attribute_scores, chance, shuffled
from nextgpt_chat.evaluation.table import table
from nextgpt_chat.evaluation.tasks import (
    Record,
    choosing,
    editing,
    following,
    making,
    mixing,
    telling,
    turning,
)
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore

CALIBRATION = {"image": 3000, "video": 400, "audio": 1500}
"""Rendered media on which the readers are calibrated."""
FAILURES = 6
"""Failed dialogues that are published with the scores."""


def run(
    checkpoint: Checkpoint,
    out: Path,
    *,
    scenes: int,
    dialogues: int,
    seed: int,
    random_weights: bool,
    device: str,
    cells_alone: bool = False,
) -> dict[str, Any]:
    """Runs every task on `scenes` held-out scenes, and `dialogues` dialogues and choices of modality; with `random_weights`, the same model before
    any training. What a task finds hangs on nothing but its own number and the seed.

    `cells_alone` leaves out retrieval, choice of modality and dialogues: what is then measured are kinds going in and kinds coming out.
    """
    out.mkdir(parents=True, exist_ok=True)
    content = ContentStore(out / "media")
    pipeline = load_pipeline(checkpoint.folder, content, device)
    if random_weights:
        randomise(pipeline, seed)
    told = [kind for kind in checkpoint.inputs if kind != "text"]
    made = list(checkpoint.made)
    readers, errors = calibrated(made, seed)
    bench = Bench(pipeline.reply, content, readers, seed)
    scores: dict[str, Any] = {"model": checkpoint.name, "scenes": scenes, "seed": seed, "random_weights": random_weights}
    scores |= {"readers": errors, "telling": {}, "making": {}, "turning": {}, "editing": {}, "mixing": {}}
    for kind in told:
        scores["telling"][kind] = _scored(_collect(telling, bench, scenes, kind), ("blind",), seed)
    drew: list[Record] = []
    for kind in made:
        records = _collect(making, bench, scenes, kind)
        scores["making"][kind] = _scored(records, ("said",), seed)
        drew = records if kind == "image" else drew
    for source in told:
        for kind in made:
            if source != kind:
                scores["turning"][f"{source} {kind}"] = _scored(_collect(turning, bench, scenes, source, kind), (), seed)
    for kind in [kind for kind in made if kind in told]:
        records = _collect(editing, bench, scenes, kind)
        scores["editing"][kind] = {name: share([float(record[name]) for record in records]) for name in ("changed", "kept")}
    if {"image", "audio"} <= set(told) & set(made):
        for mix in ("in", "image", "video"):
            scores["mixing"][mix] = share([record["right"] for record in _collect(mixing, bench, scenes, mix)])
    if not cells_alone:
        scores["retrieval"] = recalls(pipeline.imagebind, pipeline.language_model.tokenizer, told, seed)
        scores |= _talking(bench, dialogues, made)
    result: dict[str, Any] = plain(scores)
    (out / "scores.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    plot(result, out / "scores.png")
    matrix(result, out / "matrix.png")
    sheet(drew, out / "samples.png")
    (out / "table.md").write_text(table(result), encoding="utf-8")
    return result


def _talking(bench: Bench, dialogues: int, made: Sequence[str]) -> dict[str, Any]:
    """Scores of what goes beyond one medium: the choice of modality, and dialogues."""
    scores: dict[str, Any] = {"dialogues": dialogues}
    chose = _collect(choosing, bench, dialogues, made)
    wanted = sum(record["wanted"] for record in chose) / len(chose)
    scores["choosing"] = {"model": share([float(record["right"]) for record in chose]), "always the same": max(wanted, 1 - wanted)}
    scores["choosing"]["outside"] = share([float(record["right"]) for record in chose if record["intent"] == "outside"] or [0.0])
    followed = _collect(following, bench, dialogues, made)
    scores["following"] = {name: share([float(record[name]) for record in followed]) for name in ("words", "media")}
    groups = [step["groups"] for record in followed for step in record["steps"]]
    scores["following"] |= {"replies": len(groups), "wrong groups": groups.count(False)}
    scores["failures"] = [record["steps"] for record in followed if not record["words"]][:FAILURES]
    return scores


def calibrated(kinds: Sequence[str], seed: int) -> tuple[dict[str, Reader], dict[str, dict[str, float]]]:
    """The readers of media of these kinds, and the shares that they read rightly of rendered truth."""
    picture_reader, right = calibrated_picture_reader(CALIBRATION["image"], seed)
    readers: dict[str, Reader] = {"image": picture_reader.read}
    shares = {"image": right}
    if "video" in kinds:
        motion_reader, shares["video"] = calibrated_motion_reader(CALIBRATION["video"], seed)
        readers["video"] = motion_reader.read
    if "audio" in kinds:
        sound_reader, shares["audio"] = calibrated_sound_reader(CALIBRATION["audio"], seed)
        readers["audio"] = sound_reader.read
    return readers, shares


def _scored(records: Sequence[Record], others: Sequence[str], seed: int) -> dict[str, Any]:
    """Right attributes of the model, of what else was read (`others`), of the answers beside other scenes, and of guessing."""
    truths, found = [record["truth"] for record in records], [record["found"] for record in records]
    scores: dict[str, Any] = {"model": attribute_scores(truths, found)}
    scores |= {name: attribute_scores(truths, [record[name] for record in records]) for name in others}
    return scores | {"shuffled": attribute_scores(truths, shuffled(found, seed)), "chance": chance(list(truths[0]))}


def _collect(task: Callable[..., Iterator[Record]], bench: Bench, count: int, *which: Any) -> list[Record]:
    name = " ".join([task.__name__, *(word for word in which if isinstance(word, str))])
    return list(track(task(bench, count, *which), total=count, description=name))
