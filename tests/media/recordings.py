"""Small real sounds and clips for the tests of this room, made by the ffmpeg that comes with the package."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from scipy.io import wavfile

TONE = 440.0


def tone(seconds: float = 1.0, rate: int = 16_000, loud: float = 0.5) -> np.ndarray:
    """A sine of 440 Hz, float32 [N]."""
    return (loud * np.sin(2 * np.pi * TONE * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    """Samples [N] or [N, channels] as a file of 16 bits."""
    wavfile.write(path, rate, (samples * 32_767).astype(np.int16))
    return path


def make(path: Path, *arguments: str) -> Path:
    """What ffmpeg makes of the arguments."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", "-v", "error", "-threads", "1", *arguments, f"file:{path}"]
    subprocess.run(command, check=True, timeout=60)
    return path


def clip(path: Path, *options: str, size: str = "64x48", rate: int = 10, seconds: float = 1.0, sound: bool = True) -> Path:
    """A moving test picture, with a sine of 440 Hz."""
    heard = ["-f", "lavfi", "-i", f"sine=f=440:r=44100:d={seconds}"] if sound else []
    seen = ["-f", "lavfi", "-i", f"testsrc=s={size}:r={rate}:d={seconds}"]
    return make(path, *seen, *heard, "-pix_fmt", "yuv420p", *options)


def highest(samples: np.ndarray, rate: int = 16_000) -> float:
    """The frequency in Hz that is loudest in samples [N]."""
    return float(np.fft.rfftfreq(len(samples), 1 / rate)[np.abs(np.fft.rfft(samples)).argmax()])
