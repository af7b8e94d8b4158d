"""What the denoisers of all decoders share: the noise schedule and the loss.

They predict velocity (Salimans and Ho, arXiv 2202.00512) on a schedule that ends in pure noise (Lin et al., arXiv 2305.08891), because at
this size a schedule that leaks the mean of the picture costs day, night and colour.

They also learn to begin from another medium, the source. A pipeline covers a source with noise up to some time and then denoises (SDEdit,
arXiv 2108.01073). Untrained for it, a denoiser takes what is left of the source for what it has to make, and a car stays red that was to be
blue. But what a pipeline covers, a √ᾱ share of the source and noise, is just as well the target under other noise: the noise and the
difference from target to source, as large as it is at that time. Under this noise the target is learnt like any other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor, nn
from transformers import CLIPTextModel

from nextgpt_chat.generate.text_encoder import prompt_embeddings
from nextgpt_chat.training.loop import Losses

SNR_LIMIT = 5.0
"""Largest signal-to-noise ratio that weighs in the loss (min-SNR, arXiv 2303.09556)."""


def new_scheduler() -> DDIMScheduler:
    """1,000 steps of noise, the last of them without signal."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


@dataclass(frozen=True)
class Beginning:
    """How often, and how, a denoiser learns to begin from a source."""

    share: float = 0.3
    """Share of media that begin from a source; the others begin from nothing."""
    strengths: tuple[float, float] = (0.3, 0.7)
    """From which to which share of all noise a source is covered."""


def velocity_loss(
    predict: Callable[[Tensor, Tensor], Tensor], latents: Tensor, scheduler: DDIMScheduler, sources: Tensor, beginning: Beginning
) -> Losses:
    """Error of the velocity at one random time for each of the scaled latents [B, ...], weighted by min-SNR.

    `predict` maps noisy latents and times [B] to velocities. `sources` [B, ...] are what the latents may begin from.
    """
    noise, times = noise_from(sources, latents, scheduler, beginning)
    noisy = scheduler.add_noise(latents, noise, times)
    velocity = scheduler.get_velocity(latents, noise, times)
    signal = scheduler.alphas_cumprod.to(latents.device)[times]
    ratio = signal / (1 - signal)
    errors = (predict(noisy, times).float() - velocity).square().flatten(1).mean(dim=1)
    # In velocity terms min-SNR-gamma is min(snr, gamma) / (snr + 1); the 1 keeps the pure-noise end, where snr is 0, alive.
    weights = ratio.clamp(max=SNR_LIMIT).add(1) / (ratio + 1)
    return {"loss": (errors * weights).mean(), "velocity": errors.mean().detach()}


def noise_from(sources: Tensor, latents: Tensor, scheduler: DDIMScheduler, beginning: Beginning) -> tuple[Tensor, Tensor]:
    """Noise [B, ...] and times [B] under which latents are learnt, some of them on the way from their sources."""
    noise = torch.randn_like(latents)
    last = scheduler.config.num_train_timesteps
    begins = torch.rand(len(latents), device=latents.device) < beginning.share
    start = torch.empty(len(latents), device=latents.device).uniform_(*beginning.strengths).where(begins, 1.0) * last
    times = (torch.rand(len(latents), device=latents.device) * start).long()
    signal = scheduler.alphas_cumprod.to(latents.device)[start.long() - 1]
    left = (signal / (1 - signal)).sqrt() * begins
    return noise + left.view(-1, *[1] * (latents.dim() - 1)) * (sources - latents), times


@torch.no_grad()
def mean_latents(vae: AutoencoderKL, media: Tensor) -> Tensor:
    """Pictures, frames or spectrograms [B, C, H, W] as latents that are not scaled yet; computed where the autoencoder lies."""
    return vae.encode(media.to(vae.device)).latent_dist.mean.cpu()


class DiffusionLoss(nn.Module):
    """The loss of a UNet, of pictures or of clips, under frozen prompt embeddings."""

    def __init__(self, unet: nn.Module, text_encoder: CLIPTextModel, beginning: Beginning) -> None:
        super().__init__()
        self.unet, self.beginning = unet, beginning
        # In a dictionary, so that it is neither trained, averaged nor saved with the UNet.
        self.frozen = {"text_encoder": text_encoder}
        self.scheduler = new_scheduler()

    def forward(self, latents: Tensor, sources: Tensor, ids: Tensor) -> Losses:
        """Scaled latents [B, C, ..., H, W] with what they may begin from, of the same shape, and their prompts [B, L]."""
        prompts = prompt_embeddings(self.frozen["text_encoder"].to(latents.device), ids)

        def predict(noisy: Tensor, times: Tensor) -> Tensor:
            velocity: Tensor = self.unet(noisy, times, encoder_hidden_states=prompts).sample
            return velocity

        return velocity_loss(predict, latents, self.scheduler, sources, self.beginning)
