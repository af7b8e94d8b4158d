"""Descriptions of checkpoints: what fits together, and which files must be there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from nextgpt_chat.checkpoint import read_checkpoint
from nextgpt_chat.errors import SetupError
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from tests.any_parts import put_together
from tests.small_language_models import save_language_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "whole"
    put_together(folder, "llama", {"image": "StableDiffusionXLPipeline"})
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def describe(folder: Path, **changed: Any) -> None:
    path = folder / "nextgpt.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changed), encoding="utf-8")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"inputs": ["text", "smell"]}, "no kind of media called smell"),
        ({"inputs": ["text", "image"]}, "inputs has image, but input_tokens has not"),
        ({"captions": []}, "outputs has image, which must be either in signals or in captions"),
        (
            {"signals": {"image": {"prefix": "IMG", "count": 4, "queries": 16, "width": 32}}},
            "outputs has image, which must be either in signals or in captions",
        ),
        ({"outputs": ["text", "image", "audio"], "captions": ["image", "audio"]}, "outputs has audio, but decoding has not"),
        ({"captions": ["image", "video"]}, "signals, captions or decoding has video, but outputs has not"),
        ({"prompt": "turns"}, "captions need the prompt 'chat'"),
    ],
)
def test_what_does_not_fit_together_gets_a_sentence(changed: dict[str, Any], sentence: str, folder: Path) -> None:
    describe(folder, **changed)
    with pytest.raises(SetupError, match=sentence):
        read_checkpoint(folder)


def missing_shard(folder: Path) -> str:
    shutil.rmtree(folder / "llm")
    save_language_model("llama", folder / "llm", shard="20KB")
    read_checkpoint(folder)
    shard = sorted((folder / "llm").glob("model-*.safetensors"))[1]
    shard.unlink()
    return f"llm/{shard.name}"


def missing_text_encoder(folder: Path) -> str:
    (folder / "image_decoder" / "text_encoder_2" / "model.safetensors").unlink()
    return "image_decoder/text_encoder_2/model.safetensors"


def missing_unet(folder: Path) -> str:
    shutil.rmtree(folder / "image_decoder" / "unet")
    return "image_decoder/unet/diffusion_pytorch_model.safetensors"


def missing_index(folder: Path) -> str:
    (folder / "image_decoder" / "model_index.json").unlink()
    return "image_decoder/model_index.json"


def missing_encoder(folder: Path) -> str:
    describe(folder, inputs=["text", "image"], input_tokens={"image": 1})
    return "input_projection.safetensors, imagebind/config.json"


@pytest.mark.parametrize("remove", [missing_shard, missing_text_encoder, missing_unet, missing_index, missing_encoder])
def test_half_of_a_download_is_told_by_its_missing_files(remove: Callable[[Path], str], folder: Path) -> None:
    name = remove(folder)
    with pytest.raises(SetupError, match="incomplete; missing: ") as refused:
        read_checkpoint(folder)
    assert name in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"precision": "fp16"}, "is not right: precision: Input should be 'float32', 'float16' or 'bfloat16'."),
        ({"outputs": ["text", "smell"]}, "is not right: there is no kind of media called smell; there are image, video, audio."),
        (
            {"context": "long", "colour": 1},
            "integer, unable to parse string as an integer; colour: Extra inputs are not permitted.",
        ),
    ],
)
def test_a_wrong_description_gets_a_sentence(wrong: dict[str, object], sentence: str, folder: Path) -> None:
    describe(folder, **wrong)
    with pytest.raises(SetupError) as refused:
        read_checkpoint(folder)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_weights_in_bin_files_get_advice(folder: Path) -> None:
    weights = folder / "image_decoder" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(SetupError, match=r"image_decoder/unet has its weights in \.bin files alone, .* save_pretrained"):
        read_checkpoint(folder)
    weights.with_suffix(".bin").rename(weights)
    (folder / "llm" / "training_args.bin").write_bytes(b"")
    (folder / "llm" / "tokenizer.json").unlink()
    with pytest.raises(SetupError, match=r"missing: llm/tokenizer.json"):
        read_checkpoint(folder)


def another_family(folder: Path) -> str:
    path = folder / "llm" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"model_type": "gpt2"}), encoding="utf-8")
    return "is of the kind 'gpt2'. These kinds can be used: llama, mistral"


def another_tokenizer(folder: Path) -> str:
    save_language_model("llama", folder / "other", tuple(f"[MORE{i}]" for i in range(40)))
    for path in (folder / "other").glob("token*"):
        shutil.copy(path, folder / "llm")
    return "They do not belong together"


def fewer_weights(folder: Path) -> str:
    weights = load_file(folder / "llm" / "model.safetensors")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, folder / "llm" / "model.safetensors", {"format": "pt"})
    return "lacks 1 of its weights, as model.layers.1.mlp.up_proj.weight"


def another_pipeline(folder: Path) -> str:
    path = folder / "image_decoder" / "model_index.json"
    described = json.loads(path.read_text(encoding="utf-8")) | {"_class_name": "WanPipeline"}
    path.write_text(json.dumps(described), encoding="utf-8")
    return "is a WanPipeline. For images these can be used: StableDiffusionPipeline, StableDiffusionXLPipeline"


def projected_flux(folder: Path) -> str:
    shutil.rmtree(folder)
    signals = {"image": {"prefix": "IMG", "count": 2, "queries": 17, "width": 32}}
    put_together(folder, "llama", {"image": "FluxPipeline"}, signals=signals)
    return "is a FluxPipeline, which no projection can drive: name image in 'captions', not in 'signals'."


def other_projections(folder: Path) -> str:
    described = {"signals": {"image": {"prefix": "IMG", "count": 2, "queries": 17, "width": 32}}}
    shape = {"projection": {"hidden": 16, "layers": 1, "heads": 2}}
    shutil.rmtree(folder)
    put_together(folder, "llama", {"image": "StableDiffusionXLPipeline"}, **described)
    described["signals"]["image"]["queries"] = 18
    describe(folder, **described, **shape)
    return "do not fit the description of the model: 1 of another shape: image.query_embs"


def broken_projections(folder: Path) -> str:
    other_projections(folder)
    (folder / "output_projections.safetensors").write_bytes(b"no weights")
    return "output_projections.safetensors cannot be read"


@pytest.mark.parametrize(
    "change",
    [another_family, another_tokenizer, fewer_weights, another_pipeline, projected_flux, other_projections, broken_projections],
)
def test_parts_that_cannot_be_used_get_a_sentence(change: Callable[[Path], str], folder: Path, tmp_path: Path) -> None:
    sentence = change(folder)
    with pytest.raises(SetupError) as refused:
        load_pipeline(folder, ContentStore(tmp_path), "cpu")
    assert sentence in str(refused.value)
