import random
from collections.abc import Callable

import numpy as np
import pytest
from scipy import signal

from nextgpt_chat.evaluation.calibration import calibrated_sound_reader, share_right
from nextgpt_chat.evaluation.readers.sound import RATE, SoundReader
from nextgpt_chat.tinyland.play import play
from nextgpt_chat.tinyland.scene import Scene, random_scene

NOISE = np.random.default_rng(0)


@pytest.fixture(scope="module")
def calibrated() -> tuple[SoundReader, dict[str, float]]:
    return calibrated_sound_reader(400, seed=5)


@pytest.fixture(scope="module")
def truth() -> tuple[list[Scene], list[np.ndarray]]:
    rng = random.Random(6)
    scenes = [random_scene(rng) for _ in range(100)]
    return scenes, [play(scene, rng) for scene in scenes]


def noisy(samples: np.ndarray, decibels: float = 20.0) -> np.ndarray:
    return samples + NOISE.normal(0, samples.std() * 10 ** (-decibels / 20), samples.shape)


def muffled(samples: np.ndarray) -> np.ndarray:
    return signal.sosfilt(signal.butter(6, 5000, fs=RATE, output="sos"), samples)


def smeared(samples: np.ndarray) -> np.ndarray:
    """With 0.1 s of echo, as loud as a third of the sound."""
    echo = NOISE.normal(size=1600) * np.exp(-np.arange(1600) / 400)
    return samples + 0.3 * signal.fftconvolve(samples, echo / np.linalg.norm(echo))[: len(samples)]


def uneven(samples: np.ndarray) -> np.ndarray:
    """With a level that wanders by 4 dB either way, and small clicks."""
    levels = np.interp(np.arange(len(samples)), np.linspace(0, len(samples), 5), NOISE.uniform(-4, 4, 5))
    changed = samples * 10 ** (levels / 20)
    changed[NOISE.integers(0, len(samples), 4)] += 0.1
    return changed


WORSE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "noisy": noisy,
    "muffled": muffled,
    "smeared": smeared,
    "uneven": uneven,
    "quiet": lambda samples: samples * 0.3,
    "cut": lambda samples: np.clip(samples * 2, -1, 1),
    "all": lambda samples: noisy(muffled(smeared(uneven(samples)))) * 0.5,
}


def test_it_reads_rendered_truth(calibrated: tuple[SoundReader, dict[str, float]]) -> None:
    assert min(calibrated[1].values()) >= 0.99


@pytest.mark.parametrize("way", WORSE)
def test_it_reads_what_is_worse_than_truth(
    way: str, calibrated: tuple[SoundReader, dict[str, float]], truth: tuple[list[Scene], list[np.ndarray]]
) -> None:
    scenes, sounds = truth
    right = share_right("audio", [calibrated[0].read(WORSE[way](samples)) for samples in sounds], scenes)
    assert min(right.values()) >= 0.97, right


def test_it_reads_nothing_from_silence_and_steady_noise(calibrated: tuple[SoundReader, dict[str, float]]) -> None:
    reader, _ = calibrated
    assert reader.read(np.zeros(32_768, np.float32)) == {}
    assert reader.read(NOISE.normal(0, 0.1, 32_768)) == {}


def test_it_does_not_name_what_it_never_heard(calibrated: tuple[SoundReader, dict[str, float]]) -> None:
    reader, _ = calibrated
    burst = np.zeros(32_768)
    burst[2000:9000] = NOISE.normal(0, 0.2, 7000)
    assert reader.read(burst) == {"count": "1"}
