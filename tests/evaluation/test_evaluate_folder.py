"""The whole command on small folders of real files with the embedded model; sounds and clips with a scripted reply as well."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from nextgpt_chat.checkpoint import find_checkpoint
from nextgpt_chat.cli import main
from nextgpt_chat.conversation import Conversation, Media
from nextgpt_chat.datasets.layouts import LAYOUTS, read_items
from nextgpt_chat.encode.imagebind import AUDIO, TEXT, VISION, ImageBind, ImageBindConfig, Trunk
from nextgpt_chat.errors import InputError
from nextgpt_chat.evaluation.embedding import encoded_captions
from nextgpt_chat.evaluation.folder_scores import Subject, describing_scores, making_scores
from nextgpt_chat.evaluation.folder_tasks import Specimen, elsewhere, phrase, take
from nextgpt_chat.events import Done, Event, MediaReady, Stats, TextDelta
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import ReplySettings, Settings
from tests.conftest import CHECKPOINT, ROOT
from tests.datasets.captioned_folders import SCENES, write_audiocaps, write_coco, write_msrvtt
from tests.test_architecture import imports

WRITERS = {"coco": write_coco, "audiocaps": write_audiocaps, "msrvtt": write_msrvtt}
KNOWN = find_checkpoint(CHECKPOINT.parent, "tinyland")


def evaluate(*arguments: str, out: Path) -> int | str | None:
    """`nextgpt-chat evaluate` with its results in `out`; returns 0, or the sentence that it ends with."""
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--out", str(out), *arguments])
    return ended.value.code


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_command_measures_what_the_model_can_do(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    WRITERS[name](tmp_path / "set")
    broken = read_items(name, tmp_path / "set", LAYOUTS[name].split)[1].path
    broken.write_bytes(b"RIFF, but damaged")
    arguments = ["--on", name, "--folder", str(tmp_path / "set"), "--count", "5", "--seed", "3"]
    assert evaluate(*arguments, out=tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert shown == (tmp_path / "out" / f"{name}.md").read_text(encoding="utf-8")
    scores = json.loads((tmp_path / "out" / f"{name}.json").read_text(encoding="utf-8"))
    kind = LAYOUTS[name].kind
    assert (scores["model"], scores["seed"], scores["split"], scores["kind"]) == ("tinyland", 3, LAYOUTS[name].split, kind)
    assert scores["checkpoint"] == str(CHECKPOINT)
    assert ("does not take" in shown) == (kind not in KNOWN.inputs)
    assert ("does not make" in shown) == (kind not in KNOWN.outputs)
    assert ("describing" in scores) == (kind in KNOWN.inputs)
    assert ("making" in scores) == (kind in KNOWN.outputs)
    if kind in KNOWN.inputs:
        check_scores(scores, broken.name, shown)


def check_scores(scores: dict[str, Any], broken: str, table: str) -> None:
    """Eight items, of which one cannot be read: five to measure on, two others."""
    assert scores["items"] == 5
    assert scores["skipped"]["count"] == 1
    assert broken in scores["skipped"]["reasons"][0]
    assert "left out: 1" in table
    assert "seed 3" in table
    described, made = scores["describing"], scores["making"]
    assert described["model"]["BLEU-4"] > described["shuffled"]["BLEU-4"]
    for name in ("ROUGE-L", "CIDEr-D"):
        assert described["model"][name]["low"] > described["shuffled"][name]["high"]
    assert (made["made"], made["others"]) == (5, 2)
    assert made["similarity"]["model"]["low"] > made["similarity"]["shuffled"]["high"]
    assert 0 < made["frechet"]["model"] < made["frechet"]["noise"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--on", "coco"], "Say where your folder of COCO is: nextgpt-chat evaluate --on coco --folder PATH"),
        (["--on", "msrvtt", "--folder", "x", "--card"], "--card and --matrix are for Tinyland"),
        (["--on", "coco", "--folder", "x", "--dialogues", "3"], "--dialogues is for tinyland"),
        (["--matrix", "--dialogues", "3"], "--dialogues is for tinyland"),
        (["--count", "5"], "say in which layout it is with --on: coco, audiocaps, msrvtt"),
        (["--on", "coco", "--folder", "/nowhere"], "There is no folder /nowhere"),
    ],
)
def test_mistakes_get_a_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    assert sentence in str(evaluate(*arguments, out=tmp_path))


def taken(name: str, folder: Path, skipped: list[str]) -> list[Specimen]:
    """All items of a folder, taken in."""
    items = read_items(name, WRITERS[name](folder), LAYOUTS[name].split)
    content = ContentStore(folder / "media")
    return list(take(iter(items), len(items), Settings(), content, random.Random(1), skipped))


def subject(answer: Callable[[Conversation], tuple[str, Media | None]]) -> Subject:
    """A scripted reply, beside an encoder of random weights, large enough to tell media apart."""

    def reply(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        text, medium = answer(conversation)
        yield TextDelta(text)
        if medium is not None:
            yield MediaReady(0, medium)  # type: ignore[arg-type]
        yield Done(Stats("scripted", seed=1))

    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm", local_files_only=True)
    torch.manual_seed(0)
    trunks = {name: Trunk(32, 1, 2) for name in (VISION, AUDIO, TEXT)}
    imagebind = ImageBind(ImageBindConfig(vocabulary=len(tokenizer), frames=2, trunks=trunks)).eval()
    for parameter in imagebind.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    return Subject(reply, imagebind, tokenizer)


@pytest.mark.parametrize("name", ["audiocaps", "msrvtt"])
def test_sounds_and_clips_are_measured_too(tmp_path: Path, name: str) -> None:
    specimens = taken(name, tmp_path, [])
    first, last = specimens[:4], specimens[4:]
    by_phrase = {specimen.phrase: specimen for specimen in specimens}
    by_medium = {specimen.medium: specimen for specimen in specimens}

    def perfect(conversation: Conversation) -> tuple[str, Media | None]:
        (turn,) = conversation.turns
        if turn.media:
            return by_medium[turn.media[0]].captions[1], None
        (asked,) = [words for words in by_phrase if f" of {words}." in turn.text]
        return "Here it is.", by_phrase[asked].medium

    described = describing_scores(subject(perfect), first, 1)
    assert described["model"]["BLEU-4"] == described["model"]["ROUGE-L"]["value"] == pytest.approx(1)
    assert described["shuffled"]["ROUGE-L"]["value"] < 1
    made = making_scores(subject(perfect), first, last, 1)
    assert (made["made"], made["others"]) == (4, 4)
    assert made["frechet"]["model"] == pytest.approx(0, abs=1e-5)
    assert made["frechet"]["real"] > 0.001
    assert made["frechet"]["noise"] > made["frechet"]["real"]
    assert made["similarity"]["model"] == made["similarity"]["real"] != made["similarity"]["shuffled"]

    def silent(conversation: Conversation) -> tuple[str, Media | None]:
        return "I cannot.", None

    nothing = making_scores(subject(silent), first, [], 1)
    assert nothing["made"] == 0
    assert nothing["similarity"]["model"] is nothing["similarity"]["shuffled"] is None
    assert nothing["frechet"]["model"] is nothing["frechet"]["real"] is None

    def refused(conversation: Conversation) -> tuple[str, Media | None]:
        raise InputError("The message is longer than the model can read at once.")

    assert making_scores(subject(refused), first, [], 1)["made"] == 0

    def the_same(conversation: Conversation) -> tuple[str, Media | None]:
        return "Here it is.", first[0].medium

    copies = making_scores(subject(the_same), first, last, 1)
    assert copies["frechet"]["model"] > 0.001
    assert copies["similarity"]["model"] != copies["similarity"]["real"]


def test_a_damaged_file_is_skipped_and_the_next_item_stands_in_for_it(tmp_path: Path) -> None:
    items = read_items("coco", write_coco(tmp_path), "val2017")
    items[0].path.write_bytes(b"\xff\xd8\xff damaged")
    items[1].path.unlink()
    skipped: list[str] = []
    content = ContentStore(tmp_path / "media")
    left = iter(items)
    found = list(take(left, 3, Settings(), content, random.Random(1), skipped))
    assert [items[i].captions for i in (2, 3, 4)] == [specimen.captions for specimen in found]
    assert len(skipped) == 2
    assert items[0].path.name in skipped[0]
    assert items[1].path.name in skipped[1]
    assert len(list(take(left, 99, Settings(), content, random.Random(1), skipped))) == len(SCENES) - 5


def test_a_caption_longer_than_the_encoder_reads_is_cut_and_changes_no_other() -> None:
    known = subject(lambda _: ("", None))
    long, short = "a small red bird on the left, " * 40, "a dog"
    both = encoded_captions(known.imagebind, known.tokenizer, [long, short])
    assert torch.allclose(both.norm(dim=1), torch.ones(2), atol=1e-5)
    assert torch.allclose(both[1:], encoded_captions(known.imagebind, known.tokenizer, [short]), atol=1e-4)
    assert encoded_captions(known.imagebind, known.tokenizer, []).shape == (0, known.imagebind.config.embedding)


def test_a_caption_stands_within_a_sentence() -> None:
    assert phrase("A dog runs. ") == "a dog runs"
    assert phrase("TV on a table") == "TV on a table"
    assert phrase("a") == "a"


def test_a_shuffled_item_is_never_in_its_own_place() -> None:
    for count in (2, 3, 50):
        places = elsewhere(count, 1)
        assert sorted(places) == list(range(count))
        assert all(place != other for place, other in enumerate(places))
    assert elsewhere(50, 1) == elsewhere(50, 1) != elsewhere(50, 2)


def test_what_measures_a_folder_knows_no_tinyland() -> None:
    left, seen = ["nextgpt_chat.evaluation.evaluate_folder"], set()
    while left:
        seen.add(name := left.pop())
        path = ROOT / f"{name.replace('.', '/')}.py"
        left += (
            [other for other, _ in imports(path) if other.startswith("nextgpt_chat.") and other not in seen]
            if path.is_file()
            else []
        )
    assert "nextgpt_chat.evaluation.caption_scores" in seen
    assert not [name for name in seen if name.startswith("nextgpt_chat.tinyland")]
