"""A layer from ImageBind to another language model, learnt from captioned files; the language model is small, its weights are random."""

import json
import random
import shutil
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from transformers import LlamaConfig

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.cli import main
from nextgpt_chat.conversation import Conversation, Text, Turn
from nextgpt_chat.encode.imagebind import ImageBind, read_config
from nextgpt_chat.encode.input_projection import LinearProjection
from nextgpt_chat.errors import InputError
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.upload import accept_upload
from nextgpt_chat.reason.chat_prompt import ChatPrompt
from nextgpt_chat.reason.language_model import LanguageModel
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.training import any_encode, embedded_pairs
from nextgpt_chat.training.any_encode import batches, caption_loss, example, size, train
from nextgpt_chat.training.course import CONTEXT, Course
from nextgpt_chat.training.pairs import Pair, read_pairs
from nextgpt_chat.weights import load_into
from tests.any_parts import lively, put_together
from tests.conftest import CHECKPOINT
from tests.datasets.captioned_folders import write_audiocaps, write_cc3m, write_webvid

ENCODER = CHECKPOINT / "imagebind"
COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220)}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    folder, told = tmp_path / "pairs", []
    folder.mkdir()
    for number in range(8):
        name, shade = ("red", "blue")[number % 2], number * 3
        pixels = np.full((70, 90, 3), COLOURS[name], np.uint8) + np.uint8(shade)
        Pillow.fromarray(pixels).save(folder / f"{number}.png")
        told.append({"caption": f" {name}\n{name} ", "image_name": f"{number}.png", "id": number})
    (folder / "pairs.json").write_text(json.dumps(told), encoding="utf-8")
    return folder / "pairs.json"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return lively(put_together(tmp_path / "checkpoints" / "any", "qwen2", {}))


def load() -> ImageBind:
    return ImageBind.from_pretrained(ENCODER)


def plain_form(checkpoint: Checkpoint) -> ChatPrompt:
    pipeline = load_pipeline(checkpoint.folder, ContentStore(checkpoint.folder / "media"), "cpu")
    return ChatPrompt(pipeline.language_model.tokenizer, {}, (), lambda _: 1, pipeline.language_model.ends)


def test_an_example_is_what_will_be_asked_and_answered(checkpoint: Checkpoint) -> None:
    form = plain_form(checkpoint)
    pair = Pair("image", Path("a.png"), "a red bird")
    ids, place, begin = example(pair, form, random.Random(1))
    asked = form.conversation([Turn("user", (pair.medium, Text("Describe this picture.")))])
    others = [example(pair, form, random.Random(seed)) for seed in range(9)]
    assert (asked.ids, asked.slots[0].start) in [(ids[:begin], place) for ids, place, begin in others]
    assert form.tokenizer.decode(ids[begin:]) == f"a red bird{form.tokenizer.eos_token}"
    long, _, begin = example(Pair("image", Path("a.png"), "word " * 400), form, random.Random(1))
    assert len(long) - begin == any_encode.LONGEST + 1
    assert long[-1] == form.ends[0]


def test_what_is_learnt_depends_on_the_medium_and_is_served(checkpoint: Checkpoint, pairs: Path, tmp_path: Path) -> None:
    told = read_pairs([pairs])
    assert told[0].caption == "red red"
    read = train(checkpoint, ENCODER, told, Course(tmp_path / "run", epochs=60, batch=8, rate=1e-2, seed=1))
    described = read_checkpoint(checkpoint.folder)
    assert (described.inputs, described.input_tokens, described.input_projection) == (("text", "image"), {"image": 1}, "linear")
    assert (checkpoint.folder / "nextgpt.before.json").is_file()

    pipeline = load_pipeline(checkpoint.folder, ContentStore(tmp_path / "media"), "cpu")
    projection = LinearProjection(read_config(ENCODER).embedding, pipeline.language_model.hidden)
    load_into(projection, checkpoint.folder / "input_projection.safetensors", torch.device("cpu"))
    batch = batches(read, plain_form(checkpoint), 32)(random.Random(3))
    colours = read.vectors([0, 1])
    red = (batch["media"] - torch.from_numpy(colours[0])).norm(dim=1) < (batch["media"] - torch.from_numpy(colours[1])).norm(dim=1)
    swapped = {**batch, "media": torch.from_numpy(np.where(red[:, None], colours[1], colours[0]))}
    fresh, language = (
        LinearProjection(read_config(ENCODER).embedding, pipeline.language_model.hidden),
        pipeline.language_model.model,
    )
    with torch.inference_mode():
        right, wrong = (float(caption_loss(language, projection, rows)["loss"]) for rows in (batch, swapped))
        before = float(caption_loss(language, fresh, batch)["loss"])
    assert right < before - 0.3
    assert right < wrong - 0.1

    image = accept_upload(pairs.parent / "0.png", "0.png", Settings(data=tmp_path), pipeline.content, ("image",))
    seen = pipeline.encoder(image)  # type: ignore[misc]
    torch.testing.assert_close(seen[0], projection(torch.from_numpy(read.vectors([0])), "")[0], rtol=0, atol=1e-5)
    events = list(
        pipeline.reply(Conversation((Turn("user", (image, Text("?"))),)), ReplySettings(seed=1, max_new_tokens=4), lambda: False)
    )
    assert events


