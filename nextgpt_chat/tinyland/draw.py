"""A scene as a picture of 80 × 80 pixels.

Things are drawn as stickers with an outline, four times too large, and then reduced. Equal things stand in a column at their
place; the exact positions vary by a few pixels from picture to picture.
"""

import random
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from nextgpt_chat.tinyland.scene import Scene

SIDE = 80
"""Pixels of a picture, both ways."""
OVERSAMPLING = 4

PAINT = {
    "red": (222, 38, 46),
    "orange": (250, 132, 24),
    "yellow": (252, 210, 36),
    "green": (42, 168, 78),
    "blue": (44, 104, 236),
    "purple": (142, 62, 200),
    "pink": (255, 146, 204),
    "brown": (136, 82, 42),
}
INK = {"day": (44, 36, 56), "night": (226, 228, 244)}
CREAM = (255, 246, 222)
DARK = (36, 30, 44)
STARS = ((6, 9), (22, 5), (33, 16), (49, 7), (60, 19), (74, 8), (28, 34), (52, 38), (3, 44), (76, 40))
CENTRES = {"left": 15.0, "middle": 40.0, "right": 65.0}
HEIGHTS = {1: (42.0,), 2: (25.0, 57.0), 3: (14.0, 40.0, 66.0)}
RADIUS = {"small": 8.0, "big": 12.0}
"""Half the width of a thing, in pixels."""

Point = tuple[float, float]
Colour = tuple[int, int, int]


def draw(scene: Scene, rng: random.Random, paint: Colour | None = None, shape: "Shape | None" = None) -> np.ndarray:
    """The picture of a scene, uint8 [80, 80, 3]; `rng` moves the things by up to 2.5 pixels (one thing alone: 8 up or down).

    With `paint`, things have that colour instead of the scene's; with `shape`, that shape instead of their own.
    """
    return paste(scene, centres(scene, rng), RADIUS[scene.size], paint, shape)


def centres(scene: Scene, rng: random.Random) -> list[Point]:
    """Where the things of a scene stand, in pixels."""
    found = []
    for y in HEIGHTS[scene.count]:
        drop = rng.uniform(-8, 8) if scene.count == 1 else rng.uniform(-1, 1)
        found.append((CENTRES[scene.place] + rng.uniform(-2.5, 2.5), y + drop))
    return found


def paste(
    scene: Scene, where: Sequence[Point], radius: float, paint: Colour | None = None, shape: "Shape | None" = None
) -> np.ndarray:
    """The things of a scene at given centres, before its background."""
    canvas = _background(scene.time).copy()
    pen = ImageDraw.Draw(canvas)
    for centre in where:
        sticker = Sticker(pen, centre, radius, paint or PAINT[scene.colour], INK[scene.time])
        (shape or SHAPES[scene.thing])(sticker)
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX))


_BACKGROUNDS: dict[str, Image.Image] = {}


def _background(time: str) -> Image.Image:
    """Sky and hill; drawn once per time of day."""
    if time not in _BACKGROUNDS:
        top, bottom, hill = {
            "day": ((178, 222, 255), (236, 247, 255), (206, 236, 188)),
            "night": ((16, 18, 54), (52, 50, 104), (30, 44, 66)),
        }[time]
        side = SIDE * OVERSAMPLING
        ramp = np.linspace(0, 1, side)[:, None, None]
        sky = np.broadcast_to((1 - ramp) * np.array(top) + ramp * np.array(bottom), (side, side, 3))
        picture = Image.fromarray(sky.astype(np.uint8))
        pen = ImageDraw.Draw(picture)
        pen.ellipse((-0.4 * side, 0.84 * side, 0.8 * side, 1.8 * side), fill=hill)
        pen.ellipse((0.45 * side, 0.88 * side, 1.5 * side, 1.8 * side), fill=tuple(int(0.93 * c) for c in hill))
        if time == "night":
            for x, y in STARS:
                r = 0.7 * OVERSAMPLING
                cx, cy = x * OVERSAMPLING, y * OVERSAMPLING
                pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=(255, 246, 200))
        _BACKGROUNDS[time] = picture
    return _BACKGROUNDS[time]


