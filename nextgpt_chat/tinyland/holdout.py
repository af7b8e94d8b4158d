"""The attribute combinations that no training may see; scores are reported on them.

Each thing has one colour that it never has in training, and each colour is withheld from exactly one thing. So an eighth of
all scenes is new in a hard way: the model knows bells and knows green, and has never met the words or the picture of a green bell.
"""

import random

from nextgpt_chat.tinyland.scene import COLOURS, THINGS, Scene, random_scene

HELD_OUT = frozenset((thing, COLOURS[(3 * i + 2) % len(COLOURS)]) for i, thing in enumerate(THINGS))
"""Eight of the 64 pairs (thing, colour)."""


WITHHELD = dict(HELD_OUT)
"""The colour that each thing never has in training."""


def is_held_out(scene: Scene) -> bool:
    """True if training must not see this scene."""
    return (scene.thing, scene.colour) in HELD_OUT


def training_scene(rng: random.Random) -> Scene:
    """A random scene that training may see."""
    while is_held_out(scene := random_scene(rng)):
        pass
    return scene


def held_out_scene(rng: random.Random) -> Scene:
    """A random scene that training never saw."""
    while not is_held_out(scene := random_scene(rng)):
        pass
    return scene
