"""What was learnt takes its places as a whole, wherever that is ended."""

from pathlib import Path

import pytest

from nextgpt_chat.checkpoint import BEING_WRITTEN, find_checkpoint
from nextgpt_chat.errors import SetupError
from nextgpt_chat.training.taking_places import finish, take_places

PLACES = {"llm.new": "llm", "weights.new": "weights.safetensors", "nextgpt.new": "nextgpt.json"}


def lay_out(folder: Path) -> None:
    """A model, and what takes the places of all of it but one part."""
    for name in ("llm", "llm.new", "lora"):
        (folder / name).mkdir(parents=True)
        (folder / name / "weights").write_text(name, encoding="utf-8")
    for name in ("weights.new", "nextgpt.json", "nextgpt.new", "kept"):
        (folder / name).write_text(name, encoding="utf-8")


def told(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}


WANTED = {
    "llm/weights": "llm.new",
    "weights.safetensors": "weights.new",
    "nextgpt.json": "nextgpt.new",
    "kept": "kept",
}


def test_all_is_there_whenever_it_is_ended_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, ended = 0, 0
    real = {name: getattr(Path, name) for name in ("rename", "replace", "unlink")}

    def counted(name: str) -> None:
        def step(path: Path, *more: object, **how: object) -> object:
            nonlocal steps
            steps += 1
            if steps == limit:
                raise KeyboardInterrupt
            return real[name](path, *more, **how)

        monkeypatch.setattr(Path, name, step)

    for name in real:
        counted(name)
    for limit in range(1, 100):
        folder, steps = tmp_path / str(limit), 0
        lay_out(folder)
        try:
            take_places(folder, PLACES, tmp_path / "run", gone=["lora"])
        except KeyboardInterrupt:
            ended += 1
            if not (folder / BEING_WRITTEN).is_file():  # all was there before
                assert not finish(folder)
                continue
            with pytest.raises(SetupError, match="half an old and half a new one: a training ended while it wrote"):
                find_checkpoint(tmp_path, str(limit))
            steps = limit  # and not again
            assert finish(folder) == str(tmp_path / "run")
            assert told(folder) == WANTED
        else:
            break
    assert ended > 4
    assert told(folder) == WANTED
    assert not finish(folder)


def test_what_was_there_stays_until_all_is_written(tmp_path: Path) -> None:
    lay_out(tmp_path)
    before = told(tmp_path)
    assert not finish(tmp_path)
    assert told(tmp_path) == before
