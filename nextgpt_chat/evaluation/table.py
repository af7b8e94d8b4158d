"""Scores as Markdown tables, with the baselines beside them."""

from typing import Any

from nextgpt_chat.evaluation.retrieval import SIZE
from nextgpt_chat.media.names import NOUNS

MIXES = {
    "in": "two or three media in one message → text about the one that is meant",
    "image": "text → picture and sound, all attributes of both",
    "video": "text → clip and its sound track, all attributes of both",
}
NAMES = {"text": "text", **NOUNS}


def table(scores: dict[str, Any]) -> str:
    """All scores of an evaluation."""
    rows: list[str] = []
    for kind, task in scores["telling"].items():
        rows += [f"| {NOUNS[kind]} → text | model | blind | shuffled | chance |", "|---|---|---|---|---|"]
        rows += [*_rows(task, ("model", "blind", "shuffled")), ""]
    for kind, task in scores["making"].items():
        rows += [f"| text → {NOUNS[kind]} | as read from it | said in the reply | shuffled | chance | reader's own error |"]
        rows += ["|---|---|---|---|---|---|", *_rows(task, ("model", "said", "shuffled"), scores["readers"][kind]), ""]
    if scores["turning"]:
        rows += ["| from one kind to another, all attributes that both have | model | shuffled | chance |", "|---|---|---|---|"]
        rows += [
            f"| {arrow(pair)} | {cell(task['model']['all'])} | {cell(task['shuffled']['all'])} | {percent(task['chance']['all'])} |"
            for pair, task in scores["turning"].items()
        ]
        rows.append("")
    if scores["editing"]:
        rows += ["| editing a given medium | changed as asked | everything else kept |", "|---|---|---|"]
        rows += [f"| {NOUNS[kind]} | {cell(task['changed'])} | {cell(task['kept'])} |" for kind, task in scores["editing"].items()]
        rows.append("")
    if scores["mixing"]:
        rows += ["| several media at once | right |", "|---|---|"]
        rows += [f"| {MIXES[mix]} | {cell(score)} |" for mix, score in scores["mixing"].items()]
        rows.append("")
    return "\n".join([*rows, *(_talking(scores) if "following" in scores else [])]) + "\n"


def _talking(scores: dict[str, Any]) -> list[str]:
    """The rows of what `cells_alone` leaves out."""
    rows = ["| ImageBind: nearest of 48 | recall@1 | chance |", "|---|---|---|"]
    rows += [f"| {arrow(pair)} | {cell(score)} | {percent(1 / SIZE)} |" for pair, score in scores["retrieval"].items()]
    followed = scores["following"]
    return [
        *rows,
        "",
        "| task | model | baseline |",
        "|---|---|---|",
        f"| choice of modality | {cell(scores['choosing']['model'])} | {percent(scores['choosing']['always the same'])} (always the same) |",
        f"| … for words from outside, never trained on | {cell(scores['choosing']['outside'])} | |",
        f"| dialogues of 3 to 7 exchanges right in words and choice | {cell(followed['words'])} | |",
        f"| the same, and every medium in all its attributes | {cell(followed['media'])} | |",
        f"| wrong or broken signal groups in their {followed['replies']} replies | {followed['wrong groups']} | |",
    ]


def arrow(pair: str) -> str:
    """`picture → sound` for `image audio`."""
    return " → ".join(NAMES[kind] for kind in pair.split())


def _rows(task: dict[str, Any], columns: tuple[str, ...], reader: dict[str, float] | None = None) -> list[str]:
    rows = []
    for name in task["model"]:
        title = {"all": "**all attributes**", "scene": "whole scene"}.get(name, name)
        cells = [cell(task[column][name]) for column in columns] + [percent(task["chance"][name])]
        if reader is not None:
            cells.append(f"{100 * (1 - reader[name]):.2f} %" if name in reader else "")
        rows.append(f"| {title} | {' | '.join(cells)} |")
    return rows


def percent(share: float) -> str:
    """`94.5 %`"""
    return f"{100 * share:.1f} %"


def cell(score: dict[str, float]) -> str:
    """A share with its interval."""
    return f"{percent(score['value'])} ({100 * score['low']:.1f}-{100 * score['high']:.1f})"
