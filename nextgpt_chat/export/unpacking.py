"""Archives that people send: a file of text with a name that is known, and media beside it."""

import lzma
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from nextgpt_chat.errors import InputError

LARGEST_TEXT_MB = 10
"""Most megabytes of the text: what is made of it in memory is many times as large."""


@contextmanager
def unpacked(file: Path, text: str, most_files: int, largest_mb: int, gives: str) -> Iterator[Path]:
    """A folder with the file `text` and the media of an archive, or with that file alone if it came without; it is deleted afterwards.

    Raises `InputError` for an archive that is damaged, too large, or lacks the file; its sentence says that accepted is what `gives`.
    """
    with tempfile.TemporaryDirectory() as folder:
        with file.open("rb") as opened:
            packed = opened.read(2) == b"PK"
        if not packed:
            _check_text(file.stat().st_size, text)
            shutil.copyfile(file, Path(folder) / text)
            yield Path(folder)
            return
        try:
            with ZipFile(file) as archive:
                wanted = [entry for entry in archive.infolist() if entry.filename == text or entry.filename.startswith("media/")]
                if text not in [entry.filename for entry in wanted]:
                    raise InputError(f"The archive has no {text}. Accepted is what {gives}.")
                if len(wanted) > most_files or sum(entry.file_size for entry in wanted) > largest_mb * 10**6:
                    raise InputError(
                        f"The archive is too large. Accepted are up to {most_files} files and {largest_mb} MB unpacked."
                    )
                _check_text(archive.getinfo(text).file_size, text)
                archive.extractall(folder, wanted)  # within the folder alone, and no more than the sizes that were said
        except (BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError) as error:
            raise InputError("The archive is damaged or encrypted and cannot be unpacked. Save it again.") from error
        yield Path(folder)


def _check_text(size: int, text: str) -> None:
    if size > LARGEST_TEXT_MB * 10**6:
        raise InputError(f"{text} has {size / 10**6:.0f} MB. Accepted are up to {LARGEST_TEXT_MB} MB; send less at once.")
