"""Pictures, clips and sounds as ImageBind-huge takes them, in training and in use: what its `data.py` does, without torchvision, torchaudio and
pytorchvideo.

A clip is seen in 15 views: 5 stretches of 2 s, each cut out at 3 places. A sound is heard in 3 stretches of 2 s. Not covered: the published code
hears the first channel of a sound and resamples it by itself; sounds here are mono at 16 kHz already.
"""

import math
from fractions import Fraction

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nextgpt_chat.encode.fbank import RATE, fbank

COLOUR_MEAN = (0.48145466, 0.4578275, 0.40821073)
COLOUR_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of red, green and blue, in 0..1."""
SOUND_MEAN, SOUND_DEVIATION = -4.268, 9.138
"""Of log-mel energies."""
STRETCH = 2
"""Seconds of a clip or a sound that are looked at, or heard, at once."""
CLIP_STRETCHES, SOUND_STRETCHES = 5, 3
PLACES = 3
"""Where squares are cut out of a stretch of a clip: left, middle and right, or top, middle and bottom."""


def published_image(pixels: np.ndarray, size: int) -> Tensor:
    """Any picture, uint8 [H, W, 3], as normalised [3, size, size]: its short side is scaled to `size`, and the centre is cut out."""
    height, width = (int(size * side / min(pixels.shape[:2])) for side in pixels.shape[:2])
    picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - size) / 2), round((height - size) / 2)
    cut = np.array(picture.crop((left, top, left + size, top + size)))
    return _normalised(torch.from_numpy(cut).permute(2, 0, 1))


def filled(pixels: np.ndarray) -> np.ndarray:
    """Any picture, uint8 [H, W, 3], in the middle of a square of the mean colour, as the training scripts of NExT-GPT's later code show pictures."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.empty((side, side, 3), np.uint8)
    square[:] = [int(255 * colour) for colour in COLOUR_MEAN]
    square[top : top + height, left : left + width] = pixels
    return square


def published_clip(frames: np.ndarray, size: int, together: int) -> Tensor:
    """Frames uint8 [V * F, H, W, 3] of V stretches, F = `together` of each, as normalised views [3 V, F, 3, size, size]."""
    height, width = (math.floor(side / min(frames.shape[1:3]) * size) for side in frames.shape[1:3])
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255  # scaled as numbers, without rounding to colours
    scaled = _normalised(torch.nn.functional.interpolate(pixels, (height, width), mode="bilinear"))
    over = max(height, width) - size
    along = 2 if height > width else 3
    cuts = torch.stack([scaled.narrow(along, place, size) for place in (0, math.ceil(over / 2), over)])
    return cuts.unflatten(1, (-1, together)).transpose(0, 1).flatten(0, 1)


def published_sound(samples: np.ndarray, size: tuple[int, int]) -> Tensor:
    """A sound of any length at 16 kHz as normalised log-mel energies [3, T, M]; `size` is T frames and M bins.

    Behind a short stretch stand zeros, which are louder than silence: the logarithm of silence is far below zero.
    """
    samples, heard = samples.astype(np.float32), []
    for start in stretches(len(samples) / RATE, SOUND_STRETCHES):
        stretch = samples[int(start * RATE) : int((start + STRETCH) * RATE)]
        stretch -= stretch.mean()  # in place, so that a later stretch that overlaps is heard as the published code hears it
        mel = fbank(torch.from_numpy(stretch), size[1])[: size[0]]
        heard.append(torch.nn.functional.pad(mel, (0, 0, 0, size[0] - len(mel))))
    return (torch.stack(heard) - SOUND_MEAN) / SOUND_DEVIATION


def frame_numbers(count: int, rate: float, together: int) -> list[int]:
    """Which of `count` frames, `rate` of them in a second, are seen of a clip: of each stretch `together`, from its first to its last."""
    numbers: list[int] = []
    for start in stretches(count / rate, CLIP_STRETCHES):
        first = min(math.ceil(rate * start), count - 1)
        last = max(first, min(math.ceil(rate * (start + STRETCH)), count) - 1)
        numbers += [first + int(step) for step in torch.linspace(0, last - first, together)]
    return numbers


def stretches(seconds: float, count: int) -> list[Fraction]:
    """Where `count` stretches of a clip or a sound begin, in seconds: the first at its beginning, the last so that it ends where that ends.

    Fractions, because the published sampler reckons in them, and a rounding would be another frame. It is that of pytorchvideo's repository, which
    ImageBind and NExT-GPT ask for; in its release 0.1.5, with which their code does not run on clips, the last one ends earlier.
    """
    room = Fraction(max(seconds - STRETCH, 0))
    return [room / max(count - 1, 1) * number for number in range(count)]


def _normalised(pixels: Tensor) -> Tensor:
    """[..., 3, H, W] in 0..255 as uint8, or in 0..1, normalised."""
    colours = pixels / 255 if pixels.dtype == torch.uint8 else pixels
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (COLOUR_MEAN, COLOUR_DEVIATION))
    return (colours - mean) / deviation
