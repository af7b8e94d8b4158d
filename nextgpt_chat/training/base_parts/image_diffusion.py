"""The denoiser of the image decoder: a Stable Diffusion UNet over the autoencoder's latents, trained from nothing.

Its text encoder is what ImageBind's text tower begins with: the embeddings of words and places.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from transformers import AutoTokenizer, CLIPTextModel, PreTrainedTokenizerBase

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.generate.text_encoder import clip_text_model
from nextgpt_chat.tinyland.captions import MOTION, MOTION_WORDS, caption, free_caption, partial_caption, plural
from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.tinyland.scene import SEEN, THINGS, Scene
from nextgpt_chat.training.captioned import neighbours, text_batch, whole_words
from nextgpt_chat.training.diffusion import Beginning, DiffusionLoss, mean_latents, new_scheduler
from nextgpt_chat.training.loop import Plan, fit, processes
from nextgpt_chat.training.pictures import picture_batch

PLAN = Plan(steps=18_400, rate=1e-3, decay=0.01, ema=0.999, bf16=True, compiled="unet", recorded=True, save_every=250)
BATCH = 96
PICTURES = 20_000
"""Pictures that are encoded before training; each is seen with new noise, at new times and under new prompts."""
PROMPT_LENGTH = 16
"""Tokens of a decoder prompt."""
CANONICAL = 0.9
"""Share of prompts in the canonical form, which is what the output projection aims at."""
TEXT_BLOCKS = 0
"""Blocks of the text tower that the prompt passes: none, so a prompt is its words and their places, each for itself. What a block mixes into
the other words is there for the names that the tower has learnt alone, and says again which colours a thing may have."""
IMAGINED = 40
"""Things that Tinyland does not have, each with a name and a shape of its own, in every colour. Eight things that each lack one colour
teach a decoder that things go with colours; among many that go with all of them they are lost."""
KINDS = {"thing": 0.55, "imagined": 0.25, "blob": 0.2}
"""Shares of pictures that show Tinyland's things, imagined ones, and blobs of any shape. Things in random colours, from which the encoder
learns, do harm here: near the withheld colour there is none of them, and a decoder learns to keep away from where nothing is."""
ODD_NAMES = 0.8
"""Share of prompts for blobs that call them by any word, so that a word alone is no sign of a shape."""
HIDDEN = 0.1
"""Share of prompts for things that do not name the thing either, so that this is no sign of a blob."""
FILMED = 0.3
"""Share of prompts that are those of clips, since a clip begins from a picture."""
UNCONDITIONAL = 0.1
"""Share of empty prompts, for classifier-free guidance."""


def new_text_encoder(imagebind: ImageBind, tokenizer: PreTrainedTokenizerBase) -> CLIPTextModel:
    """The decoder's text encoder, frozen: copies the beginning of the text tower."""
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    return clip_text_model(imagebind, TEXT_BLOCKS, PROMPT_LENGTH, begin, end, pad).requires_grad_(False)


