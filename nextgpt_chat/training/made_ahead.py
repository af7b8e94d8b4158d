"""What is made for each number, one after the other, by other processes where those gain anything."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset


class _Made(Dataset[Any]):
    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make

    def __getitem__(self, number: int) -> Any:
        return self.make(number)


def made_ahead(make: Callable[[int], Any], numbers: Sequence[int], device: torch.device, most: int) -> Iterator[Any]:
    """What `make` makes of the `numbers`, in order. For a GPU as many as `most` other processes make it ahead; on a CPU they would take the time of what
    it is made for."""
    makers = 0 if device.type == "cpu" else min(most, os.cpu_count() or 1)
    return iter(
        DataLoader(
            _Made(make),
            batch_size=None,
            sampler=numbers,
            num_workers=makers,
            pin_memory=torch.cuda.is_available(),
            multiprocessing_context="fork" if makers else None,  # what makes it is a closure over what was loaded
        )
    )
