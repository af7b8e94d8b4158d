"""The denoiser of the video decoder: Zeroscope's UNet over the latents of frames, trained from nothing.

It learns from clips and from single pictures in turn (Ho et al., arXiv 2204.03458, section 3.1): what things look like is learnt quicker
from pictures, of which as many fit into a batch as there are frames in it, and clips add how things move. Autoencoder and text encoder
are those of the image decoder.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, TextToVideoSDPipeline, UNet3DConditionModel
from torch import Tensor
from transformers import AutoTokenizer

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.tinyland.captions import MOTION, MOTION_WORDS
from nextgpt_chat.tinyland.film import FRAMES
from nextgpt_chat.tinyland.holdout import HELD_OUT_MOTIONS
from nextgpt_chat.tinyland.scene import MOTIONS
from nextgpt_chat.training.base_parts.image_diffusion import (
    CANONICAL,
    IMAGINED,
    PROMPT_LENGTH,
    Shown,
    denoiser_prompt,
    encoded_pictures,
    new_text_encoder,
    shown_scene,
)
from nextgpt_chat.training.captioned import text_batch, whole_words
from nextgpt_chat.training.diffusion import DiffusionLoss, new_scheduler
from nextgpt_chat.training.loop import Plan, fit, processes
from nextgpt_chat.training.pictures import clip_batch

PLAN = Plan(steps=6000, rate=1e-3, decay=0.01, ema=0.999, bf16=True, save_every=250)
BATCH = 4
"""Clips in a batch; a batch of pictures has as many as these have frames."""
STILL = 0.5
"""Share of batches of pictures."""
PICTURES = 12_000
CLIPS = 3000
"""Pictures and clips that are encoded before training."""


def new_unet() -> UNet3DConditionModel:
    """Convolutions at 20 × 20, convolutions and attention to the prompt at 10 × 10 and 5 × 5, and both over time everywhere."""
    return UNet3DConditionModel(
        sample_size=20,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(32, 64, 80),
        down_block_types=("DownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D"),
        up_block_types=("CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "UpBlock3D"),
        cross_attention_dim=128,
        attention_head_dim=16,
        norm_num_groups=4,
    )


def moving_scene(imagined: Sequence[str], rng: random.Random) -> Shown:
    """What a training clip shows: as a training picture, in a motion that training may show."""
    scene, unnamed = shown_scene(imagined, rng)
    motions = [motion for motion in MOTIONS if (scene.thing, motion) not in HELD_OUT_MOTIONS]
    return replace(scene, motion=rng.choice(motions)), unnamed


@torch.no_grad()
def encoded_clips(vae: AutoencoderKL, imagined: Sequence[str], count: int, rng: random.Random) -> tuple[list[Shown], Tensor]:
    """Random training scenes with the scaled latents [N, C, T, H, W] of one clip each, in half precision."""
    shown: list[Shown] = []
    latents = []
    while len(shown) < count:
        chosen = [moving_scene(imagined, rng) for _ in range(min(8, count - len(shown)))]
        scenes, unnamed = zip(*chosen, strict=True)
        frames = clip_batch(scenes, rng, unnamed)
        encoded = vae.encode(frames.flatten(0, 1)).latent_dist.mean * vae.config.scaling_factor
        latents.append(encoded.unflatten(0, (len(chosen), FRAMES)).transpose(1, 2).half())
        shown += chosen
    return shown, torch.cat(latents)


def clip_prompt(shown: Shown, words: Sequence[str], rng: random.Random) -> str:
    """The prompt of a picture, and how it moves."""
    prompt = denoiser_prompt(*shown, words, rng)
    motion = shown[0].motion
    return prompt and f"{prompt} {MOTION[motion] if rng.random() < CANONICAL else rng.choice(MOTION_WORDS[motion])}"


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the UNet and saves the whole pipeline as `parts/video_decoder`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer", model_max_length=PROMPT_LENGTH)
    vae = AutoencoderKL.from_pretrained(parts / "vae").eval().requires_grad_(False)
    text_encoder = new_text_encoder(ImageBind.from_pretrained(parts / "imagebind"), tokenizer)
    model = DiffusionLoss(new_unet(), text_encoder)
    words = whole_words(tokenizer)
    imagined, words = words[:IMAGINED], words[IMAGINED:]
    rng = random.Random(seed)
    stills, still_latents = encoded_pictures(vae, imagined, max(BATCH * FRAMES, round(PICTURES * min(1.0, scale))), rng)
    clips, clip_latents = encoded_clips(vae, imagined, max(BATCH, round(CLIPS * min(1.0, scale))), rng)

    def batch(rng: random.Random) -> tuple[Tensor, Tensor]:
        if rng.random() < STILL:
            chosen = [rng.randrange(len(stills)) for _ in range(BATCH * FRAMES)]
            prompts = [denoiser_prompt(*stills[i], words, rng) for i in chosen]
            return still_latents[chosen].unsqueeze(2), text_batch(tokenizer, prompts, PROMPT_LENGTH)[0]
        chosen = [rng.randrange(len(clips)) for _ in range(BATCH)]
        prompts = [clip_prompt(clips[i], words, rng) for i in chosen]
        return clip_latents[chosen].float(), text_batch(tokenizer, prompts, PROMPT_LENGTH)[0]

    fit(model, PLAN.scaled(scale), batch, lambda module, pair: module(*pair), folder, seed)
    if not processes().is_main_process:
        return
    TextToVideoSDPipeline(
        vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=model.unet, scheduler=new_scheduler()
    ).save_pretrained(parts / "video_decoder")
