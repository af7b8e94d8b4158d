import json
import shutil
from pathlib import Path

from nextgpt_chat.checkpoint import Checkpoint, find_checkpoint
from nextgpt_chat.evaluation.card import write_card
from tests.conftest import CHECKPOINT


def test_the_card_shows_the_scores_with_their_baselines_and_names_what_is_weak(tmp_path: Path) -> None:
    folder = tmp_path / "tinyland"
    shutil.copytree(CHECKPOINT, folder)
    (folder / "MODEL_CARD.md").unlink()
    checkpoint: Checkpoint = find_checkpoint(tmp_path, str(folder))
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    scores["drawing"]["model"]["thing"]["value"] = 0.5
    card = write_card(checkpoint, scores, scores).read_text(encoding="utf-8")
    assert card.startswith(f"# {checkpoint.title}\n")
    assert "| picture → text | model | blind | shuffled | chance |" in card
    assert "- text → picture: thing is right in 50.0 %." in card
    assert "$" not in card
