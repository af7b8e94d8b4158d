"""Where the parts of a model work: on which device, and in which way if memory is short."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.errors import SetupError
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.memory import HEADROOM, WAYS, need
from nextgpt_chat.pipeline import Pipeline
from nextgpt_chat.placement import Placement, find_devices, place
from tests.conftest import CHECKPOINT

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
CARDS = [torch.device("cuda", i) for i in range(3)]


@pytest.fixture
def checkpoint() -> Checkpoint:
    return read_checkpoint(CHECKPOINT)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets how much of each GPU is free."""

    def set_free(*sizes: float) -> None:
        monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (sizes[device.index or 0],) * 2)

    return set_free


def test_what_does_not_fit_this_machine_is_refused_before_it_is_loaded(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place(checkpoint, "float32", [CPU]) == Placement(CPU, "whole")
    monkeypatch.setattr("nextgpt_chat.placement.machine_memory", lambda: 10**6)
    with pytest.raises(SetupError, match=r"this machine has 0.0 GB of memory"):
        place(checkpoint, "float32", [CPU])
    assert place(checkpoint, "float32", [CPU], fit="tiers").way == "tiers"


def test_the_fastest_way_is_taken_that_fits_what_is_free(checkpoint: Checkpoint, free: Callable[..., None]) -> None:
    peaks = need(checkpoint, "float32").peaks()
    for way in ("whole", "decoders", "tiers"):
        free(peaks[way])
        assert place(checkpoint, "float32", [CUDA]) == Placement(CUDA, way)
    free(10**6)
    with pytest.raises(SetupError, match="of the GPU's memory at least, and 0.0 GB are free"):
        place(checkpoint, "float32", [CUDA])


def test_what_waits_outside_of_the_gpu_must_have_room_there(
    checkpoint: Checkpoint, free: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nextgpt_chat.placement.machine_memory", lambda: 10**6)
    wanted = need(checkpoint, "float32")
    free(wanted.peaks()["whole"])
    assert place(checkpoint, "float32", [CUDA]).way == "whole"
    free(wanted.peaks()["decoders"])
    with pytest.raises(SetupError, match=r"GB outside of the GPU, and this machine has 0.0 GB of memory"):
        place(checkpoint, "float32", [CUDA])


def test_where_one_gpu_is_too_small_several_share_the_parts(checkpoint: Checkpoint, free: Callable[..., None]) -> None:
    wanted = need(checkpoint, "float32")
    each = HEADROOM + wanted.parts["image decoder"] + wanted.computing["image decoder"] + 30 * 10**6
    free(each, each, each)
    found = place(checkpoint, "float32", CARDS)
    assert found.way == "spread"
    assert not found.divided
    assert len({found.of(part) for part in wanted.parts if part != "projections"}) > 1
    assert found.of("image decoder") == found.of("video decoder")  # which has it draw its first frames
    assert found.device == found.of("language model")
    free(wanted.peaks()["whole"] - 10**6, wanted.peaks()["whole"], 10**9)
    assert place(checkpoint, "float32", CARDS) == Placement(CARDS[1], "whole")
    free(wanted.peaks()["tiers"], 10**6, 10**6)
    assert place(checkpoint, "float32", CARDS) == Placement(CARDS[0], "tiers")


def test_a_language_model_too_large_for_any_is_divided(checkpoint: Checkpoint, free: Callable[..., None]) -> None:
    few = checkpoint.model_copy(update={"outputs": ("text",)})
    wanted = need(few, "float32")
    language = wanted.parts["language model"] + wanted.computing["language model"] + wanted.cache
    each = wanted.computing["language model"] + wanted.parts["projections"]
    free(*[HEADROOM + each + 0.6 * language] * 3)
    found = place(few, "float32", CARDS)
    assert found.way == "spread"
    assert len(found.divided) > 1
    assert sum(found.divided.values()) > wanted.parts["language model"]
    assert found.of("encoder") in CARDS
    free(*[HEADROOM + 0.2 * language] * 3)
    with pytest.raises(SetupError, match="does not fit 3 GPUs at once"):
        place(few, "float32", CARDS, fit="spread")


def test_a_gpu_that_is_lent_later_is_taken_to_be_large_enough(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_device: torch.device) -> None:
        raise RuntimeError("No CUDA GPUs are available")

    monkeypatch.setattr("torch.cuda.mem_get_info", none)
    assert place(checkpoint, "float32", [CUDA]) == Placement(CUDA, "whole")


def test_a_gpu_that_does_not_answer_is_left_to_others(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def one(device: torch.device) -> tuple[int, int]:
        if device.index == 1:
            return 10**11, 10**11
        raise RuntimeError("out of memory")

    monkeypatch.setattr("torch.cuda.mem_get_info", one)
    assert place(checkpoint, "float32", CARDS) == Placement(CARDS[1], "whole")


def test_a_gpu_that_is_not_there_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert find_devices("auto") == [CPU]
    for name in ("cuda", "cuda:1"):
        with pytest.raises(SetupError, match="PyTorch finds no GPU here"):
            find_devices(name)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert find_devices("auto") == find_devices("cuda") == CARDS
    assert find_devices("cuda:1") == CARDS[1:2]
    with pytest.raises(SetupError, match="PyTorch finds 3 here"):
        find_devices("cuda:3")
    for name in ("gpu", "cuda:one"):
        with pytest.raises(SetupError, match=f"There is no device '{name}'"):
            find_devices(name)


def full(times: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """As often, there is no room to load a model; returns the ways that are tried."""
    tried: list[str] = []
    load = Pipeline.__init__

    def short(self: Pipeline, checkpoint: Checkpoint, content: ContentStore, placement: Placement, *given: Any) -> None:
        tried.append(placement.way)
        if len(tried) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        load(self, checkpoint, content, placement, *given)

    monkeypatch.setattr(Pipeline, "__init__", short)
    return tried


def test_where_loading_fills_the_memory_more_frugal_ways_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = full(2, monkeypatch)
    assert load_pipeline(CHECKPOINT, ContentStore(tmp_path), "cpu").residence.way == "tiers"
    assert tried == ["whole", "decoders", "tiers"]


def test_where_no_way_loads_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = full(9, monkeypatch)
    with pytest.raises(SetupError, match="memory was full while"):
        load_pipeline(CHECKPOINT, ContentStore(tmp_path), "cpu")
    assert tried == [way for way in WAYS if way != "spread"]
    with pytest.raises(SetupError, match="memory was full while"):
        load_pipeline(CHECKPOINT, ContentStore(tmp_path), "cpu", fit="whole")
    assert tried[-2:] == ["tiers-int4", "whole"]
