"""Attributes in samples, by classical means: events in the energy over time, log-frequency pictures of them, nearest known events.

The reader is calibrated on sounds whose scenes are known, and its own error is measured on others before it judges a model. It knows
nothing of how sounds are made, and it listens only where generated sound can be trusted: below 5 kHz, and above the noise.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from nextgpt_chat.tinyland.scene import Scene

RATE = 16_000
"""Samples a second."""
WINDOW, HOP = 1024, 128
"""Samples of one Fourier window, and from one to the next: 64 ms and 8 ms."""
LOWEST, HIGHEST = 60.0, 5000.0
"""Hertz; what lies above is lost first in generated sound."""
BANDS = 56
"""Equal steps of log-frequency, about 9 an octave."""
EVENT = 73
"""Frames within which everything belongs to one event: 0.58 s, a little less than from one to the next."""
CELLS = 12
"""Pieces of an event in time."""
QUIETEST = 0.15
"""Share of all frames from which the background noise is taken."""
ABOVE_NOISE = 4.0
"""How many times the noise's power a frame must have to be active."""
BELOW_LOUDEST = 0.004
"""How much of the loudest frame's power it must have (-24 dB)."""
SILENCE = 1e-3
"""Peak, of full scale 1, under which nothing is read."""
FAINT = 0.1
"""Share of the loudest event's energy under which an event is a click or an echo."""
RANGE = 30.0
"""Decibels under an event's loudest cell that are looked at."""
NEIGHBOURS = 5
STRANGE = 4.5
"""Distance beyond which an event is like none that is known; a rendered one lies within 1.3, one through a mel spectrogram within 3."""
DETUNED = 2
"""Bands by which an event may be out of tune either way, 2.8 semitones; small and big are at least 7.5 apart."""
MOST = 3
"""Things that a scene can have."""


class SoundReader:
    """Reads thing, size and count from a sound."""

    def __init__(self, sounds: Sequence[np.ndarray], scenes: Sequence[Scene]) -> None:
        """Calibrates on sounds float32 [samples], from -1 to 1 at 16 kHz, of known scenes."""
        known = [(event, scene) for samples, scene in zip(sounds, scenes, strict=True) for event in _events(samples)]
        self._events = np.stack([event for event, _ in known])
        self._squares = np.square(self._events).sum(axis=1)
        self._scenes = [scene for _, scene in known]

    def read(self, samples: np.ndarray) -> dict[str, str]:
        """The attributes of a sound float32 [samples]; what cannot be read is left out."""
        events = _events(samples)
        found = {"count": str(len(events))} if 1 <= len(events) <= MOST else {}
        nearest = [scene for event in events for scene in self._nearest(event)]
        things = Counter(scene.thing for scene in nearest)
        for thing, votes in things.most_common(1):
            if 2 * votes > NEIGHBOURS * len(events):
                sizes = Counter(scene.size for scene in nearest if scene.thing == thing)
                found |= {"thing": thing, "size": sizes.most_common(1)[0][0]}
        return found

    def _nearest(self, event: np.ndarray) -> list[Scene]:
        """The scenes of the known events most like this one, out of tune or not; none for an event unlike all of them."""
        tuned = np.stack([_shifted(event, bands) for bands in range(-DETUNED, DETUNED + 1)])
        distances = np.square(tuned).sum(axis=1) + (self._squares[:, None] - 2 * (self._events @ tuned.T))
        closest = distances.min(axis=1)
        nearest = np.argsort(closest)[:NEIGHBOURS]
        return [self._scenes[n] for n in nearest if closest[n] < STRANGE**2]


def _events(samples: np.ndarray) -> list[np.ndarray]:
    """The events of a sound one by one, each as one vector."""
    if np.abs(samples - samples.mean()).max(initial=0.0) < SILENCE:
        return []
    power = _power(samples)
    loudness = power.sum(axis=1)
    quiet = np.argsort(loudness)[: int(QUIETEST * len(loudness))]
    noise = power[quiet].mean(axis=0)
    active = (loudness > ABOVE_NOISE * noise.sum()) & (loudness > BELOW_LOUDEST * loudness.max())
    above = np.concatenate([np.maximum(power - 2 * noise, 0), np.zeros((EVENT, BANDS))])
    pieces = [above[start : start + EVENT] for start in _starts(active)]
    loudest = max((piece.sum() for piece in pieces), default=0.0)
    return [_picture(piece) for piece in pieces if piece.sum() > FAINT * loudest]


def _starts(active: np.ndarray) -> list[int]:
    """The first frames of the events: an event starts with the first active frame after the last one is over."""
    starts: list[int] = []
    for frame in np.flatnonzero(active):
        if not starts or frame >= starts[-1] + EVENT:
            starts.append(int(frame))
    return starts


def _picture(piece: np.ndarray) -> np.ndarray:
    """Log-power of an event [EVENT, BANDS] as one vector from 0 to 1, the loudest cell being 1: how loud it was is not in it."""
    cells = np.stack([part.mean(axis=0) for part in np.array_split(piece, CELLS)])
    decibels = 10 * np.log10(cells / cells.max() + 10 ** (-RANGE / 10))
    vector: np.ndarray = (1 + decibels.ravel() / RANGE).astype(np.float32)
    return vector


def _shifted(event: np.ndarray, bands: int) -> np.ndarray:
    """The event, higher by so many bands; what moves in at the edge repeats the edge."""
    cells = event.reshape(CELLS, BANDS)
    shifted: np.ndarray = cells[:, np.clip(np.arange(BANDS) - bands, 0, BANDS - 1)].ravel()
    return shifted


def _power(samples: np.ndarray) -> np.ndarray:
    """Power over time and log-frequency [frames, BANDS]."""
    padded = np.pad((samples - samples.mean()).astype(np.float32), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectrum = np.fft.rfft(frames * np.hanning(WINDOW))
    power: np.ndarray = np.square(np.abs(spectrum)) @ FILTERS
    return power


def _filters() -> np.ndarray:
    """Triangles over the Fourier bins [bins, BANDS], evenly spaced in log-frequency and no narrower than a bin."""
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)
    centres = np.geomspace(LOWEST, HIGHEST, BANDS)
    widths = np.maximum(centres * (centres[1] / centres[0] - 1), RATE / WINDOW)
    triangles = np.maximum(1 - np.abs(bins[:, None] - centres) / widths, 0)
    filters: np.ndarray = triangles / triangles.sum(axis=0)
    return filters


FILTERS = _filters()
