import numpy as np
import torch

from nextgpt_chat.encode.mel import FLOOR, HOP
from nextgpt_chat.encode.preprocessing import audio_tensor, image_tensor, video_tensor


def test_a_wide_picture_is_cut_to_its_middle() -> None:
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[:, 40:80] = 255
    assert image_tensor(pixels, 40).min() > 0.9
    assert image_tensor(pixels, 80).shape == (3, 80, 80)


def test_the_frames_of_a_clip_are_seen_as_pictures() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 60, 90, 3), np.uint8)
    clip = video_tensor(frames, 40)
    assert clip.shape == (2, 3, 40, 40)
    assert torch.equal(clip[1], image_tensor(frames[1], 40))


def test_of_a_long_sound_the_loudest_stretch_is_heard_and_behind_a_short_one_is_silence() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16 * HOP).astype(np.float32)
    long = np.concatenate([np.zeros(50 * HOP, np.float32), noise, np.zeros(20 * HOP, np.float32)])
    assert audio_tensor(long, 16).mean() > np.log(FLOOR) + 3
    short = audio_tensor(noise[: 4 * HOP], 16)
    assert short.shape == (16, 64)
    assert torch.allclose(short[8:], torch.tensor(FLOOR).log())
