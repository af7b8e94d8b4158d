"""Records to scores: shares with 95 % intervals, next to chance and to answers that were shuffled between scenes."""

import random
from collections.abc import Sequence

import numpy as np

from nextgpt_chat.evaluation.interval import Score, share
from nextgpt_chat.tinyland.scene import VALUES


def attribute_scores(truths: Sequence[dict[str, str]], found: Sequence[dict[str, str]]) -> dict[str, Score]:
    """Share of right values by attribute, over all attributes (`all`), and of scenes that are right as a whole (`scene`)."""
    right = [
        {name: float(read.get(name) == value) for name, value in true.items()} for true, read in zip(truths, found, strict=True)
    ]
    by_name = {name: share([row[name] for row in right]) for name in truths[0]}
    every = {
        "all": share([sum(row.values()) / len(row) for row in right]),
        "scene": share([float(all(row.values())) for row in right]),
    }
    return {**by_name, **every}


def shuffled(found: list[dict[str, str]], seed: int) -> list[dict[str, str]]:
    """The same readings, each beside another scene."""
    turned = found.copy()
    random.Random(seed).shuffle(turned)
    return turned


def chance(names: Sequence[str]) -> dict[str, float]:
    """What guessing gives: by attribute, on average, and for a whole scene."""
    each = {name: 1 / len(VALUES[name]) for name in names}
    return {**each, "all": sum(each.values()) / len(each), "scene": float(np.prod(list(each.values())))}
