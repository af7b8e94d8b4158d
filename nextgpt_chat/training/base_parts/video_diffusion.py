"""The denoiser of the video decoder: Zeroscope's UNet over the latents of frames, trained from nothing.

A clip is made in two steps (Emu Video, arXiv 2311.10709): the image decoder draws its first frame, and this denoiser lets it move. So it
begins from frames that are all alike and learns motion alone; from noise, as large as it is, it had not learnt in an hour what things
look like. Autoencoder and text encoder are those of the image decoder.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL, TextToVideoSDPipeline, UNet3DConditionModel
from torch import Tensor
from transformers import AutoTokenizer

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.generate.video_decoder import pool_prompt
from nextgpt_chat.tinyland.film import FRAMES
from nextgpt_chat.training.base_parts.image_diffusion import (
    IMAGINED,
    PROMPT_LENGTH,
    Shown,
    clip_prompt,
    new_text_encoder,
    shown_scene,
)
from nextgpt_chat.training.captioned import text_batch, whole_words
from nextgpt_chat.training.diffusion import Beginning, DiffusionLoss, mean_latents, new_scheduler
from nextgpt_chat.training.loop import Plan, fit, processes
from nextgpt_chat.training.pictures import clip_batch

PLAN = Plan(steps=4300, rate=1e-3, decay=0.01, ema=0.998, bf16=True, compiled="unet", recorded=True, save_every=250)
BATCH = 16
BEGINNING = Beginning(share=1.0, strengths=(0.2, 0.4))
"""Little noise leaves what things look like to the first frame, so that most of the error is in how they move."""
CLIPS = 6000
"""Clips that are encoded before training."""


def new_unet() -> UNet3DConditionModel:
    """Convolutions at 20 × 20, convolutions and attention to the prompt at 10 × 10 and 5 × 5, and both over time everywhere.

    The sum of the prompt also joins the time embedding, see `pool_prompt`.
    """
    unet = UNet3DConditionModel(
        sample_size=20,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D"),
        up_block_types=("CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "UpBlock3D"),
        cross_attention_dim=128,
        attention_head_dim=16,
        norm_num_groups=4,
        time_cond_proj_dim=128,
    )
    pool_prompt(unet)
    return unet


def encoded_clips(vae: AutoencoderKL, imagined: Sequence[str], count: int, rng: random.Random) -> tuple[list[Shown], Tensor]:
    """Random training scenes with the scaled latents [N, C, T, H, W] of one clip each, in half precision."""
    shown: list[Shown] = []
    latents = []
    while len(shown) < count:
        chosen = [shown_scene(imagined, rng) for _ in range(min(8, count - len(shown)))]
        scenes, unnamed = zip(*chosen, strict=True)
        frames = clip_batch(scenes, rng, unnamed)
        encoded = mean_latents(vae, frames.flatten(0, 1)) * vae.config.scaling_factor
        latents.append(encoded.unflatten(0, (len(chosen), FRAMES)).transpose(1, 2).half())
        shown += chosen
    return shown, torch.cat(latents)


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the UNet and saves the whole pipeline as `parts/video_decoder`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer", model_max_length=PROMPT_LENGTH)
    vae = AutoencoderKL.from_pretrained(parts / "vae").eval().requires_grad_(False).to(processes().device)
    text_encoder = new_text_encoder(ImageBind.from_pretrained(parts / "imagebind"), tokenizer)
    model = DiffusionLoss(new_unet(), text_encoder, BEGINNING)
    words = whole_words(tokenizer)
    imagined, words = words[:IMAGINED], words[IMAGINED:]
    shown, latents = encoded_clips(vae, imagined, max(BATCH, round(CLIPS * min(1.0, scale))), random.Random(seed))

    def batch(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
        chosen = [rng.randrange(len(shown)) for _ in range(BATCH)]
        prompts = [clip_prompt(*shown[i], words, rng) for i in chosen]
        clips = latents[chosen].float()
        return clips, clips[:, :, :1].repeat(1, 1, clips.shape[2], 1, 1), text_batch(tokenizer, prompts, PROMPT_LENGTH)[0]

    fit(model, PLAN.scaled(scale), batch, lambda module, rows: module(*rows), folder, seed)
    if not processes().is_main_process:
        return
    TextToVideoSDPipeline(
        vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=model.unet, scheduler=new_scheduler()
    ).save_pretrained(parts / "video_decoder")
