"""Samples to log-mel energies by Kaldi's definition, with the options of ImageBind: what its audio tower hears.

Not the mel spectrogram of `mel`, on which this project's own audio tower and audio decoder work.
"""

import math
from functools import cache

import torch
from torch import Tensor

RATE = 16_000
"""Samples in a second."""
WINDOW = 400
"""Samples of a frame: 25 ms."""
HOP = 160
"""Samples from one frame to the next: 10 ms."""
POINTS = 512
"""Of the Fourier transform: the power of two above a frame."""
LOWEST = 20.0
"""Hertz at which the first bin begins; the last one ends at half the rate."""
PREEMPHASIS = 0.97
FLOOR = torch.finfo(torch.float32).eps
"""Smallest energy that is told from silence."""


def fbank(samples: Tensor, bins: int) -> Tensor:
    """Samples [N] at 16 kHz -> natural logarithms of mel energies [1 + (N - 400) // 160, bins]; a frame that is not full is left out."""
    if len(samples) < WINDOW:
        return torch.zeros(0, bins)
    frames = samples.float().unfold(0, WINDOW, HOP)
    frames = frames - frames.mean(dim=1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    window = torch.hann_window(WINDOW, periodic=False)
    power = torch.fft.rfft((frames - PREEMPHASIS * before) * window, POINTS).abs().square()
    return (power @ _filters(bins)).clamp(min=FLOOR).log()


@cache
def _filters(bins: int) -> Tensor:
    """[POINTS / 2 + 1, bins]: triangles on the mel scale. The lowest of many are so narrow that some hold no frequency, and are never heard."""
    edges = torch.linspace(_mel(LOWEST), _mel(RATE / 2), bins + 2, dtype=torch.float64)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    mels = torch.tensor([_mel(RATE / POINTS * point) for point in range(POINTS // 2 + 1)], dtype=torch.float64)[:, None]
    return torch.minimum((mels - low) / (middle - low), (high - mels) / (high - middle)).clamp(min=0).float()


def _mel(hertz: float) -> float:
    return 1127 * math.log1p(hertz / 700)