def new_unet() -> UNet2DConditionModel:
    """Convolutions at 20 × 20 and 10 × 10, convolutions and attention to the prompt at 5 × 5.

    The prompt is also pooled into the time embedding (as in DeepFloyd IF), which scales and shifts the channels at every resolution:
    what the thing is and which colour it has must be known where the outlines are drawn.
    """
    return UNet2DConditionModel(
        sample_size=20,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(48, 96, 128),
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=128,
        attention_head_dim=4,
        norm_num_groups=4,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the UNet and saves the whole pipeline as `parts/image_decoder`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer", model_max_length=PROMPT_LENGTH)
    vae = AutoencoderKL.from_pretrained(parts / "vae").eval().requires_grad_(False).to(processes().device)
    text_encoder = new_text_encoder(ImageBind.from_pretrained(parts / "imagebind"), tokenizer)
    model = DiffusionLoss(new_unet(), text_encoder, Beginning())
    words = whole_words(tokenizer)
    imagined, words = words[:IMAGINED], words[IMAGINED:]
    shown, latents = encoded_pictures(vae, imagined, max(BATCH, round(PICTURES * min(1.0, scale))), random.Random(seed))

    def batch(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
        chosen = [rng.randrange(len(shown)) for _ in range(BATCH)]
        others = [i ^ 1 for i in chosen]
        prompts = [(clip_prompt if rng.random() < FILMED else denoiser_prompt)(*shown[i], words, rng) for i in chosen]
        return latents[chosen], latents[others], text_batch(tokenizer, prompts, PROMPT_LENGTH)[0]

    fit(model, PLAN.scaled(scale), batch, lambda module, rows: module(*rows), folder, seed)
    if not processes().is_main_process:
        return
    save_pipeline(model.unet, vae, text_encoder, tokenizer, parts / "image_decoder")


Shown = tuple[Scene, Collection[str]]
"""A scene and what has no name in its picture."""


def encoded_pictures(vae: AutoencoderKL, imagined: Sequence[str], count: int, rng: random.Random) -> tuple[list[Shown], Tensor]:
    """Random training scenes with the scaled latents of one picture each: encoded once, since that costs as much as a third of a step.

    Each two in turn are the same picture before and after a change. `imagined` are the names of imagined things.
    """
    shown: list[Shown] = []
    latents = []
    while len(shown) < count:
        pixels = []
        for _ in range(32):
            scene, unnamed = shown_scene(imagined, rng)
            seed = rng.getrandbits(32)  # of both, so that what is not changed stands where it stood
            for either in neighbours(scene, rng, 2, "video"):
                pixels.append(picture_batch([either], random.Random(seed), [unnamed]))
                shown.append((either, unnamed))
        latents.append(mean_latents(vae, torch.cat(pixels)) * vae.config.scaling_factor)
    return shown, torch.cat(latents)


def shown_scene(imagined: Sequence[str], rng: random.Random) -> Shown:
    """A training scene whose things are Tinyland's, imagined ones, or blobs without a name, and move as training may show."""
    scene = training_scene(rng, ("video",))
    kind = rng.choices(tuple(KINDS), tuple(KINDS.values()))[0]
    if kind == "imagined":
        return replace(scene, thing=rng.choice(imagined)), ()
    return scene, ("thing",) if kind == "blob" else ()


def denoiser_prompt(scene: Scene, unnamed: Collection[str], words: Sequence[str], rng: random.Random) -> str:
    """What the picture of a scene is drawn from, where `unnamed` has no name in it: often not all that it shows, and sometimes nothing.

    A thing without a name may be called by any of `words`.
    """
    if rng.random() < UNCONDITIONAL:
        return ""
    if "thing" in unnamed and rng.random() < ODD_NAMES:
        scene = replace(scene, thing=rng.choice(words))
        prompt = caption(scene)
    else:
        unnamed = unnamed or (("thing",) if rng.random() < HIDDEN else ())
        if rng.random() < CANONICAL:
            prompt = caption(scene, unnamed)
        elif unnamed:
            prompt = partial_caption(scene, [name for name in SEEN if name not in unnamed], rng)
        else:
            prompt = free_caption(scene, rng)
    # Tinyland's nouns are one token each in both numbers. So is any other name, which therefore has no plural.
    return prompt if scene.thing in THINGS else prompt.replace(plural(scene.thing, scene.count), scene.thing)


def clip_prompt(scene: Scene, unnamed: Collection[str], words: Sequence[str], rng: random.Random) -> str:
    """The prompt of a picture, and how things move."""
    prompt = denoiser_prompt(scene, unnamed, words, rng)
    return prompt and f"{prompt} {MOTION[scene.motion] if rng.random() < CANONICAL else rng.choice(MOTION_WORDS[scene.motion])}"


def save_pipeline(
    unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel, tokenizer: object, folder: Path
) -> None:
    """Writes a standard Stable Diffusion pipeline folder without a safety checker."""
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
