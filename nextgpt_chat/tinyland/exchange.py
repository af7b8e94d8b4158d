"""A message and its reply, and the words that all kinds of exchanges share."""

import random
from dataclasses import dataclass

from nextgpt_chat.tinyland.captions import caption, clip_caption, plural, sound_caption
from nextgpt_chat.tinyland.holdout import is_held_out
from nextgpt_chat.tinyland.scene import Scene


@dataclass(frozen=True)
class Medium:
    """A picture, a clip or a sound of a scene."""

    kind: str
    """`image`, `video` or `audio`."""
    scene: Scene

    @property
    def caption(self) -> str:
        """The canonical caption of its kind."""
        return {"image": caption, "video": clip_caption, "audio": sound_caption}[self.kind](self.scene)

    @property
    def held_out(self) -> bool:
        """True if training must not meet it."""
        return is_held_out(self.scene, self.kind)


@dataclass(frozen=True)
class Exchange:
    """A message and its reply. It knows what was said, shown and made; it knows no prompt format."""

    ask: str
    reply: str
    shown: tuple[Medium, ...] = ()
    """Media that come with the message."""
    unnamed: tuple[str, ...] = ()
    """`colour` or `thing` where the picture shows one that has no name (only training does that)."""
    made: tuple[Medium, ...] = ()
    """Media that come with the reply."""
    start: bool = False
    """Whether what is made begins from the last medium before it that can be seen, or heard if it is a sound: edits, and pictures that begin to
    move."""
    intent: str = "talk"
    """make, edit, again, turn, describe, ask, before, which, nothing, outside, talk."""


def pick(rng: random.Random, options: tuple[str, ...]) -> str:
    """One of several ways to say something."""
    return rng.choice(options)


def pronoun(scene: Scene) -> str:
    """it, they"""
    return "it" if scene.count == 1 else "they"


def them(scene: Scene) -> str:
    """it, them"""
    return "it" if scene.count == 1 else "them"


def be(scene: Scene) -> str:
    """is, are"""
    return "is" if scene.count == 1 else "are"


def the(scene: Scene) -> str:
    """the bird, the birds"""
    return f"the {plural(scene.thing, scene.count)}"


def a_kind(thing: str, scene: Scene) -> str:
    """a bird, birds: as many of `thing` as the scene shows."""
    return f"a {thing}" if scene.count == 1 else plural(thing, scene.count)


def sentence(words: str) -> str:
    """The same with a capital letter."""
    return words[0].upper() + words[1:]


HERE = {
    "image": ("Here {be} {}.", "Here you are: {}.", "I drew {}.", "Look: {}."),
    "video": ("Watch: {}.", "Here is the clip: {}."),
    "audio": ("Listen: {}.", "This is the sound: {}."),
}


def here(media: tuple[Medium, ...], rng: random.Random) -> str:
    """What is said with media: the canonical caption of each."""
    return " ".join(pick(rng, HERE[medium.kind]).format(medium.caption, be=be(medium.scene)) for medium in media)


def may_become(medium: Medium, changed: Medium) -> bool:
    """Whether one medium may lead to the other: those that training may meet never lead to those that it must not."""
    return medium.held_out or not changed.held_out
