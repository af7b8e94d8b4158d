"""The training loop of every stage.

It knows steps, learning rates, checkpoints and curves. It does not know what is trained: a stage hands it a module, a function that
makes the batch of a given step, and a function that computes the losses of a batch. Since a batch is a function of the step alone, a
run that was interrupted goes on exactly where its last checkpoint was written.
"""

import json
import logging
import math
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import parse_flag_from_env, set_seed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nextgpt_chat.errors import InputError
from nextgpt_chat.training.made_ahead import made_ahead

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How long and how fast a stage learns."""

    steps: int
    """Optimizer steps."""
    rate: float
    """Highest learning rate: reached after the warm-up, then lowered to zero."""
    warmup: float = 0.04
    """Share of the steps in which the rate rises."""
    linear: bool = False
    """Whether the rate falls along a line instead of a cosine."""
    decay: float = 0.01
    """Weight decay of AdamW."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay of the averages of AdamW, of the gradient and of its square."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float | None = None
    """Decay of the exponential moving average of the weights; None keeps the last weights."""
    bf16: bool = False
    """Compute matrix products and convolutions in bfloat16, where the device has instructions for it."""
    compiled: str | None = None
    """Submodule that is compiled, "" for the whole module; see `COMPILED_FROM`."""
    recorded: bool = False
    """A GPU records the kernels of the compiled submodule as CUDA graphs and replays them, for which all batches must be of one shape."""
    save_every: int = 250
    """Steps between checkpoints."""

    def scaled(self, scale: float) -> "Plan":
        """The same plan with `scale` times the steps."""
        return Plan(**{**asdict(self), "steps": max(2, round(self.steps * scale))})


COMPILED_FROM = 200
"""Fewest steps for which compiling pays: it takes a minute or two, and then a step takes half to nine tenths of its time."""

WAITED = timedelta(days=7)
"""How long processes wait for one of them, which may have longer files to embed; after 10 minutes NCCL would end all of them."""

MAKERS = 4
"""Most processes that make batches ahead for a GPU, which would otherwise wait for them most of the time."""

Losses = dict[str, Tensor]


def fit(
    model: nn.Module,
    plan: Plan,
    batch: Callable[[random.Random], Any],
    losses: Callable[[nn.Module, Any], Losses],
    folder: Path,
    seed: int,
) -> nn.Module:
    """Trains `model` and returns it (or its moving average) in evaluation mode. Raises `InputError` for a launch that it cannot take part in.

    `losses` returns named scalars; their sum under the name `loss` is what is minimised, the others are only logged. Every process
    of `accelerate launch` calls this with the same arguments and gets the same weights; each has batches of its own. `folder` receives
    `plan.json`, `log.jsonl`, `curve.png` and the state from which the next call goes on.
    """
    check_launch()
    processes()
    folder.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(mixed_precision="bf16" if plan.bf16 and _has_bf16() else "no")
    set_seed(seed, device_specific=True)  # processes share the weights of the first one, and must not share their noise
    if accelerator.is_main_process:
        (folder / "plan.json").write_text(json.dumps(asdict(plan), indent=2) + "\n", encoding="utf-8")
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(plan.ema)) if plan.ema else None
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=plan.rate, weight_decay=plan.decay, betas=plan.betas, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / accelerator.num_processes, plan))
    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    if average is not None:
        average.to(accelerator.device)
        average.n_averaged = average.n_averaged.cpu()  # which is read at every step, and a GPU would have to be waited for
        accelerator.register_for_checkpointing(average)
    accelerator.register_save_state_pre_hook(_leave_out_frozen)
    done = _resume(accelerator, folder)
    if plan.compiled is not None and plan.steps - done >= COMPILED_FROM and _has_compiler(accelerator.device):
        accelerator.unwrap_model(model).get_submodule(plan.compiled).compile(mode="reduce-overhead" if plan.recorded else None)
    model.train()
    started = time.monotonic()
    journal_path = folder / "log.jsonl" if accelerator.is_main_process else os.devnull
    with (
        _plain_attention(accelerator.device),
        _bar(accelerator.is_main_process) as bar,
        open(journal_path, "a", encoding="utf-8", buffering=1) as journal,
    ):
        task = bar.add_task(folder.name, total=plan.steps, completed=done, note="")
        rows = batches(batch, done, plan.steps, f"{seed}/{{}}/{accelerator.process_index}", accelerator.device)
        for step in range(done + 1, plan.steps + 1):
            values = losses(model, _to(next(rows), accelerator.device))
            optimizer.zero_grad()
            accelerator.backward(values["loss"])
            accelerator.clip_grad_norm_(trainable, plan.clip)
            optimizer.step()
            schedule.step()
            if average is not None:
                average.update_parameters(accelerator.unwrap_model(model))
            note = " ".join(f"{name} {value.item():.4f}" for name, value in values.items()) if step % 10 == 0 else None
            bar.update(task, completed=step, **({"note": note} if note else {}))
            if step % 10 == 0 or step == plan.steps:
                row = {
                    "step": step,
                    "rate": schedule.get_last_lr()[0],
                    **{name: round(value.item(), 6) for name, value in values.items()},
                }
                journal.write(json.dumps(row) + "\n")
            if step % 100 == 0 and accelerator.is_main_process:
                log.info("%s step %d of %d, %s, %.0f s", folder.name, step, plan.steps, note, time.monotonic() - started)
            if step % plan.save_every == 0 or step == plan.steps:
                _save(accelerator, folder, step)
    if accelerator.is_main_process:
        plot_curve(folder)
    trained: nn.Module = accelerator.unwrap_model(model)
    if average is not None:
        trained.load_state_dict(average.module.state_dict())
    return trained.eval()


