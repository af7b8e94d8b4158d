"""The content store: files named by the hash of what is in them.

It knows bytes and hashes. Who may see a file is not known here.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

EXTENSIONS = {"image/png": "png", "audio/wav": "wav", "video/mp4": "mp4"}


class ContentStore:
    """Write-once files below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str, mime: str) -> Path:
        """Where the file with this hash lies."""
        return self.root / sha256[:2] / f"{sha256}.{EXTENSIONS[mime]}"

    def put(self, data: bytes, mime: str) -> tuple[str, Path]:
        """Stores bytes and returns their hash and path; the same bytes are stored once. A reader never sees half a file."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256, mime)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(data)
            os.replace(file.name, path)
        else:
            os.utime(path)  # as young as a new file for whoever deletes old ones
        return sha256, path

    def files(self) -> Iterator[Path]:
        """All stored files."""
        return (path for path in self.root.glob("??/*.*") if path.suffix[1:] in EXTENSIONS.values())
