"""What a launch of an alignment is told by, and which launches are refused."""

import os
from pathlib import Path

import pytest

from nextgpt_chat.cli import main
from nextgpt_chat.training.course import Course
from nextgpt_chat.training.loop import Plan, _rate
from nextgpt_chat.training.sharding import FSDP
from tests.conftest import CHECKPOINT


def test_the_plan_is_the_papers(tmp_path: Path) -> None:
    plan = Course(tmp_path, epochs=1, batch=8, rate=4e-4, seed=7).plan(801)
    assert plan == Plan(101, 4e-4, warmup=0.1, linear=True, decay=0.001, betas=(0.9, 0.95), bf16=True)
    rates = [_rate(step, plan) for step in range(plan.steps + 1)]
    highest = rates.index(max(rates))
    assert highest == 10  # a tenth of the steps
    falls = {round(before - after, 9) for before, after in zip(rates[11:], rates[12:], strict=False)}
    assert len(falls) == 1  # along a line
    assert rates[-1] == 0


def test_fsdp_in_accelerates_configuration_shares_out_what_is_frozen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FSDP, "true")
    with pytest.raises(SystemExit, match="One process alone has nobody to share the language model with"):
        main(["align", "decode", str(CHECKPOINT), "--pairs", str(tmp_path / "none.json")])
    assert FSDP not in os.environ  # for Accelerate, which would divide what learns as well


def test_what_accelerate_would_divide_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(SystemExit, match="DeepSpeed of Accelerate's configuration is not for this.*--shard"):
        main(["align", "decode", str(CHECKPOINT), "--pairs", str(tmp_path / "none.json")])
