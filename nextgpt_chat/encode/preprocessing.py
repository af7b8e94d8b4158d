"""Files and arrays to the tensors that the encoder sees and hears, the same in training and in use."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nextgpt_chat.conversation import Media
from nextgpt_chat.encode.imagebind import ImageBindConfig
from nextgpt_chat.encode.mel import HOP, log_mel
from nextgpt_chat.media.stored import read_medium


def media_tensor(medium: Media, encoder: ImageBindConfig) -> Tensor:
    """A stored medium as ImageBind takes it: of a clip, `encoder.frames` frames from its first to its last."""
    array = read_medium(medium.kind, medium.path, encoder.frames)
    if medium.kind == "image":
        return image_tensor(array, encoder.image_size)
    if medium.kind == "video":
        return video_tensor(array, encoder.image_size)
    return audio_tensor(array, encoder.audio_size[0])


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
