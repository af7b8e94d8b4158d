"""Batches of Tinyland's sounds for the parts that learn from samples."""

import random
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nextgpt_chat.encode.mel import log_mel
from nextgpt_chat.tinyland.holdout import is_held_out, training_scene
from nextgpt_chat.tinyland.play import VOICES, play
from nextgpt_chat.tinyland.scene import HEARD, VALUES, Scene, random_scene
from nextgpt_chat.tinyland.unnamed import imagined_voice

AT_ONCE = 64
"""Sounds whose samples are held in memory together."""


def sound_batch(scenes: Sequence[Scene], rng: random.Random) -> Tensor:
    """Scenes as samples, float32 [B, 32768]. A thing that Tinyland does not have sounds as it is imagined."""
    voices = [None if scene.thing in VOICES else imagined_voice(scene.thing) for scene in scenes]
    return torch.from_numpy(np.stack([play(scene, rng, voice) for scene, voice in zip(scenes, voices, strict=True)]))


def mel_batch(scenes: Sequence[Scene], rng: random.Random, unnamed: Sequence[Collection[str]] | None = None) -> Tensor:
    """Scenes as log-mel spectrograms [B, T, M], rendered `AT_ONCE` at a time.

    `unnamed` says for each scene what has no name in its sound: with `thing`, its voice is one that nothing has.
    """
    odd = ["thing" in names for names in unnamed or [()] * len(scenes)]
    names = any_names(rng, sum(odd))
    scenes = [replace(scene, thing=names.pop()) if nameless else scene for scene, nameless in zip(scenes, odd, strict=True)]
    pieces = [scenes[i : i + AT_ONCE] for i in range(0, len(scenes), AT_ONCE)]
    return torch.cat([log_mel(sound_batch(piece, rng)) for piece in pieces])


def heard_scene(imagined: Sequence[str], share: float, rng: random.Random) -> Scene:
    """A scene that training may hear; in a `share` of them the thing is one of the `imagined` ones, in every size and number."""
    if rng.random() < share:
        return replace(random_scene(rng), thing=rng.choice(imagined))
    return training_scene(rng, ("audio",))


def changed_sound(scene: Scene, imagined: Sequence[str], rng: random.Random) -> Scene:
    """The scene with one change that can be heard, to what training may hear; an imagined thing becomes another one."""
    while True:
        name = rng.choice(HEARD)
        values = imagined if name == "thing" and scene.thing in imagined else VALUES[name]
        changed = replace(scene, **{name: rng.choice(values)})
        if changed != scene and (changed.thing in imagined or not is_held_out(changed, "audio")):
            return changed


def any_names(rng: random.Random, count: int) -> list[str]:
    """Names of imagined things that nobody has used."""
    return [f"thing {rng.getrandbits(32)}" for _ in range(count)]
