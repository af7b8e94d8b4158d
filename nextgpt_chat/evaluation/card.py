"""The model card: what the checkpoint is, its scores beside their baselines, and where it fails."""

from pathlib import Path
from string import Template
from typing import Any

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.evaluation.evaluate import table

CARD = Template("""# $title

A model of the architecture of NExT-GPT at small size, every part trained from nothing by this project: an ImageBind-shaped encoder, a Llama
with LoRA and signal tokens, a transformer output projection, and a Stable Diffusion pipeline. It sees, draws and talks about one small
world; it knows nothing else, and is meant for trying the app, the training and the evaluation on any computer.

- Weights: $megabytes MB, safetensors, half precision.
- `docs/LOG.md` tells how these weights came about, and what has changed in the recipe since. The recipe is `nextgpt-chat train all`; each stage's
  plan is in its file in `nextgpt_chat/training`.
- Data: rendered scenes and generated dialogues of Tinyland only. Eight pairs of thing and colour (`nextgpt_chat/tinyland/holdout.py`) were
  in no training picture, caption or reply.

## Scores

Measured by `nextgpt-chat evaluate --scenes $scenes --seed $seed --card` on scenes with held-out pairs only, $scenes per task; intervals are
95 % bootstrap over scenes. `blind`: the same question without the picture. `shuffled`: the answers beside other scenes. The picture reader
is classical and shares no code with the renderer; its own error on rendered truth stands beside the scores.

$table
![Scores by attribute](scores.png)

The same architecture with random weights ($random_scenes scenes): picture → text $random_seeing of attributes, text → picture $random_drawing,
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
            seed=scores["seed"],
            table=table(scores),
            random_scenes=random["scenes"],
            random_seeing=_percent(random["seeing"]["model"]["all"]),
            random_drawing=_percent(random["drawing"]["model"]["all"]),
            random_choosing=_percent(random["choosing"]["model"]),
            random_following=_percent(random["following"]["words"]),
            weak=_weak(scores),
            failures=_failures(scores),
        ),
        encoding="utf-8",
    )
    return path


def _percent(score: dict[str, float]) -> str:
    return f"{100 * score['value']:.1f} %"


def _weak(scores: dict[str, Any]) -> str:
    """The attributes below `WEAK`, a line each."""
    lines = [
        f"- {title}: {name} is right in {_percent(score)}."
        for task, title in (("seeing", "picture → text"), ("drawing", "text → picture"))
        for name, score in scores[task]["model"].items()
        if name in scores["reader"] and score["value"] < WEAK
    ]
    return "\n".join(lines) + "\n" if lines else ""


def _failures(scores: dict[str, Any]) -> str:
    wrong = [step for steps in scores["failures"] for step in steps if not step["words"]][:SHOWN]
    lines = [f"- “{step['ask']}” → “{step['reply']}” (wanted: “{step['wanted']}”)" for step in wrong]
    return "\n".join(lines) or "- none in this run"
