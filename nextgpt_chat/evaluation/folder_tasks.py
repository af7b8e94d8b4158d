"""What is measured on captioned media of any origin: saying what is in them, and making media from their captions.

This module knows no world and no data set. It asks the model in plain words through `reply`, the same function that the page uses.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nextgpt_chat.conversation import Media, Text, Turn
from nextgpt_chat.datasets.item import Item
from nextgpt_chat.errors import InputError
from nextgpt_chat.evaluation.answer import answer
from nextgpt_chat.events import Reply
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.upload import accept_upload
from nextgpt_chat.settings import Settings

DESCRIBE = {"image": "Describe this picture.", "video": "Describe this clip.", "audio": "Describe this sound."}
MAKE = {"image": "Make a picture of {}.", "video": "Make a clip of {}.", "audio": "Make the sound of {}."}


@dataclass(frozen=True)
class Specimen:
    """An item whose file was taken in."""

    medium: Media
    captions: tuple[str, ...]
    phrase: str
    """One of the captions as it can stand within a sentence; it is what a medium is made from."""


@dataclass(frozen=True)
class Said:
    """What the model said of a specimen."""

    specimen: Specimen
    text: str
    """Its whole reply; empty if the message could not be answered."""


@dataclass(frozen=True)
class Made:
    """What the model made from a specimen's phrase."""

    specimen: Specimen
    medium: Media | None
    """The first medium of the kind that was asked for; None if the reply had none."""


def take(
    items: Iterator[Item], count: int, settings: Settings, content: ContentStore, rng: random.Random, skipped: list[str]
) -> Iterator[Specimen]:
    """The next `count` items whose files can be read, taken in as an upload is.

    What is wrong with a file that cannot be read is added to `skipped`, as a sentence; the next item stands in for it.
    """
    taken = 0
    while taken < count and (item := next(items, None)) is not None:
        try:
            medium = accept_upload(item.path, item.path.name, settings, content, (item.kind,))
        except InputError as error:
            skipped.append(str(error))
            continue
        taken += 1
        yield Specimen(medium, item.captions, phrase(rng.choice(item.captions)))


def phrase(caption: str) -> str:
    """`A dog runs.` as `a dog runs`; a word in capitals stays."""
    bare = caption.strip(" .!")
    return bare if re.match("[A-Z]{2}", bare) else bare[:1].lower() + bare[1:]


def describing(reply: Reply, specimens: Sequence[Specimen], seed: int) -> Iterator[Said]:
    """A medium to text, in the model's own words; `I see` and the like count as words."""
    rng = random.Random(f"{seed}/describing")
    for specimen in specimens:
        medium = specimen.medium
        yield Said(specimen, _reply(reply, Turn("user", (medium, Text(DESCRIBE[medium.kind]))), rng).text.strip())


def making(reply: Reply, specimens: Sequence[Specimen], seed: int) -> Iterator[Made]:
    """A phrase to a medium of the kind of the specimen's own."""
    rng = random.Random(f"{seed}/making")
    for specimen in specimens:
        kind = specimen.medium.kind
        answered = _reply(reply, Turn("user", (Text(MAKE[kind].format(specimen.phrase)),)), rng)
        yield Made(specimen, next((medium for medium in answered.media if medium.kind == kind), None))


def _reply(reply: Reply, turn: Turn, rng: random.Random) -> Turn:
    """The answer; an empty one to a message that the model cannot be given, such as a caption that is too long for it."""
    seed = rng.randrange(2**31)
    try:
        return answer(reply, (turn,), seed)
    except InputError:
        return Turn("assistant", ())


def elsewhere(count: int, seed: int) -> list[int]:
    """For each of `count` places another one, at random; no place is its own, so of one place there is no such list."""
    order = list(range(count))
    random.Random(f"{seed}/elsewhere").shuffle(order)
    other = dict(zip(order, [*order[1:], *order[:1]], strict=True))
    return [other[place] for place in range(count)]
