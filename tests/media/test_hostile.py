"""Generated hostile uploads: real files that were cut, flipped, stretched, glued together and given lying numbers and names.

`NEXTGPT_HOSTILE=2000 pytest tests/media/test_hostile.py -s` makes more of them and says what became of them.
"""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import EXTENSIONS, ContentStore
from nextgpt_chat.media.upload import accept_upload
from nextgpt_chat.settings import Settings
from tests.media.recordings import clip, make, tone, wav

COUNT = int(os.environ.get("NEXTGPT_HOSTILE", "120"))
SECONDS = 30.0
"""What one file may take on a busy machine; an accepted one of these takes well under a second."""
NAMES = (
    "a.png",
    "b.mp4",
    "../../etc/passwd",
    "c.wav\x00.exe",
    "<img src=x onerror=alert(1)>.png",
    "d" * 300 + ".webm",
    "e.m3u8",
    "-i.mp4",
)
SCRIPTS = (
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    b"<html><script>alert(1)</script></html>",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"%PDF-1.7\n",
    b"PK\x03\x04",
)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """One small real file of every accepted kind."""
    folder = tmp_path_factory.mktemp("seeds")
    pixels = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    for end in ("png", "jpg", "gif", "webp"):
        Picture.fromarray(pixels).save(folder / f"seed.{end}")
    wav(folder / "seed.wav", tone())
    for end in ("mp3", "ogg", "flac", "m4a"):
        make(folder / f"seed.{end}", "-i", str(folder / "seed.wav"))
    for end in ("mp4", "webm", "mov", "avi"):
        clip(folder / f"seed.{end}")
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def flipped(data: bytearray, rng: random.Random, seeds: list[bytes]) -> bytes:
    for _ in range(rng.choice((1, 4, 40))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def flipped_at_the_beginning(data: bytearray, rng: random.Random, seeds: list[bytes]) -> bytes:
    for _ in range(rng.choice((1, 4))):
        data[rng.randrange(min(len(data), 120))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(data)


def cut(data: bytearray, rng: random.Random, seeds: list[bytes]) -> bytes:
    return bytes(data[: rng.randrange(len(data))])


def lying(data: bytearray, rng: random.Random, seeds: list[bytes]) -> bytes:
    """A number somewhere is the largest, zero or negative."""
    place = rng.randrange(max(1, min(len(data) - 8, 2000)))
    data[place : place + 4] = rng.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80", b"\x80\x00\x00\x00"))
    return bytes(data)


def stuttering(data: bytearray, rng: random.Random, seeds: list[bytes]) -> bytes:
    start = rng.randrange(len(data))
    piece = data[start : start + rng.choice((4, 64, 1000))]
    return bytes(data[:start] + piece * rng.choice((2, 50, 500)) + data[start:])


def glued(data: bytearray, rng: random.Random, seeds: list[bytes]) -> bytes:
    """Two kinds of files in one."""
    other = rng.choice([*seeds, *SCRIPTS])
    place = rng.choice((0, 12, 16, rng.randrange(len(data)), len(data)))
    return bytes(data[:place]) + other + bytes(data[place:])


def disguised(data: bytearray, rng: random.Random, seeds: list[bytes]) -> bytes:
    """The beginning of one kind before the rest of another, or before a script."""
    head = rng.choice((8, 12, 16, 64))
    return rng.choice(seeds)[:head] + (rng.choice(SCRIPTS) if rng.random() < 0.5 else bytes(data[head:]))


def noise(data: bytearray, rng: random.Random, seeds: list[bytes]) -> bytes:
    return bytes(data[: rng.choice((0, 4, 16))]) + rng.randbytes(rng.choice((0, 1, 15, 500, 20_000)))


WAYS: tuple[Callable[[bytearray, random.Random, list[bytes]], bytes], ...] = (
    flipped, flipped_at_the_beginning, cut, lying, stuttering, glued, disguised, noise,
)  # fmt: skip


def test_every_hostile_upload_is_taken_or_gets_a_sentence(tmp_path: Path, seeds: list[bytes]) -> None:
    settings, content = Settings(), ContentStore(tmp_path / "media")
    became: Counter[str] = Counter()
    slowest = 0.0
    for number in range(COUNT):
        rng = random.Random(f"hostile/{number}")
        way = WAYS[number % len(WAYS)]
        file = tmp_path / "upload"
        file.write_bytes(way(bytearray(rng.choice(seeds)), rng, seeds))
        name, started = rng.choice(NAMES), time.monotonic()
        try:
            taken = accept_upload(file, name, settings, content, ("text", "image", "audio", "video"))
        except InputError as refused:
            said = str(refused)
            assert 20 < len(said) < 500, (number, said)
            assert said.endswith("."), (number, said)
            assert str(tmp_path) not in said, (number, said)
            assert "Traceback" not in said, (number, said)
            assert said.isprintable(), (number, said)
            became["refused"] += 1
        else:
            assert taken.path.is_relative_to(content.root), number
            assert taken.mime in EXTENSIONS, number
            assert taken.path.stat().st_size > 0, number
            became[taken.kind] += 1
        took = time.monotonic() - started
        assert took < SECONDS, (number, way.__name__, took)
        slowest = max(slowest, took)
    sys.stdout.write(f"{COUNT} hostile uploads: {dict(became)}; the slowest took {slowest:.1f} s\n")
    assert became["refused"] > COUNT / 3
