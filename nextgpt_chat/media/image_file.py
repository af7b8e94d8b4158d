"""Pictures as files: what is accepted, how it is decoded, how the app writes its own.

An upload is never kept as it came: it is decoded by Pillow, turned upright, reduced and written again as PNG without metadata. Not
covered: decoding happens in this process, bounded by the pixel limit, not in a sandbox.
"""

import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageOps, PngImagePlugin, UnidentifiedImageError

from nextgpt_chat.conversation import Image
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
ACCEPTED = "PNG, JPEG, WebP and GIF pictures"
LONGEST_SIDE = 1024
"""Pixels of the longer side that an upload keeps at most."""


def read_image(path: Path) -> np.ndarray:
    """A picture as uint8 [H, W, 3], upright and on white. Raises `InputError` for a file that is none, or is damaged."""
    try:
        with Picture.open(path, formats=FORMATS) as picture:
            return np.asarray(_upright(picture))
    except Picture.DecompressionBombError as error:
        raise InputError(f"'{path.name}' has too many pixels.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"'{path.name}' is not a picture that can be read. Accepted are {ACCEPTED}.") from error


def encode_png(pixels: np.ndarray, texts: Mapping[str, str]) -> bytes:
    """A picture uint8 [H, W, 3] as PNG with text entries, by which a generated picture says what it is."""
    info = PngImagePlugin.PngInfo()
    for key, value in texts.items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def accept_image(path: Path, name: str, max_pixels: int, content: ContentStore) -> Image:
    """Checks an uploaded picture and takes it into the content store.

    Raises `InputError` for a file that is no picture, is damaged, or has more than `max_pixels` pixels; `name` stands in its sentence.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Picture.DecompressionBombWarning)
            with Picture.open(path, formats=FORMATS) as picture:
                _check_size(picture, name, max_pixels)
                picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a large JPEG is decoded at a fraction of its size
                flat = _upright(picture)
    except UnidentifiedImageError:
        raise InputError(f"'{name}' is not a picture that can be read. Accepted are {ACCEPTED}.") from None
    except Picture.DecompressionBombError:
        raise InputError(f"'{name}' has too many pixels. Accepted are up to {max_pixels / 1e6:.0f} million.") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"'{name}' is damaged and cannot be opened. Save the picture again and send it once more.") from error
    flat.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Picture.Resampling.LANCZOS)
    sha256, stored = content.put(encode_png(np.asarray(flat), {}), "image/png")
    return Image(sha256=sha256, path=stored, mime="image/png", width=flat.width, height=flat.height)


def _check_size(picture: Picture.Image, name: str, max_pixels: int) -> None:
    """Reads the header's size alone: no pixel is decoded before this."""
    if picture.width * picture.height > max_pixels:
        raise InputError(
            f"'{name}' is {picture.width:,} × {picture.height:,} pixels. Accepted are up to {max_pixels / 1e6:.0f} million pixels; make it smaller."
        )


def _upright(stored: Picture.Image) -> Picture.Image:
    """8-bit RGB as it is to be looked at, with white behind what is transparent."""
    picture = ImageOps.exif_transpose(stored)
    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255 instead of scaling
        return Picture.fromarray((np.asarray(picture).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        white = Picture.new("RGBA", layer.size, "white")
        return Picture.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")
