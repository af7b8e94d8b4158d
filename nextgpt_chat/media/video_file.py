"""Clips as files: what is accepted, how it is decoded, how the app writes its own.

An upload is never kept as it came: it is decoded by ffmpeg, turned upright, reduced and written again as an MP4 file that every
browser plays, without metadata. Not covered: high dynamic range is not mapped to the usual range, so such a clip looks pale.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nextgpt_chat.conversation import Video
from nextgpt_chat.errors import InputError
from nextgpt_chat.media import ffmpeg
from nextgpt_chat.media.audio_file import RATE, encode_wav, named_texts
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.refusals import check_length, check_whole, refusals
from nextgpt_chat.settings import Settings

ACCEPTED = "MP4, WebM, MKV, MOV and AVI clips"
LONGEST_SIDE = 640
"""Pixels of the longer side that an upload keeps at most."""
HIGHEST_FRAME_RATE = 30.0
"""Frames per second that an upload keeps at most."""
TEXTS = ("title", "artist", "date", "description", "comment")
"""Names of the texts that an MP4 file knows."""

SMALLER = f"min(1,{LONGEST_SIDE}/max(iw*sar,ih))"
UPLOAD_SIZE = f"w='max(2,2*round(iw*sar*{SMALLER}/2))':h='max(2,2*round(ih*{SMALLER}/2))'"
"""Square pixels, even sizes."""
COLOURS = (
    "out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709"
)
"""Says in the file how its colours are meant, so that nobody guesses."""
H264 = ["-c:v", "libx264", "-movflags", "+faststart", "-f", "mp4"]
AAC = ["-c:a", "aac", "-b:a", "96k"]


def read_video(path: Path, count: int) -> np.ndarray:
    """Frames of a clip, upright, as uint8 [count, H, W, 3], evenly spaced from the first to the last; a short clip repeats some."""
    found, there = ffmpeg.probe(path), ffmpeg.count_frames(path)
    taken = min(count, there)
    step = (there - 1) / (taken - 1) if taken > 1 else there
    frames = ffmpeg.decode_frames(path, *found.shown, f"select='gte(n,round(selected_n*{step:.9f}))'")
    return np.take(frames, np.round(np.linspace(0, len(frames) - 1, count)).astype(int), axis=0)


def read_frames(path: Path, choose: Callable[[int, float], Sequence[int]]) -> np.ndarray:
    """Those frames of a clip, upright, uint8 [N, H, W, 3], that `choose` names, given their number and how many are in a second.

    They come in the order in which they are named, which may be any, and one may be named again. ffmpeg takes about 90 different ones at once.
    """
    found, there = ffmpeg.probe(path), ffmpeg.count_frames(path)
    numbers = choose(there, found.frame_rate or HIGHEST_FRAME_RATE)
    once = sorted(set(numbers))
    wanted = "+".join(f"eq(n,{number})" for number in once)
    frames = ffmpeg.decode_frames(path, *found.shown, f"select='{wanted}'")
    return np.take(frames, np.searchsorted(once, numbers), axis=0)


def read_sound_track(path: Path) -> np.ndarray | None:
    """The sound of a stored clip as float32 [N], 16,000 samples per second in -1..1; None if it has none."""
    return ffmpeg.decode_sound(path, RATE) if ffmpeg.probe(path).channels else None


def encode_mp4(frames: np.ndarray, frame_rate: float, samples: np.ndarray | None, texts: Mapping[str, str]) -> bytes:
    """Frames uint8 [T, H, W, 3] and samples float [N] at 16 kHz (None for no sound) as MP4 with texts, nearly without loss.

    An odd size is made even by repeating the last row or column. An MP4 file has names for few texts; the others stand in its comment.
    """
    even = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
    with tempfile.TemporaryDirectory() as folder:
        raw, sound, target = Path(folder, "frames.rgb"), Path(folder, "sound.wav"), Path(folder, "clip.mp4")
        raw.write_bytes(even.tobytes())
        size = f"{even.shape[2]}x{even.shape[1]}"
        shape = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", size, "-framerate", str(frame_rate)]
        inputs = ffmpeg.source(raw, *shape, formats="rawvideo")
        if samples is not None:
            sound.write_bytes(encode_wav(samples, RATE, {}))
            inputs += ffmpeg.source(sound)
        words = [word for key, text in named_texts(texts, TEXTS).items() for word in ("-metadata", f"{key}={text}")]
        ffmpeg.encode(inputs, ["-vf", f"scale={COLOURS}", "-crf", "12", *words, *AAC, *H264], target)
        return target.read_bytes()


def accept_video(path: Path, name: str, settings: Settings, content: ContentStore) -> Video:
    """Checks an uploaded clip and takes it into the content store.

    Raises `InputError` for a file that is no clip, is damaged or cut off, is too long or too large, or has no frame; `name` stands in
    its sentence.
    """
    limit = settings.max_video_seconds
    with refusals(name, "clip"), tempfile.TemporaryDirectory() as folder:
        found = ffmpeg.probe(path)
        _check_size(found, name, settings.max_video_pixels)
        check_length(name, "clip", found.seconds, limit)
        target = Path(folder, "clip.mp4")
        ffmpeg.encode(*_smaller(path, found, settings), target)
        made = ffmpeg.probe(target)
        frames = ffmpeg.count_frames(target) if made.width else 0
        if not frames:
            raise InputError(f"'{name}' has no pictures in it. Save the clip again and send it once more.")
        seconds = made.seconds or 0.0
        check_length(name, "clip", seconds, limit)
        check_whole(name, "clip", seconds, found.seconds)
        sha256, stored = content.put(target.read_bytes(), "video/mp4")
    return Video(sha256=sha256, path=stored, mime="video/mp4", width=made.width, height=made.height, seconds=seconds, frames=frames)


def _check_size(found: ffmpeg.Found, name: str, limit: int) -> None:
    """Reads the header's size alone: no frame is decoded before this."""
    if not found.width or not found.height:
        raise InputError(f"'{name}' has no pictures in it. Accepted are {ACCEPTED}.")
    if found.width * found.height > limit:
        raise InputError(
            f"'{name}' is {found.width:,} × {found.height:,} pixels. Accepted are clips up to {limit / 1e6:.1f} million pixels a frame, such as 1920 × 1080; make it smaller."
        )


def _smaller(path: Path, found: ffmpeg.Found, settings: Settings) -> tuple[list[str], list[str]]:
    """Inputs and options that write an upload again. A frame that grows on the way is stopped at twice the limit: codings round sizes up."""
    most = ["-max_pixels", str(2 * settings.max_video_pixels), "-t", str(settings.max_video_seconds + 1)]
    rate = min(found.frame_rate or 25.0, HIGHEST_FRAME_RATE)
    sound = ["-map", "0:a:0", "-ac", str(min(found.channels, 2)), "-ar", "44100", *AAC] if found.channels else []
    picture = [
        "-map",
        "0:V:0",
        "-vf",
        f"fps={rate},scale={UPLOAD_SIZE}:{COLOURS}",
        "-preset",
        "veryfast",
        "-crf",
        "20",
        "-maxrate",
        "4M",
    ]
    return ffmpeg.source(path, *most), [*picture, "-bufsize", "8M", *sound, "-sn", "-dn", *H264]
