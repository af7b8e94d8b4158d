"""What every task needs: a model to ask, media to show it, and readers that say what is in the media it makes."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nextgpt_chat.conversation import Media, Text, Turn
from nextgpt_chat.evaluation.answer import answer
from nextgpt_chat.events import Reply
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.stored import read_medium
from nextgpt_chat.tinyland.exchange import Exchange, Medium
from nextgpt_chat.tinyland.files import render
from nextgpt_chat.tinyland.film import FRAMES
from nextgpt_chat.tinyland.scene import ATTRIBUTES

Reader = Callable[[np.ndarray], dict[str, str]]
"""A medium as an array -> its attributes, as far as they can be read."""


@dataclass(frozen=True)
class Bench:
    """A model and its examiners."""

    reply: Reply
    content: ContentStore
    readers: Mapping[str, Reader]
    """By kind of medium."""
    seed: int

    def rng(self, task: str) -> random.Random:
        """The task's own randomness."""
        return random.Random(f"{self.seed}/{task}")

    def asked(self, exchange: Exchange, rng: random.Random) -> Turn:
        """The message of an exchange."""
        return Turn("user", (*(render(medium, rng, self.content) for medium in exchange.shown), Text(exchange.ask)))

    def answer(self, turns: tuple[Turn, ...], seed: int) -> Turn:
        """The model's reply."""
        return answer(self.reply, turns, seed)

    def read(self, medium: Media) -> dict[str, str]:
        """What the reader of its kind finds in a medium."""
        return self.readers[medium.kind](read_medium(medium.kind, medium.path, FRAMES))

    def found(self, reply: Turn, kind: str) -> dict[str, str]:
        """What is read from the first medium of a kind in a reply; nothing if there is none."""
        media = [medium for medium in reply.media if medium.kind == kind]
        return self.read(media[0]) if media else {}


def truth(medium: Medium) -> dict[str, str]:
    """What a medium shows, as the readers name it."""
    return {name: str(value) for name, value in medium.scene.attributes(ATTRIBUTES[medium.kind]).items()}
