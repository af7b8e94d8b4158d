"""What tests start in two processes: rows that are computed once, by both.

python -m torch.distributed.run --nproc-per-node 2 -m tests.training.two_that_compute FOLDER
"""

import sys
from pathlib import Path

import numpy as np

from nextgpt_chat.errors import InputError
from nextgpt_chat.training.computed_once import computed_once
from nextgpt_chat.training.loop import processes

COUNT = 25
BROKEN = 7


def main() -> None:
    folder = Path(sys.argv[1])

    def read(number: int) -> int:
        if number == BROKEN:
            raise InputError("It is broken.")
        return number

    def make(numbers: list[int]) -> list[np.ndarray]:
        with (folder / f"made by {processes().process_index}").open("a", encoding="utf-8") as file:
            file.write("".join(f"{number}\n" for number in numbers))
        return [np.full(3, number) for number in numbers]

    found = computed_once(folder / "rows", "numbers", COUNT, (3,), np.float32, read, make, 4)
    assert found.wrong == {BROKEN: "It is broken."}
    wanted = [0 if number == BROKEN else number for number in range(COUNT)]
    assert np.array_equal(found.rows, np.repeat(wanted, 3).reshape(COUNT, 3))


if __name__ == "__main__":
    main()
