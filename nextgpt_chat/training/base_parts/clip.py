"""The picture and the text tower, trained contrastively from nothing (CLIP, arXiv 2103.00020).

Half of the captions leave attributes open, and such a caption is a positive of every picture that it fits (as in UniCL, arXiv 2204.03610).
What comes out knows words well and pictures badly (GroupNorm in its stem hides colours, see docs/LOG.md): `imagebind` takes over the text
tower, as the published ImageBind takes OpenCLIP's, and trains a picture tower of its own.
"""

import random
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from nextgpt_chat.encode.imagebind import ImageBind, ImageBindConfig
from nextgpt_chat.tinyland.captions import caption, free_caption, partial_caption
from nextgpt_chat.tinyland.holdout import is_held_out, training_scene
from nextgpt_chat.tinyland.scene import VALUES, Scene
from nextgpt_chat.training.loop import Losses, Plan, fit
from nextgpt_chat.training.pictures import picture_batch

PLAN = Plan(steps=1400, rate=1.5e-3, decay=0.02, bf16=True, save_every=100)
GROUPS = 24
GROUP = 8
"""A batch holds 24 groups of 8 scenes that differ in one attribute or two: the neighbours are what teaches fine differences."""
CHANGED = {"thing": 3, "colour": 4, "size": 1, "place": 1, "count": 1, "time": 1}
"""How often neighbours differ in an attribute; things and colours are the hardest to tell apart."""
PARTIAL = 0.5
"""Share of captions that leave attributes open; the others name all six, half of them in the canonical form."""


def text_batch(tokenizer: PreTrainedTokenizerBase, captions: list[str], length: int) -> tuple[Tensor, Tensor]:
    """Captions as ids [B, length], begun, ended and padded, with the position of each end token [B]."""
    encoded = tokenizer(captions, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    return encoded.input_ids, encoded.attention_mask.sum(dim=1) - 1


def neighbours(scene: Scene, rng: random.Random, count: int) -> list[Scene]:
    """The scene and others that differ from it in one attribute, all allowed in training."""
    found = [scene]
    while len(found) < count:
        name = rng.choices(tuple(CHANGED), tuple(CHANGED.values()))[0]
        other = replace(rng.choice(found), **{name: rng.choice(VALUES[name])})
        if not is_held_out(other) and other not in found:
            found.append(other)
    return found


def captioned(scene: Scene, rng: random.Random, partial: float, most: int) -> tuple[str, frozenset[str]]:
    """A caption and the attributes that it names: with probability `partial` one to `most` of them, otherwise all."""
    if rng.random() < partial:
        kept = frozenset(rng.sample(tuple(VALUES), rng.randint(1, most)))
        return partial_caption(scene, kept, rng), kept
    return caption(scene) if rng.random() < 0.5 else free_caption(scene, rng), frozenset(VALUES)


def fits(scenes: list[Scene], kept: list[frozenset[str]]) -> Tensor:
    """[B, B] booleans: whether picture i agrees with scene j in all attributes that caption j names."""
    values = torch.tensor([[VALUES[name].index(getattr(scene, name)) for name in VALUES] for scene in scenes])
    named = torch.tensor([[name in names for name in VALUES] for names in kept])
    return ((values[:, None] == values[None]) | ~named[None]).all(dim=-1)


class ContrastiveLoss(nn.Module):
    """Symmetric InfoNCE between pictures and captions, with several positives."""

    def __init__(self, imagebind: ImageBind) -> None:
        super().__init__()
        self.imagebind = imagebind

    def forward(self, pixels: Tensor, ids: Tensor, last: Tensor, match: Tensor) -> Losses:
        """Pictures [B, 3, S, S], captions [B, L] with their end positions [B]; `match` [B, B] says which captions are true of which picture."""
        images = self.imagebind.encode_image(pixels).float()
        texts = self.imagebind.encode_text(ids, last).float()
        scale = self.imagebind.log_logit_scale.clamp(max=4.6).exp()
        logits = scale * images @ texts.T
        loss = (soft_cross_entropy(logits, match) + soft_cross_entropy(logits.T, match.T)) / 2
        wrong = 1 - match.gather(1, logits.argmax(1, keepdim=True)).float().mean()
        return {"loss": loss, "wrong": wrong.detach(), "scale": scale.detach()}


def soft_cross_entropy(logits: Tensor, match: Tensor) -> Tensor:
    """Cross-entropy of each row against the uniform distribution over its positives, less that distribution's own entropy."""
    count = match.sum(dim=1)
    mean_positive = (logits.log_softmax(dim=1) * match).sum(dim=1) / count
    return (-mean_positive - count.float().log()).mean()


def clip_config(vocabulary: int) -> ImageBindConfig:
    """Shapes of the two towers of this stage."""
    return ImageBindConfig(stem=(32, 64, 128), stem_norm="group", position_scale=0.02, vocabulary=vocabulary)


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains both towers and saves them as `parts/clip`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer")
    model = ContrastiveLoss(ImageBind(clip_config(len(tokenizer))))
    length = model.imagebind.config.text_length

    def batch(rng: random.Random) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        scenes = [scene for _ in range(GROUPS) for scene in neighbours(training_scene(rng), rng, GROUP)]
        captions, kept = zip(*(captioned(scene, rng, PARTIAL, most=4) for scene in scenes), strict=True)
        ids, last = text_batch(tokenizer, list(captions), length)
        return picture_batch(scenes, rng), ids, last, fits(scenes, list(kept))

    fit(model, PLAN.scaled(scale), batch, lambda module, pair: module(*pair), folder, seed)
    model.imagebind.save_pretrained(parts / "clip", torch.float32)
