"""The autoencoder of the audio decoder: log-mel spectrograms as pictures of one channel (AudioLDM, arXiv 2301.12503), from nothing."""

import random
from pathlib import Path

from diffusers import AutoencoderKL
from torch import Tensor, nn

from nextgpt_chat.training.diffusion import mean_latents
from nextgpt_chat.training.loop import Losses, Plan, fit, processes
from nextgpt_chat.training.sounds import any_names, heard_scene, mel_batch

PLAN = Plan(steps=2000, rate=2e-3, decay=0.0, ema=0.99, bf16=True)
BATCH = 16
KL_WEIGHT = 1e-6
IMAGINED = 0.5
"""Share of sounds of imagined things."""
SOUNDS = 3000
"""Sounds that are rendered before training."""


def new_vae() -> AutoencoderKL:
    """128 frames of 64 bins become 16 × 8 latents of eight channels."""
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=8,
        block_out_channels=(16, 32, 48, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=False,
        sample_size=128,
    )


class MelVaeLoss(nn.Module):
    """One pass through the autoencoder with its losses."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, mels: Tensor) -> Losses:
        """Log-mel spectrograms [B, 1, T, M]."""
        posterior = self.vae.encode(mels).latent_dist
        made = self.vae.decode(posterior.sample()).sample.float()
        absolute = (made - mels).abs().mean()
        across, along = ((made.diff(dim=side) - mels.diff(dim=side)).abs().mean() for side in (-1, -2))
        kl = posterior.kl().mean()
        return {"loss": absolute + 0.5 * (across + along) + KL_WEIGHT * kl, "absolute": absolute.detach(), "kl": kl.detach()}


def rendered_mels(rng: random.Random, count: int) -> Tensor:
    """Log-mel spectrograms [N, 1, T, M] of random training sounds."""
    imagined = any_names(rng, count)
    scenes = [heard_scene(imagined, IMAGINED, rng) for _ in range(count)]
    return mel_batch(scenes, rng)[:, None]


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the autoencoder, sets its scaling factor so that latents have unit variance, and saves it as `parts/audio_vae`."""
    mels = rendered_mels(random.Random(seed), max(BATCH, round(SOUNDS * min(1.0, scale))))
    model = MelVaeLoss(new_vae())

    def batch(rng: random.Random) -> Tensor:
        return mels[[rng.randrange(len(mels)) for _ in range(BATCH)]]

    fit(model, PLAN.scaled(scale), batch, lambda module, rows: module(rows), folder, seed)
    if not processes().is_main_process:
        return
    latents = mean_latents(model.vae, mels[:128])
    model.vae.register_to_config(scaling_factor=float(1 / latents.std()))
    model.vae.save_pretrained(parts / "audio_vae")
