"""Files and arrays to the tensors that the encoder sees and hears, the same in training and in use."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nextgpt_chat.conversation import Media
from nextgpt_chat.encode.imagebind import ImageBindConfig
from nextgpt_chat.encode.mel import HOP, log_mel
from nextgpt_chat.encode.published_preprocessing import (
    filled,
    frame_numbers,
    published_clip,
    published_image,
    published_sound,
)
from nextgpt_chat.media.stored import read_medium
from nextgpt_chat.media.video_file import read_frames


def media_tensor(medium: Media, encoder: ImageBindConfig) -> Tensor:
    """A stored medium as ImageBind takes it.

    Of a clip, a small encoder sees `frames` frames from its first to its last, and a published one those that `frame_numbers` names.
    """
    if medium.kind == "video" and encoder.form == "published":
        array = read_frames(medium.path, lambda count, rate: frame_numbers(count, rate, encoder.frames))
    else:
        array = read_medium(medium.kind, medium.path, encoder.frames)
    return array_tensor(array, medium.kind, encoder)


def array_tensor(array: np.ndarray, kind: str, encoder: ImageBindConfig) -> Tensor:
    """A picture uint8 [H, W, 3], those frames of a clip uint8 [F, H, W, 3] that are seen, or a sound [N] at 16 kHz, as ImageBind takes it.

    For a published encoder there may be several times `frames` frames, and clips and sounds become several views.
    """
    published = encoder.form == "published"
    if kind == "image":
        whole = filled(array) if encoder.filled else array
        return (published_image if published else image_tensor)(whole, encoder.image_size)
    if kind == "video":
        return published_clip(array, encoder.image_size, encoder.frames) if published else video_tensor(array, encoder.image_size)
    return published_sound(array, encoder.audio_size) if published else audio_tensor(array, encoder.audio_size[0])


def image_tensor(pixels: np.ndarray, size: int) -> Tensor:
    """Any picture, uint8 [H, W, 3], as [3, size, size] in [-1, 1]; see `square`."""
    pixels = square(pixels, size)
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 127.5 - 1


def video_tensor(frames: np.ndarray, size: int) -> Tensor:
    """Frames uint8 [F, H, W, 3] as [F, 3, size, size] in [-1, 1], each as a picture."""
    return torch.stack([image_tensor(frame, size) for frame in frames])


def audio_tensor(samples: np.ndarray, frames: int) -> Tensor:
    """A sound of any length at 16 kHz as a log-mel spectrogram [frames, bins]: of a long one, the stretch in which most is heard.

    A short one is followed by silence.
    """
    length = frames * HOP
    if len(samples) > length:
        heard = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
        start = int(np.argmax(heard[length:] - heard[:-length]))
        samples = samples[start : start + length]
    padded = np.pad(samples, (0, length - len(samples)))
    return log_mel(torch.from_numpy(padded.astype(np.float32))[None])[0]


def square(pixels: np.ndarray, size: int) -> np.ndarray:
    """Any picture, uint8 [H, W, 3], as [size, size, 3]: short side reduced to `size`, then the centre is cut out."""
    height, width = pixels.shape[:2]
    if (height, width) != (size, size):
        scale = size / min(height, width)
        picture = Image.fromarray(pixels).resize(
            (max(size, round(width * scale)), max(size, round(height * scale))),
            Image.Resampling.BICUBIC,
            reducing_gap=3.0,
        )
        left, top = (picture.width - size) // 2, (picture.height - size) // 2
        pixels = np.asarray(picture.crop((left, top, left + size, top + size)))
    return pixels
