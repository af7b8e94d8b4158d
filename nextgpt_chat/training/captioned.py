"""Scenes with captions, and which caption is true of which scene: what contrastive training learns from.

A caption that leaves attributes open is a positive of every picture that it fits (as in UniCL, arXiv 2204.03610).
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from nextgpt_chat.tinyland.captions import (
    ARTICLES,
    MOTION,
    MOTION_WORDS,
    NUMBERS,
    SIZE_WORDS,
    SOUNDING,
    THING_WORDS,
    WHEN_WORDS,
    WHERE_WORDS,
    caption,
    clip_caption,
    free_caption,
    free_clip_caption,
    free_sound_caption,
    partial_caption,
    partial_sound_caption,
    plural,
    sound_caption,
)
from nextgpt_chat.tinyland.exchange import Medium
from nextgpt_chat.tinyland.holdout import is_held_out, training_scene
from nextgpt_chat.tinyland.scene import COLOURS, HEARD, MOVING, PLACES, SEEN, SIZES, THINGS, TIMES, VALUES, Scene

GROUPS = 24
GROUP = 8
"""A batch holds 24 groups of 8 scenes that differ in one attribute or two: the neighbours are what teaches fine differences."""
CHANGED = {"thing": 3, "colour": 4, "size": 1, "place": 1, "count": 1, "time": 1, "motion": 3}
"""How often neighbours differ in an attribute; things and colours are the hardest to tell apart."""
PARTIAL = 0.75
"""Share of captions that name only one to `MOST` attributes; the others name all six, half of them in the canonical form."""
MOST = 3
NAMED_AT: dict[str, dict[str, list[int]]] = {
    "image": {"colour": [3], "thing": [4]},
    "video": {"colour": [3], "thing": [4]},
    "audio": {"thing": [3, 4]},
}
"""Places of what may have no name in a canonical caption: begin, number, size, colour, thing, ... of what is seen, and begin, number, size,
thing, what it does of what is heard."""

NAMES = (
    *COLOURS,
    *THINGS,
    *(plural(thing, 2) for thing in THINGS),
    *SIZES,
    *PLACES,
    *TIMES,
    *NUMBERS.values(),
    ARTICLES[1],
    *(motion.split()[-1] for motion in MOTION.values()),
    *SOUNDING.values(),
)
"""Words that name an attribute in canonical captions."""


def whole_words(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Words of three letters and more that are one token and stand in no caption: names for what has none."""
    synonyms = (SIZE_WORDS, WHERE_WORDS, WHEN_WORDS, THING_WORDS, MOTION_WORDS)
    phrases = [phrase for table in synonyms for ways in table.values() for phrase in ways]
    taken = {*NAMES, "thing", "things", "sounding", "and", *(word for phrase in phrases for word in phrase.split())}
    taken |= {plural(word, 2) for word in taken}
    words = [tokenizer.decode([token]) for token in range(len(tokenizer))]
    return [word[1:] for word in words if len(word) > 3 and word[0] == " " and word[1:].isalpha() and word[1:] not in taken]


def text_batch(tokenizer: PreTrainedTokenizerBase, captions: list[str], length: int) -> tuple[Tensor, Tensor]:
    """Captions as ids [B, length], begun, ended and padded, with the position of each end token [B]."""
    encoded = tokenizer(captions, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    return encoded.input_ids, encoded.attention_mask.sum(dim=1) - 1


@cache
def canonical_captions(kind: str) -> frozenset[str]:
    """The canonical captions of all media of a kind."""
    scenes = (Scene(**dict(zip(VALUES, values, strict=True))) for values in product(*VALUES.values()))
    return frozenset(Medium(kind, scene).caption for scene in scenes)


def named_caption_batch(
    tokenizer: PreTrainedTokenizerBase,
    captions: Sequence[str],
    unnamed: Sequence[Collection[str]],
    length: int,
    kind: str = "image",
) -> Tensor:
    """Canonical captions of media of a kind as ids [B, length], begun and ended, with padding in the place of what has no name."""
    ids, _ = text_batch(tokenizer, [f" {caption}" for caption in captions], length)
    for name, places in NAMED_AT[kind].items():
        odd = torch.tensor([name in names for names in unnamed])
        for place in places:
            ids[odd, place] = tokenizer.pad_token_id
    return ids


def neighbours(scene: Scene, rng: random.Random, count: int, kind: str = "image") -> list[Scene]:
    """The scene and others that differ from it in one attribute, all allowed in training as media of this kind."""
    changed = {name: weight for name, weight in CHANGED.items() if kind == "video" or name != "motion"}
    found = [scene]
    while len(found) < count:
        name = rng.choices(tuple(changed), tuple(changed.values()))[0]
        other = replace(rng.choice(found), **{name: rng.choice(VALUES[name])})
        if not is_held_out(other, kind) and other not in found:
            found.append(other)
    return found


def captioned(scene: Scene, rng: random.Random) -> tuple[str, frozenset[str]]:
    """A caption of a picture or a clip, and the attributes that it names. That things stand still is not said."""
    moves = scene.motion != "stay"
    names = MOVING if moves else SEEN
    if rng.random() < PARTIAL:
        kept = frozenset(rng.sample(names, rng.randint(1, MOST)))
        return partial_caption(scene, kept, rng), kept
    if rng.random() < 0.5:
        return (clip_caption if moves else caption)(scene), frozenset(names)
    return (free_clip_caption if moves else free_caption)(scene, rng), frozenset(names)


def captioned_sound(scene: Scene, rng: random.Random) -> tuple[str, frozenset[str]]:
    """A caption of a sound and the attributes that it names."""
    if rng.random() < PARTIAL:
        kept = frozenset(rng.sample(HEARD, rng.randint(1, len(HEARD) - 1)))
        return partial_sound_caption(scene, kept, rng), kept
    return sound_caption(scene) if rng.random() < 0.5 else free_sound_caption(scene, rng), frozenset(HEARD)


def fits(scenes: Sequence[Scene], others: Sequence[Scene], named: Sequence[Collection[str]]) -> Tensor:
    """[A, B] booleans: whether scene i agrees with scene j of `others` in all attributes of `named[j]`."""
    one, other = (
        torch.tensor([[VALUES[name].index(getattr(scene, name)) for name in VALUES] for scene in both]) for both in (scenes, others)
    )
    asked = torch.tensor([[name in names for name in VALUES] for names in named])
    return ((one[:, None] == other[None]) | ~asked[None]).all(dim=-1)


def scene_batch(rng: random.Random) -> list[Scene]:
    """`GROUPS` groups of `GROUP` neighbours, half of which may move."""
    kinds = ("image", "video") * (GROUPS // 2)
    return [scene for kind in kinds for scene in neighbours(training_scene(rng, (kind,)), rng, GROUP, kind)]
