"""The audio tower of ImageBind goes on alone.

Many more sounds than at first, and a share of them from voices that nothing in Tinyland has: without those the tower learns that three
small sounds are no bells, only because no training sound has three small bells.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.tinyland.captions import sound_caption
from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.tinyland.scene import HEARD, Scene
from nextgpt_chat.training.base_parts.imagebind import LENGTH, BindingLoss
from nextgpt_chat.training.base_parts.one_tower import Batch, TowerLoss
from nextgpt_chat.training.captioned import captioned_sound, fits, named_caption_batch, scene_batch, text_batch
from nextgpt_chat.training.loop import Plan, fit, processes
from nextgpt_chat.training.pictures import clip_batch
from nextgpt_chat.training.sounds import mel_batch

PLAN = Plan(steps=1500, rate=1e-3, decay=0.02, bf16=True, save_every=100)
SOUNDS, IMAGINED = 12_000, 0.4
"""Sounds that are rendered before training, and the share of them whose voice is imagined."""
CLIPS = 15
"""Batches of scenes whose clips the frozen tower sees once, before training."""
HEARD_AT_ONCE, SEEN_AT_ONCE = 96, 96
"""Sounds in a batch, and the clips that they are compared with."""


@dataclass(frozen=True)
class Bank:
    """What training draws from."""

    heard: list[Scene]
    """What the captions tell."""
    odd: Tensor
    """[N], whether the voice is another one than that of the thing."""
    mels: Tensor
    """[N, T, M]."""
    seen: list[Scene]
    clips: Tensor
    """[C, E], what the frozen tower sees."""


def sound_bank(imagebind: ImageBind, rng: random.Random, count: int, clips: int) -> Bank:
    """Renders `count` sounds, and `clips` batches of scenes for the frozen tower to see."""
    heard = [training_scene(rng, ("audio",)) for _ in range(count)]
    odd = [rng.random() < IMAGINED for _ in heard]
    mels = mel_batch(heard, rng, [("thing",) if nameless else () for nameless in odd])
    batches = [scene_batch(rng) for _ in range(clips)]
    with torch.no_grad():
        imagebind.eval()
        vectors = torch.cat([imagebind.encode_media(clip_batch(scenes, rng, frames=2), "video") for scenes in batches])
    return Bank(heard, torch.tensor(odd), mels, [scene for scenes in batches for scene in scenes], vectors)


def sound_batch_of(bank: Bank, tokenizer: PreTrainedTokenizerBase, length: int, rng: random.Random) -> Batch:
    """Some sounds of the bank with their captions, some clips, and what belongs together."""
    chosen = [rng.randrange(len(bank.heard)) for _ in range(HEARD_AT_ONCE)]
    shown = [rng.randrange(len(bank.seen)) for _ in range(SEEN_AT_ONCE)]
    heard, seen = [bank.heard[i] for i in chosen], [bank.seen[i] for i in shown]
    odd = bank.odd[chosen]
    captions, kept = zip(*(captioned_sound(scene, rng) for scene in heard), strict=True)
    ids, last = text_batch(tokenizer, list(captions), length)
    named = torch.tensor(["thing" in names for names in kept])
    unnamed = [("thing",) if nameless else () for nameless in odd]
    return {
        "media": bank.mels[chosen],
        "ids": ids[:, : last.max() + 1],
        "last": last,
        "others": bank.clips[shown],
        "told": fits(heard, heard, kept),
        "asked": ~(odd[:, None] & named[None]),
        "bound": fits(seen, heard, [HEARD] * len(heard)),
        "bind": ~odd[None].expand(len(seen), -1),
        "canonical": named_caption_batch(tokenizer, [sound_caption(scene) for scene in heard], unnamed, LENGTH, "audio"),
    }


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the audio tower of `parts/towers` further, with a captioner and a bias of its own, and saves all towers as `parts/towers_that_hear`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer")
    imagebind = ImageBind.from_pretrained(parts / "towers")
    share = min(1.0, scale)
    sounds, clips = max(HEARD_AT_ONCE, round(SOUNDS * share)), max(1, round(CLIPS * share))
    bank = sound_bank(imagebind, random.Random(f"{seed}/sounds"), sounds, clips)
    loss = TowerLoss(BindingLoss(imagebind, tokenizer.pad_token_id), "audio")

    def batch(rng: random.Random) -> Batch:
        return sound_batch_of(bank, tokenizer, imagebind.config.text_length, rng)

    fit(loss, PLAN.scaled(scale), batch, lambda module, rows: module(rows), folder, seed)
    if processes().is_main_process:
        imagebind.save_pretrained(parts / "towers_that_hear", torch.float32)
