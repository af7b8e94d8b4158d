import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.media.blind import KEPT_SECONDS, LOUDNESS, Blind, loudness_of
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.ffmpeg import probe
from nextgpt_chat.media.made import Made
from nextgpt_chat.media.provenance import signer
from nextgpt_chat.media.stored import read_medium


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(ContentStore(tmp_path / "media"), "secret-model", "secret-revision", signer(tmp_path))


def test_nothing_is_left_of_who_made_it(made: Made, tmp_path: Path) -> None:
    random, blind = np.random.default_rng(0), Blind(tmp_path / "blind")
    media = {
        "image": random.integers(0, 255, (16, 16, 3), np.uint8),
        "audio": 0.3 * np.sin(np.arange(16_000) / 5),
        "video": random.integers(0, 255, (8, 16, 16, 3), np.uint8),
    }
    for kind, array in media.items():
        part = made.keep(kind, array, "a secret caption", 987_654, {"steps": 5}, 8.0)
        assert b"secret" in part.path.read_bytes()
        shown = blind.file(part)
        data = shown.read_bytes()
        for word in (b"secret", b"987654", b"c2pa", b"jumb", b"NExT"):
            assert word not in data
        frames = 8
        close = read_medium(kind, shown, frames).astype(float) - read_medium(kind, part.path, frames).astype(float)
        assert kind == "audio" or np.abs(close).mean() < 12
        assert blind.file(part) == shown


def test_all_sounds_are_equally_loud(made: Made, tmp_path: Path) -> None:
    blind, wave = Blind(tmp_path / "blind"), np.sin(np.arange(48_000) / 5)
    for gain in (0.9, 0.1, 0.01):
        sound = made.keep("audio", gain * wave, "x", 1, {}, 8.0)
        assert loudness_of(blind.file(sound))[0] == pytest.approx(LOUDNESS, abs=0.3)
        clip = made.keep("video", np.zeros((8, 16, 16, 3), np.uint8), "x", 1, {}, 8.0)
        assert probe(blind.file(clip)).channels
        assert loudness_of(blind.file(clip))[0] == pytest.approx(LOUDNESS, abs=1.5)
    click = np.zeros(48_000)
    click[1000:1010] = 0.9
    assert loudness_of(blind.file(made.keep("audio", click, "x", 1, {}, 8.0)))[1] <= 0
    silence = made.keep("audio", np.zeros(48_000), "x", 1, {}, 8.0)
    assert not read_medium("audio", blind.file(silence), 1).any()


def test_what_nobody_asks_for_is_deleted_and_made_again(made: Made, tmp_path: Path) -> None:
    blind = Blind(tmp_path / "blind")
    part = made.keep("image", np.zeros((8, 8, 3), np.uint8), "x", 1, {}, 8.0)
    path = blind.file(part)
    blind.sweep({part.sha256})
    assert path.is_file()
    os.utime(path, (0, time.time() - KEPT_SECONDS - 1))
    blind.sweep({part.sha256})
    assert not path.is_file()
    blind.file(part)
    blind.sweep(set())
    assert not path.is_file()
    with Picture.open(blind.file(part)) as again:
        assert again.size == (8, 8)


def test_what_cannot_be_read_gets_a_sentence(made: Made, tmp_path: Path) -> None:
    part = made.keep("audio", np.zeros(16_000), "x", 1, {}, 8.0)
    part.path.write_bytes(b"no sound")
    with pytest.raises(NotFoundError, match="cannot be shown"):
        Blind(tmp_path / "blind").file(part)
