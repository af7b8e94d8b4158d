"""Sounds as files: what is accepted, how it is decoded, how the app writes its own.

An upload is never kept as it came: it is decoded by ffmpeg, mixed to one channel at 16 kHz and written again as a WAV file without metadata.
"""

import struct
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from nextgpt_chat.conversation import Audio
from nextgpt_chat.errors import InputError
from nextgpt_chat.media import ffmpeg
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.refusals import check_length, check_whole, refusals
from nextgpt_chat.settings import Settings

ACCEPTED = "WAV, MP3, FLAC, Ogg, AAC and M4A sounds"
RATE = 16_000
"""Samples per second of every stored sound."""
SILENCE = -70.0
"""Loudness in decibels of full scale (RMS over the whole sound) below which nothing can be heard."""
INFO = {"title": b"INAM", "artist": b"IART", "date": b"ICRD", "software": b"ISFT", "comment": b"ICMT"}
"""Four letters by which a WAV file names a text."""


def read_audio(path: Path) -> np.ndarray:
    """A stored sound as float32 [N], 16,000 samples per second in -1..1."""
    return ffmpeg.decode_sound(path, RATE)


def encode_wav(samples: np.ndarray, rate: int, texts: Mapping[str, str]) -> bytes:
    """Samples float [N] in -1..1 (what is beyond is cut) as 16-bit WAV with texts, by which a generated sound says what it is.

    A WAV file has names for few texts; the others stand in its comment.
    """
    pulses = np.clip(np.round(samples * 32_768.0), -32_768, 32_767).astype("<i2").tobytes()
    form = _chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16))
    named = named_texts(texts, INFO)
    info = b"".join(_chunk(INFO[key], text.encode() + b"\0") for key, text in named.items())
    listed = _chunk(b"LIST", b"INFO" + info) if info else b""
    return _chunk(b"RIFF", b"WAVE" + form + listed + _chunk(b"data", pulses))


def named_texts(texts: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """The texts under the lower-case names that a format knows; those under other names become lines `Name: text` of `comment`."""
    clean = {key: text.replace("\0", " ") for key, text in texts.items()}
    named = {key.lower(): text for key, text in clean.items() if key.lower() in known}
    others = [f"{key}: {text}" for key, text in clean.items() if key.lower() not in known]
    if others:
        named["comment"] = "\n".join([*([named["comment"]] if "comment" in named else []), *others])
    return named


def _chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a RIFF file: name, length, data, and a zero to make it even."""
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def accept_audio(path: Path, name: str, settings: Settings, content: ContentStore) -> Audio:
    """Checks an uploaded sound and takes it into the content store.

    Raises `InputError` for a file that is no sound, is damaged or cut off, is too long, has more than two channels, or in which nothing
    can be heard; `name` stands in its sentence.
    """
    limit = settings.max_audio_seconds
    with refusals(name, "sound"):
        found = ffmpeg.probe(path)
        if not found.channels:
            raise InputError(f"'{name}' has no sound in it. Accepted are {ACCEPTED}.")
        if found.channels > 2:
            raise InputError(f"'{name}' has more than two channels. Accepted are sounds with one or two; mix it down to stereo.")
        check_length(name, "sound", found.seconds, limit)
        samples = ffmpeg.decode_sound(path, RATE, limit + 1)
    seconds = len(samples) / RATE
    if not len(samples):
        raise InputError(f"'{name}' has no sound in it. Save the sound again and send it once more.")
    check_length(name, "sound", seconds, limit)
    check_whole(name, "sound", seconds, found.seconds)
    if loudness(samples) < SILENCE:
        raise InputError(f"'{name}' is silent: nothing can be heard in it. Record the sound again, nearer or louder.")
    sha256, stored = content.put(encode_wav(samples, RATE, {}), "audio/wav")
    return Audio(sha256=sha256, path=stored, mime="audio/wav", seconds=seconds, rate=RATE)


def loudness(samples: np.ndarray) -> float:
    """Root mean square of samples [N] in decibels of full scale: 0 for the loudest, below -300 for none."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-32))
