"""What a model made, as files: each says what it is, by which model and from which seed."""

from pathlib import Path
from typing import Any

import numpy as np

from nextgpt_chat.conversation import Audio, Image, Video
from nextgpt_chat.media.audio_file import RATE, encode_wav
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png
from nextgpt_chat.media.provenance import Sign
from nextgpt_chat.media.video_file import encode_mp4


class Made:
    """Writes the media of one reply into the content store."""

    def __init__(self, content: ContentStore, model: str, revision: str = "", sign: Sign | None = None) -> None:
        """`revision` tells the weights of the model from others of its name; `sign` puts content credentials into every file."""
        self.content, self.model, self.revision, self.sign = content, model, revision, sign
        self._sound: np.ndarray | None = None

    def hear(self, samples: np.ndarray) -> None:
        """A sound float [N] at 16 kHz that the reply holds already; the next clip has it as its sound track."""
        self._sound = samples

    def keep(
        self, kind: str, medium: np.ndarray, caption: str, seed: int, settings: dict[str, Any], frame_rate: float
    ) -> Image | Audio | Video:
        """A picture uint8 [H, W, 3], a clip uint8 [T, H, W, 3] or a sound float [N] at 16 kHz as a part.

        A clip that follows a sound in the same reply has it as its sound track.
        """
        texts = {
            "Title": caption,
            "Software": f"NExT-GPT Chat, model {self.model}",
            "Source": "AI-generated",
            "Seed": str(seed),
        }
        how = {"model": self.model, "revision": self.revision, "prompt": caption, "seed": seed, "settings": settings}
        if kind == "image":
            stored = self._put(encode_png(medium, texts), "image/png", how)
            return Image(*stored, "image/png", caption, seed, settings, width=medium.shape[1], height=medium.shape[0])
        if kind == "audio":
            self.hear(medium)
            stored = self._put(encode_wav(medium, RATE, texts), "audio/wav", how)
            return Audio(*stored, "audio/wav", caption, seed, settings, seconds=len(medium) / RATE, rate=RATE)
        frames, height, width = medium.shape[:3]
        stored = self._put(encode_mp4(medium, frame_rate, self._sound, texts), "video/mp4", how)
        size = {"width": width, "height": height, "frames": frames, "seconds": frames / frame_rate}
        return Video(*stored, "video/mp4", caption, seed, settings, **size)

    def _put(self, data: bytes, mime: str, how: dict[str, Any]) -> tuple[str, Path]:
        return self.content.put(self.sign(data, mime, how) if self.sign else data, mime)