def test_files_that_cannot_be_read_are_left_out_and_named(checkpoint: Checkpoint, pairs: Path, tmp_path: Path) -> None:
    (pairs.parent / "2.png").write_bytes(b"no picture")
    (pairs.parent / "5.png").unlink()
    told = read_pairs([pairs])
    read = embedded_pairs.embed(told, read_config(ENCODER), load, tmp_path / "run")
    assert [pair.path.name for pair in read.pairs] == ["0.png", "1.png", "3.png", "4.png", "6.png", "7.png"]
    assert [sentence.split(":")[0] for sentence in read.skipped] == ["2.png", "5.png"]
    with pytest.raises(InputError, match="None of the 1 files can be read. The first: 2.png"):
        train(checkpoint, ENCODER, [told[2]], Course(tmp_path / "none", epochs=1, batch=8, rate=1e-2, seed=1))


def test_a_file_is_embedded_once_however_many_captions_it_has(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, config = read_pairs([pairs]), read_config(ENCODER)
    alone = [embedded_pairs.embed([pair], config, load, tmp_path / str(number)).vectors([0]) for number, pair in enumerate(told)]
    asked: list[str] = []
    real = embedded_pairs.media_tensor

    def counted(medium: Any, config: Any) -> torch.Tensor:
        asked.append(medium.path.name)
        return real(medium, config)

    monkeypatch.setattr(embedded_pairs, "media_tensor", counted)
    monkeypatch.setattr(embedded_pairs, "EMBEDDED_AT_ONCE", 3)
    twice = [told[3], *told, *(replace(pair, caption="another") for pair in told)]
    read = embedded_pairs.embed(twice, config, load, tmp_path / "run")
    assert sorted(asked) == [f"{number}.png" for number in range(8)]
    assert read.files.shape == (8, config.embedding)
    assert read.pairs == twice
    np.testing.assert_allclose(read.vectors(range(17)), np.concatenate([alone[3], *alone, *alone]), atol=1e-6)
    monkeypatch.setattr(ImageBind, "from_pretrained", None)  # no encoder is loaded where nothing is missing
    embedded_pairs.embed(twice, config, load, tmp_path / "run")
    assert len(asked) == 8


def test_the_encoder_is_gone_before_the_steps(
    checkpoint: Checkpoint, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoders: list[weakref.ref[ImageBind]] = []

    def watched(path: Path) -> ImageBind:
        encoder = ImageBind.from_pretrained(path)
        encoders.append(weakref.ref(encoder))
        return encoder

    def placed(*_: object) -> None:
        assert [encoder() for encoder in encoders] == [None]
        raise RuntimeError("as far as this")

    monkeypatch.setattr(any_encode, "load_encoder", watched)
    monkeypatch.setattr(any_encode, "place", placed)
    with pytest.raises(RuntimeError, match="as far as this"):
        train(checkpoint, ENCODER, read_pairs([pairs]), Course(tmp_path / "run", epochs=1, batch=8, rate=1e-2, seed=1))


def test_an_example_has_room_beside_long_instructions(checkpoint: Checkpoint) -> None:
    language, pair = LanguageModel(checkpoint.part("llm"), None, torch.device("cpu")), Pair("image", Path("a.png"), "word " * 400)
    read = embedded_pairs.Embedded([pair], np.zeros((1, 16), np.float32), np.zeros(1, int), [])
    form = ChatPrompt(language.tokenizer, {}, (), lambda _: 1, language.ends, "Talk. " * 65)
    batch = batches(read, form, 8)(random.Random(1))
    assert batch["ids"].shape[1] <= CONTEXT
    assert 1 < batch["answer"].sum(dim=1).max() < any_encode.LONGEST
    form = ChatPrompt(language.tokenizer, {}, (), lambda _: 1, language.ends, "Talk. " * 90)
    with pytest.raises(InputError, match="The instructions of the model are too long"):
        batches(read, form, 8)


def test_a_run_that_is_ended_while_it_writes_is_gone_on_with(
    checkpoint: Checkpoint, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, course = read_pairs([pairs]), Course(tmp_path / "run", epochs=1, batch=8, rate=1e-2, seed=1)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(ImageBind, "save_pretrained", stop)
        with pytest.raises(KeyboardInterrupt):
            train(checkpoint, ENCODER, told, course)
    train(checkpoint, ENCODER, told, course)
    assert read_checkpoint(checkpoint.folder).inputs == ("text", "image")
    assert not [path for path in checkpoint.folder.iterdir() if path.name.endswith(".new")]


def test_a_run_that_is_ended_while_what_it_wrote_takes_its_places_is_finished(
    checkpoint: Checkpoint, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Path.replace

    def stop(path: Path, target: Path) -> Path:
        if path.name == "input_projection.new":  # when the encoder has its place
            raise KeyboardInterrupt
        return real(path, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            train(
                checkpoint, ENCODER, read_pairs([pairs]), Course(tmp_path / "run" / "encode", epochs=1, batch=8, rate=1e-2, seed=1)
            )
    shutil.copytree(checkpoint.folder, tmp_path / "other", symlinks=True)
    words = ["--pairs", str(pairs), "--imagebind", str(ENCODER), "--run", str(tmp_path / "run")]
    monkeypatch.setenv("NEXTGPT_CHECKPOINTS", str(checkpoint.folder.parent))
    with pytest.raises(SystemExit, match="half an old and half a new one"):
        main(["align", "encode", checkpoint.folder.name, *words, "--dry-run"])
    with pytest.raises(SystemExit) as ended:
        main(["align", "encode", checkpoint.folder.name, *words])
    assert ended.value.code == 0
    assert "learnt: it was ended while that was written, which is done now." in capsys.readouterr().out
    assert read_checkpoint(checkpoint.folder).inputs == ("text", "image")
    with pytest.raises(
        SystemExit, match="has an input projection already"
    ):  # what another run wrote is finished, and this one goes on
        main(["align", "encode", str(tmp_path / "other"), *words[:-1], str(tmp_path / "else")])


def test_published_sets_may_be_mixed(
    checkpoint: Checkpoint, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds, clips, pictures = (
        write_audiocaps(tmp_path / "audiocaps"),
        write_webvid(tmp_path / "webvid"),
        write_cc3m(tmp_path / "cc3m"),
    )
    (clips / "21179417.mp4").unlink()
    words = [
        "align",
        "encode",
        str(checkpoint.folder),
        "--pairs",
        str(pairs),
        "--pairs",
        str(sounds / "test.csv"),
        "--pairs",
        str(clips / "results_2M_val.csv"),
        "--pairs",
        str(pictures),
        "--imagebind",
        str(ENCODER),
    ]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--run", str(tmp_path / "run"), "--batch", "2", "--epochs", "0.5"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "pairs: 29, 8 steps." in said
    assert "1 files could not be read. The first: 21179417.mp4: " in said
    assert "Any parts takes audio, image, video now." in said
    assert read_checkpoint(checkpoint.folder).inputs == ("text", "image", "video", "audio")
    with pytest.raises(SystemExit, match="has an input projection already"):
        main(words)


def test_at_true_size_a_dry_run_counts_and_loads_nothing(
    checkpoint: Checkpoint, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    llama = LlamaConfig(vocab_size=32_000, hidden_size=4096, intermediate_size=11_008, num_hidden_layers=32, num_attention_heads=32)
    llama.save_pretrained(checkpoint.folder / "llm")
    found = size(checkpoint, Path("imagebind_huge.pth"), 40_000, 10_000, Course(tmp_path / "run", 1, batch=18, rate=4e-4, seed=7))
    assert found.trained == 4_198_400  # llama_proj of the published checkpoint
    assert found.whole == 4_198_400 + 6_738_415_616 + 1_073_097_730
    assert found.memory == 2 * 6_738_415_616 + 16 * 4_198_400
    assert found.encoders == 4 * 1_073_097_730  # gone before the steps
    assert found.steps == 2223
    assert found.disk == 4 * 1024 * 10_000
    with pytest.raises(SystemExit) as ended:
        main(["align", "encode", str(checkpoint.folder), "--pairs", str(pairs), "--imagebind", "imagebind_huge.pth", "--dry-run"])
    assert ended.value.code == 0
    assert "(0.05%)" in capsys.readouterr().out
    assert not (checkpoint.folder / "input_projection.safetensors").exists()


def test_what_cannot_be_taught_so_is_refused(pairs: Path, checkpoint: Checkpoint) -> None:
    words = ["--pairs", str(pairs), "--imagebind", str(ENCODER)]
    with pytest.raises(SystemExit, match="Tinyland cannot be taught so"):
        main(["align", "encode", str(CHECKPOINT), *words])
    with pytest.raises(SystemExit, match="There is no encoder in"):
        main(["align", "encode", str(checkpoint.folder), "--pairs", str(pairs), "--imagebind", str(pairs.parent)])
