"""Media as annotators get them: without anything that says who made them, and sounds equally loud.

Each file is written again by one encoder: texts and content credentials are gone, and every sound has the loudness of broadcasts
(EBU R 128), so that nobody prefers the louder one.
"""

import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Collection
from pathlib import Path

from nextgpt_chat.conversation import Media
from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.media import ffmpeg
from nextgpt_chat.media.content import EXTENSIONS
from nextgpt_chat.media.image_file import encode_png, read_image
from nextgpt_chat.media.video_file import AAC, COLOURS, H264

log = logging.getLogger(__name__)

LOUDNESS = -23.0
"""Integrated loudness that sounds are brought to, LUFS."""
HIGHEST_PEAK = -1.0
"""True peak that they do not go beyond, dBTP: what is very short or has few loud moments stays softer."""
SILENT = -69.0
"""Loudness up to which nothing was measured."""
KEPT_SECONDS = 30 * 24 * 3600
"""How long a file is kept after it was last asked for; it can be made again."""


class Blind:
    """Files without a past, in a folder of their own, each made when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._making = threading.Lock()

    def file(self, medium: Media) -> Path:
        """The medium's file to show to annotators. One at a time is made. Raises `NotFoundError` if that fails."""
        path = self.root / medium.sha256[:2] / f"{medium.sha256}.{EXTENSIONS[medium.mime]}"
        with self._making:
            if path.is_file():
                os.utime(path)
                return path
            try:
                return self._make(medium, path)
            except (ffmpeg.FFmpegError, OSError) as error:
                log.exception("%s cannot be made ready for annotators", medium.path)
                raise NotFoundError("The file cannot be shown: it is damaged or gone.") from error

    def _make(self, medium: Media, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder, path.name)
            if medium.kind == "image":
                made.write_bytes(encode_png(read_image(medium.path), {}))
            else:
                gain = ["-af", f"volume={gain_of(medium.path):.2f}dB"]
                form = (
                    ["-c:a", "pcm_s16le", "-f", "wav"]
                    if medium.kind == "audio"
                    else ["-vf", f"scale={COLOURS}", "-crf", "12", *AAC, *H264]
                )
                ffmpeg.encode(ffmpeg.source(medium.path), [*gain, *form], made)
            os.replace(made, path)
        return path

    def sweep(self, kept: Collection[str]) -> None:
        """Deletes what nobody asked for in a long time, and what belongs to nobody any more: `kept` are the content hashes of what does."""
        before = time.time() - KEPT_SECONDS
        for path in self.root.glob("??/*.*"):
            if path.stem not in kept or path.stat().st_mtime < before:
                path.unlink(missing_ok=True)


def gain_of(path: Path) -> float:
    """By how many decibels a sound, or the sound of a clip, must be raised to be as loud as all; 0 for silence."""
    loud, peak = loudness_of(path)
    return 0.0 if loud <= SILENT else min(LOUDNESS - loud, HIGHEST_PEAK - peak)


def loudness_of(path: Path) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBTP (EBU R 128), of which -70 and below is silence, or no sound at all."""
    target = ["-map", "0:a:0?", "-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-"]
    log = ffmpeg.run([*ffmpeg.source(path), *target], level="info").log
    found = (
        re.findall(r"^\s+I:\s+(-?[\d.]+) LUFS", log, re.MULTILINE),
        re.findall(r"^\s+Peak:\s+(-?[\d.]+|-inf) dBFS", log, re.MULTILINE),
    )
    return float(found[0][-1]) if found[0] else -70.0, float(found[1][-1]) if found[1] else -70.0
