import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trl.data_utils as trl
from datasets import Audio, Dataset, List, Video, load_dataset

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.dataset import write_dataset
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.annotate.judgements import Judgement
from nextgpt_chat.annotate.label_studio import bring_in, config, tasks
from nextgpt_chat.annotate.material import Material, of_campaign, of_chats
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.annotate.preferences import kto, preferences
from nextgpt_chat.annotate.report import Reports
from nextgpt_chat.annotate.sheet import Sheet
from nextgpt_chat.annotate.shown_task import Shown
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import Done, Stats, TextDelta
from nextgpt_chat.media.audio_file import encode_wav
from nextgpt_chat.media.image_file import encode_png
from nextgpt_chat.media.video_file import encode_mp4
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.ratings import WHOLE
from tests.annotating import annotator, create, filled, plan, rows_of, work
from tests.conftest import Opened


def files(folder: Path) -> None:
    random = np.random.default_rng(0)
    folder.joinpath("bird.png").write_bytes(encode_png(random.integers(0, 255, (16, 16, 3), np.uint8), {}))
    folder.joinpath("song.wav").write_bytes(encode_wav(0.3 * np.sin(np.arange(16_000) / 5), 16_000, {}))
    folder.joinpath("flight.mp4").write_bytes(encode_mp4(random.integers(0, 255, (8, 16, 16, 3), np.uint8), 8, None, {}))


def media_plan() -> dict[str, Any]:
    parts = [{"kind": "text", "text": "Here: "}, *({"kind": kind, "file": file, "caption": f"a bird as {kind}"} for kind, file in (("image", "bird.png"), ("audio", "song.wav"), ("video", "flight.mp4")))]  # fmt: skip
    asked = [{"role": "user", "parts": [{"kind": "text", "text": "And this?"}, {"kind": "image", "file": "bird.png"}]}]
    answers = [
        {"system": "walrus", "parts": parts, "seed": 3, "settings": {"steps": 9}},
        {"system": "heron", "parts": [{"kind": "text", "text": "No."}]},
    ]
    return plan() | {"items": [{"turns": asked, "answers": answers}, *plan(3)["items"]], "overlap": 2}


def prefers_the_walrus(shown: Shown) -> Sheet:
    return filled(shown, "left" if shown.answers[0].text.startswith(("apple", "Here")) else "right")


def rows_first(rows: list[Judgement], task: dict[str, Any]) -> str:
    """The system of a task's first answer."""
    return next(row.first for row in rows if row.task == task["meta"]["task"])


def material(store: Opened, campaign: str) -> Material:
    with store.database.reading() as session:
        return of_campaign(session, store.content, campaign)


@pytest.fixture
def written(store: Opened, settings: Settings, tmp_path: Path) -> Path:
    files(tmp_path)
    campaigns = Campaigns(store, settings)
    campaign, desk = campaigns.create(checked(media_plan()), tmp_path), Desk(store)
    for number in (1, 2):
        work(desk, annotator(store, number), campaign, prefers_the_walrus)
    folder = tmp_path / "written"
    write_dataset(material(store, campaign), Reports(campaigns).of(campaign), folder)
    return folder


def loaded(folder: Path, name: str) -> Dataset:
    found: Dataset = load_dataset(str(folder), name, cache_dir=str(folder.parent / "cache"), split="train")
    return found


def test_a_data_set_loads_with_its_media(written: Path) -> None:
    answers = loaded(written, "answers")
    for kind, feature in (("audios", Audio(decode=False)), ("videos", Video(decode=False))):
        answers = answers.cast_column(kind, List(feature)).cast_column(f"prompt_{kind}", List(feature))
    (row,) = [row for row in answers if row["images"]]
    assert (row["system"], row["seed"], json.loads(row["settings"])) == ("walrus", 3, {"steps": 9})
    assert row["images"][0].size == (16, 16)
    assert row["prompt_images"][0].size == (16, 16)
    assert row["audios"][0]["bytes"][:4] == b"RIFF"
    assert row["videos"][0]["bytes"][4:8] == b"ftyp"
    assert row["prompt"] == [{"role": "user", "content": "And this?<image></image>"}]
    judged = loaded(written, "judgements")
    assert len(judged) == 8
    assert set(judged["rater"]) == {name for name in judged["rater"] if name.startswith("rater-")}
    assert {"first", "second", "left", "choice", "round", "seconds", "guideline"} <= set(judged.column_names)


def test_the_manifest_has_the_hash_of_every_file(written: Path) -> None:
    said = json.loads((written / "manifest.json").read_text())
    there = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(said["files"]) == there
    for name, about in said["files"].items():
        assert hashlib.sha256((written / name).read_bytes()).hexdigest() == about["sha256"]
    assert said["rows"]["judgements"] == 8
    card = (written / "README.md").read_text()
    assert "Krippendorff" in card
    assert "Nothing to improve." in card
    assert [json.loads(line)["action"] for line in (written / "audit.jsonl").read_text().splitlines()][0] == "created"
    assert "heron" not in (written / "label_studio.xml").read_text()


