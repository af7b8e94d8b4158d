"""Which earlier medium a new one begins from, and in which shape."""

from collections.abc import Collection

import numpy as np

from nextgpt_chat.conversation import Conversation, Media
from nextgpt_chat.encode.preprocessing import square
from nextgpt_chat.generate.decoding import Denoising
from nextgpt_chat.media.audio_file import RATE
from nextgpt_chat.media.stored import read_medium

STARTS = {"image": ("image", "video"), "video": ("video", "image"), "audio": ("audio",)}
"""Kinds of media that a medium of each kind can begin from."""


def last_medium(conversation: Conversation, kinds: Collection[str]) -> Media | None:
    """The newest medium of these kinds in a conversation, whoever it came from."""
    media = [medium for turn in conversation.turns for medium in turn.media if medium.kind in kinds]
    return media[-1] if media else None


def begin_from(start: Media, kind: str, size: int, how: Denoising) -> np.ndarray:
    """An earlier medium in the shape of what is made from it, `size` pixels wide and high if it is seen; a picture is one frame to begin a clip from."""
    medium = read_medium(start.kind, start.path, how.frames or 1)
    if kind == "audio":
        length = round(how.seconds * RATE)
        return np.pad(medium[:length], (0, max(0, length - len(medium))))
    frames = [square(frame, size) for frame in (medium[None] if start.kind == "image" else medium)]
    return frames[0] if kind == "image" else np.stack(frames)
