"""ImageBind, trained on pictures and captions (arXiv 2305.05665), starting from the text tower of the stage `clip`.

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
from nextgpt_chat.tinyland.captions import caption
from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.training.base_parts.clip import GROUP, GROUPS, captioned, fits, neighbours, text_batch
from nextgpt_chat.training.loop import Losses, Plan, fit
from nextgpt_chat.training.pictures import picture_batch

PLAN = Plan(steps=960, rate=1e-3, decay=0.02, save_every=50)
LENGTH = 13
"""Tokens of a canonical caption, with its begin, end and padding."""
BINARY_WEIGHT = 2.0
"""Weight of the binary questions next to the caption."""
COLOUR_TOKEN = 3
"""Place of the colour in a canonical caption: begin, number, size, colour, thing, ..."""
UNNAMED = 0.25
"""Share of pictures whose things have a random colour without a name. Without them the encoder learns that a pink thing is no cloud,
only because no training picture shows one."""
PARTIAL = 0.75
"""Share of captions that name only one to three attributes."""


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

    def forward(self, pixels: Tensor, ids: Tensor, last: Tensor, match: Tensor, canonical: Tensor) -> Losses:
        """Pictures [B, 3, S, S], captions [B, L] with their end positions [B]; `match` [B, B] says which are true of which.

        `canonical` [B, LENGTH] are the canonical captions of the pictures.
        """
        images = self.imagebind.encode_image(pixels).float()
        texts = self.imagebind.encode_text(ids, last).float()
        logits = self.imagebind.log_logit_scale.clamp(max=math.log(100)).exp() * images @ texts.T + self.bias
        loss = functional.binary_cross_entropy_with_logits(logits, match.float())
        words = self.captioner(images * images.shape[-1] ** 0.5)
        caption_loss = functional.cross_entropy(words.flatten(0, 1), canonical.flatten(), ignore_index=self.padding)
        misread = ((words.argmax(-1) != canonical) & (canonical != self.padding)).any(dim=1).float().mean()
        missed = (logits < 0)[match].float().mean()
        false = (logits > 0)[~match].float().mean()
        return {
            "loss": BINARY_WEIGHT * loss + caption_loss,
            "caption": caption_loss.detach(),
            "misread": misread,
            "missed": missed.detach(),
            "false": false.detach(),
        }


def new_imagebind(clip: ImageBind) -> ImageBind:
    """An encoder with a fresh picture tower and the text tower of `clip`."""
    trunks = {VISION: Trunk(128, 3, 4), TEXT: clip.config.trunks[TEXT]}
    imagebind = ImageBind(ImageBindConfig(stem=(32, 64, 128), vocabulary=clip.config.vocabulary, trunks=trunks))
    text = {name: tensor for name, tensor in clip.state_dict().items() if f".{TEXT}." in name}
    missing, unexpected = imagebind.load_state_dict(text, strict=False)
    if unexpected or any(f".{TEXT}." in name for name in missing):
        raise ValueError("the text tower of clip does not fit")
    return imagebind


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains both towers further and saves them as `parts/imagebind`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer")
    model = BindingLoss(new_imagebind(ImageBind.from_pretrained(parts / "clip")), tokenizer.pad_token_id)
    length = model.imagebind.config.text_length

    def batch(rng: random.Random) -> tuple[Tensor, ...]:
        scenes = [scene for _ in range(GROUPS) for scene in neighbours(training_scene(rng), rng, GROUP)]
        captions, kept = zip(*(captioned(scene, rng, PARTIAL, most=3) for scene in scenes), strict=True)
        ids, last = text_batch(tokenizer, list(captions), length)
        unnamed = [rng.random() < UNNAMED for _ in scenes]
        canonical, _ = text_batch(tokenizer, [f" {caption(scene)}" for scene in scenes], LENGTH)
        canonical[torch.tensor(unnamed), COLOUR_TOKEN] = tokenizer.pad_token_id
        names_colour = torch.tensor(["colour" in names for names in kept])
        match = fits(scenes, list(kept)) & ~(torch.tensor(unnamed)[:, None] & names_colour[None])
        return picture_batch(scenes, rng, unnamed), ids, last, match, canonical

    fit(model, PLAN.scaled(scale), batch, lambda module, pair: module(*pair), folder, seed)
    model.imagebind.save_pretrained(parts / "imagebind", torch.float32)
