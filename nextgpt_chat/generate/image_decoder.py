"""Prompt embeddings to a picture: a Stable Diffusion pipeline, driven by embeddings instead of text.

The empty prompt's embeddings, which classifier-free guidance needs, are computed once. The text encoder is not used for anything else.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from PIL import Image
from torch import Tensor

from nextgpt_chat.generate.decoding import Denoising, Progress, Stop, after_step


class ImageDecoder:
    """Makes pictures, uint8 [size, size, 3]."""

    begins = True

    def __init__(self, folder: Path, size: int, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Loads a standard pipeline folder; nothing is fetched."""
        self.pipeline = StableDiffusionPipeline.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, safety_checker=None, dtype=dtype
        ).to(device)
        self._from_image = StableDiffusionImg2ImgPipeline(**self.pipeline.components, requires_safety_checker=False)
        for pipeline in (self.pipeline, self._from_image):
            pipeline.set_progress_bar_config(disable=True)
        self.size = size
        with torch.inference_mode():
            self._empty = self.pipeline.encode_prompt("", device, 1, False)[0]

    def to(self, device: torch.device) -> None:
        """See `Decoder`."""
        self.pipeline.to(device)

    offload = to

    def steps(self, how: Denoising, start: np.ndarray | None) -> int:
        """See `Decoder`."""
        return how.real_steps(start is not None)

    def make(self, prompt: Tensor | str, how: Denoising, start: np.ndarray | None, progress: Progress, stop: Stop) -> np.ndarray:
        """See `Decoder`."""
        common = {
            **({"prompt": prompt} if isinstance(prompt, str) else {"prompt_embeds": prompt.to(self._empty)}),
            "negative_prompt_embeds": self._empty,
            **how.options(),
            "output_type": "np",
            "callback_on_step_end": after_step(progress, stop),
        }
        if start is None:
            made = self.pipeline(**common, height=self.size, width=self.size)
        else:
            made = self._from_image(**common, image=Image.fromarray(start), strength=how.cover)
        return (made.images[0] * 255).round().astype(np.uint8)
