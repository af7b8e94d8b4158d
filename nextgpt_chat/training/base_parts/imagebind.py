"""ImageBind, trained on pictures and captions from nothing (arXiv 2305.05665).

Two losses share the work. Every pair of a picture and a caption is a question of its own, true or false (the sigmoid loss of SigLIP,
arXiv 2303.15343); most captions name one to three attributes, so each attribute has to be found for itself. And the canonical caption is
read back from the embedding, all words at once (the parallel captioner of CapPa, arXiv 2306.07915): contrast alone was slow to find
colours, since everything else in a picture is easier to tell apart. The captioner is thrown away after training.
"""

import math
import random
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer

from nextgpt_chat.encode.imagebind import TEXT, VISION, ImageBind, ImageBindConfig, Trunk
from nextgpt_chat.training.captioned import captioned, fits, named_caption_batch, scene_batch, text_batch
from nextgpt_chat.training.loop import Losses, Plan, fit, processes
from nextgpt_chat.training.pictures import picture_batch, random_unnamed

PLAN = Plan(steps=1200, rate=1e-3, decay=0.02, bf16=True, save_every=100)
LENGTH = 13
"""Tokens of a canonical caption, with its begin, end and padding."""
BINARY_WEIGHT = 2.0
"""Weight of the binary questions next to the caption."""
UNNAMED = 0.3
"""Share of pictures whose things have a random colour without a name, and of those whose things are blobs without a name. The former
teach shapes whatever their colour, the latter colours whatever their shape: without them the encoder learns that a pink thing is no
cloud, only because no training picture shows one."""


class Captioner(nn.Linear):
    """Reads a whole caption of `LENGTH` tokens off one embedding at once."""

    def __init__(self, embedding: int, vocabulary: int) -> None:
        super().__init__(embedding, LENGTH * vocabulary)

    def forward(self, embeddings: Tensor) -> Tensor:
        """[B, E], entries of unit variance -> logits [B, LENGTH, V]."""
        return super().forward(embeddings).unflatten(-1, (LENGTH, -1))


class BindingLoss(nn.Module):
    """One binary question per pair of a picture and a caption, and the caption read back from the picture."""

    def __init__(self, imagebind: ImageBind, padding: int) -> None:
        super().__init__()
        self.imagebind = imagebind
        self.padding = padding
        self.bias = nn.Parameter(torch.tensor(-2.0))
        self.captioner = Captioner(imagebind.config.embedding, imagebind.config.vocabulary)

    def forward(self, pixels: Tensor, ids: Tensor, last: Tensor, match: Tensor, asked: Tensor, canonical: Tensor) -> Losses:
        """Pictures [B, 3, S, S], captions [B, L] with their end positions [B]; `match` [B, B] says which are true of which.

        `asked` [B, B] is false where a caption names what has no name in a picture: neither true nor false. `canonical` [B, LENGTH]
        are the canonical captions of the pictures.
        """
        images = self.imagebind.encode_image(pixels).float()
        texts = self.imagebind.encode_text(ids, last).float()
        logits = self.imagebind.log_logit_scale.clamp(max=math.log(100)).exp() * images @ texts.T + self.bias
        loss = functional.binary_cross_entropy_with_logits(logits, match.float(), asked.float())
        words = self.captioner(images * images.shape[-1] ** 0.5)
        caption_loss = functional.cross_entropy(words.flatten(0, 1), canonical.flatten(), ignore_index=self.padding)
        misread = ((words.argmax(-1) != canonical) & (canonical != self.padding)).any(dim=1).float().mean()
        missed = (logits < 0)[match & asked].float().mean()
        false = (logits > 0)[~match & asked].float().mean()
        return {
            "loss": BINARY_WEIGHT * loss + caption_loss,
            "caption": caption_loss.detach(),
            "misread": misread,
            "missed": missed.detach(),
            "false": false.detach(),
        }


def new_imagebind(vocabulary: int) -> ImageBind:
    """Towers for pictures and words with fresh weights."""
    trunks = {VISION: Trunk(128, 3, 4), TEXT: Trunk(128, 3, 4)}
    return ImageBind(ImageBindConfig(stem=(32, 64, 128), vocabulary=vocabulary, trunks=trunks))


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains both towers and saves them as `parts/imagebind`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer")
    model = BindingLoss(new_imagebind(len(tokenizer)), tokenizer.pad_token_id)
    length = model.imagebind.config.text_length

    def batch(rng: random.Random) -> tuple[Tensor, ...]:
        scenes = scene_batch(rng)
        captions, kept = zip(*(captioned(scene, rng) for scene in scenes), strict=True)
        ids, last = text_batch(tokenizer, list(captions), length)
        ids = ids[:, : last.max() + 1]  # attention is causal, so what stands behind the longest caption changes nothing
        unnamed = random_unnamed(rng, len(scenes), UNNAMED, UNNAMED)
        canonical = named_caption_batch(tokenizer, scenes, unnamed, LENGTH)
        match = fits(scenes, list(kept))
        asked = torch.ones_like(match)
        for name in ("colour", "thing"):
            odd, named = (torch.tensor([name in names for names in each]) for each in (unnamed, kept))
            asked &= ~(odd[:, None] & named[None])
        return picture_batch(scenes, rng, unnamed), ids, last, match, asked, canonical

    fit(model, PLAN.scaled(scale), batch, lambda module, pair: module(*pair), folder, seed)
    if not processes().is_main_process:
        return
    model.imagebind.save_pretrained(parts / "imagebind", torch.float32)
