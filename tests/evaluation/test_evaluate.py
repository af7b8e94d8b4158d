"""The whole evaluation of the embedded checkpoint on very few scenes: it shows that every task runs, not how good the model is."""

import json
from pathlib import Path
from typing import Any

import pytest

from nextgpt_chat.checkpoint import find_checkpoint
from nextgpt_chat.evaluation import evaluate
from nextgpt_chat.evaluation.card import write_card
from nextgpt_chat.evaluation.table import table
from tests.conftest import CHECKPOINT

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("evaluation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "CALIBRATION", dict.fromkeys(evaluate.CALIBRATION, 200))
        checkpoint = find_checkpoint(CHECKPOINT.parent, "tinyland")
        found = evaluate.run(checkpoint, out, scenes=2, dialogues=3, seed=5, random_weights=False, device="cpu")
    assert json.loads((out / "scores.json").read_text(encoding="utf-8")) == found
    assert all((out / name).stat().st_size > 1000 for name in ("scores.png", "matrix.png", "samples.png"))
    return found


def test_every_kind_that_the_model_knows_is_measured_beside_its_baselines(scores: dict[str, Any]) -> None:
    assert scores["retrieval"]["image text"]["value"] > 0.8
    kinds = [kind for kind in find_checkpoint(CHECKPOINT.parent, "tinyland").outputs if kind != "text"]
    assert list(scores["telling"]) == list(scores["making"]) == list(scores["editing"]) == kinds
    assert list(scores["mixing"]) == (["in", "image", "video"] if "audio" in kinds else [])
    assert scores["choosing"]["model"]["count"] == scores["following"]["words"]["count"] == 3
    assert scores["editing"]["image"]["changed"]["count"] == 2
    assert scores["following"]["wrong groups"] <= scores["following"]["replies"]
    for kind in kinds:
        assert set(scores["telling"][kind]) == {"model", "blind", "shuffled", "chance"}
        assert set(scores["making"][kind]) == {"model", "said", "shuffled", "chance"}
        assert scores["making"][kind]["said"]["all"]["value"] > scores["making"][kind]["chance"]["all"]


def test_the_card_shows_the_scores_with_their_baselines_and_names_what_is_weak(scores: dict[str, Any], tmp_path: Path) -> None:
    checkpoint = find_checkpoint(CHECKPOINT.parent, "tinyland").model_copy(update={"folder": tmp_path})
    weak = json.loads(json.dumps(scores))
    weak["making"]["image"]["model"]["thing"]["value"] = 0.5
    card = write_card(checkpoint, weak, scores).read_text(encoding="utf-8")
    assert card.startswith(f"# {checkpoint.title}\n")
    assert "`nextgpt-chat evaluate --scenes 2 --dialogues 3 --seed 5 --card`" in card
    assert "| picture → text | model | blind | shuffled | chance |" in card
    assert "- text → picture: thing is right in 50.0 %." in card
    assert "$" not in card


def test_the_table_of_kinds_alone_leaves_out_dialogues(scores: dict[str, Any]) -> None:
    cells = {name: part for name, part in scores.items() if name not in ("retrieval", "choosing", "following", "failures")}
    assert "dialogues of 3 to 7" in table(scores)
    assert "dialogues of 3 to 7" not in table(cells)
    assert "| picture → text | model | blind | shuffled | chance |" in table(cells)
