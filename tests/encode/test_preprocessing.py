from pathlib import Path

import numpy as np
import torch

from nextgpt_chat.conversation import Audio, Image, Video
from nextgpt_chat.encode.imagebind import ImageBindConfig
from nextgpt_chat.encode.mel import FLOOR, HOP
from nextgpt_chat.encode.preprocessing import audio_tensor, image_tensor, media_tensor, video_tensor
from nextgpt_chat.media.audio_file import RATE, encode_wav, read_audio
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png
from nextgpt_chat.media.video_file import encode_mp4


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


def test_stored_media_have_the_shapes_of_the_encoder(tmp_path: Path) -> None:
    content, encoder = ContentStore(tmp_path), ImageBindConfig(image_size=40, frames=2, audio_size=(16, 64))
    shades = np.linspace(0, 255, 6, dtype=np.uint8)
    frames = np.broadcast_to(shades[:, None, None, None], (6, 48, 64, 3)).copy()
    picture = Image(*content.put(encode_png(frames[5], {}), "image/png"), "image/png")
    clip = Video(*content.put(encode_mp4(frames, 4, None, {}), "video/mp4"), "video/mp4")
    sound = Audio(*content.put(encode_wav(np.sin(np.arange(9000) / 5), RATE, {}), "audio/wav"), "audio/wav")
    assert torch.equal(media_tensor(picture, encoder), image_tensor(frames[5], 40))
    first, last = media_tensor(clip, encoder)
    assert first.shape == (3, 40, 40)
    assert first.mean() < -0.9
    assert last.mean() > 0.9
    assert torch.equal(media_tensor(sound, encoder), audio_tensor(read_audio(sound.path), 16))
