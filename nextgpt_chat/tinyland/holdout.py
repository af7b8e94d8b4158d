"""The attribute combinations that no training may see or hear; scores are reported on them.

Each thing has one colour that it never has in training, one motion that it never makes, and one size and number in which it is never
heard. So the model knows bells and knows green, and has never met the words or the picture of a green bell. Each colour is withheld from
exactly one thing.
"""

import random
from collections.abc import Collection
from dataclasses import replace

from nextgpt_chat.tinyland.scene import COLOURS, COUNTS, MOTIONS, SIZES, THINGS, Scene, random_scene

HELD_OUT = frozenset((thing, COLOURS[(3 * i + 2) % len(COLOURS)]) for i, thing in enumerate(THINGS))
"""Eight of the 64 pairs (thing, colour)."""
HELD_OUT_MOTIONS = frozenset((thing, MOTIONS[(2 * i + 1) % len(MOTIONS)]) for i, thing in enumerate(THINGS))
"""Eight of the 56 pairs (thing, motion)."""
HELD_OUT_SOUNDS = frozenset((thing, SIZES[i % 2], COUNTS[i % 3]) for i, thing in enumerate(THINGS))
"""Eight of the 48 sounds (thing, size, count)."""

WITHHELD = dict(HELD_OUT)
"""The colour that each thing never has in training."""


def is_held_out(scene: Scene, kind: str = "image") -> bool:
    """True if training must not meet this scene as a medium of this kind."""
    if kind == "audio":
        return (scene.thing, scene.size, scene.count) in HELD_OUT_SOUNDS
    return (scene.thing, scene.colour) in HELD_OUT or (kind == "video" and (scene.thing, scene.motion) in HELD_OUT_MOTIONS)


def training_scene(rng: random.Random, kinds: Collection[str] = ("image",)) -> Scene:
    """A random scene that training may meet as media of all these kinds; it moves if a clip is among them."""
    scene = _drawn(rng, kinds)
    while any(is_held_out(scene, kind) for kind in kinds):
        scene = _drawn(rng, kinds)
    return scene


def held_out_scene(rng: random.Random, kind: str = "image") -> Scene:
    """A random scene that training never met as a medium of this kind."""
    while not is_held_out(scene := _drawn(rng, (kind,)), kind):
        pass
    return scene


def _drawn(rng: random.Random, kinds: Collection[str]) -> Scene:
    scene = random_scene(rng)
    return replace(scene, motion=rng.choice(MOTIONS)) if "video" in kinds else scene
