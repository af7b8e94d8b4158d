"""What the published training writes after its first two stages, which have no LoRA; and what is checked before anything is written."""

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nextgpt_chat.checkpoint import read_checkpoint
from nextgpt_chat.cli import main
from nextgpt_chat.commands import convert as command
from nextgpt_chat.conversation import Conversation, Text, Turn
from nextgpt_chat.convert.official import read_published
from nextgpt_chat.convert.write import Sources, _most_bytes, convert
from nextgpt_chat.disk import SPARE
from nextgpt_chat.errors import InputError, SetupError
from nextgpt_chat.events import Done
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.presets.preset import FOLDER, Source, find_preset
from nextgpt_chat.settings import ReplySettings
from tests.conftest import picture
from tests.encode.test_published_imagebind import CONFIG

Made = tuple[Sources, dict[str, Tensor]]
LONG, SHORT = "llama_model.base_model.model.", "llama_model."


def first_stages(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same names as the first two stages write them: the language model is frozen and not wrapped yet."""
    return {
        name.replace(f"{LONG}model.", f"{SHORT}model.").replace(LONG, SHORT): t for name, t in weights.items() if "lora" not in name
    }


def beside(sources: Sources, weights: dict[str, Tensor], folder: Path) -> Sources:
    """The same parts with other published weights."""
    shutil.copytree(sources.official, folder / "official")
    torch.save(weights, folder / "official" / "pytorch_model.pt")
    return replace(sources, official=folder / "official")


def test_a_file_of_the_first_stages_is_converted_without_a_lora(made: Made, tmp_path: Path) -> None:
    sources, weights = beside(made[0], first_stages(made[1]), tmp_path), made[1]
    assert {"llama_model.model.embed_tokens.weight", "llama_model.lm_head.weight"} <= first_stages(weights).keys()
    larger = tmp_path / "larger"
    shutil.copytree(sources.decoders["image"], larger)
    unet = json.loads((larger / "unet" / "config.json").read_text(encoding="utf-8"))
    (larger / "unet" / "config.json").write_text(json.dumps(unet | {"sample_size": 24}), encoding="utf-8")
    checkpoint = convert(replace(sources, decoders={**sources.decoders, "image": larger}), tmp_path / "new", lambda _: None, CONFIG)
    assert checkpoint.lora is None
    assert checkpoint.decoding["image"].size == 96  # 4 pixels for each place of its latents
    llm = load_file(checkpoint.part("llm") / "model.safetensors")
    assert torch.equal(llm["model.embed_tokens.weight"], weights[f"{LONG}model.embed_tokens.weight"])
    assert torch.equal(llm["lm_head.weight"], weights[f"{LONG}lm_head.weight"])
    pipeline = load_pipeline(checkpoint.folder, ContentStore(tmp_path / "media"), "cpu")
    asked = Conversation((Turn("user", (picture(pipeline.content), Text("what is this?"))),))
    assert isinstance(list(pipeline.reply(asked, ReplySettings(seed=1, max_new_tokens=4), lambda: False))[-1], Done)


def test_a_lora_is_there_whole_or_under_the_names_of_the_first_stages_not_at_all(made: Made, tmp_path: Path) -> None:
    lora = {name: tensor for name, tensor in made[1].items() if "lora" in name}
    rest = {name: tensor for name, tensor in made[1].items() if name not in lora}
    first = next(iter(lora))
    wrong = {
        "one missing": ({name: tensor for name, tensor in made[1].items() if name != first}, f"1 missing: {re.escape(first)}"),
        "all missing": (rest, f"{len(lora)} missing"),
        "one left over": (first_stages(made[1]) | {first: lora[first]}, f"1 left over: {re.escape(first)}"),
    }
    for name, (weights, sentence) in wrong.items():
        sources = beside(made[0], weights, tmp_path / name)
        with pytest.raises(InputError, match=sentence):
            read_published(sources.official, sources.base)


def test_too_little_disk_is_said_before_anything_is_written(
    made: Made, converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, free = shutil.disk_usage(tmp_path), [10**9]
    monkeypatch.setattr("nextgpt_chat.disk.shutil.disk_usage", lambda _: used._replace(free=free[0]))
    sentence = r"At most 0\.\d GB are to be written, and 1\.0 GB of disk are free in .*, of which 2 must stay\. Free some, or choose another .* --out"
    with pytest.raises(SetupError, match=sentence):
        convert(made[0], tmp_path / "there" / "new", lambda _: None, CONFIG)
    free[0] = SPARE + sum(path.stat().st_size for path in converted.rglob("*.safetensors")) - 1
    with pytest.raises(SetupError, match="are to be written"):
        convert(made[0], tmp_path / "there" / "new", lambda _: None, CONFIG)
    assert not (tmp_path / "there").exists()


def test_the_disk_must_hold_whatever_is_read(made: Made, tmp_path: Path) -> None:
    """A LoRA as PEFT writes it, and a decoder of which one part is there as .bin alone."""
    official, decoder = tmp_path / "official", tmp_path / "decoder"
    sizes = {
        official / "mm_input_projector.bin": 1,
        official / "adapter_model.safetensors": 10,
        decoder / "unet" / "diffusion_pytorch_model.safetensors": 100,
        decoder / "unet" / "diffusion_pytorch_model.bin": 7,
        decoder / "text_encoder" / "pytorch_model.bin": 1000,
        decoder / "text_encoder" / "model.fp16.safetensors": 7,
    }
    for path, size in sizes.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    (decoder / "model_index.json").write_text("{}", encoding="utf-8")
    rest = made[0].imagebind.stat().st_size + (made[0].base / "model.safetensors").stat().st_size
    assert _most_bytes(replace(made[0], official=official, decoders={"image": decoder})) == rest + 1111


@pytest.mark.parametrize("stage", [1, 3])
def test_the_command_says_that_what_the_first_stages_make_may_be_noise(
    made: Made, converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stage: int
) -> None:
    if stage == 1:
        shutil.copytree(converted, tmp_path / "new", ignore=shutil.ignore_patterns("lora"))
    monkeypatch.setattr(command, "convert", lambda *_: read_checkpoint(tmp_path / "new" if stage == 1 else converted))
    parts = [f"--{kind}-decoder={folder}" for kind, folder in made[0].decoders.items()]
    with pytest.raises(SystemExit, match="0"):
        main(["convert", str(made[0].official), f"--base={made[0].base}", f"--imagebind={made[0].imagebind}", *parts])
    said = capsys.readouterr().out
    assert "Talk to it with" in said
    assert ("first or second stage of the training, and the pictures, clips and sounds that they make may be noise." in said) == (
        stage == 1
    )


def test_another_imagebind_than_the_published_one_is_refused(made: Made, tmp_path: Path) -> None:
    published = Source(url="https://host/imagebind_huge.pth", licence="its own", sha256="0" * 64)
    with pytest.raises(SetupError, match=r"is not https://host/imagebind_huge\.pth: its SHA-256 is [0-9a-f]{64} instead of 0{64}"):
        convert(replace(made[0], published_imagebind=published), tmp_path / "new", lambda _: None, CONFIG)
    own = hashlib.sha256(made[0].imagebind.read_bytes()).hexdigest()
    published.model_copy(update={"sha256": own}).check(made[0].imagebind)


def test_the_command_takes_the_published_imagebind_and_says_the_licences_of_the_preset(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = find_preset("nextgpt-7b", FOLDER).sources

    def refuse(sources: Sources, *_: object) -> None:
        raise InputError(f"Asked for {sources.published_imagebind == published['imagebind']}")

    monkeypatch.setattr(command, "convert", refuse)
    parts = [f"--{kind}-decoder={folder}" for kind, folder in made[0].decoders.items()]
    with pytest.raises(SystemExit, match="Asked for True"):
        main(["convert", str(made[0].official), f"--base={made[0].base}", f"--imagebind={made[0].imagebind}", *parts])
    assert published["imagebind"].sha256
    said = capsys.readouterr().out
    names = {"imagebind": "ImageBind", "audio_decoder": "AudioLDM", "video_decoder": "Zeroscope", "official": "NExT-GPT's weights"}
    for part, name in names.items():
        licence = published[part].licence.split(":")[0]
        assert re.search(rf"{name}[^()]*\({re.escape(licence)}\)", said), name
