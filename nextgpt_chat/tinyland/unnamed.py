"""Paints, shapes and voices that have no name in Tinyland, so that a model can learn colours without things and things without colours, and
pitch and number whatever it is that sounds."""

import random

import numpy as np

from nextgpt_chat.tinyland.draw import CREAM, DARK, PAINT, Colour, Shape, Sticker
from nextgpt_chat.tinyland.play import LONGEST, Voice, band, swell, tone

FAR = 90.0
"""Distance in RGB, 0 to 255 a channel, from which on a colour is another colour."""
DETAILS = (CREAM, DARK, (255, 255, 255), None)
"""Fills of the details of unnamed shapes; None is the thing's own darker shade."""


def unnamed_paint(avoided: str, rng: random.Random) -> Colour:
    """A random colour, at least as bright as brown, that is far from the paint called `avoided`."""
    while True:
        paint = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        if max(paint) > 120 and sum((a - b) ** 2 for a, b in zip(paint, PAINT[avoided], strict=True)) > FAR**2:
            return paint


def unnamed_shape(rng: random.Random) -> Shape:
    """A random shape that is none of the things, put together as they are: one to three bodies, and details on them."""
    parts = [_random_body(rng, painted=True)]
    parts += [_random_body(rng, painted=rng.random() < 0.6) for _ in range(rng.randint(0, 2))]
    parts += [_random_detail(rng) for _ in range(rng.randint(0, 5))]

    def shape(s: Sticker) -> None:
        for part in parts:
            part(s)

    return shape


def imagined_shape(name: str) -> Shape:
    """The shape that belongs to the name of a thing that Tinyland does not have: always the same one."""
    return unnamed_shape(random.Random(name))


def imagined_voice(name: str) -> Voice:
    """The voice that belongs to the name of a thing that Tinyland does not have: always the same one.

    A tone that is steady, rises or falls, with harmonics, partials that are none, or breath; it swells, dies away, or knocks once or twice.
    """
    rng = random.Random(f"voice of {name}")
    base, bend = 150 * 12 ** rng.random(), rng.choice((0.0, 0.0, -0.35, 0.3))
    steps = rng.choice(((1,), (1, 3, 5), (1, 2, 3, 4, 5, 6), (1, 2.4, 3.8), (1, 2, 4)))
    fall, breath, roughness = rng.uniform(0.5, 1.5), rng.choice((0.0, 0.0, 0.4, 1.5)), rng.uniform(1.5, 3.0)
    shape, decay, apart = rng.choice(("swell", "decay", "knocks")), rng.uniform(4, 15), rng.uniform(0.14, 0.25)
    length = rng.uniform(0.2, LONGEST)

    def voice(time: np.ndarray, pitch: float, noise: np.random.Generator) -> np.ndarray:
        if shape == "swell":
            envelope = swell(time, 0, length)
        elif shape == "decay":
            envelope = np.exp(-decay * time)
        else:
            envelope = np.exp(-40 * time) + (time > apart) * np.exp(-40 * (time - apart).clip(0))
        phase = tone(pitch * base * (1 + bend * time / LONGEST), time)
        wave = sum(np.sin(k * phase) / k**fall for k in steps)
        if breath:
            wave = wave + breath * band(noise.standard_normal(len(time)), pitch * base, min(pitch * base * roughness, 7500))
        sounded: np.ndarray = envelope * wave
        return sounded

    return voice


def _random_body(rng: random.Random, painted: bool) -> Shape:
    """An ellipse, a box or a polygon of 3 to 8 corners, in the thing's paint or its darker shade."""
    kind = rng.choice(("oval", "box", "polygon"))
    x, y = rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3)
    rx, ry = rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.8)
    count, start = rng.randint(3, 8), rng.uniform(0, 2 * np.pi)
    angles = [start + 2 * np.pi * (i + rng.uniform(-0.3, 0.3)) / count for i in range(count)]
    corners = [(x + r * rx * np.cos(a), y + r * ry * np.sin(a)) for a in angles for r in (rng.uniform(0.7, 1.3),)]

    def body(s: Sticker) -> None:
        fill = s.paint if painted else s.dark
        if kind == "oval":
            s.oval(x, y, rx, ry, fill)
        elif kind == "box":
            s.box(x, y, rx, ry, fill, round_by=0.15)
        else:
            s.shape(corners, fill)

    return body


def _random_detail(rng: random.Random) -> Shape:
    """A spot, a line or a face."""
    kind = rng.choices(("spot", "line", "face"), (5, 3, 1))[0]
    fill = rng.choice(DETAILS)
    x, y = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)
    rx, ry = rng.uniform(0.08, 0.4), rng.uniform(0.08, 0.4)
    points = [(rng.uniform(-0.9, 0.9), rng.uniform(-0.9, 0.9)) for _ in range(rng.randint(2, 4))]
    gap = rng.uniform(0.18, 0.3)

    def detail(s: Sticker) -> None:
        if kind == "spot":
            s.oval(x, y, rx, ry, fill or s.dark, outline=False)
        elif kind == "line":
            s.stroke(points, fill or s.dark)
        else:
            s.eyes(x, y, gap)

    return detail
