"""Media by arithmetic, the same wherever they are computed: what the stored references were made from."""

import numpy as np

PICTURES = ((200, 226), (311, 200))
"""Heights and widths that leave fractions of pixels, both when they are scaled to 28 and when the centre is cut out."""
CLIPS = ((60, 10.0), (90, 25.0), (7, 4.0), (250, 29.97), (31, 15.0), (1, 5.0), (301, 30.0))
"""Frames and frames per second of clips of which the reference says which frames are seen."""


def picture(height: int, width: int, shift: float = 0.0) -> np.ndarray:
    """Waves of three colours, uint8 [height, width, 3], with edges that a wrong scaling would smear differently."""
    y, x = np.mgrid[:height, :width]
    colours = [np.sin(x / 3 + y / (5 + colour) + colour + shift) + 0.5 * ((x // 7 + y // 5) % 2) for colour in range(3)]
    return np.clip(np.stack(colours, axis=-1) * 80 + 100, 0, 255).astype(np.uint8)


def sound(length: int) -> np.ndarray:
    """A chirp that grows on a slope, with a silent gap, float32 [length] at 16 kHz."""
    time = np.arange(length) / 16_000
    samples = 0.4 * np.sin(2 * np.pi * (200 + 1500 * time) * time) * np.minimum(1, time) + 0.05 * np.sin(9000 * time) + 0.02 * time
    samples[length // 3 : length // 3 + 900] = 0
    return samples.astype(np.float32)
