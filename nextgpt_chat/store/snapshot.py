"""A copy of everything that lasts, for hosts whose disk is not kept: in a folder that is, such as a mounted bucket.

The copy is consistent while the app runs: SQLite writes it page by page under its own locks, and media are named by what is in them.
"""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from nextgpt_chat.errors import SetupError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings

DATABASE, MEDIA = "nextgpt.db", "media"
KEYS = ("signing.key", "c2pa.key", "c2pa.pem")
"""What signs cookies and media: small files of the data folder, for the server alone."""


class Snapshot:
    """Writes the copy, and brings it back."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """`folder` is where the copy lies. Raises `SetupError` if the database is another one than SQLite."""
        address = make_url(settings.database_url)
        if address.get_backend_name() != "sqlite" or not address.database:
            raise SetupError("NEXTGPT_SNAPSHOT copies an SQLite file. Leave it empty; your database server has backups of its own.")
        self.database, self.data = Path(address.database), settings.data
        self.media, self.folder = ContentStore(settings.media), folder

    def restore(self) -> bool:
        """Brings the copy back where there is no database yet; returns whether it did. The database comes last: half a copy is none."""
        if self.database.exists() or not (self.folder / DATABASE).is_file():
            return False
        copied = ContentStore(self.folder / MEDIA)
        for file in copied.files():
            _copy(file, self.media.root / file.relative_to(copied.root))
        for key in KEYS:
            if (self.folder / key).is_file():
                _copy(self.folder / key, self.data / key)
                (self.data / key).chmod(0o600)
        _copy(self.folder / DATABASE, self.database)
        return True

    def write(self) -> None:
        """Brings the copy up to date. At every moment the media that its database speaks of are there, unless they were deleted meanwhile."""
        with tempfile.TemporaryDirectory() as folder:
            taken = Path(folder) / DATABASE
            with closing(sqlite3.connect(self.database)) as source, closing(sqlite3.connect(taken)) as target:
                source.backup(target)
            there = {file.relative_to(self.media.root): file for file in self.media.files()}
            copied = ContentStore(self.folder / MEDIA)
            for name, file in there.items():
                if not (copied.root / name).is_file():
                    _copy(file, copied.root / name)
            for key in KEYS:
                if (self.data / key).is_file():
                    _copy(self.data / key, self.folder / key)
            _copy(taken, self.folder / DATABASE)
        for file in copied.files():
            if file.relative_to(copied.root) not in there:
                file.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """A copy that is there as a whole or not at all; a file that was just deleted is passed over."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f"{target.name}.new")
    try:
        shutil.copyfile(source, new)
    except FileNotFoundError:
        return
    os.replace(new, target)
