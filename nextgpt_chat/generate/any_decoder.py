"""A caption or prompt embeddings to a medium, by any pipeline of `families`. It makes media from noise alone."""

from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from scipy.signal import resample_poly
from torch import Tensor

from nextgpt_chat.errors import SetupError
from nextgpt_chat.generate.decoding import Denoising, Progress, Stop, after_step, save_memory, step_done
from nextgpt_chat.generate.families import Family, own_parts
from nextgpt_chat.media.audio_file import RATE


class AnyDecoder:
    """Makes pictures uint8 [size, width, 3], clips uint8 [frames, size, width, 3] or sounds float32 [seconds × 16,000] in -1..1."""

    begins = False

    def __init__(
        self,
        folder: Path,
        name: str,
        family: Family,
        device: torch.device,
        size: int = 0,
        width: int = 0,
        frame_rate: float = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Loads a standard pipeline folder into main memory, to work on `device`; nothing is fetched. `name` is that of its class, and `family` tells how
        that is called; without `width`, what is seen is square."""
        self.family = family
        self.pipeline = DiffusionPipeline.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype, **own_parts(name, folder, dtype)
        )
        self.pipeline.set_progress_bar_config(disable=True)
        self.device, self.dtype = device, dtype
        if self.family.kind == "video":
            save_memory(self.pipeline.vae, device)
        self.size, self.width, self.frame_rate = size, width or size, frame_rate

    def to(self, device: torch.device) -> None:
        """See `Decoder`."""
        self.pipeline.remove_all_hooks()
        self.pipeline.to(device)

    def offload(self, device: torch.device) -> None:
        """See `Decoder`."""
        if self.pipeline.model_cpu_offload_seq:
            self.pipeline.enable_model_cpu_offload(device=device)
        else:
            self.pipeline.to(device)

    def steps(self, how: Denoising, _start: np.ndarray | None) -> int:
        """See `Decoder`."""
        return how.steps

    def make(self, prompt: Tensor | str, how: Denoising, _start: np.ndarray | None, progress: Progress, stop: Stop) -> np.ndarray:
        """See `Decoder`; it never begins from another medium."""
        made = self.pipeline(
            **self._told(prompt),
            **how.options(),
            **self._extent(how),
            **self._callback(progress, stop),
            output_type="np",
        )
        if self.family.kind == "audio":
            return _sound(made.audios[0], self._rate(), round(how.seconds * RATE))
        seen = made.images[0] if self.family.kind == "image" else made.frames[0]
        return (seen * 255).round().astype(np.uint8)

    def _told(self, prompt: Tensor | str) -> dict[str, Any]:
        if isinstance(prompt, str):
            return {"prompt": prompt}
        if self.family.embedded is None:
            raise SetupError("No projection can drive this decoder; its kind of media belongs into 'captions'.")
        return self.family.embedded(self.pipeline, prompt.to(self.device, self.dtype))

    def _extent(self, how: Denoising) -> dict[str, Any]:
        if self.family.kind == "audio":
            return {self.family.seconds: how.seconds}
        extent = {"height": self.size, "width": self.width}
        if self.family.kind == "video":
            extent |= {"num_frames": how.frames} | ({"frame_rate": self.frame_rate} if self.family.frame_rate else {})
        return extent

    def _callback(self, progress: Progress, stop: Stop) -> dict[str, Any]:
        if not self.family.late_callback:
            return {"callback": lambda step, _time, _latents: step_done(step, progress, stop)}
        return {"callback_on_step_end": after_step(progress, stop)}

    def _rate(self) -> int:
        """Samples in a second of what the pipeline makes."""
        vocoder = getattr(self.pipeline, "vocoder", None)
        return int(vocoder.config.sampling_rate if vocoder is not None else self.pipeline.vae.sampling_rate)


def _sound(samples: np.ndarray, rate: int, length: int) -> np.ndarray:
    """Samples [N] or [channels, N] as one channel at 16 kHz, [length]."""
    mono = np.asarray(samples, dtype=np.float32)
    mono = mono.mean(axis=0) if mono.ndim > 1 else mono
    common = gcd(rate, RATE)
    heard: np.ndarray = resample_poly(mono, RATE // common, rate // common) if rate != RATE else mono
    heard = np.pad(heard[:length], (0, max(0, length - len(heard))))
    return heard.clip(-1, 1).astype(np.float32)
