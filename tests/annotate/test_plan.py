import json
import re
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from nextgpt_chat.annotate.criteria import POINTS, STANDARD
from nextgpt_chat.annotate.plan import MOST_ITEMS, MOST_TASKS, checked
from nextgpt_chat.annotate.plan_file import plan_in
from nextgpt_chat.errors import InputError
from tests.annotating import answer, plan
from tests.conftest import ROOT

OWN = {"key": "humour", "title": "Humour", "question": "Is it funny?", "anchors": ["No.", "Hardly.", "A little.", "Yes.", "Very."]}
SYSTEMS = [{"model": "tinyland"}, {"model": "tinyland", "label": "few steps", "settings": {"steps": 4}}]


def test_a_plan_is_read_with_what_is_usual() -> None:
    made = checked(plan() | {"criteria": ["overall", OWN], "systems": SYSTEMS, "items": ["Draw a bird", *plan()["items"]]})
    assert [criterion.key for criterion in made.criteria] == ["overall", "humour"]
    assert (made.overlap, made.lease_minutes, made.play) == (3, 20, 0.9)
    assert made.items[0].dialogue() == [{"role": "user", "parts": [{"kind": "text", "text": "Draw a bird"}]}]
    assert [system.name for system in made.systems] == ["tinyland", "few steps"]
    assert checked(made.model_dump(mode="json")) == made


def test_every_standard_criterion_has_its_anchors() -> None:
    assert {"instruction", "rationality", "quality"} <= set(STANDARD)
    assert all(len(set(criterion.anchors)) == POINTS for criterion in STANDARD.values())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"criteria": ["beauty"]}, "no criterion 'beauty'"),
        ({"criteria": []}, "criteria"),
        ({"criteria": ["overall", "overall"]}, "same key"),
        ({"criteria": [OWN | {"anchors": ["Yes."]}]}, "anchors"),
        ({"overlap": 0}, "overlap"),
        ({"name": " "}, "name"),
        ({"items": []}, "nothing to judge"),
        ({"items": ["Draw a bird"]}, "needs 2"),
        ({"items": ["Draw a bird"], "systems": [{"model": "tinyland"}]}, "needs 2"),
        ({"items": ["Draw a bird"], "systems": [{"model": "tinyland"}] * 2}, "same name"),
        ({"items": [{"prompt": "Draw", "turns": []}]}, "needs 2"),
        ({"items": [{"answers": []}]}, "either a `prompt` or `turns`"),
        ({"items": [{"prompt": "", "answers": []}]}, "empty"),
        ({"items": [{"prompt": "x", "answers": [answer("otter", 1), answer("otter", 1)]}]}, "same system"),
        ({"items": [{"prompt": "x", "answers": [answer("otter", 1), answer("heron", 1)], "gold": {"overall": "walrus"}}]}, "walrus"),
        ({"items": [{"prompt": "x", "answers": [answer("otter", 1), answer("heron", 1)], "gold": {"quality": "otter"}}]}, "quality"),
        ({"systems": [{"model": "x", "settings": {"steps": 0}}]}, "steps"),
        ({"systems": [{"model": "x", "settings": {"speed": 1}}]}, "speed"),
        ({"conversations": 5, "items": []}, "compared"),
        ({"guidelines": "Walrus is the better one."}, "name 'Walrus'"),
        ({"title": "heron and friends"}, "name 'heron'"),
        ({"surprise": 1}, "surprise"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_plan_is_said(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        checked(plan() | given)


def test_a_plan_is_a_file_or_an_archive(tmp_path: Path) -> None:
    alone = tmp_path / "campaign.json"
    alone.write_text(json.dumps(plan()), encoding="utf-8")
    with plan_in(alone) as (made, folder):
        assert (made.name, folder) == ("the campaign", tmp_path)
    packed = tmp_path / "campaign.zip"
    with ZipFile(packed, "w") as archive:
        archive.writestr("campaign.json", json.dumps(plan()))
        archive.writestr("media/bird.png", b"picture")
        archive.writestr("other.txt", b"no")
    with plan_in(packed) as (made, folder):
        assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["bird.png", "campaign.json"]
    for data, sentence in ((b"{", "not JSON"), (b"\xff\xfe\x00", "UTF-8"), (b"PK\3\4", "damaged"), (b"[" * 100_000, "not JSON")):
        alone.write_bytes(data)
        with pytest.raises(InputError, match=sentence), plan_in(alone):
            pass
    with pytest.raises(InputError, match="no file"), plan_in(tmp_path / "nothing.json"):
        pass


def test_the_plan_in_the_documentation_is_one() -> None:
    text = (ROOT / "docs" / "ANNOTATE.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert [criterion.key for criterion in checked(json.loads(block)).criteria] == ["overall", "instruction", "alignment", "humour"]
    for number in (MOST_ITEMS, MOST_TASKS):
        assert f"{number:,}" in text
