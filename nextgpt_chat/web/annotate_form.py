"""What admins send from their pages: the fields of a campaign, and files."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import nan
from pathlib import Path
from typing import Any

from starlette.datastructures import FormData, UploadFile

from nextgpt_chat.errors import InputError

NUMBERS = ("seed", "temperature", "steps", "guidance", "frames", "seconds")
"""Settings of a system that the form offers."""
SYSTEMS = 2
"""Systems that the form offers; a file may have more."""


@contextmanager
def on_disk(upload: UploadFile) -> Iterator[Path]:
    """What was uploaded, as a file for a while."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "upload")
        with path.open("wb") as target:
            shutil.copyfileobj(upload.file, target)
        yield path


def plan_of_form(form: FormData) -> dict[str, Any]:
    """The form's fields as the values of a plan. Raises `InputError` for what is no number."""

    def text(name: str) -> str:
        return str(form.get(name, "")).strip()

    def number(name: str, usual: float) -> float:
        try:
            value = float(text(name) or usual)
        except ValueError:
            value = nan
        if not abs(value) < 2**53:
            raise InputError(f"{text(name)[:60]!r} is not a number that can be taken ({name}).")
        return value

    systems = []
    for place in range(1, SYSTEMS + 1):
        if model := text(f"model{place}"):
            chosen = {name: number(f"{name}{place}", 0) for name in NUMBERS if text(f"{name}{place}")}
            whole = {name: int(value) if name in ("seed", "steps", "frames") else value for name, value in chosen.items()}
            systems.append({"model": model, "label": text(f"label{place}") or None, "settings": whole})
    return {
        "name": text("name"),
        "title": text("title"),
        "mode": text("mode"),
        "guidelines": text("guidelines").replace("\r\n", "\n"),
        "criteria": [str(one) for one in form.getlist("criteria")],
        "overlap": int(number("overlap", 3)),
        "repeats": number("repeats", 10) / 100,
        "golds": 0.0,
        "systems": systems,
        "items": [line.strip() for line in text("prompts").splitlines() if line.strip()],
        "conversations": int(number("conversations", 0)),
    }
