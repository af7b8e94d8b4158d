from pathlib import Path
from types import SimpleNamespace

import pytest

from nextgpt_chat import disk
from nextgpt_chat.disk import SPARE, check_room
from nextgpt_chat.errors import SetupError


def test_what_is_written_onto_one_disk_is_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=SPARE + 5 * 10**9))
    there, later = tmp_path, tmp_path / "not" / "there" / "yet"
    check_room("5.0 GB are to be written", {there: 2 * 10**9, later: 3 * 10**9}, "Free some.")
    with pytest.raises(
        SetupError, match=f"^5.1 GB are to be written, and 7.0 GB of disk are free in {tmp_path}, of which 2 must stay. Free some."
    ):
        check_room("5.1 GB are to be written", {there: 2 * 10**9, later: 3 * 10**9 + 1}, "Free some.")


def test_what_writes_nothing_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    check_room("Nothing is to be written", {tmp_path: 0}, "")
