"""What `nextgpt-chat align` asks of the disk."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from nextgpt_chat.commands import align
from nextgpt_chat.training import any_decode
from nextgpt_chat.training.computed_once import ROWS
from nextgpt_chat.training.course import Course
from nextgpt_chat.training.size import Size
from tests.any_parts import PROJECTION, put_together


def test_what_a_kind_has_on_disk_is_not_taken_off_what_another_one_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(any_decode, "PROJECTION", PROJECTION)
    made = put_together(tmp_path / "any", "qwen2", {"image": "StableDiffusionXLPipeline"})
    asked: list[int] = []

    def check_room(_: str, sizes: Mapping[Path, int], __: str) -> None:
        asked.append(sizes[tmp_path / "run"])

    monkeypatch.setattr(align, "check_room", check_room)
    monkeypatch.setattr(any_decode, "train", lambda *_: None)
    course = Course(tmp_path / "run", 1, batch=2, rate=1e-2, seed=1)
    captions = {"image": ["a bird"] * 1000}
    align._decode(made, captions, course, dry_run=False)
    for kind in ("audio", "image"):  # the first one is done, and no longer among the captions
        (tmp_path / "run" / kind).mkdir(parents=True)
        np.save(tmp_path / "run" / kind / ROWS, np.ones(2**15))
        align._decode(made, captions, course, dry_run=False)
    before, beside, own = asked
    found: Size = any_decode.size(made, "image", 1000, course)
    assert before == beside == found.disk + found.state
    assert own <= before - 2**18
