"""The one place that runs ffmpeg: what is in a file, samples and frames out of it, clips into one.

A file that a person sent may be made to do harm. So a run opens no network and no format or coding but those listed here, uses one
thread, ends after a time, and what it writes into the pipe is bounded. Not covered: ffmpeg runs with the rights of this process,
without a sandbox, and nothing limits how many runs there are at once.

The errors below are for the rooms' own files; they turn them into sentences for a person.
"""

import re
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np

from nextgpt_chat.errors import NextGPTError, SetupError

FORMATS = "wav,mp3,aac,flac,ogg,mov,matroska,webm,avi"
"""Demuxers that a file from outside may be opened with: none of them is a list of other files."""
DECODERS = (
    "pcm_u8,pcm_s16le,pcm_s24le,pcm_s32le,pcm_f32le,pcm_f64le,pcm_s16be,pcm_s24be,pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav,"
    "mp3float,mp3,mp2float,mp2,aac,alac,flac,vorbis,opus,libopus,ac3,eac3,amrnb,amrwb,"
    "h264,hevc,libdav1d,av1,vp8,vp9,mpeg4,mpeg2video,mpeg1video,h263,msmpeg4v2,msmpeg4,theora,mjpeg,prores,dnxhd,rawvideo"
)
"""Decoders that it may be decoded with."""
HIGHEST_RATE = 768_000
"""Most samples per second that a sound may have: no recorder takes more, and for what a header claims beyond, ffmpeg works on its filter
for a minute."""
TIMEOUT = 120.0
"""Seconds that one run may take."""
LOG_BYTES = 2**16
"""What is kept of ffmpeg's messages; the rest is read and dropped."""
DECODED_BYTES = 2**28
"""Most bytes of samples or frames that are taken from one run."""


class FFmpegError(NextGPTError):
    """ffmpeg was given a file and did not make of it what was wanted."""


class Unreadable(FFmpegError):
    """Not a format or a coding that is opened, or too damaged."""


class TooSlow(FFmpegError):
    """It ran for too long and was ended."""


class TooMuch(FFmpegError):
    """It wrote more than it may."""


