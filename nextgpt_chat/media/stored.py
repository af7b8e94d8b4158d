"""Stored media as arrays."""

from pathlib import Path

import numpy as np

from nextgpt_chat.media.audio_file import read_audio
from nextgpt_chat.media.image_file import read_image
from nextgpt_chat.media.video_file import read_video


def read_medium(kind: str, path: Path, frames: int) -> np.ndarray:
    """A picture uint8 [H, W, 3], a clip uint8 [frames, H, W, 3] from its first to its last frame, or a sound float32 [N] at 16 kHz."""
    if kind == "image":
        return read_image(path)
    return read_video(path, frames) if kind == "video" else read_audio(path)
