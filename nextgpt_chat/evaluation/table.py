"""Scores as Markdown tables, with the baselines beside them."""

from typing import Any

from nextgpt_chat.evaluation.retrieval import SIZE

NOUNS = {"text": "text", "image": "picture", "video": "clip", "audio": "sound"}


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
    rows += ["| ImageBind: nearest of 48 | recall@1 | chance |", "|---|---|---|"]
    rows += [f"| {arrow(pair)} | {cell(score)} | {percent(1 / SIZE)} |" for pair, score in scores["retrieval"].items()]
    rows += [
        "",
        "| task | model | baseline |",
        "|---|---|---|",
        f"| choice of modality | {cell(scores['choosing']['model'])} | {percent(scores['choosing']['always the same'])} (always the same) |",
        f"| … for words from outside, never trained on | {cell(scores['choosing']['outside'])} | |",
        f"| dialogues of 3 to 7 exchanges right in words and choice | {cell(scores['following']['words'])} | |",
        f"| the same, and every medium in all its attributes | {cell(scores['following']['media'])} | |",
    ]
    return "\n".join(rows) + "\n"


def arrow(pair: str) -> str:
    """`picture → sound` for `image audio`."""
    return " → ".join(NOUNS[kind] for kind in pair.split())


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