def processes() -> PartialState:
    """Which of the processes of `accelerate launch` this is; the first one alone writes what a stage made."""
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=WAITED)


def check_launch() -> None:
    """Raises `InputError` if Accelerate is configured to divide what learns among processes, which is small and stays whole."""
    for name in ("FSDP", "DeepSpeed"):
        if parse_flag_from_env(f"ACCELERATE_USE_{name.upper()}"):
            raise InputError(
                f"{name} of Accelerate's configuration is not for this: what learns is small, and whole on each GPU. Launch with --multi_gpu or a "
                "configuration without it; FSDP, or --shard, is for align, where it divides the frozen language model."
            )


def _has_bf16() -> bool:
    """A CPU without instructions for bfloat16 takes sixteen times as long for a matrix product in it as in full precision."""
    if processes().device.type != "cpu":
        return True
    return any(there for name, there in torch.cpu.get_capabilities().items() if name.endswith("bf16"))


def _plain_attention(device: torch.device) -> AbstractContextManager[None]:
    """The attention that trains fastest: on a CPU the fused one is so slow backwards that a step of an encoder takes 1.5 times as long."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def _has_compiler(device: torch.device) -> bool:
    """`torch.compile` writes C++ for a CPU; without a compiler a stage is trained as it is."""
    found = device.type != "cpu" or shutil.which(os.environ.get("CXX", "g++")) is not None
    if not found:
        log.info("no C++ compiler is there (CXX, or g++): the steps take up to twice as long")
    return found


def _rate(step: float, plan: Plan) -> float:
    """Share of the highest rate: linear warm-up, then a half cosine or a line down to zero."""
    warm = max(1.0, plan.warmup * plan.steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    done = min(1.0, (step - warm) / max(1.0, plan.steps - warm))
    return 1 - done if plan.linear else 0.5 * (1 + math.cos(math.pi * done))


def batches(batch: Callable[[random.Random], Any], done: int, steps: int, seed: str, device: torch.device) -> Iterator[Any]:
    """The batches after step `done`, in order."""
    return made_ahead(lambda step: batch(random.Random(seed.format(step))), range(done + 1, steps + 1), device, MAKERS)


def _leave_out_frozen(models: list[nn.Module], states: list[dict[str, Tensor]], _folder: str) -> None:
    """What does not learn is not saved: the next call has it anyway, and of a large language model it is nearly everything."""
    for model, state in zip(models, states, strict=True):
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                state.pop(name, None)


def _save(accelerator: Accelerator, folder: Path, step: int) -> None:
    accelerator.save_state(str(folder / "state"))
    if accelerator.is_main_process:
        (folder / "step").write_text(str(step), encoding="utf-8")


def _resume(accelerator: Accelerator, folder: Path) -> int:
    if not (folder / "step").is_file():
        if accelerator.is_main_process:  # what other processes left there would be counted the next time
            shutil.rmtree(folder / "state", ignore_errors=True)
        accelerator.wait_for_everyone()
        return 0
    saved = len(list((folder / "state").glob("random_states_*.pkl")))
    if saved != accelerator.num_processes:  # who would take other steps, at other rates
        raise InputError(
            f"The steps in {folder} were taken by {saved} processes, and this is a run of {accelerator.num_processes}. Start as many, or delete "
            f"{folder / 'step'}: then the steps begin anew, with all that is embedded."
        )
    accelerator.load_state(str(folder / "state"), strict=False)
    return int((folder / "step").read_text(encoding="utf-8"))


def _to(batch: Any, device: torch.device) -> Any:
    """The batch with every tensor in it on `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {name: _to(value, device) for name, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(_to(value, device) for value in batch)
    return batch


def _bar(shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description:18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        disable=not shown,
    )


def plot_curve(folder: Path) -> None:
    """Draws every logged value of `log.jsonl` over the steps into `curve.png`."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    names = [name for name in rows[-1] if name not in ("step", "rate")]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name in names:
        axes.plot([row["step"] for row in rows], [row[name] for row in rows], label=name, linewidth=1)
    axes.set(xlabel="step", yscale="log", title=folder.name)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(folder / "curve.png", dpi=100)
    plt.close(figure)
