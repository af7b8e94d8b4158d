"""The model card: what the checkpoint is, its scores beside their baselines, and where it fails."""

from pathlib import Path
from string import Template
from typing import Any

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.evaluation.table import percent, table
from nextgpt_chat.media.names import NOUNS

CARD = Template("""# $title

A model of the architecture of NExT-GPT at small size, every part trained from nothing by this project: an ImageBind-shaped encoder, a Llama
with LoRA and signal tokens, transformer output projections, and diffusion pipelines. It talks about one small world; it knows nothing else, and is meant for trying the app, the training and the evaluation on any computer.

- Weights: $megabytes MB, safetensors, half precision.
- `docs/LOG.md` tells how these weights came about, and what has changed in the recipe since. The recipe is `nextgpt-chat train all`; each stage's
  plan is in its file in `nextgpt_chat/training`.
- Data: rendered scenes and generated dialogues of Tinyland only. Eight pairs of thing and colour (`nextgpt_chat/tinyland/holdout.py`) were
  in no training picture, clip, caption or reply, nor were eight pairs of thing and motion, and eight sounds.

## Scores

Measured by `nextgpt-chat evaluate --scenes $scenes --dialogues $dialogues --seed $seed --card` on scenes with held-out pairs only, $scenes per task,
and on $dialogues dialogues and choices of modality; intervals are 95 % bootstrap over scenes. `blind`: the same question without the medium. `shuffled`: the answers beside other scenes. The readers
of what is made are classical and share no code with the renderer; their own error on rendered truth stands beside the scores.

$table
![Scores by attribute](scores.png)

![What goes in against what comes out](matrix.png)

The same architecture with random weights ($random_scenes scenes): right attributes of $random_telling, $random_making;
choice of modality $random_choosing, dialogues right $random_following. Random weights write noise rather than guesses, so what is read from them can
lie below chance.

The first drawings of the evaluation, unchosen:

![Drawings](samples.png)

## Where it fails

$weak
Failed dialogues of the evaluation, as they were:

$failures

## Licence

Apache-2.0.
""")
WEAK = 0.95
"""Attributes that are right less often than this are named among the weaknesses."""
SHOWN = 6
"""Failed replies that are quoted."""


def write_card(checkpoint: Checkpoint, scores: dict[str, Any], random: dict[str, Any]) -> Path:
    """Writes `MODEL_CARD.md` into the checkpoint folder from the scores of the model and of its architecture with random weights."""
    weights = sum(path.stat().st_size for path in checkpoint.folder.rglob("*.safetensors")) / 1e6
    path = checkpoint.folder / "MODEL_CARD.md"
    path.write_text(
        CARD.substitute(
            title=checkpoint.title,
            megabytes=f"{weights:.1f}",
            scenes=scores["scenes"],
            dialogues=scores["dialogues"],
            seed=scores["seed"],
            table=table(scores),
            random_scenes=random["scenes"],
            random_telling=_each(random["telling"], "{} → text"),
            random_making=_each(random["making"], "text → {}"),
            random_choosing=percent(random["choosing"]["model"]["value"]),
            random_following=percent(random["following"]["words"]["value"]),
            weak=_weak(scores),
            failures=_failures(scores),
        ),
        encoding="utf-8",
    )
    return path


def _each(tasks: dict[str, Any], title: str) -> str:
    """`picture → text 0.0 %, sound → text 1.2 %`"""
    return ", ".join(f"{title.format(NOUNS[kind])} {percent(task['model']['all']['value'])}" for kind, task in tasks.items())


def _weak(scores: dict[str, Any]) -> str:
    """The attributes below `WEAK`, a line each."""
    lines = [
        f"- {title}: {name} is right in {percent(score['value'])}."
        for title, task in [
            *((f"{NOUNS[kind]} → text", task) for kind, task in scores["telling"].items()),
            *((f"text → {NOUNS[kind]}", task) for kind, task in scores["making"].items()),
        ]
        for name, score in task["model"].items()
        if name not in ("all", "scene") and score["value"] < WEAK
    ]
    return "\n".join(lines) + "\n" if lines else ""


def _failures(scores: dict[str, Any]) -> str:
    wrong = [step for steps in scores["failures"] for step in steps if not step["words"]][:SHOWN]
    lines = [f"- “{step['ask']}” → “{step['reply']}” (wanted: “{step['wanted']}”)" for step in wrong]
    return "\n".join(lines) or "- none in this run"
