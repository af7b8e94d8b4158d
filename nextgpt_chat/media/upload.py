"""What a person sends as a file: told apart by its first bytes, never by its name."""

from pathlib import Path

from nextgpt_chat.conversation import Audio, Image, Video
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import ACCEPTED, accept_image
from nextgpt_chat.settings import Settings

LONGEST_NAME = 60
STILLS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")
"""Brands of pictures in the container that clips use too: what many telephones save."""


def accept_upload(path: Path, name: str, settings: Settings, content: ContentStore) -> Image | Audio | Video:
    """Takes a file into the content store, or raises `InputError` with what was wrong and what is accepted."""
    shown = printable(name)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise InputError(f"The file '{shown}' cannot be read. Check the path and send it again.") from error
    if size == 0:
        raise InputError(f"'{shown}' is empty. Accepted are {ACCEPTED}.")
    if size > settings.max_upload_mb * 10**6:
        raise InputError(f"'{shown}' has {size / 10**6:.0f} MB. Accepted are files up to {settings.max_upload_mb} MB.")
    if sound_or_clip(head):
        raise InputError(f"'{shown}' is a sound or a clip; those are not understood yet. Accepted are {ACCEPTED}.")
    return accept_image(path, shown, settings.max_image_pixels, content)


def sound_or_clip(head: bytes) -> bool:
    """True if the first 16 bytes are those of a usual audio or video file."""
    if len(head) < 12:
        return False
    riff = head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI ")
    clip = head[4:8] == b"ftyp" and head[8:12] not in STILLS
    mp3 = head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1] & 0xE0 == 0xE0)
    return riff or clip or mp3 or head[:4] in (b"OggS", b"fLaC", b"\x1aE\xdf\xa3")


def printable(name: str) -> str:
    """A file name that can stand in a sentence: no folders, no control characters, not too long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(c for c in last if c.isprintable()) or "file"
    return clean if len(clean) <= LONGEST_NAME else f"{clean[: LONGEST_NAME - 1]}…"
