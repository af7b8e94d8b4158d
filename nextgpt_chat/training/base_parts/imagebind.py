"""ImageBind, trained contrastively on pictures and captions (arXiv 2305.05665, equation 1), from nothing."""

import random
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from nextgpt_chat.encode.imagebind import ImageBind, ImageBindConfig
from nextgpt_chat.tinyland.captions import caption, free_caption
from nextgpt_chat.tinyland.holdout import is_held_out, training_scene
from nextgpt_chat.tinyland.scene import VALUES, Scene
from nextgpt_chat.training.loop import Losses, Plan, fit
from nextgpt_chat.training.pictures import picture_batch

PLAN = Plan(steps=900, rate=1.5e-3, decay=0.02, bf16=True, save_every=100)
GROUPS = 48
GROUP = 4
"""A batch holds 48 groups of 4 scenes that differ in one attribute: the neighbours are what teaches fine differences."""
CANONICAL = 0.5
"""Share of captions in the canonical form."""


def text_batch(tokenizer: PreTrainedTokenizerBase, captions: list[str], length: int) -> tuple[Tensor, Tensor]:
    """Captions as ids [B, length], begun, ended and padded, with the position of each end token [B]."""
    encoded = tokenizer(captions, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    return encoded.input_ids, encoded.attention_mask.sum(dim=1) - 1


def neighbours(scene: Scene, rng: random.Random, count: int) -> list[Scene]:
    """The scene and others that differ from it in one attribute, all allowed in training."""
    found = [scene]
    while len(found) < count:
        name = rng.choice(tuple(VALUES))
        other = replace(scene, **{name: rng.choice(VALUES[name])})
        if not is_held_out(other) and other not in found:
            found.append(other)
    return found


class ContrastiveLoss(nn.Module):
    """Symmetric InfoNCE between pictures and captions."""

    def __init__(self, imagebind: ImageBind) -> None:
        super().__init__()
        self.imagebind = imagebind

    def forward(self, pixels: Tensor, ids: Tensor, last: Tensor) -> Losses:
        """Pictures [B, 3, S, S], captions [B, L] with their end positions [B]; row i belongs to row i."""
        images = self.imagebind.encode_image(pixels).float()
        texts = self.imagebind.encode_text(ids, last).float()
        scale = self.imagebind.log_logit_scale.clamp(max=4.6).exp()
        logits = scale * images @ texts.T
        target = torch.arange(len(logits), device=logits.device)
        loss = (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
        return {"loss": loss, "wrong": (logits.argmax(1) != target).float().mean().detach(), "scale": scale.detach()}


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains both towers and saves them as `parts/imagebind`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer")
    model = ContrastiveLoss(
        ImageBind(ImageBindConfig(image_size=80, stem=(32, 64, 128), vocabulary=len(tokenizer), text_length=40))
    )
    length = model.imagebind.config.text_length

    def batch(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
        scenes = [scene for _ in range(GROUPS) for scene in neighbours(training_scene(rng), rng, GROUP)]
        captions = [caption(scene) if rng.random() < CANONICAL else free_caption(scene, rng) for scene in scenes]
        return (picture_batch(scenes, rng), *text_batch(tokenizer, captions, length))

    fit(model, PLAN.scaled(scale), batch, lambda module, pair: module(*pair), folder, seed)
    model.imagebind.save_pretrained(parts / "imagebind", torch.float32)
