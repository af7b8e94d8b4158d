"""The decoder of each kind of medium."""

import torch

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.generate.audio_decoder import AudioDecoder
from nextgpt_chat.generate.decoding import Decoder
from nextgpt_chat.generate.image_decoder import ImageDecoder
from nextgpt_chat.generate.video_decoder import FirstFrame, VideoDecoder


def load_decoders(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype = torch.float32) -> dict[str, Decoder]:
    """The decoders of a checkpoint by kind of medium."""
    decoders: dict[str, Decoder] = {}
    for kind in ("image", "video", "audio"):  # a clip may need what draws pictures
        if not (decoding := checkpoint.decoding.get(kind)):
            continue
        folder = checkpoint.part(f"{kind}_decoder")
        if kind == "image":
            decoders[kind] = ImageDecoder(folder, decoding.size, device, dtype)
        elif kind == "video":
            first = FirstFrame(decoders["image"], checkpoint.decoding["image"].strength) if decoding.first_frame else None
            decoders[kind] = VideoDecoder(folder, decoding.size, device, first, decoding.width, dtype)
        else:
            decoders[kind] = AudioDecoder(folder, device, decoding.unit_prompt, dtype)
    return decoders