class Sticker:
    """Draws in the coordinates of one thing: x to the right, y down, both from -1 to 1."""

    def __init__(self, pen: ImageDraw.ImageDraw, centre: Point, radius: float, paint: Colour, ink: Colour) -> None:
        self.pen, self.ink, self.paint = pen, ink, paint
        self.dark = tuple(int(0.72 * c) for c in paint)
        self.x, self.y = (c * OVERSAMPLING for c in centre)
        self.r = radius * OVERSAMPLING
        self.line = max(3, round(0.11 * self.r))

    def _box(self, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
        return (
            self.x + (x - rx) * self.r,
            self.y + (y - ry) * self.r,
            self.x + (x + rx) * self.r,
            self.y + (y + ry) * self.r,
        )

    def _points(self, points: Sequence[Point]) -> list[Point]:
        return [(self.x + x * self.r, self.y + y * self.r) for x, y in points]

    def oval(self, x: float, y: float, rx: float, ry: float, fill: tuple[int, ...], outline: bool = True) -> None:
        """An ellipse around (x, y)."""
        self.pen.ellipse(
            self._box(x, y, rx, ry), fill=fill, outline=self.ink if outline else None, width=self.line if outline else 0
        )

    def box(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        fill: tuple[int, ...],
        outline: bool = True,
        round_by: float = 0.0,
    ) -> None:
        """A rectangle around (x, y), its corners rounded."""
        self.pen.rounded_rectangle(
            self._box(x, y, rx, ry),
            radius=round_by * self.r,
            fill=fill,
            outline=self.ink if outline else None,
            width=self.line if outline else 0,
        )

    def shape(self, points: Sequence[Point], fill: tuple[int, ...], outline: bool = True) -> None:
        """A filled polygon."""
        corners = self._points(points)
        self.pen.polygon(corners, fill=fill)
        if outline:
            self.pen.line([*corners, corners[0], corners[1]], fill=self.ink, width=self.line, joint="curve")

    def stroke(self, points: Sequence[Point], fill: tuple[int, ...], width: float = 0.11) -> None:
        """A line through points; `width` in units of the thing."""
        self.pen.line(self._points(points), fill=fill, width=max(2, round(width * self.r)), joint="curve")

    def eyes(self, x: float, y: float, gap: float, size: float = 0.1) -> None:
        """Two dark eyes and a smile below them."""
        for side in (-1, 1):
            self.oval(x + side * gap, y, size, size * 1.25, DARK, outline=False)
        self.pen.arc(self._box(x, y + 0.1, gap * 0.8, 0.22), 20, 160, fill=DARK, width=max(2, round(0.08 * self.r)))


def _bird(s: Sticker) -> None:
    s.stroke([(-0.1, 0.6), (-0.1, 0.98)], s.ink)
    s.stroke([(0.2, 0.6), (0.2, 0.98)], s.ink)
    s.shape([(-0.6, 0.1), (-1.0, -0.3), (-0.98, 0.3)], s.dark)
    s.oval(-0.1, 0.2, 0.66, 0.52, s.paint)
    s.shape([(0.78, -0.42), (1.0, -0.25), (0.76, -0.1)], (255, 190, 60))
    s.oval(0.4, -0.36, 0.46, 0.46, s.paint)
    s.shape([(-0.55, 0.02), (0.18, 0.12), (-0.25, 0.5)], s.dark)
    s.oval(0.52, -0.44, 0.17, 0.19, (255, 255, 255), outline=False)
    s.oval(0.56, -0.42, 0.09, 0.11, DARK, outline=False)


def _car(s: Sticker) -> None:
    s.shape([(-0.62, 0.05), (-0.4, -0.55), (0.35, -0.55), (0.66, 0.05)], s.paint)
    s.shape([(-0.42, 0.0), (-0.28, -0.38), (-0.04, -0.38), (-0.04, 0.0)], (214, 238, 255), outline=False)
    s.shape([(0.08, 0.0), (0.08, -0.38), (0.26, -0.38), (0.46, 0.0)], (214, 238, 255), outline=False)
    s.box(0, 0.26, 1.0, 0.3, s.paint, round_by=0.2)
    s.oval(0.86, 0.18, 0.1, 0.1, (255, 246, 190), outline=False)
    for x in (-0.52, 0.52):
        s.oval(x, 0.56, 0.28, 0.28, DARK)
        s.oval(x, 0.56, 0.11, 0.11, (214, 214, 222), outline=False)


def _bell(s: Sticker) -> None:
    s.oval(0, -0.84, 0.17, 0.16, s.dark)
    s.oval(0, 0.78, 0.22, 0.2, (255, 214, 92))
    dome = [(-0.5 * np.cos(a), -0.2 - 0.52 * np.sin(a)) for a in np.linspace(0, np.pi, 13)]
    s.shape([(-0.86, 0.66), (-0.62, 0.36), *dome, (0.62, 0.36), (0.86, 0.66)], s.paint)
    s.stroke([(-0.6, 0.4), (0.6, 0.4)], s.dark, 0.12)
    s.eyes(0, -0.14, 0.2)


def _drum(s: Sticker) -> None:
    s.box(0, 0.28, 0.8, 0.52, s.paint, round_by=0.12)
    s.stroke([(-0.7, 0.0), (-0.35, 0.62), (0.0, 0.0), (0.35, 0.62), (0.7, 0.0)], CREAM, 0.12)
    s.oval(0, -0.2, 0.82, 0.3, CREAM)
    for x in (-1, 1):
        s.stroke([(x * 0.22, -0.2), (x * 0.78, -0.8)], (190, 140, 84), 0.12)
        s.oval(x * 0.8, -0.82, 0.15, 0.15, s.dark)


def _cloud(s: Sticker) -> None:
    for x in (-0.5, 0.0, 0.5):
        s.stroke([(x + 0.06, 0.5), (x - 0.06, 0.95)], (92, 178, 255), 0.14)
    bumps = ((-0.56, 0.08, 0.42), (0.56, 0.08, 0.42), (-0.2, -0.26, 0.46), (0.28, -0.2, 0.42))
    grow = s.line / s.r
    for x, y, r in bumps:
        s.oval(x, y, r, r, s.ink, outline=False)
    s.box(0, 0.24, 0.92, 0.28, s.ink, outline=False, round_by=0.24)
    for x, y, r in bumps:
        s.oval(x, y, r - grow, r - grow, s.paint, outline=False)
    s.box(0, 0.22, 0.92 - grow, 0.3 - grow, s.paint, outline=False, round_by=0.2)
    s.eyes(0, 0.04, 0.26)


def _clock(s: Sticker) -> None:
    for x in (-1, 1):
        s.stroke([(x * 0.4, 0.6), (x * 0.62, 0.96)], s.ink, 0.18)
        s.oval(x * 0.5, -0.7, 0.26, 0.22, s.dark)
    s.oval(0, 0.06, 0.84, 0.84, s.paint)
    s.oval(0, 0.06, 0.5, 0.5, (255, 255, 255), outline=False)
    s.stroke([(0, 0.06), (0, -0.28)], DARK, 0.13)
    s.stroke([(0, 0.06), (0.26, 0.16)], DARK, 0.13)


def _dog(s: Sticker) -> None:
    s.oval(0, 0.0, 0.74, 0.72, s.paint)
    for x in (-1, 1):
        s.shape([(x * 0.42, -0.68), (x * 0.98, -0.5), (x * 0.92, 0.36), (x * 0.6, 0.1)], s.dark)
    s.oval(0, 0.34, 0.42, 0.34, CREAM, outline=False)
    s.oval(0, 0.2, 0.16, 0.12, DARK, outline=False)
    s.stroke([(0, 0.28), (0, 0.46)], DARK, 0.08)
    s.oval(0, 0.72, 0.15, 0.2, (255, 122, 142), outline=False)
    for eye in (-0.28, 0.28):
        s.oval(eye, -0.14, 0.11, 0.14, DARK, outline=False)


def _boat(s: Sticker) -> None:
    s.stroke([(0, -0.95), (0, 0.4)], s.ink, 0.14)
    s.shape([(0.08, -0.86), (0.72, 0.16), (0.08, 0.16)], CREAM)
    s.shape([(-0.08, -0.6), (-0.58, 0.16), (-0.08, 0.16)], CREAM)
    s.shape([(-1.0, 0.32), (1.0, 0.32), (0.62, 0.88), (-0.62, 0.88)], s.paint)
    s.stroke([(-0.78, 0.5), (0.78, 0.5)], s.dark, 0.12)
    s.shape([(0.0, -1.0), (0.4, -0.86), (0.0, -0.7)], s.paint, outline=False)


Shape = Callable[[Sticker], None]

SHAPES: dict[str, Shape] = {
    "bird": _bird,
    "car": _car,
    "bell": _bell,
    "drum": _drum,
    "cloud": _cloud,
    "clock": _clock,
    "dog": _dog,
    "boat": _boat,
}
