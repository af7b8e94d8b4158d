"""Arrays to the tensors that the encoder sees."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def image_tensor(pixels: np.ndarray, size: int) -> Tensor:
    """Any picture, uint8 [H, W, 3], as [3, size, size] in [-1, 1]: short side reduced to `size`, then the centre is cut out."""
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
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 127.5 - 1
