"""Prompt embeddings to a clip: the pipeline of Zeroscope, driven by embeddings instead of text.

It makes clips from noise, or lets a picture move that the image decoder draws from the same embeddings (Emu Video, arXiv 2311.10709).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import TextToVideoSDPipeline, UNet3DConditionModel, VideoToVideoSDPipeline
from PIL import Image
from torch import Tensor, nn

from nextgpt_chat.generate.decoding import Decoder, Denoising, Progress, Stop, save_memory, step_done


@dataclass(frozen=True)
class FirstFrame:
    """What draws the first frame of a clip, of the same size and from the same prompt embeddings."""

    decoder: Decoder
    strength: float
    """How much noise covers the first frame of a clip that is changed; pictures bear other changes than motion needs."""

    def how(self, how: Denoising) -> Denoising:
        """How it is drawn, where the clip is made like this."""
        return replace(how, strength=self.strength)


class VideoDecoder:
    """Makes clips, uint8 [frames, size, width, 3]."""

    begins = True

    def __init__(
        self,
        folder: Path,
        size: int,
        device: torch.device,
        first: FirstFrame | None = None,
        width: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Loads a standard pipeline folder; nothing is fetched. Without `first`, clips are made from noise; without `width`, they are square."""
        self.pipeline = TextToVideoSDPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=dtype).to(
            device
        )
        self._from_video = VideoToVideoSDPipeline(**self.pipeline.components)
        for pipeline in (self.pipeline, self._from_video):
            pipeline.set_progress_bar_config(disable=True)
        pool_prompt(self.pipeline.unet)
        save_memory(self.pipeline.vae, device)
        self.size, self.width, self.first = size, width or size, first
        with torch.inference_mode():
            self._empty = self.pipeline.encode_prompt("", device, 1, False)[0]

    def to(self, device: torch.device) -> None:
        """See `Decoder`."""
        self.pipeline.to(device)
        if self.first:
            self.first.decoder.to(device)

    offload = to

    def steps(self, how: Denoising, start: np.ndarray | None) -> int:
        """See `Decoder`."""
        return self._steps_before(how, start) + how.real_steps(start is not None or self.first is not None)

    def make(self, prompt: Tensor | str, how: Denoising, start: np.ndarray | None, progress: Progress, stop: Stop) -> np.ndarray:
        """See `Decoder`. One frame to begin from [1, size, size, 3] is kept; a clip [frames, size, size, 3] may be changed all over."""
        before = self._steps_before(how, start)
        if self.first and before:
            frame = None if start is None else start[0]
            start = self.first.decoder.make(prompt, self.first.how(how), frame, progress, stop)[None]
        common = {
            **({"prompt": prompt} if isinstance(prompt, str) else {"prompt_embeds": prompt.to(self._empty)}),
            "negative_prompt_embeds": self._empty,
            **how.options(),
            "callback": lambda step, _time, _latents: step_done(before + step, progress, stop),
        }
        if start is None:
            made = self.pipeline(**common, height=self.size, width=self.width, num_frames=how.frames)
        else:
            # as PIL, since arrays are taken for 0 to 1 whatever their type is
            frames = [Image.fromarray(frame) for frame in (start if len(start) > 1 else np.repeat(start, how.frames, axis=0))]
            made = self._from_video(**common, video=frames, strength=how.cover)
        return (made.frames[0] * 255).round().astype(np.uint8)

    def _steps_before(self, how: Denoising, start: np.ndarray | None) -> int:
        """Steps that the first frame takes: none if it is there, or if there is none apart from the clip."""
        if self.first is None or (start is not None and len(start) == 1):
            return 0
        return self.first.decoder.steps(self.first.how(how), None if start is None else start[0])


def pool_prompt(unet: UNet3DConditionModel) -> None:
    """Lets a UNet that has a condition beside the time, of a prompt embedding's width, find the sum of the prompt there.

    The pipelines give the prompt to cross-attention alone, from which a UNet this small learns slowly; the time is known at every
    resolution.
    """

    def forward(_unet: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, {**options, "timestep_cond": options["encoder_hidden_states"].sum(dim=1)}

    if unet.config.time_cond_proj_dim:
        unet.register_forward_pre_hook(forward, with_kwargs=True)
