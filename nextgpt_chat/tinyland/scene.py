"""What a Tinyland picture shows: a scene of six attributes.

A scene knows no pixels and no words beyond the names of its values.
"""

import random
from dataclasses import asdict, dataclass

THINGS = ("bird", "car", "bell", "drum", "cloud", "clock", "dog", "boat")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
SIZES = ("small", "big")
PLACES = ("left", "middle", "right")
COUNTS = (1, 2, 3)
TIMES = ("day", "night")

VALUES: dict[str, tuple[str | int, ...]] = {
    "thing": THINGS,
    "colour": COLOURS,
    "size": SIZES,
    "place": PLACES,
    "count": COUNTS,
    "time": TIMES,
}
"""Every attribute with its values; 8 × 8 × 2 × 3 × 3 × 2 = 2,304 scenes."""


@dataclass(frozen=True)
class Scene:
    """One to three equal things at one place, by day or by night."""

    thing: str
    colour: str
    size: str = "big"
    place: str = "middle"
    count: int = 1
    time: str = "day"

    def attributes(self) -> dict[str, str | int]:
        """The six attributes by name."""
        return asdict(self)


def random_scene(rng: random.Random) -> Scene:
    """A scene with every attribute drawn uniformly."""
    return Scene(
        thing=rng.choice(THINGS),
        colour=rng.choice(COLOURS),
        size=rng.choice(SIZES),
        place=rng.choice(PLACES),
        count=rng.choice(COUNTS),
        time=rng.choice(TIMES),
    )
