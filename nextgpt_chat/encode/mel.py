"""Samples to log-mel spectrograms: what the audio tower hears, and what the audio decoder's autoencoder and vocoder work on."""

from functools import cache

import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

RATE = 16_000
"""Samples in a second."""
HOP = 256
"""Samples between two frames."""
BINS = 64
WINDOW = 1024
FLOOR = 1e-4
"""Smallest magnitude that is told from silence."""


def log_mel(samples: Tensor) -> Tensor:
    """Samples [B, N] at 16 kHz -> natural logarithm of mel magnitudes [B, N // 256, 64]."""
    padded = torch.nn.functional.pad(samples.float(), (WINDOW // 2, WINDOW // 2))
    bins = torch.stft(padded, WINDOW, HOP, window=_window(samples.device), center=False, return_complex=True)
    magnitudes = bins[..., : samples.shape[-1] // HOP].abs().transpose(1, 2)
    return (magnitudes @ _filters(samples.device)).clamp(min=FLOOR).log()


@cache
def _window(device: torch.device) -> Tensor:
    return torch.hann_window(WINDOW, device=device)


@cache
def _filters(device: torch.device) -> Tensor:
    """[WINDOW / 2 + 1, BINS]."""
    bank = mel_filter_bank(WINDOW // 2 + 1, BINS, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney")
    return torch.from_numpy(bank).float().to(device)
