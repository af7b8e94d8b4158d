"""The decoder of each kind of medium."""

from pathlib import Path

import torch

from nextgpt_chat.checkpoint import Decoding
from nextgpt_chat.generate.audio_decoder import AudioDecoder
from nextgpt_chat.generate.decoding import Decoder
from nextgpt_chat.generate.image_decoder import ImageDecoder
from nextgpt_chat.generate.video_decoder import VideoDecoder


def load_decoder(kind: str, folder: Path, decoding: Decoding, device: torch.device) -> Decoder:
    """The decoder of one kind of medium."""
    if kind == "image":
        return ImageDecoder(folder, decoding.size, device)
    if kind == "video":
        return VideoDecoder(folder, decoding.size, decoding.frames, device)
    return AudioDecoder(folder, decoding.seconds, device)
