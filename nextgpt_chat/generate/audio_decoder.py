"""Prompt embeddings to a sound: the pipeline of AudioLDM, driven by an embedding instead of text."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AudioLDMPipeline, DDIMScheduler
from torch import Tensor
from torch.nn import functional

from nextgpt_chat.encode.mel import HOP, log_mel
from nextgpt_chat.generate.decoding import Denoising, Progress, Stop, step_done

STRIDE = 16 * HOP
"""Samples by which a sound that is begun from may be longer or shorter: its spectrogram is halved four times on the way to the UNet's middle."""


class AudioDecoder:
    """Makes sounds, float32 [seconds × 16,000] in -1..1."""

    begins = True

    def __init__(self, folder: Path, device: torch.device, unit_prompt: bool = True, dtype: torch.dtype = torch.float32) -> None:
        """Loads a standard pipeline folder; nothing is fetched. With `unit_prompt`, only the direction of a prompt embedding counts."""
        self.unit_prompt = unit_prompt
        self.pipeline = AudioLDMPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=dtype).to(
            device
        )
        self.pipeline.set_progress_bar_config(disable=True)
        self._scheduler = self.pipeline.scheduler
        empty = self.pipeline.tokenizer("", return_tensors="pt").to(device)
        with torch.inference_mode():
            self._empty = functional.normalize(self.pipeline.text_encoder(**empty).text_embeds, dim=-1)

    def to(self, device: torch.device) -> None:
        """See `Decoder`."""
        self.pipeline.to(device)

    offload = to

    def steps(self, how: Denoising, start: np.ndarray | None) -> int:
        """See `Decoder`."""
        return how.real_steps(start is not None)

    def make(self, prompt: Tensor | str, how: Denoising, start: np.ndarray | None, progress: Progress, stop: Stop) -> np.ndarray:
        """See `Decoder`; prompt embeddings are [1, 1, D]."""
        told: dict[str, Any] = {"prompt": prompt}
        if not isinstance(prompt, str):
            embedding = prompt[:, 0].to(self._empty)
            told = {"prompt_embeds": functional.normalize(embedding, dim=-1) if self.unit_prompt else embedding}
        options = how.options()
        latents = None
        self.pipeline.scheduler = self._scheduler
        if start is not None:
            self.pipeline.scheduler = _Late.begin(self._scheduler, how.steps - how.real_steps(True))
            latents = self._noised(start, how, options["generator"])
        made = self.pipeline(
            **told,
            negative_prompt_embeds=self._empty,
            latents=latents,
            audio_length_in_s=how.seconds,
            callback=lambda step, _time, _latents: step_done(step, progress, stop),
            **options,
        )
        return made.audios[0].clip(-1, 1)

    @torch.inference_mode()
    def _noised(self, samples: np.ndarray, how: Denoising, generator: torch.Generator) -> Tensor:
        """The latents of a sound under as much noise as the first step that is taken removes."""
        length = -(-len(samples) // STRIDE) * STRIDE  # what lies behind the sound is cut off again by the pipeline
        padded = np.pad(samples, (0, length - len(samples)))
        mel = log_mel(torch.from_numpy(padded)[None].to(self._empty.device))[:, None].to(self._empty.dtype)
        latents = self.pipeline.vae.encode(mel).latent_dist.mean * self.pipeline.vae.config.scaling_factor
        self.pipeline.scheduler.set_timesteps(how.steps)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        noised: Tensor = self.pipeline.scheduler.add_noise(latents, noise, self.pipeline.scheduler.timesteps[:1])
        return noised


class _Late(DDIMScheduler):
    """A schedule that leaves out its first steps: AudioLDM's pipeline has no way of its own to begin from a sound."""

    left_out = 0

    @classmethod
    def begin(cls, scheduler: DDIMScheduler, left_out: int) -> "_Late":
        late: _Late = cls.from_config(scheduler.config)
        late.left_out = left_out
        return late

    def set_timesteps(self, *args: Any, **options: Any) -> None:
        super().set_timesteps(*args, **options)
        self.timesteps: Tensor = self.timesteps[self.left_out :]
