"""Dialogues as examples to learn from: one for each reply, with what stood before it, as the model reads and writes it when it serves."""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.conversation import Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.reason.forms import Form

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Example:
    """One reply and what stands before it."""

    ids: list[int]
    begin: int
    """Where the reply begins."""
    chosen: list[int]
    """Positions of tokens that the model chooses: all of the reply but what follows the first token of a signal group."""
    shown: list[tuple[int, str]]
    """Position of each medium that a person sent, and its `sha256`."""
    made: list[tuple[str, int, str]]
    """Kind, position and caption of each signal group."""


def examples(told: Sequence[Sequence[Turn]], form: Form, checkpoint: Checkpoint, most: int) -> list[Example]:
    """The replies that can be learnt: those before which nothing is shown that the model does not take, and which have nothing that it does not
    make, or whose caption nobody knows. None has more than `most` tokens: its oldest turns are left out. Raises `InputError` if there are none."""
    found, left_out = [], 0
    for dialogue in told:
        for number in range(1, len(dialogue), 2):
            one = _example(dialogue[: number + 1], form, checkpoint, most)
            found += [one] if one else []
            left_out += one is None
    log.info(
        "%d replies can be learnt from, %d are left out: the model does not take or make what is in them, or they are too long",
        len(found),
        left_out,
    )
    if not found:
        raise InputError(
            f"None of the {left_out} replies can be learnt from: {checkpoint.title} does not take or make what is in them."
        )
    return found


def _example(turns: Sequence[Turn], form: Form, checkpoint: Checkpoint, most: int) -> Example | None:
    asked, reply = turns[:-1], turns[-1]
    replies = [turn for turn in turns if turn.role == "assistant"]
    if any(medium.kind not in checkpoint.made or not medium.caption for turn in replies for medium in turn.media):
        return None
    said = form.reply(reply.parts)
    before = form.conversation(asked, most - len(said))
    if len(before.ids) + len(said) > most or any(slot.medium.kind not in checkpoint.input_tokens for slot in before.slots):
        return None
    ids, begin = [*before.ids, *said], len(before.ids)
    signals = [medium for medium in reply.media if medium.kind in form.groups.ids]
    first = {group[0]: kind for kind, group in form.groups.ids.items()}
    starts = [place for place in range(begin, len(ids)) if ids[place] in first]
    groups = [(first[ids[place]], place, medium.caption or "") for place, medium in zip(starts, signals, strict=True)]
    forced = {place + offset for kind, place, _ in groups for offset in range(1, len(form.groups.ids[kind]))}
    chosen = [place for place in range(begin, len(ids)) if place not in forced]
    return Example(ids, begin, chosen, [(slot.start, slot.medium.sha256) for slot in before.slots], groups)


def batches(
    found: Sequence[Example], form: Form, media: dict[str, np.ndarray], wanted: dict[tuple[str, str], np.ndarray], size: int
) -> Callable[[random.Random], dict[str, Any]]:
    """What makes the batch of a step: any `size` of the replies."""

    def batch(rng: random.Random) -> dict[str, Any]:
        some = [rng.choice(found) for _ in range(size)]
        longest = max(len(one.ids) for one in some)
        ids, mask = torch.zeros(2, size, longest, dtype=torch.long)
        chosen = torch.zeros(size, longest, dtype=torch.bool)
        for row, one in enumerate(some):
            ids[row, : len(one.ids)], mask[row, : len(one.ids)] = torch.tensor(one.ids), 1
            chosen[row, one.chosen] = True
        shown = [(row, start, sha256) for row, one in enumerate(some) for start, sha256 in one.shown]
        made = [(row, *group) for row, one in enumerate(some) for group in one.made]
        return {
            "ids": ids,
            "mask": mask,
            "chosen": chosen,
            "media": torch.from_numpy(np.array([media[sha256] for _, _, sha256 in shown], np.float32)),
            "rows": torch.tensor([row for row, _, _ in shown], dtype=torch.long),
            "starts": torch.tensor([start for _, start, _ in shown], dtype=torch.long),
            "made": {kind: _group(kind, made, wanted, form) for kind in sorted({group[1] for group in made})},
        }

    return batch


def _group(
    kind: str, made: Sequence[tuple[int, str, int, str]], wanted: dict[tuple[str, str], np.ndarray], form: Form
) -> dict[str, Any]:
    """The signal groups of one kind in a batch."""
    mine = [(row, start, caption) for row, of, start, caption in made if of == kind]
    vectors: Tensor = torch.from_numpy(np.array([wanted[kind, caption] for _, _, caption in mine], np.float32))
    rows, starts = (torch.tensor([group[place] for group in mine]) for place in (0, 1))
    return {"rows": rows, "starts": starts, "wanted": vectors, "count": len(form.groups.ids[kind])}
