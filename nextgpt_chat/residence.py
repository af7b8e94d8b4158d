"""Which parts of a model are on the GPU: all of them, or those that are needed, while the others wait in main memory."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.errors import BusyError, SetupError
from nextgpt_chat.events import Notice
from nextgpt_chat.generate.decoding import Progress
from nextgpt_chat.generate.thread import in_thread
from nextgpt_chat.memory import choose, machine_memory, need

Move = Callable[[torch.device], object]
WAITS: dict[str, Callable[[str], bool]] = {
    "whole": lambda name: False,
    "decoders": lambda name: name.endswith(" decoder"),
    "tiers": lambda name: True,
}
"""By way of fitting, from the fastest to the most frugal: which parts wait elsewhere while another one works."""


def find_device(name: str) -> torch.device:
    """`auto` is the GPU if there is one. Raises `SetupError` for a GPU that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SetupError(f"The device '{name}' was asked for, but PyTorch finds no GPU here. Use NEXTGPT_DEVICE=cpu.")
    return torch.device(name)


def choose_way(checkpoint: Checkpoint, precision: str, device: torch.device) -> str:
    """The fastest way in which the model fits into what is free on `device`. Raises `SetupError` if there is none."""
    wanted = need(checkpoint, precision)
    if device.type == "cpu":
        weights, there = sum(wanted.parts.values()), machine_memory()
        if weights > there:
            raise SetupError(
                f"{checkpoint.title} takes {weights / 10**9:.1f} GB as {precision}, and this machine has {there / 10**9:.1f} GB of memory. "
                "Take a smaller model, or set NEXTGPT_FIT=whole to try nevertheless."
            )
        return "whole"
    try:
        free = torch.cuda.mem_get_info(device)[0]
    except RuntimeError:  # it is lent for each reply, and not here yet
        return "whole"
    if not (way := choose(wanted, free)):
        raise SetupError(
            f"{checkpoint.title} needs {min(wanted.peaks().values()) / 10**9:.1f} GB of the GPU's memory at least, and {free / 10**9:.1f} GB are free. "
            "End what else uses it, take a smaller model, or NEXTGPT_DEVICE=cpu; NEXTGPT_FIT=tiers-int4 tries nevertheless."
        )
    return way


class Residence:
    """The parts of one model and where they are."""

    def __init__(self, device: torch.device, way: str = "whole") -> None:
        """`device` is where they work, `way` one of `WAITS`."""
        self.device, self.way = device, way
        self._parts: dict[str, Move] = {}

    def add(self, name: str, move: Move) -> None:
        """A part that was loaded where it works; it leaves at once if it is one that waits."""
        self._parts[name] = move
        if WAITS[self.way](name):
            self._leave(move)

    @torch.inference_mode(False)  # weights that are moved within it could not be moved again outside
    def bring(self, name: str) -> None:
        """Makes room for a part, and brings it to where it works."""
        for other, move in self._parts.items():
            if other != name and WAITS[self.way](other):
                self._leave(move)
        if WAITS[self.way](name):
            self._parts[name](self.device)

    def work(self, name: str, make: Callable[[Progress], np.ndarray]) -> Iterator[int | Notice | np.ndarray]:
        """What a decoder makes, with its steps before it; begun again with more room, and a notice, if memory was too short for it.

        Raises `BusyError` if it is too short in every way.
        """
        while True:
            self.bring(name)
            try:
                yield from in_thread(make)
                return
            except torch.OutOfMemoryError as error:
                if not self.step_down():
                    raise BusyError(
                        "The GPU has too little memory for this. Ask for something shorter, or choose a smaller model."
                    ) from error
                yield Notice("The GPU's memory was full. From now on parts of the model wait outside of it, which is slower.")

    def step_down(self) -> bool:
        """To the next more frugal way, as memory was too short for this one; false if there is none."""
        ways = list(WAITS)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.way == ways[-1]:
            return False
        self.way = ways[ways.index(self.way) + 1]
        return True

    def _leave(self, move: Move) -> None:
        move(torch.device("cpu"))
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
