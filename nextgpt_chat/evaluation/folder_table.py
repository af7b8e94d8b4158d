"""Scores on a user's folder as Markdown tables, with the baselines beside them. Values stand times 100, as papers print them."""

from typing import Any

from nextgpt_chat.datasets.layouts import LAYOUTS
from nextgpt_chat.media.upload import MANY


def folder_table(result: dict[str, Any]) -> str:
    """What was measured, on what, and what was left out."""
    kind = MANY[result["kind"]]
    weights = "with random weights" if result["random_weights"] else f"from {result['checkpoint']}"
    lines = [
        f"Model {result['model']} {weights}; {LAYOUTS[result['set']].title}, {result['split']}, in {result['folder']};"
        f" {result['items']} {kind}, seed {result['seed']}.",
        *result["notes"],
    ]
    if result["skipped"]["count"]:
        lines += [f"Files that could not be read and were left out: {result['skipped']['count']}, such as:"]
        lines += [f"- {reason}" for reason in result["skipped"]["reasons"][:3]]
    if "describing" in result:
        scores = result["describing"]
        lines += ["", f"| {kind} → text | model | beside other {kind} |", "|---|---|---|"]
        lines += [f"| {name} | {cell(score)} | {cell(scores['shuffled'][name])} |" for name, score in scores["model"].items()]
    if "making" in result:
        scores = result["making"]
        near, far = scores["similarity"], scores["frechet"]
        lines += [
            "",
            f"Replies with what was asked for: {scores['made']} of {result['items']}.",
            "",
            f"| text → {kind}, in ImageBind's space | model | beside other captions | real {kind} |",
            "|---|---|---|---|",
            f"| similarity with the caption | {cell(near['model'])} | {cell(near['shuffled'])} | {cell(near['real'])} |",
            "",
            f"| text → {kind}, in ImageBind's space | model | {scores['others']} other real {kind} | noise |",
            "|---|---|---|---|",
            f"| Fréchet distance to the real {kind} | {cell(far['model'])} | {cell(far['real'])} | {cell(far['noise'])} |",
        ]
    return "\n".join(lines) + "\n"


def cell(score: float | dict[str, float] | None) -> str:
    """`12.3 (10.1-14.0)`, `12.3` where there is no interval, `–` where there is no score."""
    if score is None:
        return "–"
    if isinstance(score, dict):
        return f"{100 * score['value']:.1f} ({100 * score['low']:.1f} to {100 * score['high']:.1f})"
    return f"{100 * score:.1f}"
