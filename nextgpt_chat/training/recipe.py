"""The whole recipe in order, from nothing to a checkpoint.

- `tokenizer`, then from its words `language_model`, and from its words, pictures, clips and sounds `imagebind`, whose towers `audio_binding`
  and `vision_binding` train further;
- `image_vae` and `image_diffusion` make the image decoder, whose text encoder is the beginning of ImageBind's text tower;
- `video_diffusion` makes the video decoder on the same autoencoder and text encoder; `vocoder`, `audio_vae` and `audio_diffusion` make the
  audio decoder;
- `stage1_encode`, `stage2_generate` and `stage3_instruct` align all of them as the paper does; `assemble` writes the checkpoint.
"""

import logging
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from accelerate.utils import set_seed

from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from nextgpt_chat.training import assemble, stage1_encode, stage2_generate, stage3_instruct
from nextgpt_chat.training.base_parts import (
    audio_binding,
    audio_diffusion,
    audio_vae,
    image_diffusion,
    image_vae,
    imagebind,
    language_model,
    tokenizer,
    video_diffusion,
    vision_binding,
    vocoder,
)
from nextgpt_chat.training.loop import processes
from nextgpt_chat.training.mosit_reader import read_dialogues

log = logging.getLogger(__name__)

Train = Callable[[Path, Path, int, float], None]
"""Folder for logs and states, folder of all parts, seed, share of the steps. Every process trains; the first one writes the parts."""

STAGES: dict[str, Train | None] = {
    "tokenizer": tokenizer.train,
    "language_model": language_model.train,
    "imagebind": imagebind.train,
    "audio_binding": audio_binding.train,
    "vision_binding": vision_binding.train,
    "image_vae": image_vae.train,
    "image_diffusion": image_diffusion.train,
    "video_diffusion": video_diffusion.train,
    "vocoder": vocoder.train,
    "audio_vae": audio_vae.train,
    "audio_diffusion": audio_diffusion.train,
    "stage1_encode": stage1_encode.train,
    "stage2_generate": stage2_generate.train,
    "stage3_instruct": stage3_instruct.train,
    "assemble": None,
}
"""Every stage by its word, in the order in which `all` runs them. `assemble` trains nothing: it writes the checkpoint."""


INSTRUCT = "stage3_instruct"
"""The stage that learns from dialogues in files, too."""


def run_recipe(
    words: Sequence[str], folder: Path, out: Path, seed: int, scale: float, fresh: bool, data: Sequence[Path] = ()
) -> None:
    """Runs stages in the recipe's order. A finished stage is passed over; `fresh` begins the named ones anew.

    `data` are folders with dialogues for stage 3, in a format of `mosit_reader`; they are read before anything is trained.
    """
    unknown = [word for word in words if word != "all" and word not in STAGES]
    if unknown:
        raise InputError(f"There is no stage '{unknown[0]}'. The stages are: all, {', '.join(STAGES)}.")
    if data and not {"all", INSTRUCT} & set(words):
        raise InputError(f"--data is for the stage {INSTRUCT}, which is not among: {', '.join(words)}.")
    content = ContentStore(folder / "media")
    told = [dialogue for source in data for dialogue in read_dialogues(source, content, Settings())]
    stages = {**STAGES, INSTRUCT: partial(stage3_instruct.train, told=told)}
    state = processes()
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    for name, train in stages.items():
        if "all" not in words and name not in words:
            continue
        if train is None:
            if state.is_main_process:
                assemble.run(parts, out)
                log.info("the checkpoint is in %s", out)
            continue
        finished = folder / name / "finished"
        if fresh and state.is_main_process:
            shutil.rmtree(folder / name, ignore_errors=True)
        state.wait_for_everyone()
        if finished.is_file():
            log.info("%s is finished already; --fresh begins it anew", name)
            continue
        log.info("%s begins", name)
        set_seed(seed)
        train(folder / name, parts, seed, scale)
        state.wait_for_everyone()  # the first process has written the parts that the next stage reads
        if state.is_main_process:
            finished.parent.mkdir(parents=True, exist_ok=True)
            finished.touch()
