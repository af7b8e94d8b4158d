"""The picture autoencoder of the image decoder (Rombach et al., arXiv 2112.10752, section 3.1), trained from nothing.

It learns in two parts: first outlines and colours, from things of any colour and blobs of any shape; then details, mostly from Tinyland's
own things, with more weight on what is sharp. After the first part alone, small clouds had neither eyes nor rain.
"""

import random
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.tinyland.scene import PLACES
from nextgpt_chat.training.diffusion import mean_latents
from nextgpt_chat.training.loop import Losses, Plan, fit, processes
from nextgpt_chat.training.pictures import picture_batch, random_unnamed

PLAN = Plan(steps=3600, rate=2e-3, decay=0.0, ema=0.99, bf16=True)
DETAILS = Plan(steps=1500, rate=1.5e-3, decay=0.0, ema=0.99, bf16=True)
BATCH = 16
KL_WEIGHT = 1e-7
CROWDED = 0.5
"""Share of pictures that are filled with things: three scenes side by side. In plain scenes sky is nearly all there is to learn."""
UNNAMED = (0.35, 0.35)
"""Share of pictures whose things have a random colour, and of those that show blobs. Eight things that each lack one colour teach an
autoencoder that there is no green drum: it made small ones yellow."""
UNNAMED_DETAILS = (0.35, 0.05)
"""The same shares in the second part: blobs have few faces, and none of them rains."""
THING_WEIGHT = 4.0
"""Additional weight of pixels that differ from the commonest colour of their row, which is to say of things."""
CHROMA_WEIGHT = 3.0
"""Weight of the colour differences (red and blue against green) next to the plain ones."""
EDGE_WEIGHT = 0.5
"""Weight of the difference between neighbouring pixels: eyes and outlines are worth more than their few pixels say."""
SHARP_WEIGHT = 1.0
"""Its weight in the second part, where that of things counts more, as in the other losses."""


def new_vae() -> AutoencoderKL:
    """Two halvings, so a picture of 80 × 80 becomes 4 channels of 20 × 20."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=1,  # one group keeps the channels' proportions, and with them colours; eight lost them
        mid_block_add_attention=False,
        sample_size=80,
    )


class VaeLoss(nn.Module):
    """One pass through the autoencoder with its losses; `sharp` is the second part."""

    def __init__(self, vae: AutoencoderKL, sharp: bool = False) -> None:
        super().__init__()
        self.vae, self.sharp = vae, sharp

    def forward(self, pixels: Tensor) -> Losses:
        """Pictures [B, 3, S, S] in [-1, 1]."""
        posterior = self.vae.encode(pixels).latent_dist
        made = self.vae.decode(posterior.sample()).sample.float()
        weight = thing_weight(pixels)
        absolute = ((made - pixels).abs() * weight).mean()
        chroma = ((chromatic(made) - chromatic(pixels)).abs() * weight).mean()
        across, down = ((made.diff(dim=side) - pixels.diff(dim=side)).abs() for side in (-1, -2))
        if self.sharp:
            edges = SHARP_WEIGHT * ((across * weight[..., 1:]).mean() + (down * weight[..., 1:, :]).mean())
        else:
            edges = EDGE_WEIGHT * (across.mean() + down.mean())
        kl = posterior.kl().mean()
        loss = absolute + CHROMA_WEIGHT * chroma + edges + KL_WEIGHT * kl
        return {"loss": loss, "absolute": absolute.detach(), "chroma": chroma.detach(), "kl": kl.detach()}


def thing_weight(pixels: Tensor) -> Tensor:
    """1 for sky and hills, more for things, [B, 1, S, S]."""
    ground = pixels.median(dim=-1, keepdim=True).values
    return 1 + THING_WEIGHT * ((pixels - ground).abs().amax(dim=1, keepdim=True) > 0.25)


def chromatic(pixels: Tensor) -> Tensor:
    """Red against green and blue against green, [B, 2, S, S]."""
    return torch.stack([pixels[:, 0] - pixels[:, 1], pixels[:, 2] - pixels[:, 1]], dim=1)


def crowded_batch(rng: random.Random, count: int, unnamed: tuple[float, float]) -> Tensor:
    """Pictures of which `CROWDED` have different things on the left, in the middle and on the right."""
    scenes = [training_scene(rng) for _ in range(count)]
    pixels = picture_batch(scenes, rng, random_unnamed(rng, count, *unnamed))
    third = pixels.shape[-1] // 3
    for row, scene in enumerate(scenes):
        if rng.random() < CROWDED:
            for i, place in enumerate(PLACES):
                other = replace(training_scene(rng), place=place, time=scene.time, count=rng.choice((2, 3)))
                columns = slice(i * third, (i + 1) * third if i < 2 else None)
                pixels[row, ..., columns] = picture_batch([other], rng, random_unnamed(rng, 1, *unnamed))[0, ..., columns]
    return pixels


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the autoencoder, sets its scaling factor so that latents have unit variance, and saves it as `parts/vae`."""
    model = VaeLoss(new_vae())
    fit(model, PLAN.scaled(scale), lambda rng: crowded_batch(rng, BATCH, UNNAMED), lambda module, rows: module(rows), folder, seed)
    model = VaeLoss(model.vae, sharp=True)
    fit(
        model,
        DETAILS.scaled(scale),
        lambda rng: crowded_batch(rng, BATCH, UNNAMED_DETAILS),
        lambda module, rows: module(rows),
        folder / "details",
        seed,
    )
    if not processes().is_main_process:
        return
    rng = random.Random(seed)
    latents = mean_latents(model.vae, picture_batch([training_scene(rng) for _ in range(128)], rng))
    model.vae.register_to_config(scaling_factor=float(1 / latents.std()))
    model.vae.save_pretrained(parts / "vae")
