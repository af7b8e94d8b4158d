"""A medium without a file."""

from pathlib import Path

from nextgpt_chat.conversation import MEDIA, Audio, Image, Video

MIMES = {"image": "image/png", "video": "video/mp4", "audio": "audio/wav"}


def stand_in(kind: str, caption: str | None, start: bool = False) -> Image | Video | Audio:
    """A part that stands for a medium without a file; whoever needs its pixels or samples renders them.

    `start` says that it begins from an earlier medium.
    """
    return MEDIA[kind](sha256="", path=Path(), mime=MIMES[kind], caption=caption, settings={"start": True} if start else {})