def test_rows_pass_the_checks_of_trl(written: Path) -> None:
    preferred, desirable = loaded(written, "preference"), loaded(written, "kto")
    for rows, names in ((preferred, ("prompt", "chosen", "rejected")), (desirable, ("prompt", "completion"))):
        assert len(rows)
        for row in rows:
            assert trl.is_conversational({name: row[name] for name in names})
            assert [message["role"] for message in row["prompt"]] == ["user"]
            assert all(row[name][0]["role"] == "assistant" for name in names[1:])
    # As the preference trainer does: prompt and answers are told apart, and two rows become of one.
    unpaired = trl.unpair_preference_dataset(preferred.select_columns(["prompt", "chosen", "rejected"]))
    assert unpaired["label"] == [True] * len(preferred) + [False] * len(preferred)
    assert trl.maybe_extract_prompt(preferred[0])["prompt"] == preferred[0]["prompt"]


def test_preferences_are_what_most_people_said(store: Opened, settings: Settings) -> None:
    campaign, desk = create(store, settings, count=3), Desk(store)

    def judge(number: int, choices: dict[str, str]) -> None:
        def how(shown: Shown) -> Sheet:
            wanted = choices[shown.prompt[0].text]
            if wanted in ("tie", "bad"):
                return filled(shown, wanted)
            return filled(shown, "left" if wanted in shown.answers[0].text else "right")

        work(desk, annotator(store, number), campaign, how)

    judge(1, {"Say 0.": "apple", "Say 1.": "apple", "Say 2.": "bad"})
    judge(2, {"Say 0.": "apple", "Say 1.": "pear", "Say 2.": "bad"})
    judge(3, {"Say 0.": "tie", "Say 1.": "tie", "Say 2.": "pear"})
    rows = preferences(material(store, campaign), {})
    assert [(row["prompt"][0]["content"], row["chosen_system"], row["margin"], row["judgements"]) for row in sorted(rows, key=lambda row: row["item"])] == [
        ("Say 0.", "walrus", pytest.approx(2 / 3), 3), ("Say 2.", "heron", pytest.approx(1 / 3), 3),
    ]  # fmt: skip
    labels = {(row["prompt"][0]["content"], row["system"]): row["label"] for row in kto(material(store, campaign), {})}
    assert labels == {
        ("Say 0.", "walrus"): True,
        ("Say 0.", "heron"): False,
        ("Say 2.", "walrus"): False,
        ("Say 2.", "heron"): False,
    }


def test_scores_become_rows_where_they_are_clear(store: Opened, settings: Settings) -> None:
    campaign = create(store, settings, count=1, mode="absolute")
    work(Desk(store), annotator(store), campaign, lambda shown: filled(shown, 5 if "apple" in shown.answers[0].text else 3))
    (row,) = preferences(material(store, campaign), {})
    assert (row["chosen_system"], row["margin"]) == ("walrus", 0.5)
    assert [(row["system"], row["label"]) for row in kto(material(store, campaign), {})] == [("walrus", True)]


def test_what_gives_itself_away_teaches_nothing(store: Opened, settings: Settings) -> None:
    campaign = create(store, settings, count=1)
    work(Desk(store), annotator(store), campaign, lambda shown: filled(shown, flags=["identity"]))
    assert not preferences(material(store, campaign), {})
    assert Reports(Campaigns(store, settings)).of(campaign).left_out == 1


def test_thumbs_of_those_who_agreed_flow_into_the_same_files(store: Opened, settings: Settings, tmp_path: Path) -> None:
    def replied(user: str, text: str) -> str:
        job = store.jobs.claim("test", "scripted")
        assert job
        store.jobs.append(job.id, TextDelta(text), Done(Stats("scripted", seed=3)))
        conversation = store.library.recent(user)[0].id
        return store.conversations.messages(user, conversation)[-1].id

    conversation, _ = store.post("ada")
    good = replied("ada", "Good morning.")
    store.ratings.rate("ada", good, WHOLE, 1)
    store.conversations.retry("ada", good, "scripted", ReplySettings())
    bad = replied("ada", "Go away.")
    store.ratings.rate("ada", bad, WHOLE, -1)
    store.ratings.reason("ada", bad, WHOLE, "harm")
    store.post("eva")
    store.ratings.rate("eva", replied("eva", "Private."), WHOLE, 1)
    with store.database.reading() as session:
        nothing = of_chats(session, store.content)
    assert not nothing.answers
    with pytest.raises(InputError, match="nothing to write"):
        write_dataset(nothing, None, tmp_path / "none")
    store.consents.give("ada")
    with store.database.reading() as session:
        found = of_chats(session, store.content)
    assert {(row.score, row.text) for row in found.judgements} == {(1, None), (-1, "harm")}
    (row,) = preferences(found, {})
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"], row["margin"]) == ("Good morning.", "Go away.", 1.0)
    write_dataset(found, None, tmp_path / "chat")
    assert len(loaded(tmp_path / "chat", "kto")) == 2
    store.ratings.rate("ada", good, WHOLE, 1)  # taken back
    with store.database.reading() as session:
        assert [row.score for row in of_chats(session, store.content).judgements] == [-1]
    store.library.delete("ada", conversation)
    with store.database.reading() as session:
        assert not of_chats(session, store.content).answers


