"""Prompt embeddings to a clip: the pipeline of Zeroscope, driven by embeddings instead of text."""

from pathlib import Path

import numpy as np
import torch
from diffusers import TextToVideoSDPipeline, VideoToVideoSDPipeline
from torch import Tensor

from nextgpt_chat.generate.decoding import Denoising, Progress, Stop, step_done


class VideoDecoder:
    """Makes clips, uint8 [frames, size, size, 3]."""

    def __init__(self, folder: Path, size: int, frames: int, device: torch.device) -> None:
        """Loads a standard pipeline folder; nothing is fetched."""
        self.pipeline = TextToVideoSDPipeline.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        ).to(device)
        self._from_video = VideoToVideoSDPipeline(**self.pipeline.components)
        for pipeline in (self.pipeline, self._from_video):
            pipeline.set_progress_bar_config(disable=True)
        self.size, self.frames = size, frames
        with torch.inference_mode():
            self._empty = self.pipeline.encode_prompt("", device, 1, False)[0]

    def make(self, prompt: Tensor, how: Denoising, start: np.ndarray | None, progress: Progress, stop: Stop) -> np.ndarray:
        """See `Decoder`."""
        common = {
            "prompt_embeds": prompt.to(self._empty.dtype),
            "negative_prompt_embeds": self._empty,
            **how.options(),
            "callback": lambda step, _time, _latents: step_done(step, progress, stop),
        }
        if start is None:
            made = self.pipeline(**common, height=self.size, width=self.size, num_frames=self.frames)
        else:
            made = self._from_video(**common, video=list(start), strength=how.strength)
        return (made.frames[0] * 255).round().astype(np.uint8)
