"""The vocoder of the audio decoder: a HiFi-GAN generator from log-mel frames to samples (arXiv 2010.05646), trained from nothing.

It learns from spectra at several resolutions (as in Parallel WaveGAN, arXiv 1910.11480) instead of against discriminators, which cost
more than the generator and which Tinyland's voices did not need.
"""

import random
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from nextgpt_chat.encode.mel import BINS, HOP, RATE, log_mel
from nextgpt_chat.training.loop import Losses, Plan, fit, processes
from nextgpt_chat.training.sounds import any_names, heard_scene, sound_batch

PLAN = Plan(steps=14_700, rate=2e-3, decay=0.0, ema=0.998, bf16=True, save_every=250)
BATCH = 24
FRAMES = 48
"""Frames of a training piece; 48 are 0.77 seconds."""
WINDOWS = (128, 512, 2048)
"""Samples of the windows in which spectra are compared."""
IMAGINED = 0.3
"""Share of sounds of imagined things, each time of others."""
QUIET = 1e-3
"""Magnitude below which differences count no more."""


def new_vocoder() -> SpeechT5HifiGan:
    """0.4 million parameters; every frame becomes 256 samples."""
    return SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=BINS,
            sampling_rate=RATE,
            upsample_initial_channel=128,
            upsample_rates=[8, 8, 4],
            upsample_kernel_sizes=[16, 16, 8],
            resblock_kernel_sizes=[3, 7],
            resblock_dilation_sizes=[[1, 3], [1, 3]],
        )
    )


class VocoderLoss(nn.Module):
    """Samples from frames, compared with the true ones as spectra."""

    def __init__(self, vocoder: SpeechT5HifiGan) -> None:
        super().__init__()
        self.vocoder = vocoder

    def forward(self, frames: Tensor, samples: Tensor) -> Losses:
        """Log-mel frames [B, T, 64] and their samples [B, 256 T]. In full precision: samples need more than eight bits."""
        with torch.autocast(frames.device.type, enabled=False):
            return self.compare(self.vocoder(frames), samples)

    def compare(self, made: Tensor, samples: Tensor) -> Losses:
        """Distances between made and true samples [B, N]."""
        spectra = torch.stack([spectral_distance(made, samples, window) for window in WINDOWS]).mean()
        mel = functional.l1_loss(log_mel(made), log_mel(samples))
        return {"loss": spectra + mel, "spectra": spectra.detach(), "mel": mel.detach()}


def spectral_distance(made: Tensor, samples: Tensor, window: int) -> Tensor:
    """Relative difference of magnitudes plus mean difference of their logarithms."""
    hann = torch.hann_window(window, device=made.device)
    one, other = (torch.stft(x, window, window // 4, window=hann, return_complex=True).abs() / window**0.5 for x in (made, samples))
    relative = (one - other).norm(dim=(1, 2)) / (other.norm(dim=(1, 2)) + QUIET)
    return relative.mean() + functional.l1_loss(one.clamp(min=QUIET).log(), other.clamp(min=QUIET).log())


def pieces(rng: random.Random) -> tuple[Tensor, Tensor]:
    """Frames [B, T, 64] and samples [B, 256 T] from random places of random sounds."""
    whole = sound_batch([heard_scene(any_names(rng, BATCH), IMAGINED, rng) for _ in range(BATCH)], rng)
    frames = log_mel(whole)
    starts = [rng.randrange(frames.shape[1] - FRAMES) for _ in range(BATCH)]
    cut = torch.stack([frames[i, start : start + FRAMES] for i, start in enumerate(starts)])
    return cut, torch.stack([whole[i, start * HOP : (start + FRAMES) * HOP] for i, start in enumerate(starts)])


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the vocoder and saves it as `parts/vocoder`."""
    vocoder = new_vocoder()
    rng = random.Random(seed)
    frames = torch.cat([pieces(rng)[0] for _ in range(20)]).flatten(0, 1)
    vocoder.mean.copy_(frames.mean(dim=0))
    vocoder.scale.copy_(frames.std(dim=0))
    model = VocoderLoss(vocoder)
    fit(model, PLAN.scaled(scale), pieces, lambda module, piece: module(*piece), folder, seed)
    if processes().is_main_process:
        model.vocoder.save_pretrained(parts / "vocoder")
