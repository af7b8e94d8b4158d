"""Rows that are computed once, whatever ends the run and however many compute them."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nextgpt_chat.errors import InputError
from nextgpt_chat.training import computed_once
from nextgpt_chat.training.computed_once import Computed, kept
from tests.training.launching import in_two_processes
from tests.training.two_that_compute import BROKEN, COUNT


def rows(
    folder: Path, count: int, make: Callable[[list[int]], list[np.ndarray]], told: str = "a", read: Callable[[int], int] = int
) -> Computed:
    return computed_once.computed_once(folder, told, count, (3,), np.float32, read, make, together=4)


def plain(numbers: list[int]) -> list[np.ndarray]:
    return [np.full(3, number + 1) for number in numbers]


def test_many_are_made_at_once_and_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    def read(number: int) -> int:
        if number in (2, 9):
            raise OSError(f"{number} is gone")
        return number

    made: list[list[int]] = []
    found = rows(tmp_path, 10, lambda numbers: made.append(numbers) or plain(numbers), read=read)
    assert made == [[0, 1, 3, 4], [5, 6, 7, 8]]
    assert found.wrong == {2: "2 is gone", 9: "9 is gone"}
    assert [int(row[0]) for row in found.rows] == [1, 2, 0, 4, 5, 6, 7, 8, 9, 0]
    again = rows(tmp_path, 10, lambda numbers: made.append(numbers) or plain(numbers), read=read)
    assert len(made) == 2
    assert again.wrong == found.wrong
    assert kept(tmp_path) > 0


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computed_once, "SAVED_EVERY", 8)
    made: list[list[int]] = []

    def make(numbers: list[int]) -> list[np.ndarray]:
        made.append(numbers)
        if len(made) == 4:
            raise KeyboardInterrupt
        return plain(numbers)

    with pytest.raises(KeyboardInterrupt):
        rows(tmp_path, 20, make)
    found = rows(tmp_path, 20, make)
    assert made == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
        [12, 13, 14, 15],
        [8, 9, 10, 11],
        [12, 13, 14, 15],
        [16, 17, 18, 19],
    ]
    assert [int(row[0]) for row in found.rows] == list(range(1, 21))


@pytest.mark.filterwarnings("ignore:.*fork")  # of a process with threads, as on a GPU
def test_other_processes_may_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = computed_once.made_ahead
    monkeypatch.setattr(
        computed_once, "made_ahead", lambda make, numbers, _device, _most: real(make, numbers, torch.device("cuda"), 2)
    )
    readers: set[int] = set()

    def read(number: int) -> int:
        if number == 5:
            raise InputError("first\nIt is broken.")
        return 1000 * os.getpid() + number

    def make(given: list[int]) -> list[np.ndarray]:
        readers.update(value // 1000 for value in given)
        return plain([value % 1000 for value in given])

    found = rows(tmp_path, 10, make, read=read)
    assert [int(row[0]) for row in found.rows] == [1, 2, 3, 4, 5, 0, 7, 8, 9, 10]
    assert found.wrong == {5: "It is broken."}
    assert len(readers) == 2
    assert os.getpid() not in readers


def test_what_cannot_be_read_is_noted_even_if_nothing_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computed_once, "SAVED_EVERY", 3)
    asked: list[int] = []

    def read(number: int) -> int:
        asked.append(number)
        if len(asked) == 8:
            raise KeyboardInterrupt
        raise OSError("no")

    with pytest.raises(KeyboardInterrupt):
        rows(tmp_path, 10, plain, read=read)
    with (tmp_path / "wrong.0.jsonl").open("a") as file:
        file.write('[9, "not written to its e')
    found = rows(tmp_path, 10, plain, read=read)
    assert asked == [*range(8), 6, 7, 8, 9]
    assert set(found.wrong) == set(range(10))


def test_rows_of_another_run_are_not_taken_for_computed(tmp_path: Path) -> None:
    def broken(number: int) -> int:
        raise InputError("no")

    def interrupted(numbers: list[int]) -> list[np.ndarray]:
        raise KeyboardInterrupt

    first = np.array(rows(tmp_path, 5, plain).rows)
    assert len(rows(tmp_path, 5, plain, "b", broken).wrong) == 5
    with pytest.raises(KeyboardInterrupt):
        rows(tmp_path, 4, interrupted, "c")
    found = rows(tmp_path, 5, plain)
    assert np.array_equal(found.rows, first)
    assert found.wrong == {}


def test_two_processes_make_half_of_them_each_and_a_single_one_finds_them(tmp_path: Path) -> None:
    in_two_processes("tests.training.two_that_compute", tmp_path, timeout=120)
    made = [[int(line) for line in (tmp_path / f"made by {one}").read_text().split()] for one in (0, 1)]
    assert sorted([*made[0], *made[1], BROKEN]) == list(range(COUNT))
    assert {len(one) for one in made} == {11, 13}  # the broken one was the second one's
    found = rows(tmp_path / "rows", COUNT, lambda numbers: pytest.fail(f"{numbers} are made again"), "numbers")
    assert found.wrong == {BROKEN: "It is broken."}
