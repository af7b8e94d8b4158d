"""The whole recipe, cut to a few steps: it shows that the stages fit together, not that they learn."""

import json
from pathlib import Path

import pytest

from nextgpt_chat.checkpoint import read_checkpoint
from nextgpt_chat.conversation import Conversation, Text, Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import Done
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.training.recipe import STAGES, run_recipe
from tests.training.launching import in_two_processes


def train(folder: Path) -> str:
    """`train all` in two processes."""
    words = ("train", "all", "--folder", folder, "--out", folder / "checkpoint", "--scale", "0.0005")
    return in_two_processes("nextgpt_chat", *words, timeout=600)


@pytest.mark.timeout(900)
def test_two_processes_train_all_stages_into_a_checkpoint_that_replies(tmp_path: Path) -> None:
    said = train(tmp_path)
    trained = [name for name, stage in STAGES.items() if stage]
    assert all(f"{name} begins" in said for name in trained)
    for name in trained[1:]:
        rows = [json.loads(row) for row in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        assert len({row["step"] for row in rows}) == len(rows)  # one process writes the journal
        assert (tmp_path / name / "curve.png").is_file()
    assert read_checkpoint(tmp_path / "checkpoint").outputs == ("text", "image", "video", "audio")
    assert not [path for path in (tmp_path / "checkpoint").rglob("*.json") if str(tmp_path) in path.read_text()]
    pipeline = load_pipeline(tmp_path / "checkpoint", ContentStore(tmp_path / "media"), "cpu")
    assert set(pipeline.decoders) == set(pipeline.output_projections) == {"image", "video", "audio"}
    asked = Conversation((Turn("user", (Text("draw a red bird"),)),))
    assert isinstance(list(pipeline.reply(asked, ReplySettings(seed=1), lambda: False))[-1], Done)
    again = train(tmp_path)
    assert all(f"{name} is finished already" in again for name in trained)


@pytest.mark.parametrize(
    ("stages", "data", "sentence"),
    [
        (["all"], ["nowhere"], "There is no file or folder .*nowhere"),
        (
            ["tokenizer", "assemble"],
            ["nowhere"],
            "--data is for the stage stage3_instruct, which is not among: tokenizer, assemble",
        ),
    ],
)
def test_data_that_cannot_be_learnt_from_get_a_sentence_before_anything_is_trained(
    tmp_path: Path, stages: list[str], data: list[str], sentence: str
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(InputError, match=sentence):
        run_recipe(stages, folder, tmp_path / "out", 7, 0.001, False, [tmp_path / name for name in data])
    assert not folder.exists()
