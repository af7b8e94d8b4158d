"""What a person sends as a file: told apart by what is in it, never by its name."""

from collections.abc import Collection
from pathlib import Path

from nextgpt_chat.conversation import Audio, Image, MediaKind, Video
from nextgpt_chat.errors import InputError
from nextgpt_chat.media import audio_file, ffmpeg, image_file, video_file
from nextgpt_chat.media.audio_file import accept_audio
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import accept_image
from nextgpt_chat.media.refusals import WHOLE, refusals
from nextgpt_chat.media.video_file import accept_video
from nextgpt_chat.settings import Settings

LONGEST_NAME = 60
STILLS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")
"""Brands of pictures in the container that clips use too: what many telephones save."""
SOUNDS = (b"M4A ", b"M4B ")
"""Brands of sounds in that container."""
RIFFS: dict[bytes, MediaKind] = {b"WEBP": "image", b"WAVE": "audio", b"AVI ": "video"}
FORMATS = {"image": image_file.ACCEPTED, "audio": audio_file.ACCEPTED, "video": video_file.ACCEPTED}
ONE = {"image": "a picture", "audio": "a sound", "video": "a clip"}
MANY = {"text": "text", "image": "pictures", "audio": "sounds", "video": "clips"}


def accept_upload(
    path: Path, name: str, settings: Settings, content: ContentStore, kinds: Collection[str]
) -> Image | Audio | Video:
    """Takes a file into the content store, or raises `InputError` with what was wrong and what is accepted.

    `kinds` are the parts that the model takes: `text`, `image`, `audio`, `video`.
    """
    shown = printable(name)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise InputError(f"The file '{shown}' cannot be read. Check the path and send it again.") from error
    if size == 0:
        raise InputError(f"'{shown}' is empty. {accepted(kinds)}")
    if size > settings.max_upload_mb * 10**6:
        raise InputError(f"'{shown}' has {size / 10**6:.0f} MB. Accepted are files up to {settings.max_upload_mb} MB.")
    kind = first_kind(head)
    if kind is None:
        known = [ONE[kind] for kind in ONE if kind in kinds] or ["a file"]
        raise InputError(f"'{shown}' is not {_joined(known, 'or')} that can be read. {accepted(kinds)}")
    if kind != "image" and ("audio" in kinds or "video" in kinds):
        _check_riff(head, size, shown)
        with refusals(shown, "sound or clip"):
            kind = "video" if ffmpeg.probe(path).width else "audio"
    if kind not in kinds:
        raise InputError(
            f"'{shown}' is {ONE[kind]}; this model takes {_joined([MANY[kind] for kind in MANY if kind in kinds], 'and')}."
        )
    if kind == "audio":
        return accept_audio(path, shown, settings, content)
    if kind == "video":
        return accept_video(path, shown, settings, content)
    return accept_image(path, shown, settings.max_image_pixels, content)


def first_kind(head: bytes) -> MediaKind | None:
    """What a file is by its first 16 bytes, None if it is nothing that is accepted. A clip may turn out to hold nothing but sound."""
    if head[:8] == b"\x89PNG\r\n\x1a\n" or head[:3] == b"\xff\xd8\xff" or head[:4] == b"GIF8":
        return "image"
    if head[:4] == b"RIFF":
        return RIFFS.get(head[8:12])
    if head[4:8] == b"ftyp":
        return None if head[8:12] in STILLS else "audio" if head[8:12] in SOUNDS else "video"
    if head[:4] == b"\x1aE\xdf\xa3" or head[4:8] in (b"moov", b"mdat", b"wide", b"free"):
        return "video"
    mpeg = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    return "audio" if mpeg or head[:3] == b"ID3" or head[:4] in (b"OggS", b"fLaC") else None


def _check_riff(head: bytes, size: int, shown: str) -> None:
    """Refuses a WAV or AVI file that is far shorter than it says: ffmpeg takes what is there for the whole.

    Whoever writes such a file into a pipe does not know its length, and says 0 or the largest number.
    """
    said = int.from_bytes(head[4:8], "little")
    if head[:4] == b"RIFF" and said < 0xFFFF_FF00 and size < WHOLE * said:
        raise InputError(f"'{shown}' is cut off: {size:,} of {said:,} bytes are there. Save it again and send it once more.")


def accepted(kinds: Collection[str]) -> str:
    """The sentence that says which files a model takes."""
    formats = [FORMATS[kind] for kind in FORMATS if kind in kinds]
    return f"Accepted are {'; '.join(formats)}." if formats else "This model takes text alone."


def _joined(words: list[str], last: str) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def printable(name: str) -> str:
    """A file name that can stand in a sentence: no folders, no control characters, not too long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(c for c in last if c.isprintable()) or "file"
    return clean if len(clean) <= LONGEST_NAME else f"{clean[: LONGEST_NAME - 1]}…"
