import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from accelerate.utils import set_seed

from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from nextgpt_chat.training import stage3_instruct
from nextgpt_chat.training.mosit import write_mosit
from nextgpt_chat.training.mosit_reader import read_dialogues


def losses(folder: Path) -> list[dict[str, float]]:
    return [json.loads(row) for row in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_dialogues_from_files_are_learnt_beside_tinyland_the_same_for_the_same_seed(
    tmp_path: Path, parts: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EXCHANGES", "DISTRACTED", "COMPARISONS", "ODD", "ODD_CAPTIONS", "READ"):
        monkeypatch.setattr(stage3_instruct, name, 10)
    plain = replace(stage3_instruct.PLAN, bf16=False)  # one process has one precision, that of the other tests
    monkeypatch.setattr(stage3_instruct, "PLAN", plain)
    write_mosit(tmp_path / "mosit", 6, 5)
    told = read_dialogues(tmp_path / "mosit", ContentStore(tmp_path / "store"), Settings())
    long = [Turn("user", (Text("word " * 600),)), Turn("assistant", (Text("Too long."),))]
    for name, dialogues in (("one", [*told, long]), ("other", [*told, long]), ("none", [])):
        set_seed(1)
        with caplog.at_level(logging.INFO):
            stage3_instruct.train(tmp_path / name, parts, seed=1, scale=0.001, told=dialogues)
    assert "6 of 7 dialogues are read; 2 turns are left out" in caplog.text
    one, other, none = (losses(tmp_path / name) for name in ("one", "other", "none"))
    assert one == other
    assert one != none
    assert {"words", "reading_image", "distance_image"} <= set(one[-1])
    assert (parts / "stage3" / "lora" / "adapter_model.safetensors").is_file()


def test_dialogues_that_are_all_too_long_get_a_sentence(tmp_path: Path, parts: Path) -> None:
    told = [[Turn("user", (Text("word " * 600),)), Turn("assistant", (Text("Too long."),))]]
    with pytest.raises(InputError, match="None of the 1 dialogues begins with a message and a reply of at most 512 tokens"):
        stage3_instruct.train(tmp_path, parts, seed=1, scale=0.001, told=told)
