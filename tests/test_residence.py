"""Parts that share too little memory: where they are while one of them works, and what happens when it is full."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import ReferenceType, ref

import numpy as np
import pytest
import torch

from nextgpt_chat.conversation import Conversation, Text, Turn
from nextgpt_chat.errors import BusyError, SetupError
from nextgpt_chat.events import Event, MediaReady, Notice
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.memory import WAYS
from nextgpt_chat.pipeline import Pipeline
from nextgpt_chat.placement import Placement
from nextgpt_chat.residence import WAITS, Residence
from nextgpt_chat.settings import ReplySettings, Settings
from tests.conftest import CHECKPOINT

HERE = torch.device("meta")
"""Stands for a GPU where nothing is computed."""
PARTS = ("language model", "encoder", "image decoder", "video decoder")


class Places:
    """Where each part is, and how many were elsewhere than in main memory at once."""

    def __init__(self, way: str) -> None:
        self.residence = Residence(Placement(HERE, way))
        self.at = dict.fromkeys(PARTS, "")
        self.most = 0
        for name in PARTS:
            self.at[name] = HERE.type  # it was loaded there
            self._count()
            self.residence.add(name, lambda device, name=name: self._move(name, device))  # type: ignore[misc]

    def _move(self, name: str, device: torch.device) -> None:
        self.at[name] = device.type
        self._count()

    def _count(self) -> None:
        self.most = max(self.most, len(self.here))

    @property
    def here(self) -> set[str]:
        return {name for name, place in self.at.items() if place == HERE.type}


def test_every_way_has_a_rule_and_a_setting() -> None:
    assert list(WAITS) == [way for way in WAYS if "-" not in way and way != "spread"]
    with pytest.raises(ValueError, match="fit"):
        Settings(fit="small")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("way", "loaded", "drawing", "most"),
    [
        ("whole", set(PARTS), set(PARTS), 4),
        ("decoders", {"language model", "encoder"}, {"language model", "encoder", "image decoder"}, 3),
        ("tiers", set(), {"image decoder"}, 1),
    ],
)
def test_what_waits_is_elsewhere_and_what_works_is_there(way: str, loaded: set[str], drawing: set[str], most: int) -> None:
    places = Places(way)
    assert places.here == loaded
    for name in PARTS:
        places.residence.bring(name)
        assert name in places.here
    places.residence.bring("image decoder")
    assert places.here == drawing
    assert places.most == most


def test_it_steps_down_until_there_is_no_step() -> None:
    places = Places("whole")
    assert places.residence.step_down()
    places.residence.bring("video decoder")
    assert places.here == {"language model", "encoder", "video decoder"}
    assert places.residence.step_down()
    places.residence.bring("video decoder")
    assert places.here == {"video decoder"}
    assert not places.residence.step_down()


ASKED = Conversation((Turn("user", (Text("Draw a big red bird"),)),))
HOW = ReplySettings(seed=4, steps=2)


def made(events: list[Event]) -> list[str]:
    return [event.part.sha256 for event in events if isinstance(event, MediaReady)]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return load_pipeline(CHECKPOINT, ContentStore(tmp_path), "cpu")


@pytest.mark.parametrize("way", ["decoders", "tiers"])
def test_what_is_made_does_not_depend_on_the_way(way: str, pipeline: Pipeline, tmp_path: Path) -> None:
    frugal = load_pipeline(CHECKPOINT, ContentStore(tmp_path), "cpu", fit=way)
    assert frugal.residence.way == way
    whole = made(list(pipeline.reply(ASKED, HOW, lambda: False)))
    assert made(list(frugal.reply(ASKED, HOW, lambda: False))) == whole
    assert len(whole) == 1


def failing(pipeline: Pipeline, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, left = pipeline.decoders["image"], iter(range(times))
    make = decoder.make

    def short(*given: Any) -> np.ndarray:
        if next(left, None) is not None:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return make(*given)

    monkeypatch.setattr(decoder, "make", short)


def test_a_decoder_without_room_begins_again_with_more_and_says_so(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made(list(pipeline.reply(ASKED, HOW, lambda: False)))
    failing(pipeline, 2, monkeypatch)
    events = list(pipeline.reply(ASKED, HOW, lambda: False))
    assert made(events) == whole
    assert sum(isinstance(event, Notice) and "memory was full" in event.message for event in events) == 2
    assert pipeline.residence.way == "tiers"


class Held:
    """Stands for a tensor."""


def test_what_failed_holds_nothing_when_there_is_another_try() -> None:
    """Or the memory would be as full as before."""
    gone: list[bool] = []
    tensors: list[ReferenceType[Held]] = []
    gc.disable()  # what only a collection frees is held too long
    try:
        residence = Residence(Placement(HERE))
        residence.add("image decoder", lambda _device: None)

        def make(_report: object) -> np.ndarray:
            gone.extend(tensor() is None for tensor in tensors)
            tensor = Held()
            tensors.append(ref(tensor))
            if len(tensors) < 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return np.zeros(1)

        list(residence.work("image decoder", make))
    finally:
        gc.enable()
    assert gone == [True, True, True]


def test_a_part_without_room_to_come_gets_more() -> None:
    places = Places("decoders")
    moves = iter([True])

    def move(device: torch.device) -> None:
        if device == HERE and next(moves, False):
            raise torch.OutOfMemoryError("CUDA out of memory")
        places.at["audio decoder"] = device.type

    places.residence.add("audio decoder", move)
    told = list(places.residence.work("audio decoder", lambda _report: np.zeros(1)))
    assert isinstance(told[0], Notice)
    assert places.residence.way == "tiers"
    assert places.here == {"audio decoder"}


@pytest.mark.parametrize(("way", "how"), [("decoders", "moved"), ("tiers", "offloaded")])
def test_in_the_most_frugal_way_the_parts_of_a_decoder_come_one_by_one(way: str, how: str) -> None:
    done: list[tuple[str, str]] = []
    residence = Residence(Placement(HERE, way))
    move, offload = (lambda device, verb=verb: done.append((verb, device.type)) for verb in ("moved", "offloaded"))
    residence.add("image decoder", move, offload)
    residence.bring("image decoder")
    assert done == [("moved", "cpu"), (how, HERE.type)]


def test_where_no_step_helps_there_is_a_sentence(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(pipeline, 3, monkeypatch)
    with pytest.raises(BusyError, match="too little memory"):
        list(pipeline.reply(ASKED, HOW, lambda: False))
    assert len(made(list(pipeline.reply(ASKED, HOW, lambda: False)))) == 1


def test_a_language_model_without_room_gets_a_sentence_and_more_room(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> Iterator[None]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(pipeline.language_model, "write", full)
        with pytest.raises(BusyError, match="wait outside of it: press Retry"):
            list(pipeline.reply(ASKED, HOW, lambda: False))
    assert pipeline.residence.way == "decoders"
    assert len(made(list(pipeline.reply(ASKED, HOW, lambda: False)))) == 1


@pytest.mark.parametrize(("number", "library", "most"), [("int8", "torchao", 0.05), ("int4", "bitsandbytes", 0.5)])
def test_rounded_weights_write_nearly_the_same(pipeline: Pipeline, tmp_path: Path, number: str, library: str, most: float) -> None:
    pytest.importorskip(library, reason=f"an extra, {number}")
    rounded = load_pipeline(CHECKPOINT, ContentStore(tmp_path), "cpu", fit=f"tiers-{number}")
    prompt = pipeline.form.conversation(ASKED.turns)
    with torch.inference_mode():
        states = [
            one.language_model.model.get_decoder()(inputs_embeds=one.language_model.embed(prompt.ids)).last_hidden_state
            for one in (pipeline, rounded)
        ]
    assert 0 < (states[0] - states[1]).abs().max() < most * states[0].abs().max()
    if number == "int8":
        assert len(made(list(rounded.reply(ASKED, HOW, lambda: False)))) == 1


@pytest.mark.parametrize("number", ["int8", "int4"])
def test_without_its_library_weights_are_not_rounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr("nextgpt_chat.reason.language_model.import_module", missing)
    with pytest.raises(SetupError, match=rf"pip install -e '.\[{number}\]"):
        load_pipeline(CHECKPOINT, ContentStore(tmp_path), "cpu", fit=f"tiers-{number}")
