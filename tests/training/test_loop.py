import json
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import nn

from nextgpt_chat.errors import InputError
from nextgpt_chat.training import loop
from nextgpt_chat.training.loop import COMPILED_FROM, Plan, batches, fit

PLAN = Plan(steps=20, rate=0.1, decay=0.0, save_every=5)


def line() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(1, 1)


def batch(rng: random.Random) -> torch.Tensor:
    return torch.tensor([[rng.random()] for _ in range(8)])


def losses(model: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"loss": (model(x) - 3 * x).square().mean()}


class Interrupted(Exception):
    pass


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole = fit(line(), PLAN, batch, losses, tmp_path / "whole", seed=1)
    calls = 0

    def failing(rng: random.Random) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 13:
            raise Interrupted
        return batch(rng)

    with pytest.raises(Interrupted):
        fit(line(), PLAN, failing, losses, tmp_path / "parts", seed=1)
    assert (tmp_path / "parts" / "step").read_text() == "10"
    resumed = fit(line(), PLAN, batch, losses, tmp_path / "parts", seed=1)
    assert torch.allclose(whole.weight, resumed.weight, atol=1e-6)


def test_steps_of_other_processes_are_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(line(), PLAN, batch, losses, tmp_path, seed=1)
    (tmp_path / "state" / "random_states_1.pkl").touch()
    with pytest.raises(InputError, match=r"were taken by 2 processes, and this is a run of 1\. Start as many, or delete .*step:"):
        fit(line(), PLAN, batch, losses, tmp_path, seed=1)
    (tmp_path / "step").unlink()
    for _ in range(2):  # the second one goes on with what the first one saved
        fit(line(), PLAN, batch, losses, tmp_path, seed=1)
    assert [path.name for path in (tmp_path / "state").glob("random_states_*")] == ["random_states_0.pkl"]


def test_a_launch_that_would_divide_what_learns_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(InputError, match="FSDP of Accelerate's configuration"):
        fit(line(), PLAN, batch, losses, tmp_path / "run", seed=1)
    assert not (tmp_path / "run").exists()


def test_processes_wait_for_one_that_embeds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(loop, "PartialState", lambda **how: asked.append(how))
    loop.processes()
    assert asked[0]["timeout"] > timedelta(days=1)  # type: ignore[operator]


def test_other_processes_make_the_batches_that_the_training_process_would_make() -> None:
    own, made_ahead = (list(batches(batch, 3, 9, "1/{}/0", torch.device(kind))) for kind in ("cpu", "cuda"))
    assert len(own) == len(made_ahead) == 6
    assert all(torch.equal(one, other) for one, other in zip(own, made_ahead, strict=True))
    assert torch.equal(own[0], batch(random.Random("1/4/0")))


def test_a_compiled_part_learns_what_it_would_learn_uncompiled(tmp_path: Path) -> None:
    plain = replace(PLAN, steps=COMPILED_FROM, save_every=COMPILED_FROM // 2, ema=0.9)
    compiled = replace(plain, compiled="0")
    one = fit(nn.Sequential(line()), plain, batch, losses, tmp_path / "plain", seed=1)
    other = fit(nn.Sequential(line()), compiled, batch, losses, tmp_path / "compiled", seed=1)
    assert other[0]._compiled_call_impl is not None
    assert one[0]._compiled_call_impl is None
    assert other.state_dict().keys() == one.state_dict().keys()
    assert torch.allclose(one[0].weight, other[0].weight, atol=1e-4)
    short = fit(nn.Sequential(line()), replace(PLAN, compiled="0"), batch, losses, tmp_path / "short", seed=1)
    assert short[0]._compiled_call_impl is None  # which would take longer than the steps


def test_a_run_leaves_its_curve_its_log_and_its_plan(tmp_path: Path) -> None:
    fit(line(), PLAN, batch, losses, tmp_path, seed=1)
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 20
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert json.loads((tmp_path / "plan.json").read_text())["steps"] == 20
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_bfloat16_is_for_processors_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for there in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda there=there: {"avx2": True, "avx512_bf16": there})
        assert loop._has_bf16() is there
