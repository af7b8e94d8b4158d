"""What there is in Tinyland: a scene of seven attributes.

A picture shows six of them, a clip all seven, and a sound three. A scene knows no pixels, no samples, and no words beyond the names of its
values.
"""

import random
from dataclasses import dataclass

THINGS = ("bird", "car", "bell", "drum", "cloud", "clock", "dog", "boat")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
SIZES = ("small", "big")
PLACES = ("left", "middle", "right")
COUNTS = (1, 2, 3)
TIMES = ("day", "night")
MOTIONS = ("left", "right", "up", "down", "grow", "shrink", "stay")

VALUES: dict[str, tuple[str | int, ...]] = {
    "thing": THINGS,
    "colour": COLOURS,
    "size": SIZES,
    "place": PLACES,
    "count": COUNTS,
    "time": TIMES,
    "motion": MOTIONS,
}
"""Every attribute with its values; 8 × 8 × 2 × 3 × 3 × 2 = 2,304 pictures, seven times as many clips, and 8 × 2 × 3 = 48 sounds."""

SEEN = ("thing", "colour", "size", "place", "count", "time")
MOVING = (*SEEN, "motion")
HEARD = ("thing", "size", "count")
ATTRIBUTES = {"image": SEEN, "video": MOVING, "audio": HEARD}
"""What a medium of each kind says of its scene."""


@dataclass(frozen=True)
class Scene:
    """One to three equal things at one place, by day or by night; `place` is where they are at first, `motion` what they do then."""

    thing: str
    colour: str
    size: str = "big"
    place: str = "middle"
    count: int = 1
    time: str = "day"
    motion: str = "stay"

    def attributes(self, names: tuple[str, ...] = SEEN) -> dict[str, str | int]:
        """Attributes by name."""
        return {name: getattr(self, name) for name in names}


def random_scene(rng: random.Random) -> Scene:
    """A scene at rest, with every other attribute drawn uniformly."""
    return Scene(
        thing=rng.choice(THINGS),
        colour=rng.choice(COLOURS),
        size=rng.choice(SIZES),
        place=rng.choice(PLACES),
        count=rng.choice(COUNTS),
        time=rng.choice(TIMES),
    )
