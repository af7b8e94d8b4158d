"""What all decoders are asked: prompt embeddings, how to denoise, and what to begin from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from nextgpt_chat.errors import Cancelled

Progress = Callable[[int], None]
"""Called with the number of denoising steps that are done, after each."""
Stop = Callable[[], bool]
"""True as soon as the work shall end."""


@dataclass(frozen=True)
class Denoising:
    """How one medium is made."""

    steps: int
    guidance: float
    seed: int
    strength: float = 1.0
    """Share of the noise that covers the medium to begin from; 1 leaves nothing of it."""
    frames: int = 0
    """Frames of a clip."""
    seconds: float = 0.0
    """Length of a sound."""

    def options(self) -> dict[str, Any]:
        """What every pipeline of Diffusers is told of it."""
        return {
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance,
            "generator": torch.Generator("cpu").manual_seed(self.seed),
        }

    def real_steps(self, begins: bool) -> int:
        """Denoising steps that are taken, where the medium `begins` from another one or from noise alone."""
        return int(self.steps * self.cover) if begins else self.steps

    @property
    def cover(self) -> float:
        """`strength`, or as much as leaves one step to take: of few steps a small share is none, and Diffusers then fails."""
        return max(self.strength, min(1.0, 1.001 / self.steps))


class Decoder(Protocol):
    """A diffusion decoder that reports its steps and can be stopped between them."""

    begins: bool
    """Whether it can begin from an earlier medium."""

    def to(self, device: torch.device) -> None:
        """Moves the weights; `make` works on the device for which it was loaded."""
        ...

    def offload(self, device: torch.device) -> None:
        """Lets its parts come to `device` one after the other while `make` works, if they are large; otherwise moves them all there."""
        ...

    def steps(self, how: Denoising, start: np.ndarray | None) -> int:
        """Denoising steps that `make` takes."""
        ...

    def make(self, prompt: Tensor | str, how: Denoising, start: np.ndarray | None, progress: Progress, stop: Stop) -> np.ndarray:
        """A caption or prompt embeddings [1, L, D] -> a medium; `start` is one of the same shape and length to begin from. A clip can also begin from one frame.

        Raises `Cancelled` once `stop()` is true.
        """
        ...


def save_memory(vae: Any, device: torch.device) -> None:
    """On a GPU, frames are decoded one after the other and large ones in tiles, where an autoencoder can; otherwise a clip takes most there."""
    if device.type == "cuda":
        for able in ("enable_slicing", "enable_tiling"):
            getattr(vae, able, lambda: None)()


def after_step(progress: Progress, stop: Stop) -> Callable[..., dict[str, Any]]:
    """`step_done` as newer pipelines call it, `callback_on_step_end`."""

    def call(_pipeline: object, step: int, _time: int, state: dict[str, Any]) -> dict[str, Any]:
        step_done(step, progress, stop)
        return state

    return call


def step_done(step: int, progress: Progress, stop: Stop) -> None:
    """What happens between two denoising steps, the first of which is number 0."""
    if stop():
        raise Cancelled
    progress(step + 1)
