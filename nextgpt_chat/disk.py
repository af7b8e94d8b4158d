"""Whether the disk has room for what is about to be written."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from nextgpt_chat.errors import SetupError

SPARE = 2 * 10**9
"""Bytes of disk that stay free."""


def check_room(what: str, sizes: Mapping[Path, int], remedy: str) -> None:
    """Raises `SetupError` where the bytes by folder do not fit onto the disks of these folders, which need not be there yet. `what` says what is to
    be written, and `remedy` what can be done."""
    for there in map(existing, sizes):
        disk = there.stat().st_dev
        needed = sum(size for folder, size in sizes.items() if existing(folder).stat().st_dev == disk)
        free = shutil.disk_usage(there).free
        if needed and needed + SPARE > free:
            raise SetupError(
                f"{what}, and {free / 10**9:.1f} GB of disk are free in {there}, of which {SPARE / 10**9:g} must stay. {remedy}"
            )


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    there = folder.resolve()
    while not there.exists():
        there = there.parent
    return there
