"""The vision tower of ImageBind goes on alone, with more pictures in which the colour or the thing has no name.

With the shares of the first training the tower takes a pink cloud for a pink car and a blue dog for a purple one, which no training picture
shows: it has learnt them from the pairs that it met.
"""

import random
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.tinyland.scene import HEARD, Scene
from nextgpt_chat.training.base_parts.imagebind import BindingLoss, rendered_sounds, shown_scenes
from nextgpt_chat.training.base_parts.one_tower import Batch, TowerLoss
from nextgpt_chat.training.captioned import fits, text_batch
from nextgpt_chat.training.loop import Plan, fit, processes

PLAN = Plan(steps=1000, rate=1e-3, decay=0.02, bf16=True, save_every=100)
UNNAMED = 0.4
"""Share of pictures whose things have a random colour without a name, and of those whose things are blobs without a name."""
SOUNDS, HEARD_AT_ONCE = 2000, 96
"""Sounds that the frozen tower hears once, before training, and those of them that a batch is compared with."""


def sound_vectors(imagebind: ImageBind, rng: random.Random, count: int) -> tuple[list[Scene], Tensor]:
    """Training scenes with what the frozen tower hears of them, [count, E]."""
    scenes, mels = rendered_sounds(rng, count)
    imagebind.eval()
    with torch.no_grad():
        return scenes, torch.cat([imagebind.encode_media(some, "audio") for some in mels.split(100)])


def clip_batch_of(sounds: tuple[list[Scene], Tensor], tokenizer: PreTrainedTokenizerBase, length: int, rng: random.Random) -> Batch:
    """Clips with their captions, some of `sounds`, and what belongs together."""
    shown = shown_scenes(tokenizer, rng, UNNAMED)
    chosen = [rng.randrange(len(sounds[0])) for _ in range(HEARD_AT_ONCE)]
    ids, last = text_batch(tokenizer, shown.captions, length)
    return {
        "media": shown.clips,
        "ids": ids[:, : last.max() + 1],
        "last": last,
        "others": sounds[1][chosen],
        "told": fits(shown.scenes, shown.scenes, shown.kept),
        "asked": shown.asked,
        "bound": fits([sounds[0][i] for i in chosen], shown.scenes, [HEARD] * len(shown.scenes)),
        "bind": ~shown.nameless[None].expand(HEARD_AT_ONCE, -1),
        "canonical": shown.canonical,
    }


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the vision tower of `parts/towers_that_hear` further and saves all towers as `parts/imagebind`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer")
    imagebind = ImageBind.from_pretrained(parts / "towers_that_hear")
    sounds = sound_vectors(imagebind, random.Random(f"{seed}/vectors"), max(HEARD_AT_ONCE, round(SOUNDS * min(1.0, scale))))
    loss = TowerLoss(BindingLoss(imagebind, tokenizer.pad_token_id), "video")

    def batch(rng: random.Random) -> Batch:
        return clip_batch_of(sounds, tokenizer, imagebind.config.text_length, rng)

    fit(loss, PLAN.scaled(scale), batch, lambda module, rows: module(rows), folder, seed)
    if processes().is_main_process:
        imagebind.save_pretrained(parts / "imagebind", torch.float32)
