"""ImageBind, trained on pictures, clips, sounds and captions from nothing (arXiv 2305.05665).

Two losses share the work. Every pair of a medium and a caption is a question of its own, true or false (the sigmoid loss of SigLIP,
arXiv 2303.15343), and so is every pair of a picture or clip and a sound, which binds the two without words; most captions name one to three
attributes, so each attribute has to be found for itself. And the canonical caption is read back from the embedding, all words at once
(the parallel captioner of CapPa, arXiv 2306.07915): contrast alone was slow to find colours, since everything else in a picture is
easier to tell apart. The captioners are thrown away after training.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from nextgpt_chat.encode.imagebind import AUDIO, TEXT, VISION, ImageBind, ImageBindConfig, Trunk
from nextgpt_chat.tinyland.captions import caption, clip_caption, sound_caption
from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.tinyland.scene import HEARD, Scene
from nextgpt_chat.training.captioned import captioned, captioned_sound, fits, named_caption_batch, scene_batch, text_batch
from nextgpt_chat.training.loop import Losses, Plan, fit, processes
from nextgpt_chat.training.pictures import clip_batch, random_unnamed
from nextgpt_chat.training.sounds import mel_batch

PLAN = Plan(steps=2000, rate=1e-3, decay=0.02, bf16=True, save_every=100)
LENGTH = 13
"""Tokens of a canonical caption, with its begin and end."""
BINARY_WEIGHT = 2.0
"""Weight of the binary questions next to the captions."""
UNNAMED = 0.3
"""Share of pictures whose things have a random colour without a name, and of those whose things are blobs without a name. The former
teach shapes whatever their colour, the latter colours whatever their shape: without them the encoder learns that a pink thing is no
cloud, only because no training picture shows one."""
SOUNDS = 3000
"""Sounds that are rendered before training."""
HEARD_AT_ONCE = 64
"""Sounds in a batch."""


class Captioner(nn.Linear):
    """Reads a whole caption of `LENGTH` tokens off one embedding at once."""

    def __init__(self, embedding: int, vocabulary: int) -> None:
        super().__init__(embedding, LENGTH * vocabulary)

    def forward(self, embeddings: Tensor) -> Tensor:
        """[B, E], entries of unit variance -> logits [B, LENGTH, V]."""
        return super().forward(embeddings * embeddings.shape[-1] ** 0.5).unflatten(-1, (LENGTH, -1))


Batch = dict[str, Tensor]


class BindingLoss(nn.Module):
    """One binary question per pair of a medium and a caption or of a clip and a sound, and the captions read back from the media."""

    def __init__(self, imagebind: ImageBind, padding: int) -> None:
        super().__init__()
        self.imagebind = imagebind
        self.padding = padding
        self.bias = nn.Parameter(torch.tensor(-2.0))
        shape = (imagebind.config.embedding, imagebind.config.vocabulary)
        self.captioners = nn.ModuleDict({VISION: Captioner(*shape), AUDIO: Captioner(*shape)})

    def forward(self, batch: Batch) -> Losses:
        """`clips` [B, F, 3, S, S] and `mels` [N, T, M]; captions of both as `ids` [B + N, L] with their end positions `last`.

        `seen`, `heard` and `bound` say which clips and captions, sounds and captions, clips and sounds belong together. `asked` [B, B] and
        `bind` [B, N] are false where a caption or a sound tells what has no name in a picture: neither true nor false. `canonical`
        [B + N, LENGTH] are the canonical captions.
        """
        clips = self.imagebind.encode_media(batch["clips"], "video").float()
        sounds = self.imagebind.encode_media(batch["mels"], "audio").float()
        texts = self.imagebind.encode_text(batch["ids"], batch["last"]).float()
        seen_texts, heard_texts = texts.split((len(clips), len(sounds)))
        seen, missed, false = self.questions(clips, seen_texts, batch["seen"], batch["asked"])
        heard, missed_sounds, false_sounds = self.questions(sounds, heard_texts, batch["heard"])
        bound, unbound, _ = self.questions(clips, sounds, batch["bound"], batch["bind"])
        canonical = batch["canonical"].split((len(clips), len(sounds)))
        seen_words, misread = self.caption(VISION, clips, canonical[0])
        heard_words, misheard = self.caption(AUDIO, sounds, canonical[1])
        return {
            "loss": BINARY_WEIGHT * (seen + heard + bound) + seen_words + heard_words,
            "misread": misread,
            "misheard": misheard,
            "missed": missed,
            "false": false,
            "missed_sounds": missed_sounds,
            "false_sounds": false_sounds,
            "unbound": unbound,
        }

    def questions(self, media: Tensor, others: Tensor, match: Tensor, asked: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Cross-entropy of all pairs, with the shares of true ones that were missed and of false ones that were taken for true."""
        logits = self.imagebind.log_logit_scale.clamp(max=math.log(100)).exp() * media @ others.T + self.bias
        asked = torch.ones_like(match) if asked is None else asked
        loss = functional.binary_cross_entropy_with_logits(logits, match.float(), asked.float())
        return loss, (logits < 0)[match & asked].float().mean().detach(), (logits > 0)[~match & asked].float().mean().detach()

    def caption(self, trunk: str, media: Tensor, canonical: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the canonical captions, and the share that is not read in full."""
        words = self.captioners[trunk](media)
        loss = functional.cross_entropy(words.flatten(0, 1), canonical.flatten(), ignore_index=self.padding)
        return loss, ((words.argmax(-1) != canonical) & (canonical != self.padding)).any(dim=1).float().mean()


def new_imagebind(vocabulary: int) -> ImageBind:
    """Towers for pictures and clips, sounds, and words with fresh weights."""
    trunks = {VISION: Trunk(128, 3, 4), AUDIO: Trunk(128, 2, 4), TEXT: Trunk(128, 3, 4)}
    return ImageBind(ImageBindConfig(stem=(32, 64, 128), frames=2, vocabulary=vocabulary, trunks=trunks))


def rendered_sounds(rng: random.Random, count: int) -> tuple[list[Scene], Tensor]:
    """Random training scenes with the log-mel spectrograms [N, T, M] of one sound each."""
    scenes = [training_scene(rng, ("audio",)) for _ in range(count)]
    return scenes, mel_batch(scenes, rng)


@dataclass(frozen=True)
class Shown:
    """Scenes as clips with captions."""

    scenes: list[Scene]
    clips: Tensor
    """[B, F, 3, S, S]."""
    captions: list[str]
    kept: list[frozenset[str]]
    """What each caption names."""
    asked: Tensor
    """[B, B], false where a caption names what has no name in a clip."""
    nameless: Tensor
    """[B], true where the thing has no name."""
    canonical: Tensor
    """[B, LENGTH], with padding in the place of what has no name."""


def shown_scenes(tokenizer: PreTrainedTokenizerBase, rng: random.Random, unnamed_share: float) -> Shown:
    """Scenes that training may show; colours have no name in a share of them, and things in as large a share of the others."""
    scenes = scene_batch(rng)
    captions, kept = zip(*(captioned(scene, rng) for scene in scenes), strict=True)
    unnamed = random_unnamed(rng, len(scenes), unnamed_share, unnamed_share)
    still = [scene.motion == "stay" for scene in scenes]  # which looks like a picture, and is captioned as one
    told = [caption(scene) if rests else clip_caption(scene) for scene, rests in zip(scenes, still, strict=True)]
    asked = torch.ones(len(scenes), len(scenes), dtype=torch.bool)
    for name in ("colour", "thing"):
        odd, named = (torch.tensor([name in names for names in each]) for each in (unnamed, kept))
        asked &= ~(odd[:, None] & named[None])
    return Shown(
        scenes,
        clip_batch(scenes, rng, unnamed, frames=2),
        list(captions),
        list(kept),
        asked,
        torch.tensor(["thing" in names for names in unnamed]),
        named_caption_batch(tokenizer, told, unnamed, LENGTH),
    )


def binding_batch(
    tokenizer: PreTrainedTokenizerBase, sounds: tuple[Sequence[Scene], Tensor], text_length: int, rng: random.Random
) -> Batch:
    """Clips, some of `sounds`, and a caption of each, with what belongs together."""
    shown = shown_scenes(tokenizer, rng, UNNAMED)
    chosen = [rng.randrange(len(sounds[0])) for _ in range(HEARD_AT_ONCE)]
    heard_scenes = [sounds[0][i] for i in chosen]
    sound_captions, sound_kept = zip(*(captioned_sound(scene, rng) for scene in heard_scenes), strict=True)
    ids, last = text_batch(tokenizer, [*shown.captions, *sound_captions], text_length)
    canonical_sounds = text_batch(tokenizer, [f" {sound_caption(scene)}" for scene in heard_scenes], LENGTH)[0]
    return {
        "clips": shown.clips,
        "mels": sounds[1][chosen],
        "ids": ids[:, : last.max() + 1],  # attention is causal, so what stands behind the longest caption changes nothing
        "last": last,
        "seen": fits(shown.scenes, shown.scenes, shown.kept),
        "asked": shown.asked,
        "heard": fits(heard_scenes, heard_scenes, sound_kept),
        "bound": fits(shown.scenes, heard_scenes, [HEARD] * len(heard_scenes)),
        "bind": ~shown.nameless[:, None].expand(-1, len(heard_scenes)),
        "canonical": torch.cat([shown.canonical, canonical_sounds]),
    }


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the towers and saves them as `parts/towers`, which `audio_binding` and `vision_binding` train further."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer")
    model = BindingLoss(new_imagebind(len(tokenizer)), tokenizer.pad_token_id)
    sounds = rendered_sounds(random.Random(seed), max(HEARD_AT_ONCE, round(SOUNDS * min(1.0, scale))))
    length = model.imagebind.config.text_length

    def batch(rng: random.Random) -> Batch:
        return binding_batch(tokenizer, sounds, length, rng)

    fit(model, PLAN.scaled(scale), batch, lambda module, rows: module(rows), folder, seed)
    if not processes().is_main_process:
        return
    model.imagebind.save_pretrained(parts / "towers", torch.float32)
