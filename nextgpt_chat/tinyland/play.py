"""A scene as a sound: 2.048 seconds at 16 kHz.

Every thing has a voice of its own. Big things sound lower than small ones, and there are as many sounds as things. Pitch, loudness and
moment vary a little from sound to sound.
"""

import random
from collections.abc import Callable

import numpy as np
from scipy import signal

from nextgpt_chat.tinyland.scene import Scene

RATE = 16_000
"""Samples in a second."""
SAMPLES = 32_768
"""Samples of a sound."""
FIRST, APART = 0.12, 0.63
"""Seconds before the first of the sounds, and from the beginning of one to that of the next."""
LONGEST = 0.5
"""Seconds of one sound at most."""
PITCH = {"small": 1.35, "big": 0.75}
"""What the pitch of a voice is multiplied by."""
LOUDNESS = 0.5
"""Largest amplitude of a voice, of 1."""
HISS = 0.0008
"""Amplitude of the noise that is always there."""

Voice = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
"""Seconds since the beginning [N], pitch as a factor, noise -> amplitudes [N]."""


def play(scene: Scene, rng: random.Random, voice: "Voice | None" = None) -> np.ndarray:
    """The sound of a scene, float32 [32768] in (-1, 1); with `voice`, things have that one instead of their own."""
    noise = np.random.default_rng(rng.getrandbits(32))
    pitch = PITCH[scene.size] * rng.uniform(0.94, 1.06)
    loudness = LOUDNESS * rng.uniform(0.8, 1.1)
    samples = HISS * noise.standard_normal(SAMPLES)
    time = np.arange(round(LONGEST * RATE)) / RATE
    for i in range(scene.count):
        start = round((FIRST + i * APART + rng.uniform(-0.03, 0.03)) * RATE)
        wave = (voice or VOICES[scene.thing])(time, pitch * rng.uniform(0.99, 1.01), noise)
        samples[start : start + len(time)] += loudness * rng.uniform(0.9, 1.0) * _faded(wave / np.abs(wave).max())
    return samples.astype(np.float32)


def _faded(wave: np.ndarray) -> np.ndarray:
    """Without clicks where it begins and ends."""
    edge = np.ones(len(wave))
    ramp, tail = round(0.002 * RATE), round(0.04 * RATE)
    edge[:ramp] = np.linspace(0, 1, ramp)
    edge[-tail:] = np.linspace(1, 0, tail)
    return wave * edge


def tone(frequency: np.ndarray | float, time: np.ndarray) -> np.ndarray:
    """Phase in radians of a tone whose frequency, in Hz, may change with time."""
    return 2 * np.pi * np.cumsum(np.broadcast_to(frequency, time.shape)) / RATE


def swell(time: np.ndarray, start: float, length: float) -> np.ndarray:
    """A smooth hill from `start` seconds on, `length` seconds long."""
    inside = ((time - start) / length).clip(0, 1)
    return np.sin(np.pi * inside) ** 2


def band(noise: np.ndarray, low: float, high: float) -> np.ndarray:
    """Noise between two frequencies in Hz."""
    filtered: np.ndarray = signal.sosfilt(signal.butter(2, (low, high), "bandpass", fs=RATE, output="sos"), noise)
    return filtered


def _bird(time: np.ndarray, pitch: float, noise: np.random.Generator) -> np.ndarray:
    """Two rising whistles; what rises faster, a small vocoder smears."""
    wave = np.zeros(len(time))
    for start in (0.0, 0.19):
        rise = ((time - start) / 0.15).clip(0, 1)
        wave += swell(time, start, 0.15) * np.sin(tone(pitch * (1700 + 400 * rise), time))
    return wave


def _car(time: np.ndarray, pitch: float, noise: np.random.Generator) -> np.ndarray:
    """An engine that revs up and down: a hum of many harmonics."""
    phase = tone(pitch * (95 + 60 * swell(time, 0, LONGEST)), time)
    hill: np.ndarray = swell(time, -0.1, 0.7) * sum(np.sin(k * phase) / k**0.8 for k in range(1, 11))
    return hill


def _bell(time: np.ndarray, pitch: float, noise: np.random.Generator) -> np.ndarray:
    """Partials that are no harmonics and die away."""
    partials = ((1.0, 1.0, 5.0), (2.0, 0.6, 6.0), (2.76, 0.5, 9.0), (5.4, 0.25, 14.0))
    wave: np.ndarray = sum(a * np.exp(-d * time) * np.sin(tone(pitch * 620 * f, time)) for f, a, d in partials)
    return wave


def _drum(time: np.ndarray, pitch: float, noise: np.random.Generator) -> np.ndarray:
    """A skin whose tone falls, and the knock of the stick."""
    skin = np.exp(-9 * time) * np.sin(tone(pitch * (110 + 90 * np.exp(-30 * time)), time))
    knock = np.exp(-90 * time) * band(noise.standard_normal(len(time)), 300 * pitch, 1200 * pitch)
    beat: np.ndarray = skin + 0.5 * knock
    return beat


def _cloud(time: np.ndarray, pitch: float, noise: np.random.Generator) -> np.ndarray:
    """A shower: noise that comes and goes."""
    shower: np.ndarray = swell(time, 0, LONGEST) * band(noise.standard_normal(len(time)), 1600 * pitch, 4200 * pitch)
    return shower


def _clock(time: np.ndarray, pitch: float, noise: np.random.Generator) -> np.ndarray:
    """Tick, and a lower tock."""
    wave = np.zeros(len(time))
    for start, f in ((0.0, 2300.0), (0.24, 1700.0)):
        since = (time - start).clip(0)
        wave += (
            (time >= start)
            * np.exp(-70 * since)
            * (np.sin(2 * np.pi * pitch * f * since) + 0.4 * np.sin(2 * np.pi * pitch * 2.4 * f * since))
        )
    return wave


def _dog(time: np.ndarray, pitch: float, noise: np.random.Generator) -> np.ndarray:
    """A short falling bark: harmonics below a formant, with breath."""
    rise = (time / 0.03).clip(0, 1)
    phase = tone(pitch * (430 * rise - 500 * time).clip(120), time)
    voice = sum(np.sin(k * phase) * np.exp(-(((k - 2.5) / 2.5) ** 2)) for k in range(1, 9))
    breath = 0.25 * band(noise.standard_normal(len(time)), 700 * pitch, 2400 * pitch)
    bark: np.ndarray = swell(time, -0.03, 0.26) * (voice + breath)
    return bark


def _boat(time: np.ndarray, pitch: float, noise: np.random.Generator) -> np.ndarray:
    """A horn: a steady tone of odd harmonics, and its octave. Tones a third apart lie too close for a spectrogram of 64 bins."""
    phase = tone(pitch * 220, time)
    wave = sum(np.sin(k * phase) / k**1.3 for k in (1, 3, 5, 7)) + 0.6 * sum(np.sin(k * phase) / k for k in (2, 6))
    horn: np.ndarray = (time / 0.06).clip(0, 1) * ((LONGEST - time) / 0.12).clip(0, 1) * wave
    return horn


VOICES: dict[str, Voice] = {
    "bird": _bird,
    "car": _car,
    "bell": _bell,
    "drum": _drum,
    "cloud": _cloud,
    "clock": _clock,
    "dog": _dog,
    "boat": _boat,
}