def test_label_studio_gets_the_tasks_and_gives_judgements_back(store: Opened, settings: Settings, written: Path) -> None:
    listed = json.loads((written / "label_studio.json").read_text())
    assert len(listed) == 4
    assert not [task for task in listed if "walrus" in json.dumps(task["data"])]
    assert {len(task["annotations"]) for task in listed} == {2}
    (shown,) = [task for task in listed if "<video" in json.dumps(task["data"])]
    assert "/data/local-files/?d=media/" in json.dumps(shown["data"])
    campaign = Campaigns(store, settings).named("the campaign").id

    def brought(value: object) -> tuple[int, int, int]:
        with store.database.session() as session:
            found = bring_in(session, store.content, campaign, value)
            return found.taken, found.known, len(found.refused)

    assert brought(listed) == (0, 8, 0)  # they came from here
    judged = [
        task
        | {
            "annotations": [
                {
                    **one,
                    "completed_by": {"id": number},
                    "unique_id": None,
                    "result": [{**result, "id": "x"} for result in one["result"]],
                }
            ]
        }
        for task in listed
        for number, one in enumerate(task["annotations"])
    ]
    before = rows_of(store, campaign)
    assert brought(judged) == (8, 0, 0)
    assert brought(judged) == (0, 8, 0)
    after = rows_of(store, campaign)
    assert sorted((row.task, row.choice) for row in after[len(before) :]) == sorted((row.task, row.choice) for row in before)
    assert len({row.rater for row in after}) == 4
    # Which of the two comes first is drawn, and taken back when the judgements come in.
    lefts = {row.task: row.left for row in after[len(before) :]}
    for task in listed:
        walrus_first = any(word in task["data"]["first"] for word in ("apple", "Here"))
        assert lefts[task["meta"]["task"]] == ("first" if walrus_first == (rows_first(before, task) == "walrus") else "second")
    with store.database.session() as session:
        half = [
            judged[0] | {"annotations": [judged[0]["annotations"][0] | {"completed_by": 77}, {"completed_by": 78, "result": []}]}
        ]
        assert "1 judged items were taken in" in (said := str(bring_in(session, store.content, campaign, half)))
        assert "1 were not taken: Task 1 of the file: 'Overall' is not judged." in said


WRONG = (
    [], 5, *([{"from_name": "reply__overall", "value": value}] for value in ({"choices": {"a": 1}}, {"choices": 5}, {"choices": []}, {"choices": ["best"]}, {"choices": [["first"]]}, None)),
)  # fmt: skip


@pytest.mark.parametrize("result", WRONG)
def test_what_is_no_judgement_of_label_studio_is_refused_and_the_rest_taken(
    store: Opened, settings: Settings, written: Path, result: Any
) -> None:
    listed = json.loads((written / "label_studio.json").read_text())
    campaign = Campaigns(store, settings).named("the campaign").id
    good = {"completed_by": 1, "result": [{"from_name": "reply__overall", "value": {"choices": ["tie"]}}], "lead_time": 10**400}
    with store.database.session() as session:
        found = bring_in(
            session, store.content, campaign, [listed[0] | {"annotations": [{"completed_by": 9, "result": result}, good]}]
        )
    assert (found.taken, len(found.refused)) == (1, 1)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({}, "no export"),
        ([{}], "none of the campaign"),
        ([{"meta": {"task": "x"}}], "none of"),
        ([{"meta": {"task": "\ud800"}}], "cannot be kept"),
    ],
)
def test_what_is_no_export_of_label_studio_gets_a_sentence(
    store: Opened, settings: Settings, written: Path, value: Any, sentence: str
) -> None:
    campaign = Campaigns(store, settings).named("the campaign").id
    with pytest.raises(InputError, match=sentence), store.database.session() as session:
        bring_in(session, store.content, campaign, value)


def test_a_campaign_that_nobody_judged_yet_has_its_tasks(store: Opened, settings: Settings) -> None:
    found = material(store, create(store, settings, count=3))
    assert len(tasks(found, {})) == 3
    assert "reply__overall" in config(found)
    assert all(not task["annotations"] for task in tasks(found, {}))
