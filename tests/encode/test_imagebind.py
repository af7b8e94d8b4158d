from pathlib import Path

import numpy as np
import torch

from nextgpt_chat.encode.imagebind import ImageBind, ImageBindConfig
from nextgpt_chat.encode.input_projection import InputProjection
from nextgpt_chat.encode.preprocessing import image_tensor


def test_saved_and_loaded_it_sees_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    imagebind = ImageBind(ImageBindConfig(vocabulary=20)).eval()
    imagebind.save_pretrained(tmp_path, torch.float32)
    again = ImageBind.from_pretrained(tmp_path)
    pixels = torch.rand(2, 3, 80, 80) * 2 - 1
    assert torch.equal(imagebind.encode_media(pixels, "image"), again.encode_media(pixels, "image"))
    assert torch.allclose(again.encode_media(pixels, "image").norm(dim=-1), torch.ones(2))


def test_a_wide_picture_is_cut_to_its_middle() -> None:
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[:, 40:80] = 255
    assert image_tensor(pixels, 40).min() > 0.9
    assert image_tensor(pixels, 80).shape == (3, 80, 80)


def test_one_picture_becomes_as_many_embeddings_as_the_prompt_has_room_for() -> None:
    assert InputProjection(16, 24, {"image": 8})(torch.randn(2, 26, 16), "image").shape == (2, 8, 24)
