"""What a model made, as files: each says what it is, by which model and from which seed."""

from typing import Any

import numpy as np

from nextgpt_chat.conversation import Audio, Image, Video
from nextgpt_chat.media.audio_file import RATE, encode_wav
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png
from nextgpt_chat.media.video_file import encode_mp4


class Made:
    """Writes the media of one reply into the content store."""

    def __init__(self, content: ContentStore, model: str) -> None:
        self.content, self.model = content, model
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
        if kind == "image":
            stored = self.content.put(encode_png(medium, texts), "image/png")
            return Image(*stored, "image/png", caption, seed, settings, width=medium.shape[1], height=medium.shape[0])
        if kind == "audio":
            self.hear(medium)
            stored = self.content.put(encode_wav(medium, RATE, texts), "audio/wav")
            return Audio(*stored, "audio/wav", caption, seed, settings, seconds=len(medium) / RATE, rate=RATE)
        frames, height, width = medium.shape[:3]
        stored = self.content.put(encode_mp4(medium, frame_rate, self._sound, texts), "video/mp4")
        size = {"width": width, "height": height, "frames": frames, "seconds": frames / frame_rate}
        return Video(*stored, "video/mp4", caption, seed, settings, **size)