@dataclass(frozen=True)
class Found:
    """What ffmpeg says is in a file, before anything of it is decoded: a claim of its header."""

    seconds: float | None = None
    """Length; None if the header does not say, or if it was guessed from the file's size."""
    channels: int = 0
    """Of the first sound track; 0 without one."""
    rate: int = 0
    """Samples per second of the first sound track."""
    width: int = 0
    """Pixels, as coded: not turned upright yet; 0 without moving pictures. A cover picture is not one."""
    height: int = 0
    frame_rate: float | None = None
    """Frames per second; None if the header does not say."""
    on_its_side: bool = False
    """Whether it is shown with width and height in each other's place."""

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height, upright."""
        return (self.height, self.width) if self.on_its_side else (self.width, self.height)


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    output: bytes
    log: str


def run(arguments: Sequence[str], limit: int = 0, timeout: float = TIMEOUT, level: str = "error") -> Ended:
    """Runs ffmpeg, which may write `limit` bytes to its standard output and take `timeout` seconds.

    Raises `TooSlow`, `TooMuch`, and `SetupError` where there is no ffmpeg. Whether it succeeded is for the caller to see.
    """
    command = [_executable(), "-nostdin", "-hide_banner", "-loglevel", level, "-filter_threads", "1", *arguments]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise SetupError(f"ffmpeg cannot be started: {error}. Install imageio-ffmpeg again.") from error
    assert process.stdout is not None
    assert process.stderr is not None
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(timeout, stop)
    log = bytearray()
    reader = threading.Thread(target=_keep_beginning, args=(process.stderr, log))
    with process:
        timer.start()
        reader.start()
        try:
            output = process.stdout.read(limit + 1)
            if len(output) > limit:
                raise TooMuch(f"ffmpeg wrote more than {limit} bytes")
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
            reader.join()
    if late.is_set():
        raise TooSlow(f"ffmpeg did not end within {timeout} s")
    return Ended(code, output, log.decode(errors="replace"))


def _executable() -> str:
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise SetupError("There is no ffmpeg here. Install ffmpeg on this system, or imageio-ffmpeg again.") from error


def _keep_beginning(pipe: IO[bytes], log: bytearray) -> None:
    """Empties the pipe, so that ffmpeg never waits for it."""
    while piece := pipe.read(4096):
        log += piece[: LOG_BYTES - len(log)]


def source(path: Path, *options: str, formats: str = FORMATS) -> list[str]:
    """The arguments that open a file; `file:` keeps its name from being read as an option or an address."""
    return [
        *("-protocol_whitelist", "file,pipe"),
        *("-format_whitelist", formats),
        *("-codec_whitelist", DECODERS),
        *("-threads", "1"),
        *options,
        *("-i", f"file:{path.absolute()}"),
    ]


def probe(path: Path) -> Found:
    """What is in a file. Raises `Unreadable` if ffmpeg does not open it, finds neither sound nor moving pictures, or a rate that no sound
    has."""
    log = run(source(path), timeout=30, level="info").log
    # Lines of the file's own texts are indented further, so a title cannot pass for a stream.
    sounds = re.findall(r"^  Stream #0:\d+.*?: Audio: (.+)$", log, re.MULTILINE)
    pictures = re.findall(r"^  Stream #0:\d+.*?: Video: (.+)$", log, re.MULTILINE)
    moving = [line for line in pictures if "(attached pic)" not in line and "(still image)" not in line]
    if not sounds and not moving:
        raise Unreadable(log[-500:])
    length = re.search(r"^  Duration: (\d+):(\d\d):(\d\d\.\d+)", log, re.MULTILINE)
    guessed = "Estimating duration from bitrate" in log
    seconds = int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length and not guessed else None
    channels, rate = _channels(sounds[0]) if sounds else (0, 0)
    if rate > HIGHEST_RATE:
        raise Unreadable(f"{rate} samples per second")
    width, height, frame_rate = _frames(moving[0]) if moving else (0, 0, None)
    turned = re.search(r"^ +display ?matrix: rotation of -?(90|270)\.", log, re.MULTILINE | re.IGNORECASE)
    return Found(seconds, channels, rate, width, height, frame_rate, turned is not None)


def _channels(line: str) -> tuple[int, int]:
    """Channels and rate in `pcm_s16le, 22050 Hz, mono, s16, 352 kb/s`; layouts such as `5.1` count as three, which is too many too."""
    found = re.search(r"(\d+) Hz, (\d channels|[\w.]+)", line)
    if found is None:
        return 1, 0
    named = {"mono": 1, "1 channels": 1, "stereo": 2, "downmix": 2, "2 channels": 2}
    return named.get(found[2], 3), int(found[1])


def _frames(line: str) -> tuple[int, int, float | None]:
    """Width, height and rate in `h264 (High) (avc1 / 0x31637661), yuv420p(progressive), 64x48 [SAR 1:1 DAR 4:3], 10 fps, 10 tbr`."""
    size = re.search(r", (\d+)x(\d+)", line)
    rate = re.search(r", ([\d.]+)(k?) fps", line) or re.search(r", ([\d.]+)(k?) tbr", line)
    frame_rate = float(rate[1]) * (1000 if rate[2] else 1) if rate else 0.0
    return int(size[1]) if size else 0, int(size[2]) if size else 0, frame_rate or None


def decode_sound(path: Path, rate: int, seconds: float | None = None) -> np.ndarray:
    """The first sound track as float32 [N], one channel, `rate` samples per second; at most its first `seconds`."""
    options = [] if seconds is None else ["-t", str(seconds)]
    target = ["-map", "0:a:0", "-ac", "1", "-ar", str(rate), "-f", "f32le", "pipe:1"]
    ended = run([*source(path, *options), *target], limit=DECODED_BYTES)
    if ended.code:
        raise Unreadable(ended.log)
    return np.frombuffer(ended.output, np.float32, len(ended.output) // 4).copy()  # writable


def decode_frames(path: Path, width: int, height: int, filters: str) -> np.ndarray:
    """What `filters` lets through of the moving pictures, as uint8 [T, height, width, 3], upright; width and height are `Found.shown`."""
    target = ["-map", "0:V:0", "-vf", filters, "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"]
    ended = run([*source(path), *target], limit=DECODED_BYTES)
    if ended.code or len(ended.output) % (width * height * 3):
        raise Unreadable(ended.log)
    return np.frombuffer(ended.output, np.uint8).reshape(-1, height, width, 3).copy()


def count_frames(path: Path) -> int:
    """Coded frames of the moving pictures, counted without decoding them."""
    target = ["-map", "0:V:0", "-c", "copy", "-f", "null", "-progress", "pipe:1", "-"]
    ended = run([*source(path), *target], limit=2**20)
    counts = re.findall(rb"^frame=(\d+)", ended.output, re.MULTILINE)
    if ended.code or not counts:
        raise Unreadable(ended.log)
    return int(counts[-1])


def encode(inputs: Sequence[str], options: Sequence[str], target: Path, timeout: float = TIMEOUT) -> None:
    """Writes the inputs (`source`s) to `target`, on one thread, without the texts of the inputs and without the time of day."""
    nameless = ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"]
    ended = run([*inputs, *nameless, "-threads", "1", *options, f"file:{target.absolute()}"], timeout=timeout)
    if ended.code:
        raise Unreadable(ended.log)
