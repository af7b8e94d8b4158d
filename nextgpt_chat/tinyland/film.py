"""A scene as a clip: eight frames of 80 × 80 pixels, four in a second, the first of which is its picture.

Things move straight and evenly; a group that grows or shrinks does so as a whole, as if it came nearer or went away.
"""

import random

import numpy as np

from nextgpt_chat.tinyland.draw import RADIUS, Colour, Point, Shape, centres, paste
from nextgpt_chat.tinyland.scene import Scene

FRAMES = 8
FRAME_RATE = 4
"""Frames in a second: a clip is as long as a sound."""
STEP = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}
WAY = 24.0
"""Pixels from the first place to the last one; it is a tenth more or less."""
ZOOM = {"grow": 1.55, "shrink": 0.55}
"""Size at the end, as a share of that at the beginning."""


def film(
    scene: Scene, rng: random.Random, paint: Colour | None = None, shape: Shape | None = None, frames: int = FRAMES
) -> np.ndarray:
    """The clip of a scene, uint8 [frames, 80, 80, 3], from its first moment to its last; `paint` and `shape` as in `draw`."""
    start, radius = centres(scene, rng), RADIUS[scene.size]
    speed = rng.uniform(0.9, 1.1)
    pictures = []
    for done in np.linspace(0, 1, frames):
        zoom = 1 + (ZOOM.get(scene.motion, 1.0) - 1) * done
        where = _moved(start, scene.motion, WAY * speed * done, zoom)
        pictures.append(paste(scene, where, radius * zoom, paint, shape))
    return np.stack(pictures)


def _moved(start: list[Point], motion: str, way: float, zoom: float) -> list[Point]:
    """Centres after `way` pixels, spread around their middle by `zoom`."""
    across, down = STEP.get(motion, (0.0, 0.0))
    middle = np.mean(start, axis=0)
    return [
        (float(middle[0] + (x - middle[0]) * zoom + across * way), float(middle[1] + (y - middle[1]) * zoom + down * way))
        for x, y in start
    ]
