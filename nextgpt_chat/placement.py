"""On which device each part of a model works, and in which way they share the memory of a GPU, or of several."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.errors import SetupError
from nextgpt_chat.memory import WAYS, Need, choose, machine_memory, need, spread


@dataclass(frozen=True)
class Placement:
    """Where the parts of a model work."""

    device: torch.device
    """Of every part that has none of its own."""
    way: str = "whole"
    """One of `memory.WAYS`."""
    own: Mapping[str, torch.device] = field(default_factory=dict)
    """Of parts that are on other devices."""
    divided: Mapping[torch.device, float] = field(default_factory=dict)
    """Bytes of each device that a language model may take which is on several of them; empty for one that is on one."""

    def of(self, part: str) -> torch.device:
        """Where a part works."""
        return self.own.get(part, self.device)


def find_devices(name: str) -> list[torch.device]:
    """`auto` stands for all GPUs, or for the processor if there is none, `cuda` for all GPUs, `cuda:1` for one of them.

    Raises `SetupError` for a GPU that is not there.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if count else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or not (number or "0").isdecimal():
        raise SetupError(f"There is no device '{name}'. NEXTGPT_DEVICE can be auto, cpu, cuda or cuda:1.")
    if kind == "cuda" and count <= int(number or 0):
        found = f"PyTorch finds {count} here" if count else "PyTorch finds no GPU here"
        raise SetupError(
            f"The device '{name}' was asked for, but {found}. Use NEXTGPT_DEVICE=cpu{', or another' if count else ''}."
        )
    if name == "cuda" and count > 1:
        return [torch.device("cuda", i) for i in range(count)]
    return [torch.device(name)]


def place(checkpoint: Checkpoint, precision: str, devices: Sequence[torch.device], fit: str = "auto") -> Placement:
    """Where the parts of a model work whose frozen ones are computed in `precision`; `fit` is `auto`, for the fastest way that fits what is free, or a
    way. Raises `SetupError` if there is none."""
    wanted = need(checkpoint, precision)
    if devices[0].type == "cpu":
        if fit == "auto":
            _check_memory(checkpoint, sum(wanted.parts.values()), f"as {precision}", "set NEXTGPT_FIT=whole to try nevertheless")
        return Placement(devices[0], "whole" if fit in ("auto", "spread") else fit)
    rooms = [_free(device) for device in devices]
    if not any(rooms):  # they are lent for each reply, and not here yet
        return Placement(devices[0], "whole" if fit in ("auto", "spread") else fit)
    if fit == "auto":
        if not (way := choose(wanted, rooms)):
            raise SetupError(
                f"{checkpoint.title} needs {min(wanted.peaks().values()) / 10**9:.1f} GB of the GPU's memory at least, and {max(rooms) / 10**9:.1f} GB are free. "
                "End what else uses it, take a smaller model, or NEXTGPT_DEVICE=cpu; NEXTGPT_FIT=tiers-int4 tries nevertheless."
            )
        waiting = {
            "whole": 0,
            "spread": 0,
            "decoders": sum(size for name, size in wanted.parts.items() if name.endswith(" decoder")),
        }
        _check_memory(checkpoint, waiting.get(way, sum(wanted.parts.values())), "outside of the GPU", "a larger GPU")
    else:
        way = fit
    if way == "spread" and len(devices) > 1:
        return _spread(checkpoint, wanted, devices, rooms)
    return Placement(devices[rooms.index(max(rooms))], way)


def placements(checkpoint: Checkpoint, precision: str, devices: Sequence[torch.device], fit: str) -> Iterator[Placement]:
    """What `place` says, and with `auto` the more frugal ways after it, for which memory may be enough if it was too short for that after all."""
    first = place(checkpoint, precision, devices, fit)
    yield first
    for way in list(WAYS)[list(WAYS).index(first.way) + 1 :] if fit == "auto" else ():
        if way != "spread":  # which was not possible, or the first
            yield place(checkpoint, precision, devices, way)


def _free(device: torch.device) -> int:
    """Bytes of a GPU that can be used; 0 of one that does not answer."""
    try:
        return int(torch.cuda.mem_get_info(device)[0])
    except RuntimeError:
        return 0


def _spread(checkpoint: Checkpoint, wanted: Need, devices: Sequence[torch.device], rooms: Sequence[float]) -> Placement:
    shared = spread(wanted, rooms)
    if not shared:
        raise SetupError(
            f"{checkpoint.title} does not fit {len(devices)} GPUs at once, of which {', '.join(f'{room / 10**9:.1f}' for room in rooms)} GB are free. "
            "Leave NEXTGPT_FIT at auto."
        )
    own = {name: device for device, parts in zip(devices, shared, strict=True) for name in parts}
    divided = {device: parts["language model"] for device, parts in zip(devices, shared, strict=True) if "language model" in parts}
    first = next(iter(divided))
    if "video decoder" in own and checkpoint.decoding["video"].first_frame:
        own["image decoder"] = own["video decoder"]  # which has it draw its first frames
    return Placement(first, "spread", own | {"language model": first}, divided if len(divided) > 1 else {})


def _check_memory(checkpoint: Checkpoint, size: int, how: str, otherwise: str) -> None:
    if size > (there := machine_memory()):
        raise SetupError(
            f"{checkpoint.title} takes {size / 10**9:.1f} GB {how}, and this machine has {there / 10**9:.1f} GB of memory. "
            f"Take a smaller model, or {otherwise}."
        )
