"""What a model takes in memory, as counted from headers, against the same model when it is loaded, and at true size."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.memory_at_true_size import PARTS, peak
from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.convert.write import DECODING
from nextgpt_chat.doctor import examine, gpu_memories
from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.encode.published_imagebind import IMAGEBIND_HUGE
from nextgpt_chat.errors import SetupError
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.memory import CARDS, HEADROOM, WAYS, Need, choose, need, spread
from nextgpt_chat.presets.preset import find_preset, names
from nextgpt_chat.settings import Settings
from tests.any_parts import header_alone, put_together
from tests.conftest import CHECKPOINT
from tests.convert.official import DECODERS, IMAGEBIND, LLAMA


def values(module: nn.Module) -> int:
    return sum(tensor.numel() for tensor in module.state_dict().values())


def test_every_part_is_counted_as_it_is_loaded(tmp_path: Path) -> None:
    pipeline = load_pipeline(CHECKPOINT, ContentStore(tmp_path), "cpu")
    parts = need(pipeline.checkpoint, "float32").parts
    assert parts["encoder"] == 4 * values(pipeline.imagebind)
    tied = pipeline.language_model.model.config.tie_word_embeddings * pipeline.language_model.model.lm_head.weight.numel()
    assert parts["language model"] == 4 * (values(pipeline.language_model.model) - tied)
    assert parts["projections"] == 4 * (values(pipeline.encoder.projection) + values(pipeline.output_projections))
    assert set(parts) == {"encoder", "language model", "projections", "image decoder", "video decoder", "audio decoder"}


def test_at_true_size_language_model_and_encoder_take_what_their_shapes_say(tmp_path: Path) -> None:
    config = LlamaConfig(vocab_size=32_038, max_position_embeddings=2048)  # otherwise the first Llama 7B
    with torch.device("meta"):
        llama, imagebind = LlamaForCausalLM(config), ImageBind(IMAGEBIND_HUGE)
    config.save_pretrained(tmp_path / "llm")
    header_alone(tmp_path / "llm" / "model.safetensors", llama.state_dict())
    header_alone(tmp_path / "imagebind" / "model.safetensors", imagebind.state_dict())
    header_alone(tmp_path / "input_projection.safetensors", {})
    checkpoint = Checkpoint.model_construct(folder=tmp_path, outputs=("text",), context=2048, input_tokens={"image": 1})
    found = need(checkpoint, "float16")
    assert found.parts == {"encoder": 2 * IMAGEBIND, "language model": 2 * LLAMA}
    assert found.cache == 2**30
    assert found.computing == {"language model": 2 * 2048 * (3 * 11_008 + 4 * 4096)}
    assert found.peaks()["whole"] == sum(found.parts.values()) + found.most + 2**30 + HEADROOM
    layers = LLAMA - 2 * 32_038 * 4096 - 65 * 4096
    rows = 32 * (4 * 4096 + 2 * 11_008 + 4096)
    rest = 2 * (LLAMA - layers)
    assert found.rounded == {"int8": layers + 2 * rows + rest, "int4": layers // 2 + layers // 16 + rest}


def test_the_papers_decoders_beside_it_decide_on_the_way(tmp_path: Path) -> None:
    parts = {  # float16
        "encoder": 2 * IMAGEBIND,
        "language model": 2 * LLAMA,
        **{f"{kind} decoder": 2 * sum(parts.values()) for kind, parts in DECODERS.items()},
        "projections": 4 * 99_000_000,
    }
    computing = {f"{kind} decoder": round(known["memory"] * 10**9) for kind, known in DECODING.items()} | {
        "language model": 202_375_168
    }
    found = Need(parts, {}, computing, cache=2**30, rounded={"int8": 7_100_000_000, "int4": 4_250_000_000})
    assert (
        found.peaks()["tiers-int4"]
        == sum(parts[name] for name in ("video decoder", "projections")) + 3_900_000_000 + 2**30 + HEADROOM
    )
    assert {size: choose(found, [size * 10**9]) for size in CARDS} == {
        8: None,
        12: "tiers-int8",
        16: "tiers-int8",
        24: "tiers",
        48: "whole",
        80: "whole",
    }
    peaks = list(found.peaks().values())
    assert list(found.peaks()) == [way for way in WAYS if way != "spread"]
    assert peaks == sorted(peaks, reverse=True)


def test_a_language_model_is_divided_in_proportion_with_room_beside_it() -> None:
    parts = {"language model": 140 * 10**9, "projections": 10**9, "encoder": 2 * 10**9}
    wanted = Need(parts, {}, {"language model": 2 * 10**9}, cache=10 * 10**9, rounded={})
    rooms = [80 * 10**9, 80 * 10**9, 40 * 10**9]
    shared = spread(wanted, rooms)
    assert shared
    weights = [part["language model"] for part in shared]
    assert sum(weights) == pytest.approx(1.2 * 140 * 10**9)
    for room, part, size in zip(rooms, shared, weights, strict=True):
        beside = HEADROOM + part.get("encoder", 0) + 10**9 + 2 * 10**9
        assert size * (1 + wanted.cache / parts["language model"]) + beside <= room
    assert spread(wanted, [60 * 10**9] * 3) is None
    assert spread(wanted, [200 * 10**9]) is None


def test_room_to_compute_in_is_counted_with_the_decoder_that_needs_it() -> None:
    parts = {"language model": 100, "image decoder": 30, "audio decoder": 50}
    computing = {"language model": 8, "image decoder": 45, "audio decoder": 5}
    found = {way: peak - HEADROOM for way, peak in Need(parts, {}, computing, cache=7, rounded={"int4": 20}).peaks().items()}
    assert found == {
        "whole": 100 + 30 + 50 + 45 + 7,
        "decoders": 100 + 30 + 45 + 7,
        "tiers": 100 + 8 + 7,
        "tiers-int4": 30 + 45 + 7,
    }


def test_parts_of_a_decoder_that_take_turns_need_room_for_the_largest(tmp_path: Path) -> None:
    put_together(tmp_path / "any", "llama", {"image": "StableDiffusion3Pipeline"})
    folder = tmp_path / "any" / "image_decoder"
    header_alone(folder / "text_encoder_3" / "model.safetensors", {"weight": torch.empty(10**6, 5000, device="meta")})
    header_alone(
        folder / "transformer" / "diffusion_pytorch_model.safetensors", {"weight": torch.empty(10**6, 2000, device="meta")}
    )
    checkpoint = read_checkpoint(tmp_path / "any")
    drawing = round(checkpoint.decoding["image"].memory * 10**9)
    found = need(checkpoint, "float16")
    assert found.turns == {"image decoder": 10**10}
    rest = found.cache + HEADROOM
    assert found.peaks()["tiers"] == 10**10 + rest
    assert found.peaks()["decoders"] > 14 * 10**9 + drawing + rest
    header_alone(
        folder / "transformer" / "diffusion_pytorch_model.safetensors", {"weight": torch.empty(10**6, 6000, device="meta")}
    )
    assert need(checkpoint, "float16").turns == {"image decoder": 12 * 10**9 + drawing}
    assert need(read_checkpoint(CHECKPOINT), "float16").turns == {}


def test_what_is_computed_in_is_that_of_a_run_at_true_size() -> None:
    parameters, most = peak(*PARTS["AudioLDM 2, autoencoder, 20 s"])
    (memory,) = {
        preset.description["decoding"]["audio"]["memory"]
        for preset in (find_preset(name, Path("nowhere")) for name in names())
        if preset.description and preset.sources["audio_decoder"].repo == "cvssp/audioldm2"
    }
    assert parameters == 55_376_873
    assert round(most / 10**9, 1) == memory
    _, most = peak(*PARTS["language model, 2048 embeddings at once"])
    assert most == pytest.approx(202_375_168, rel=0.1)


def test_in_full_precision_twice_as_much_is_computed_in() -> None:
    checkpoint = read_checkpoint(CHECKPOINT)
    half, full = need(checkpoint, "bfloat16").computing, need(checkpoint, "float32").computing
    assert full == {name: 2 * size for name, size in half.items()}
    assert full["image decoder"] == 2 * round(checkpoint.decoding["image"].memory * 10**9)


def test_too_large_a_model_is_told_before_it_is_loaded(tmp_path: Path) -> None:
    folder = copied(tmp_path / "large")
    header_alone(folder / "llm" / "model.safetensors", {"weight": torch.empty(10**6, 10**6, device="meta")})
    said = {finding.sentence: finding.good for finding in examine(Settings(data=tmp_path, model=str(folder), device="cpu"))}
    assert any("which is too little" in sentence and not good for sentence, good in said.items())
    assert any("at least, more than a card of 80 GB has" in sentence and not good for sentence, good in said.items())
    (folder / "llm" / "model.safetensors").write_bytes(b"half")
    broken = [finding for finding in examine(Settings(data=tmp_path, model=str(folder), device="cpu")) if finding.fatal]
    assert "cannot be read" in broken[0].sentence


@pytest.fixture
def for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the installed PyTorch was built for CUDA."""
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cu130" if name == "torch" else version(name))


