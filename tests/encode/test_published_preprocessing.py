from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from nextgpt_chat.conversation import Audio, Image, Video
from nextgpt_chat.encode.imagebind import AUDIO, VISION, ImageBind, ImageBindConfig, Trunk
from nextgpt_chat.encode.preprocessing import array_tensor, media_tensor
from nextgpt_chat.encode.published_preprocessing import (
    filled,
    frame_numbers,
    published_clip,
    published_image,
    published_sound,
    stretches,
)
from nextgpt_chat.media.audio_file import RATE, encode_wav, read_audio
from nextgpt_chat.media.image_file import encode_png
from nextgpt_chat.media.video_file import encode_mp4
from tests.encode.reference import imagebind_reference
from tests.encode.reference.media import CLIPS, PICTURES, picture, sound
from tests.encode.test_fbank import assert_near

ENCODER = ImageBindConfig(
    form="published",
    embedding=6,
    image_size=28,
    frames=2,
    audio_size=(204, 128),
    trunks={VISION: Trunk(16, 1, 2), AUDIO: Trunk(8, 1, 2)},
)


@pytest.mark.parametrize(("height", "width"), PICTURES)
def test_pictures_are_those_of_torchvision(height: int, width: int) -> None:
    found = published_image(picture(height, width), 28)
    # Equal with the Pillow that made the reference; half a shade of 255 over the smallest deviation would be a rounding of another.
    torch.testing.assert_close(
        found, torch.from_numpy(imagebind_reference(f"image {height}x{width}")), atol=0.5 / 255 / 0.26, rtol=0
    )


@pytest.mark.parametrize(("height", "width"), PICTURES)
def test_a_picture_is_filled_up_as_pillow_pastes_it_into_a_square(height: int, width: int) -> None:
    shown, side = PillowImage.fromarray(picture(height, width)), max(height, width)
    whole = PillowImage.new("RGB", (side, side), (122, 116, 104))  # the mean colour, whose fractions are cut off
    whole.paste(shown, ((side - width) // 2, (side - height) // 2))
    assert np.array_equal(filled(picture(height, width)), np.asarray(whole))
    found = array_tensor(picture(height, width), "image", replace(ENCODER, filled=True))
    assert torch.equal(found, published_image(np.asarray(whole), 28))
    assert (height == width) == torch.equal(found, array_tensor(picture(height, width), "image", ENCODER))


@pytest.mark.parametrize(("height", "width"), [(30, 47), (44, 29)])
def test_clips_are_those_of_pytorchvideo_in_three_places_each(height: int, width: int) -> None:
    frames = np.stack([picture(height, width, shift) for shift in range(4)])
    expected = torch.from_numpy(imagebind_reference(f"clip {height}x{width}"))
    # float32 in another order of colours and frames: some 1e-6 of values up to 3
    torch.testing.assert_close(published_clip(frames, 14, 2), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("count", "rate"), CLIPS)
def test_the_frames_that_are_seen_are_those_of_pytorchvideo(count: int, rate: float) -> None:
    assert frame_numbers(count, rate, 2) == imagebind_reference(f"seen {count} at {rate}").tolist()


def test_of_the_slowest_clip_there_are_still_frames() -> None:
    assert frame_numbers(3, 0.1, 2) == [0, 0, 1, 1, 2, 2, 2, 2, 2, 2]


def test_sounds_are_those_of_torchaudio_in_three_stretches() -> None:
    found = published_sound(sound(48_000), (204, 128))
    assert found.shape == (3, 204, 128)
    assert_near(found[:, ::5, ::4] * 9.138, torch.from_numpy(imagebind_reference("heard")) * 9.138)


def test_stretches_begin_at_the_beginning_and_the_last_one_ends_at_the_end() -> None:
    assert [float(start) for start in stretches(10.0, 5)] == [0, 2, 4, 6, 8]
    assert [float(start) for start in stretches(1.5, 3)] == [0, 0, 0]
    assert published_sound(np.ones(1, np.float32), (20, 8)).eq(published_sound(np.zeros(399, np.float32), (20, 8))).all()


@torch.inference_mode()
def test_stored_media_have_views_that_the_encoder_takes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    imagebind = ImageBind(ENCODER).eval()
    paths = {kind: tmp_path / kind for kind in ("image", "video", "audio")}
    paths["image"].write_bytes(encode_png(picture(40, 60), {}))
    paths["video"].write_bytes(encode_mp4(np.stack([picture(40, 60, shift / 9) for shift in range(50)]), 10.0, None, {}))
    paths["audio"].write_bytes(encode_wav(sound(40_000), RATE, {}))
    media = [
        Image("1", paths["image"], "image/png"),
        Video("2", paths["video"], "video/mp4"),
        Audio("3", paths["audio"], "audio/wav"),
    ]
    tensors = {medium.kind: media_tensor(medium, ENCODER) for medium in media}
    assert {kind: tuple(tensor.shape) for kind, tensor in tensors.items()} == {
        "image": (3, 28, 28),
        "video": (15, 2, 3, 28, 28),
        "audio": (3, 204, 128),
    }
    assert torch.equal(tensors["image"], published_image(picture(40, 60), 28))
    assert torch.equal(tensors["audio"], published_sound(read_audio(paths["audio"]), (204, 128)))
    for kind, tensor in tensors.items():
        assert imagebind.encode_media(tensor[None], kind).shape == (1, 6)
        assert imagebind.media_tokens(tensor[None], kind).shape == ((1, 5, 16) if kind != "audio" else (1, 229, 8))
