"""Judgements as rows to train on, in the conversational formats of TRL: preference (`prompt`, `chosen`, `rejected`) and KTO (`prompt`,
`completion`, `label`).

Media stand in the texts as tags with their captions, as language models of this project write them; the files are named beside the texts.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import mean
from typing import Any

from nextgpt_chat.annotate.judgements import Judgement, counted
from nextgpt_chat.annotate.material import Answer, Material
from nextgpt_chat.conversation import Media, Text, Turn
from nextgpt_chat.reason.caption_stream import closing, opening
from nextgpt_chat.store.ratings import THUMB

GOOD, BAD = 4.0, 2.0
"""From which mean score on an answer counts as desirable, and up to which as undesirable."""
LEAST_APART = 1.0
"""By how many points the means of two answers to the same request must differ for one to be preferred."""

Names = dict[str, str]
"""Content hash -> name of the file in the data set."""


def said(turn: Turn) -> str:
    """A turn as one text, media as tags with their captions."""
    return "".join(
        part.text if isinstance(part, Text) else f"{opening(part.kind)}{part.caption or ''}{closing(part.kind)}"
        for part in turn.parts
    )


def messages(turns: Iterable[Turn]) -> list[dict[str, str]]:
    """Turns as TRL has them."""
    return [{"role": turn.role, "content": said(turn)} for turn in turns]


def deciding(material: Material) -> str:
    """The criterion by which answers as a whole are preferred: `overall` if there is one, else the first that looks at the whole reply."""
    keys = [one.key for one in material.criteria if one.subject == "reply"]
    return THUMB if material.mode == "thumbs" else "overall" if "overall" in keys else next(iter(keys), "")


def preferences(material: Material, names: Names) -> list[dict[str, Any]]:
    """One row for every two answers of which more people prefer the one than the other; ties are left out.

    `margin` is, of comparisons, the share of wins less that of losses; of scores, the difference of the means over that of the ends of the scale.
    """
    rows, answers = _by_reply(material), {answer.id: answer for answer in material.answers}
    found = []
    if material.mode == "pairwise":
        tasks: dict[tuple[str, ...], list[Judgement]] = {}
        for row in rows:
            tasks.setdefault(row.answers, []).append(row)
        for (first, second), given in tasks.items():
            lead = sum((row.choice == "first") - (row.choice == "second") for row in given) / len(given)
            if lead:
                winner, loser = (first, second) if lead > 0 else (second, first)
                found.append(_preference(answers[winner], answers[loser], abs(lead), len(given), names))
        return found
    scores, least, span = _means(rows), *((2.0, 2.0) if material.mode == "thumbs" else (LEAST_APART, 4.0))
    by_item: dict[int, list[Answer]] = {}
    for answer in material.answers:
        if answer.id in scores:
            by_item.setdefault(answer.item, []).append(answer)
    for one, other in (pair for group in by_item.values() for pair in combinations(group, 2)):
        apart = scores[one.id][0] - scores[other.id][0]
        if abs(apart) >= least:
            better, worse = (one, other) if apart > 0 else (other, one)
            found.append(_preference(better, worse, abs(apart) / span, min(scores[one.id][1], scores[other.id][1]), names))
    return found


def kto(material: Material, names: Names) -> list[dict[str, Any]]:
    """One row for every answer that people found good or bad. Of comparisons, those that won or lost more often, and those that were both bad."""
    rows = _by_reply(material)
    if material.mode == "pairwise":
        points: dict[str, list[int]] = {}
        for row in rows:
            gains = {"first": (1, -1), "second": (-1, 1), "bad": (-1, -1)}.get(row.choice or "", (0, 0))
            for answer, gain in zip(row.answers, gains, strict=True):
                points.setdefault(answer, []).append(gain)
        labels = {answer: sum(gains) > 0 for answer, gains in points.items() if sum(gains)}
    else:
        good, bad = (1.0, -1.0) if material.mode == "thumbs" else (GOOD, BAD)
        labels = {answer: value >= good for answer, (value, _) in _means(rows).items() if value >= good or value <= bad}
    return [
        {
            "prompt": messages(answer.prompt),
            "completion": messages([answer.turn]),
            "label": labels[answer.id],
            "item": answer.item,
            "system": answer.system,
            "prompt_media": files(answer.prompt, names),
            "completion_media": files([answer.turn], names),
        }
        for answer in material.answers
        if answer.id in labels
    ]


def _by_reply(material: Material) -> list[Judgement]:
    """The judgements that decide."""
    key = deciding(material)
    return [row for row in counted(material.judgements, golds=True) if row.subject == "reply" and row.criterion == key]


def _means(rows: Sequence[Judgement]) -> dict[str, tuple[float, int]]:
    """Answer -> mean score, and of how many."""
    given: dict[str, list[int]] = {}
    for row in rows:
        if row.score is not None:
            given.setdefault(row.answers[0], []).append(row.score)
    return {answer: (mean(scores), len(scores)) for answer, scores in given.items()}


def _preference(better: Answer, worse: Answer, margin: float, judgements: int, names: Names) -> dict[str, Any]:
    return {
        "prompt": messages(better.prompt),
        "chosen": messages([better.turn]),
        "rejected": messages([worse.turn]),
        "margin": margin,
        "judgements": judgements,
        "item": better.item,
        "chosen_system": better.system,
        "rejected_system": worse.system,
        "prompt_media": files(better.prompt, names),
        "chosen_media": files([better.turn], names),
        "rejected_media": files([worse.turn], names),
    }


def files(turns: Iterable[Turn], names: Names) -> list[str]:
    """Names of the turns' media in the data set, in order."""
    media: list[Media] = [medium for turn in turns for medium in turn.media]
    return [names[medium.sha256] for medium in media if medium.sha256 in names]