@pytest.mark.usefixtures("for_cuda")
def test_a_card_that_does_not_answer_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_memories("auto") == []
    program = tmp_path / "nvidia-smi"
    for script, found in (
        ("echo 24564", [24_564 * 2**20]),
        ("echo 24564; echo 8192", [24_564 * 2**20, 8192 * 2**20]),
        ("echo No devices", []),
        ("exit 9", []),
    ):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        assert gpu_memories("auto") == found
        assert gpu_memories("cuda:1") == found[1:]
        assert gpu_memories("cpu") == []
    program.write_text("#!/bin/sh\necho 24564; echo 8192\n")
    for visible, sizes in (("1", [8192]), ("1,0", [8192, 24_564]), ("", []), ("-1", []), ("7", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert gpu_memories("auto") == [size * 2**20 for size in sizes]


def test_a_pytorch_for_processors_uses_no_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cpu" if name == "torch" else version(name))
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 24564\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_memories("auto") == []
    said = {finding.sentence: finding.good for finding in examine(Settings(data=tmp_path, model=str(CHECKPOINT)))}
    assert any("built for processors alone" in sentence and not good for sentence, good in said.items())
    assert any("This machine has" in sentence for sentence in said)


def copied(folder: Path) -> Path:
    """The embedded model, to be changed."""
    for path in CHECKPOINT.rglob("*"):
        if path.is_file():
            (folder / path.relative_to(CHECKPOINT)).parent.mkdir(parents=True, exist_ok=True)
            (folder / path.relative_to(CHECKPOINT)).write_bytes(path.read_bytes())
    return folder


def test_files_that_are_not_loaded_are_not_counted(tmp_path: Path) -> None:
    folder = copied(tmp_path / "twice")
    before = need(read_checkpoint(folder), "float32")
    for name in ("image_decoder/unet/diffusion_pytorch_model.fp16", "image_decoder/sd-v1-5", "llm/consolidated"):
        header_alone(folder / f"{name}.safetensors", {"model.layers.0.weight": torch.empty(10**4, 10**4, device="meta")})
    assert need(read_checkpoint(folder), "float32") == before


def test_half_a_file_of_weights_gets_a_sentence(tmp_path: Path) -> None:
    folder = copied(tmp_path / "half")
    weights = folder / "llm" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    broken = [finding for finding in examine(Settings(data=tmp_path, model=str(folder), device="cpu")) if finding.fatal]
    assert "model.safetensors are not whole: " in broken[0].sentence
    with pytest.raises(SetupError, match="are not whole: .* Get the file again"):
        load_pipeline(folder, ContentStore(tmp_path), "cpu", fit="whole")


def test_less_is_needed_for_fewer_outputs() -> None:
    checkpoint = read_checkpoint(CHECKPOINT)
    fewer = checkpoint.model_copy(update={"outputs": ("text", "image")})
    assert set(need(checkpoint, "float32").parts) - set(need(fewer, "float32").parts) == {"video decoder", "audio decoder"}
    assert replace(need(fewer, "float32"), cache=0).peaks()["tiers"] < need(fewer, "float32").peaks()["tiers"]


@pytest.mark.usefixtures("for_cuda")
def test_doctor_says_in_which_way_a_model_fits_the_card_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path))
    peaks = need(read_checkpoint(CHECKPOINT), "float32").peaks()
    for room, words in (
        (peaks["whole"], "GB."),
        (peaks["whole"] - 10**6, "into which it fits so: "),
        (10**9, "which is too little."),
    ):
        program.write_text(f"#!/bin/sh\necho {-(-room // 2**20)}\n" if words == "GB." else f"#!/bin/sh\necho {room // 2**20}\n")
        program.chmod(0o755)
        said = [finding.sentence for finding in examine(Settings(data=tmp_path, model=str(CHECKPOINT)))]
        assert any("The GPU has" in sentence and words in sentence for sentence in said)
    assert any("it fits cards of 8, 12, 16, 24, 48, 80 GB all at once" in sentence for sentence in said)
