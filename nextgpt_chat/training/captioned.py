"""Scenes with captions, and which caption is true of which scene: what contrastive training learns from.

A caption that leaves attributes open is a positive of every picture that it fits (as in UniCL, arXiv 2204.03610).
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from nextgpt_chat.tinyland.captions import (
    ARTICLES,
    NUMBERS,
    SIZE_WORDS,
    THING_WORDS,
    WHEN_WORDS,
    WHERE_WORDS,
    caption,
    free_caption,
    partial_caption,
    plural,
)
from nextgpt_chat.tinyland.holdout import is_held_out, training_scene
from nextgpt_chat.tinyland.scene import COLOURS, PLACES, SIZES, THINGS, TIMES, VALUES, Scene

GROUPS = 24
GROUP = 8
"""A batch holds 24 groups of 8 scenes that differ in one attribute or two: the neighbours are what teaches fine differences."""
CHANGED = {"thing": 3, "colour": 4, "size": 1, "place": 1, "count": 1, "time": 1}
"""How often neighbours differ in an attribute; things and colours are the hardest to tell apart."""
PARTIAL = 0.75
"""Share of captions that name only one to `MOST` attributes; the others name all six, half of them in the canonical form."""
MOST = 3
COLOUR_TOKEN, THING_TOKEN = 3, 4
"""Places of the colour and the thing in a canonical caption: begin, number, size, colour, thing, ..."""

NAMES = (*COLOURS, *THINGS, *(plural(thing, 2) for thing in THINGS), *SIZES, *PLACES, *TIMES, *NUMBERS.values(), ARTICLES[1])
"""Words that name an attribute in canonical captions."""


def whole_words(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Words of three letters and more that are one token and stand in no caption: names for what has none."""
    synonyms = (SIZE_WORDS, WHERE_WORDS, WHEN_WORDS, THING_WORDS)
    phrases = [phrase for table in synonyms for ways in table.values() for phrase in ways]
    taken = {*NAMES, "thing", "and", *(word for phrase in phrases for word in phrase.split())}
    taken |= {plural(word, 2) for word in taken}
    words = [tokenizer.decode([token]) for token in range(len(tokenizer))]
    return [word[1:] for word in words if len(word) > 3 and word[0] == " " and word[1:].isalpha() and word[1:] not in taken]


def text_batch(tokenizer: PreTrainedTokenizerBase, captions: list[str], length: int) -> tuple[Tensor, Tensor]:
    """Captions as ids [B, length], begun, ended and padded, with the position of each end token [B]."""
    encoded = tokenizer(captions, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    return encoded.input_ids, encoded.attention_mask.sum(dim=1) - 1


def named_caption_batch(
    tokenizer: PreTrainedTokenizerBase, scenes: Sequence[Scene], unnamed: Sequence[Collection[str]], length: int
) -> Tensor:
    """Canonical captions as ids [B, length], begun and ended, with padding in the place of what has no name."""
    ids, _ = text_batch(tokenizer, [f" {caption(scene)}" for scene in scenes], length)
    for name, token in (("colour", COLOUR_TOKEN), ("thing", THING_TOKEN)):
        ids[torch.tensor([name in names for names in unnamed]), token] = tokenizer.pad_token_id
    return ids


def neighbours(scene: Scene, rng: random.Random, count: int) -> list[Scene]:
    """The scene and others that differ from it in one attribute, all allowed in training."""
    found = [scene]
    while len(found) < count:
        name = rng.choices(tuple(CHANGED), tuple(CHANGED.values()))[0]
        other = replace(rng.choice(found), **{name: rng.choice(VALUES[name])})
        if not is_held_out(other) and other not in found:
            found.append(other)
    return found


def captioned(scene: Scene, rng: random.Random) -> tuple[str, frozenset[str]]:
    """A caption and the attributes that it names."""
    if rng.random() < PARTIAL:
        kept = frozenset(rng.sample(tuple(VALUES), rng.randint(1, MOST)))
        return partial_caption(scene, kept, rng), kept
    return caption(scene) if rng.random() < 0.5 else free_caption(scene, rng), frozenset(VALUES)


def fits(scenes: list[Scene], kept: list[frozenset[str]]) -> Tensor:
    """[B, B] booleans: whether picture i agrees with scene j in all attributes that caption j names."""
    values = torch.tensor([[VALUES[name].index(getattr(scene, name)) for name in VALUES] for scene in scenes])
    named = torch.tensor([[name in names for name in VALUES] for names in kept])
    return ((values[:, None] == values[None]) | ~named[None]).all(dim=-1)


def scene_batch(rng: random.Random) -> list[Scene]:
    """`GROUPS` groups of `GROUP` neighbours."""
    return [scene for _ in range(GROUPS) for scene in neighbours(training_scene(rng), rng, GROUP)]
