"""What the denoisers of all decoders share: the noise schedule and the loss.

They predict velocity (Salimans and Ho, arXiv 2202.00512) on a schedule that ends in pure noise (Lin et al., arXiv 2305.08891), because at
this size a schedule that leaks the mean of the picture costs day, night and colour.
"""

from collections.abc import Callable

import torch
from diffusers import DDIMScheduler
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


def velocity_loss(predict: Callable[[Tensor, Tensor], Tensor], latents: Tensor, scheduler: DDIMScheduler) -> Losses:
    """Error of the velocity at one random time for each of the scaled latents [B, ...], weighted by min-SNR.

    `predict` maps noisy latents and times [B] to velocities.
    """
    noise = torch.randn_like(latents)
    times = torch.randint(0, scheduler.config.num_train_timesteps, (len(latents),), device=latents.device)
    noisy = scheduler.add_noise(latents, noise, times)
    velocity = scheduler.get_velocity(latents, noise, times)
    signal = scheduler.alphas_cumprod.to(latents.device)[times]
    ratio = signal / (1 - signal)
    errors = (predict(noisy, times).float() - velocity).square().flatten(1).mean(dim=1)
    # In velocity terms min-SNR-gamma is min(snr, gamma) / (snr + 1); the 1 keeps the pure-noise end, where snr is 0, alive.
    weights = ratio.clamp(max=SNR_LIMIT).add(1) / (ratio + 1)
    return {"loss": (errors * weights).mean(), "velocity": errors.mean().detach()}


class DiffusionLoss(nn.Module):
    """The loss of a UNet, of pictures or of clips, under frozen prompt embeddings."""

    def __init__(self, unet: nn.Module, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet = unet
        # In a dictionary, so that it is neither trained, averaged nor saved with the UNet.
        self.frozen = {"text_encoder": text_encoder}
        self.scheduler = new_scheduler()

    def forward(self, latents: Tensor, ids: Tensor) -> Losses:
        """Scaled latents [B, C, ..., H, W] with their prompts [B, L]."""
        prompts = prompt_embeddings(self.frozen["text_encoder"].to(latents.device), ids)
        return velocity_loss(lambda noisy, times: self.unet(noisy, times, prompts).sample, latents, self.scheduler)
