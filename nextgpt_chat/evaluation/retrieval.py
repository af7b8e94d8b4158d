"""Cross-modal retrieval in ImageBind's space, which is what binding is for: the nearest medium of another kind, or caption, of the same scene.

A gallery has one scene for each thing, size and number, so that a sound has exactly one match; every thing has the colour that training
never gave it.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.encode.preprocessing import audio_tensor, image_tensor, video_tensor
from nextgpt_chat.evaluation.embedding import encoded_captions
from nextgpt_chat.evaluation.interval import Score, share
from nextgpt_chat.tinyland.captions import caption, clip_caption, sound_caption
from nextgpt_chat.tinyland.draw import draw
from nextgpt_chat.tinyland.film import film
from nextgpt_chat.tinyland.holdout import WITHHELD
from nextgpt_chat.tinyland.play import play
from nextgpt_chat.tinyland.scene import COUNTS, MOTIONS, SIZES, THINGS, Scene, random_scene

GALLERIES = 4
"""Galleries of 48 scenes over which shares are taken."""
CAPTIONS = {"image": caption, "video": clip_caption, "audio": sound_caption}
SIZE = len(THINGS) * len(SIZES) * len(COUNTS)


def gallery(rng: random.Random) -> list[Scene]:
    """48 scenes, each thing in its withheld colour; what is not heard is drawn at random."""
    return [
        replace(random_scene(rng), thing=thing, colour=WITHHELD[thing], size=size, count=count, motion=rng.choice(MOTIONS))
        for thing, size, count in product(THINGS, SIZES, COUNTS)
    ]


@torch.inference_mode()
def recalls(imagebind: ImageBind, tokenizer: PreTrainedTokenizerBase, kinds: Sequence[str], seed: int) -> dict[str, Score]:
    """Recall@1 from each of `kinds` and text to each other, as `audio image`; guessing finds 1 of 48."""
    rng = random.Random(f"{seed}/retrieval")
    hits: dict[str, list[float]] = {}
    for _ in range(GALLERIES):
        scenes = gallery(rng)
        media = {kind: imagebind.encode_media(_rendered(scenes, kind, imagebind, rng), kind).float().cpu() for kind in kinds}
        for one, other in permutations(kinds, 2):
            hits.setdefault(f"{one} {other}", []).extend(found(media[one], media[other]))
        for kind in kinds:
            texts = encoded_captions(imagebind, tokenizer, [CAPTIONS[kind](scene) for scene in scenes])
            hits.setdefault(f"text {kind}", []).extend(found(texts, media[kind]))
            hits.setdefault(f"{kind} text", []).extend(found(media[kind], texts))
    return {pair: share(values) for pair, values in hits.items()}


def found(queries: Tensor, others: Tensor) -> list[float]:
    """1 for each query [N, E] whose nearest neighbour among `others` [N, E] is the one at its own place."""
    nearest = (queries @ others.T).argmax(dim=1)
    return (nearest == torch.arange(len(queries))).float().tolist()


def _rendered(scenes: Sequence[Scene], kind: str, imagebind: ImageBind, rng: random.Random) -> Tensor:
    shape = imagebind.config
    media = []
    for scene in scenes:
        if kind == "image":
            media.append(image_tensor(draw(scene, rng), shape.image_size))
        elif kind == "video":
            media.append(video_tensor(np.asarray(film(scene, rng, frames=shape.frames)), shape.image_size))
        else:
            media.append(audio_tensor(play(scene, rng), shape.audio_size[0]))
    return torch.stack(media).to(imagebind.device, imagebind.dtype)
