"""Prompt embeddings to a picture: a Stable Diffusion pipeline, driven by embeddings instead of text.

The empty prompt's embeddings, which classifier-free guidance needs, are computed once. The text encoder is not used for anything else.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from nextgpt_chat.errors import Cancelled


class ImageDecoder:
    """A Stable Diffusion pipeline that reports its steps and can be stopped between them."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Loads a standard pipeline folder; nothing is fetched."""
        self.pipeline = StableDiffusionPipeline.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, safety_checker=None, dtype=torch.float32
        ).to(device)
        self.pipeline.set_progress_bar_config(disable=True)
        self.device = device
        with torch.inference_mode():
            self._empty = self.pipeline.encode_prompt("", device, 1, False)[0]

    def draw(
        self,
        prompt: Tensor,
        steps: int,
        guidance: float,
        seed: int,
        size: int,
        progress: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> np.ndarray:
        """Prompt embeddings [1, L, D] -> picture uint8 [size, size, 3].

        `progress(done)` is called after each of the `steps` denoising steps. Raises `Cancelled` once `cancelled()` is true.
        """

        def after_step(pipeline: StableDiffusionPipeline, step: int, _time: int, state: dict[str, Any]) -> dict[str, Any]:
            if cancelled():
                raise Cancelled
            progress(step + 1)
            return state

        made = self.pipeline(
            prompt_embeds=prompt.to(self._empty.dtype),
            negative_prompt_embeds=self._empty,
            num_inference_steps=steps,
            guidance_scale=guidance,
            height=size,
            width=size,
            generator=torch.Generator("cpu").manual_seed(seed),
            output_type="np",
            callback_on_step_end=after_step,
        )
        return (made.images[0] * 255).round().astype(np.uint8)
