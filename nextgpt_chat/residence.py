"""Which parts of a model are on the GPU: all of them, or those that are needed, while the others wait in main memory."""

import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch

from nextgpt_chat.errors import BusyError
from nextgpt_chat.events import Notice
from nextgpt_chat.generate.decoding import Progress
from nextgpt_chat.generate.thread import in_thread
from nextgpt_chat.placement import Placement

log = logging.getLogger(__name__)

Move = Callable[[torch.device], object]
WAITS: dict[str, Callable[[str], bool]] = {
    "whole": lambda name: False,
    "decoders": lambda name: name.endswith(" decoder"),
    "tiers": lambda name: True,
}
"""By way of fitting, from the fastest to the most frugal: which parts wait elsewhere while another one works."""
MOST_FRUGAL = list(WAITS)[-1]


class Residence:
    """The parts of one model and where they are."""

    def __init__(self, placement: Placement) -> None:
        """`placement` says where each works."""
        way = placement.way.partition("-")[0]
        self.placement, self.way = placement, way if way in WAITS else "whole"
        self._parts: dict[str, Move] = {}
        self._offloading: dict[str, Move] = {}

    def add(self, name: str, move: Move, offload: Move | None = None) -> None:
        """A part that was loaded: it goes to where it works, or leaves if it is one that waits. With `offload`, its own parts come one after the other in
        the most frugal way."""
        self._parts[name], self._offloading[name] = move, offload or move
        if WAITS[self.way](name):
            self._leave(move)
        else:
            move(self.placement.of(name))

    @torch.inference_mode(False)  # weights that are moved within it could not be moved again outside
    def bring(self, name: str) -> None:
        """Makes room for a part, and brings it to where it works."""
        for other, move in self._parts.items():
            if other != name and WAITS[self.way](other):
                self._leave(move)
        if WAITS[self.way](name):
            come = self._offloading if self.way == MOST_FRUGAL else self._parts
            come[name](self.placement.of(name))

    def work(self, name: str, make: Callable[[Progress], np.ndarray]) -> Iterator[int | Notice | np.ndarray]:
        """What a decoder makes, with its steps before it; begun again with more room, and a notice, if memory was too short for it.

        Raises `BusyError` if it is too short in every way.
        """
        while True:
            try:
                self.bring(name)
                yield from in_thread(make)
                return
            except torch.OutOfMemoryError as error:
                if self.way == MOST_FRUGAL:
                    raise BusyError(
                        "The GPU has too little memory for this. Ask for something shorter, or choose a smaller model."
                    ) from error
                log.warning("the GPU's memory was full in the way '%s': %s", self.way, str(error))
            self.step_down()  # when the error is gone, and with its traceback the tensors of what failed
            yield Notice("The GPU's memory was full. From now on parts of the model wait outside of it, which is slower.")

    def step_down(self) -> bool:
        """To the next more frugal way, as memory was too short for this one; false if there is none."""
        ways = list(WAITS)
        self._clear()
        if self.way == MOST_FRUGAL:
            return False
        self.way = ways[ways.index(self.way) + 1]
        return True

    def _leave(self, move: Move) -> None:
        move(torch.device("cpu"))
        self._clear()

    def _clear(self) -> None:
        if self.placement.device.type == "cuda":
            torch.cuda.empty_cache()
