"""Measures a checkpoint on a folder of captioned media that a user brings, and writes `<set>.json` and `<set>.md`."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.datasets.item import Item
from nextgpt_chat.datasets.layouts import LAYOUTS, read_items
from nextgpt_chat.errors import InputError
from nextgpt_chat.evaluation.folder_scores import Subject, collect, describing_scores, making_scores
from nextgpt_chat.evaluation.folder_table import folder_table
from nextgpt_chat.evaluation.folder_tasks import take
from nextgpt_chat.evaluation.randomise import randomise
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.upload import MANY
from nextgpt_chat.settings import Settings

LEAST = 2
"""Items without which nothing can be shuffled."""
QUOTED = 20
"""Reasons for skipped files that are written down."""


@dataclass(frozen=True)
class Task:
    """What to measure on."""

    name: str
    """One of `LAYOUTS`."""
    folder: Path
    split: str
    """Part of the set, such as `val2017`."""
    count: int
    """Most items."""
    seed: int
    """Of the choice of items and of the replies."""
    random_weights: bool = False
    """Whether to measure the same architecture before any training."""


def run(checkpoint: Checkpoint, out: Path, task: Task, settings: Settings) -> dict[str, Any]:
    """Runs what the checkpoint can do with this kind of media, and says in `notes` what it cannot.

    Scores are in `describing` (medium to text) and `making` (text to medium), each with its baselines; a part that was not run is absent.
    Raises `InputError` for a folder in another layout, or in which fewer than two files can be read.
    """
    items = read_items(task.name, task.folder, task.split)
    random.Random(f"{task.seed}/{task.name}").shuffle(items)
    kind = LAYOUTS[task.name].kind
    result: dict[str, Any] = {
        "model": checkpoint.name,
        "checkpoint": str(checkpoint.folder),
        "random_weights": task.random_weights,
        "set": task.name,
        "folder": str(task.folder),
        "split": task.split,
        "kind": kind,
        "seed": task.seed,
        "items": 0,
        "skipped": {"count": 0, "reasons": []},
        "notes": _notes(checkpoint, kind),
    }
    out.mkdir(parents=True, exist_ok=True)
    if kind in checkpoint.inputs:
        result |= _measured(checkpoint, items, ContentStore(out / "media"), task, settings)
    (out / f"{task.name}.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / f"{task.name}.md").write_text(folder_table(result), encoding="utf-8")
    return result


def _measured(checkpoint: Checkpoint, items: list[Item], content: ContentStore, task: Task, settings: Settings) -> dict[str, Any]:
    """What a checkpoint reaches that takes this kind of media."""
    kind, rng, left = LAYOUTS[task.name].kind, random.Random(f"{task.seed}/phrases"), iter(items)
    skipped: list[str] = []
    specimens = collect(take(left, task.count, settings, content, rng, skipped), task.count, f"reading {MANY[kind]}")
    if len(specimens) < LEAST:
        first = f" The first that cannot: {skipped[0]}" if skipped else ""
        raise InputError(f"At least {LEAST} items are needed; {len(specimens)} of {task.folder} can be read.{first}")
    pipeline = load_pipeline(checkpoint.folder, content, settings.device, fit=settings.fit)
    if task.random_weights:
        randomise(pipeline, task.seed)
    subject = Subject(pipeline.reply, pipeline.imagebind, pipeline.language_model.tokenizer)
    scores = {"describing": describing_scores(subject, specimens, task.seed)}
    if kind in checkpoint.outputs:
        others = collect(take(left, task.count, settings, content, rng, skipped), task.count, f"reading other {MANY[kind]}")
        scores["making"] = making_scores(subject, specimens, others, task.seed)
    return {"items": len(specimens), "skipped": {"count": len(skipped), "reasons": skipped[:QUOTED]}, **scores}


def _notes(checkpoint: Checkpoint, kind: str) -> list[str]:
    """A sentence for each task that a model cannot do."""
    notes = []
    if kind not in checkpoint.inputs:
        notes.append(f"{checkpoint.title} does not take {MANY[kind]}: what it would say of them was not measured.")
    if kind not in checkpoint.outputs:
        notes.append(f"{checkpoint.title} does not make {MANY[kind]}: media from captions were not measured.")
    elif kind not in checkpoint.inputs:
        notes.append(f"{checkpoint.title} makes {MANY[kind]}, but its encoder does not take them: they were not measured.")
    return notes
