"""The denoiser of the audio decoder: AudioLDM's UNet over the latents of spectrograms (arXiv 2301.12503), trained from nothing.

The condition is one vector, the embedding of the whole prompt. The text encoder, of CLAP's shape, is trained along with the UNet: the
published one learnt from millions of sounds, and Tinyland has 48.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import torch
from diffusers import AudioLDMPipeline, AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, ClapTextConfig, ClapTextModelWithProjection, PreTrainedTokenizerBase, SpeechT5HifiGan

from nextgpt_chat.encode.mel import log_mel
from nextgpt_chat.tinyland.captions import SOUNDING, free_sound_caption, plural, sound_caption
from nextgpt_chat.tinyland.scene import Scene
from nextgpt_chat.training.captioned import text_batch, whole_words
from nextgpt_chat.training.diffusion import Beginning, mean_latents, new_scheduler, velocity_loss
from nextgpt_chat.training.loop import Losses, Plan, fit, processes
from nextgpt_chat.training.sounds import changed_sound, heard_scene, sound_batch

PLAN = Plan(steps=16_000, rate=1e-3, decay=0.01, ema=0.998, bf16=True, compiled="unet", recorded=True)
BATCH = 48
SOUNDS = 20_000
"""Sounds that are encoded before training; each is heard with new noise, at new times and under new prompts."""
PROMPT_LENGTH = 12
"""Tokens of a decoder prompt."""
WIDTH = 64
"""Features of a prompt embedding."""
IMAGINED, IMAGINED_SHARE = 160, 0.7
"""Things that Tinyland does not have, each with a name, a word for what it does and a voice of its own, in every size and number, and their
share of the sounds. Of eight voices that each lack one sound, a decoder learns 40 sounds by heart: it made withheld ones in the wrong size."""
CANONICAL = 0.8
"""Share of prompts in the canonical form, which is what the output projection aims at."""
UNCONDITIONAL = 0.1
"""Share of empty prompts, for classifier-free guidance."""


def new_unet() -> UNet2DConditionModel:
    """Convolutions at 16 × 8 and 8 × 4, convolutions and attention at 4 × 2; the prompt joins the time embedding."""
    channels = (32, 64, 64)
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=8,
        out_channels=8,
        layers_per_block=1,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=channels,
        attention_head_dim=4,
        norm_num_groups=4,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=WIDTH,
        class_embeddings_concat=True,
    )


def new_text_encoder(tokenizer: PreTrainedTokenizerBase) -> ClapTextModelWithProjection:
    """One layer over words and places."""
    return ClapTextModelWithProjection(
        ClapTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=1,
            num_attention_heads=4,
            projection_dim=WIDTH,
            max_position_embeddings=PROMPT_LENGTH + 2,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


class AudioDiffusionLoss(nn.Module):
    """The loss of the UNet and the text encoder together."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: ClapTextModelWithProjection) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder
        self.scheduler = new_scheduler()

    def forward(self, latents: Tensor, sources: Tensor, ids: Tensor, mask: Tensor) -> Losses:
        """Scaled latents [B, C, H, W] with what they may begin from, of the same shape, and their prompts [B, L]."""
        embedded = functional.normalize(self.text_encoder(ids, mask).text_embeds, dim=-1)

        def predict(noisy: Tensor, times: Tensor) -> Tensor:
            velocity: Tensor = self.unet(noisy, times, None, class_labels=embedded).sample
            return velocity

        return velocity_loss(predict, latents, self.scheduler, sources, Beginning())


def encoded_sounds(vae: AutoencoderKL, imagined: Sequence[str], count: int, rng: random.Random) -> tuple[list[Scene], Tensor]:
    """Random training scenes with the scaled latents of one sound each. Each two in turn are the same sound before and after a change."""
    scenes: list[Scene] = []
    latents = []
    while len(scenes) < count:
        samples = []
        for _ in range(32):
            scene = heard_scene(imagined, IMAGINED_SHARE, rng)
            seed = rng.getrandbits(32)  # of both, so that what is not changed sounds as it sounded
            for either in (scene, changed_sound(scene, imagined, rng)):
                samples.append(sound_batch([either], random.Random(seed)))
                scenes.append(either)
        latents.append(mean_latents(vae, log_mel(torch.cat(samples))[:, None]) * vae.config.scaling_factor)
    return scenes, torch.cat(latents)


def sound_prompt(scene: Scene, imagined: Mapping[str, str], rng: random.Random) -> str:
    """What the sound of a scene is made from, and sometimes nothing. `imagined` says what each imagined thing does."""
    if rng.random() < UNCONDITIONAL:
        return ""
    if scene.thing in imagined:
        known = replace(scene, thing="dog")
        said = sound_caption(known).replace(plural("dog", scene.count), scene.thing)
        return said.replace(SOUNDING["dog"], imagined[scene.thing])
    return sound_caption(scene) if rng.random() < CANONICAL else free_sound_caption(scene, rng)


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains UNet and text encoder and saves the whole pipeline as `parts/audio_decoder`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer", model_max_length=PROMPT_LENGTH)
    vae = AutoencoderKL.from_pretrained(parts / "audio_vae").eval().requires_grad_(False).to(processes().device)
    model = AudioDiffusionLoss(new_unet(), new_text_encoder(tokenizer))
    words = whole_words(tokenizer)
    imagined = dict(zip(words[:IMAGINED], cycle(words[IMAGINED:])))
    scenes, latents = encoded_sounds(vae, tuple(imagined), max(BATCH, round(SOUNDS * min(1.0, scale))), random.Random(seed))

    def batch(rng: random.Random) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        chosen = [rng.randrange(len(scenes)) for _ in range(BATCH)]
        others = [i ^ 1 for i in chosen]
        ids, _ = text_batch(tokenizer, [sound_prompt(scenes[i], imagined, rng) for i in chosen], PROMPT_LENGTH)
        return latents[chosen], latents[others], ids, ids != tokenizer.pad_token_id

    fit(model, PLAN.scaled(scale), batch, lambda module, rows: module(*rows), folder, seed)
    if not processes().is_main_process:
        return
    AudioLDMPipeline(
        vae=vae,
        text_encoder=model.text_encoder,
        tokenizer=tokenizer,
        unet=model.unet,
        scheduler=new_scheduler(),
        vocoder=SpeechT5HifiGan.from_pretrained(parts / "vocoder"),
    ).save_pretrained(parts / "audio_decoder")
