"""The picture autoencoder of the image decoder (Rombach et al., arXiv 2112.10752, section 3.1), trained from nothing."""

import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.training.loop import Losses, Plan, fit
from nextgpt_chat.training.pictures import picture_batch

PLAN = Plan(steps=2400, rate=1.5e-3, decay=0.0, ema=0.995)
BATCH = 16
KL_WEIGHT = 1e-6
EDGE_WEIGHT = 0.5
"""Weight of the difference between neighbouring pixels: eyes and outlines are worth more than their few pixels say."""


def new_vae() -> AutoencoderKL:
    """Three halvings, so a picture of 80 × 80 becomes 8 channels of 10 × 10."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=8,
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=80,
    )


class VaeLoss(nn.Module):
    """One pass through the autoencoder with its losses."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, pixels: Tensor) -> Losses:
        """Pictures [B, 3, S, S] in [-1, 1]."""
        posterior = self.vae.encode(pixels).latent_dist
        made = self.vae.decode(posterior.sample()).sample
        absolute = functional.l1_loss(made, pixels)
        edges = functional.l1_loss(made.diff(dim=-1), pixels.diff(dim=-1)) + functional.l1_loss(
            made.diff(dim=-2), pixels.diff(dim=-2)
        )
        kl = posterior.kl().mean()
        return {"loss": absolute + EDGE_WEIGHT * edges + KL_WEIGHT * kl, "l1": absolute.detach(), "kl": kl.detach()}


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the autoencoder, sets its scaling factor so that latents have unit variance, and saves it as `parts/vae`."""
    model = VaeLoss(new_vae())

    def batch(rng: random.Random) -> Tensor:
        return picture_batch([training_scene(rng) for _ in range(BATCH)], rng)

    fit(model, PLAN.scaled(scale), batch, lambda module, pixels: module(pixels), folder, seed)
    rng = random.Random(seed)
    with torch.no_grad():
        latents = model.vae.encode(picture_batch([training_scene(rng) for _ in range(128)], rng)).latent_dist.mean
    model.vae.register_to_config(scaling_factor=float(1 / latents.std()))
    model.vae.save_pretrained(parts / "vae")
