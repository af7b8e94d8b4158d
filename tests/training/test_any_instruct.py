"""A LoRA for another language model, learnt from dialogues in files; the language model is small, its weights are random."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.cli import main
from nextgpt_chat.conversation import Conversation, Text, Turn
from nextgpt_chat.encode.imagebind import read_config
from nextgpt_chat.encode.input_projection import LinearProjection
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import MediaReady, MediaStarted, TextDelta
from nextgpt_chat.generate.caption_embeddings import CaptionEncoder
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.stand_in import stand_in
from nextgpt_chat.media.upload import accept_upload
from nextgpt_chat.reason import chat_prompt
from nextgpt_chat.reason.chat_prompt import ChatPrompt
from nextgpt_chat.reason.language_model import LanguageModel
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.training import any_instruct
from nextgpt_chat.training.any_instruct import size, train
from nextgpt_chat.training.course import Course
from nextgpt_chat.training.dialogue_examples import examples
from nextgpt_chat.training.mosit_reader import read_dialogues
from tests.any_parts import PROJECTION, lively, put_together
from tests.conftest import CHECKPOINT
from tests.small_language_models import SIZES

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220)}
DECODING = {
    "image": {"steps": 2, "max_steps": 4, "guidance": 3.0, "max_guidance": 5.0, "size": 32},
    "audio": {"steps": 2, "max_steps": 4, "guidance": 2.0, "max_guidance": 5.0, "seconds": 2.048},
}


def text(words: str) -> dict[str, Any]:
    return {"kind": "text", "text": words}


DIALOGUES = [
    *(
        [("user", [text("Which colour?"), {"kind": "image", "file": f"{name}.png"}]), ("assistant", [text(f"It is {name}.")])]
        for name in COLOURS
    ),
    [
        ("user", [text("Let me hear it.")]),
        ("assistant", [text("Listen: "), {"kind": "audio", "caption": "a big bell"}]),
        ("user", [text("And draw it.")]),
        ("assistant", [text("Look: "), {"kind": "image", "caption": "a big bell"}]),
    ],
    [("user", [text("Film it.")]), ("assistant", [{"kind": "video", "caption": "a bell swings"}])],
]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "dialogues"
    folder.mkdir()
    for name, colour in COLOURS.items():
        Pillow.fromarray(np.full((40, 40, 3), colour, np.uint8)).save(folder / f"{name}.png")
    lines = [{"turns": [{"role": role, "parts": parts} for role, parts in dialogue]} for dialogue in DIALOGUES]
    (folder / "dialogues.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small tokenizer writes letter by letter, so more letters fit, and the instructions have fewer."""
    monkeypatch.setattr(any_instruct, "CONTEXT", 600)
    monkeypatch.setattr(chat_prompt, "ASK", "{names}: {tags}")
    monkeypatch.setattr(chat_prompt, "SHOW", "{}")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """Sees by an input projection that is still random, sounds by signal tokens, draws by captions."""
    made = lively(
        put_together(
            tmp_path / "checkpoints" / "any", "qwen2", {"image": "StableDiffusionXLPipeline", "audio": "tinyland"}, decoding=DECODING,
            inputs=["text", "image"], input_tokens={"image": 1}, input_projection="linear", captions=["image"], instructions="Talk.",
            signals={"audio": {"prefix": "AUD", "count": 2, "queries": 1, "width": 64}}, projection=PROJECTION,
        )
    )  # fmt: skip
    shutil.rmtree(made.part("imagebind"))
    shutil.copytree(CHECKPOINT / "imagebind", made.part("imagebind"))  # which tells colours apart
    torch.manual_seed(3)
    projection = LinearProjection(read_config(CHECKPOINT / "imagebind").embedding, SIZES["hidden_size"])
    save_file(projection.state_dict(), made.part("input_projection.safetensors"))
    return made


def told(data: Path, tmp_path: Path) -> list[list[Turn]]:
    return read_dialogues(data, None, Settings())


def form_of(checkpoint: Checkpoint) -> ChatPrompt:
    language = LanguageModel(checkpoint.part("llm"), None, torch.device("cpu"))
    return ChatPrompt(
        language.tokenizer, checkpoint.signal_tokens, checkpoint.captions, lambda _: 1, language.ends, checkpoint.instructions
    )


def test_an_example_is_a_reply_as_it_will_be_written(checkpoint: Checkpoint, data: Path, tmp_path: Path) -> None:
    form = form_of(checkpoint)
    found = examples(told(data, tmp_path), form, checkpoint, any_instruct.CONTEXT)
    replies = [form.tokenizer.decode(one.ids[one.begin :]) for one in found]
    end = form.tokenizer.eos_token
    assert replies == [
        f"It is red.{end}",
        f"It is blue.{end}",
        f"Listen: [AUD0][AUD1]{end}",
        f"Look: <image>a big bell</image>{end}",
    ]
    assert [len(one.shown) for one in found] == [1, 1, 0, 0]
    sound = found[2]
    assert sound.made == [("audio", sound.ids.index(form.groups.ids["audio"][0]), "a big bell")]
    assert [sound.ids[place] for place in sound.chosen].count(form.groups.ids["audio"][1]) == 0  # it is forced
    assert form.groups.ids["audio"][1] in found[3].ids[: found[3].begin]  # the sound before stands in what is read
    for one in found:
        assert len(one.ids) <= any_instruct.CONTEXT


def test_what_the_model_does_not_take_or_make_is_left_out(checkpoint: Checkpoint, data: Path, tmp_path: Path) -> None:
    form, film = form_of(checkpoint), told(data, tmp_path)[-1:]
    with pytest.raises(InputError, match="None of the 1 replies"):
        examples(film, form, checkpoint, any_instruct.CONTEXT)
    sound = stand_in("audio", "a bell")
    with pytest.raises(InputError, match="None of the 1 replies"):  # it makes sounds, and takes none
        examples(
            [[Turn("user", (sound, Text("Well?"))), Turn("assistant", (Text("Yes."),))]], form, checkpoint, any_instruct.CONTEXT
        )
    long = [[Turn("user", (Text("word " * 600),)), Turn("assistant", (Text("Yes."),))]]
    with pytest.raises(InputError, match="None of the 1 replies"):
        examples(long, form, checkpoint, any_instruct.CONTEXT)


def test_what_was_learnt_is_what_is_served(checkpoint: Checkpoint, data: Path, tmp_path: Path) -> None:
    wanted = CaptionEncoder(checkpoint.part("audio_decoder"), torch.device("cpu"))(["a big bell"])[0]
    run = tmp_path / "run"
    assert train(checkpoint, told(data, tmp_path), Course(run, epochs=600, batch=4, rate=5e-3, seed=1)) == 4
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    saved = load_file(run / "state" / "model.safetensors")
    assert saved
    assert all("lora_" in name or name.startswith(("projection.", "signals.")) for name in saved)  # what is frozen is there anyway
    assert lines[-1]["words"] < 0.2 < 2 < lines[0]["words"]
    assert lines[-1]["audio distance"] < 0.55 * wanted.norm(dim=-1).mean()
    content = ContentStore(tmp_path / "media")
    pipeline = load_pipeline(read_checkpoint(checkpoint.folder).folder, content, "cpu")

    def reply(*turns: Turn) -> list[Any]:
        return list(pipeline.reply(Conversation(turns), ReplySettings(), lambda: False))

    def said(events: list[Any]) -> str:
        return "".join(event.text for event in events if isinstance(event, TextDelta)).strip()

    for name in COLOURS:
        shown = accept_upload(data / f"{name}.png", f"{name}.png", Settings(), content, ("image",))
        assert said(reply(Turn("user", (shown, Text("Which colour?"))))) == f"It is {name}."
    first = Turn("user", (Text("Let me hear it."),))
    heard = reply(first)
    sounds = [event.part for event in heard if isinstance(event, MediaReady)]
    assert (said(heard), [sound.kind for sound in sounds]) == ("Listen:", ["audio"])
    drawn = reply(first, Turn("assistant", (Text("Listen: "), sounds[0])), Turn("user", (Text("And draw it."),)))
    assert [event.caption for event in drawn if isinstance(event, MediaStarted)] == ["a big bell"]


def test_a_lora_that_is_there_learns_on_and_another_run_is_not_mixed_up(
    checkpoint: Checkpoint, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialogues = told(data, tmp_path)
    assert any_instruct.WEIGHTS == {"video": 2.0}
    monkeypatch.setitem(any_instruct.WEIGHTS, "audio", 3.0)
    train(checkpoint, dialogues, Course(tmp_path / "run", epochs=2, batch=4, rate=1e-3, seed=1))
    logged = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert logged["loss"] == pytest.approx(logged["words"] + 3 * logged["audio distance"], rel=1e-3)
    once = read_checkpoint(checkpoint.folder)
    assert once.lora
    before = load_file(once.lora / "adapter_model.safetensors")
    assert any(tensor.abs().sum() > 0 for name, tensor in before.items() if "lora_B" in name)
    with pytest.raises(InputError, match="another"):
        train(once, dialogues[:2], Course(tmp_path / "run", epochs=2, batch=4, rate=1e-3, seed=1))
    train(once, dialogues, Course(tmp_path / "again", epochs=0.5, batch=4, rate=0.0, seed=1))
    after = load_file(read_checkpoint(checkpoint.folder).part("lora") / "adapter_model.safetensors")
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor)


def test_what_it_takes_is_said_before(
    checkpoint: Checkpoint, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = size(checkpoint, told(data, tmp_path), Course(tmp_path / "run", 1.0, batch=4, rate=5e-4, seed=7))
    assert 0 < found.trained < found.whole
    rank, layers = any_instruct.LORA["r"], 2
    assert found.trained >= rank * layers * (32 + 32)
    assert found.steps == 2
    assert found.disk == 2 * 64 + 2 * 4 * 128  # one sound that is made, two pictures that are shown
    text = load_file(checkpoint.part("audio_decoder") / "text_encoder" / "model.safetensors")
    assert found.encoders >= 2 * sum(tensor.numel() for tensor in text.values())
    monkeypatch.setenv("NEXTGPT_CHECKPOINTS", str(checkpoint.folder.parent))
    with pytest.raises(SystemExit) as ended:
        main(["align", "instruct", "any", "--data", str(data), "--run", str(data / "run"), "--dry-run"])
    assert ended.value.code == 0
    assert "replies: 5, 2 steps" in capsys.readouterr().out
    assert not (checkpoint.folder / "lora").exists()
    assert not (data / "run").exists()
    for arguments, sentence in ((["instruct", "any"], "--data FOLDER"), (["encode", "any"], "--pairs FILE")):
        with pytest.raises(SystemExit, match=sentence):
            main(["align", *arguments])


def test_replies_that_speak_of_what_cannot_be_read_are_left_out_and_named(
    checkpoint: Checkpoint, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (data / "blue.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    words = ["align", "instruct", str(checkpoint.folder), "--data", str(data), "--run", str(tmp_path / "run"), "--batch", "1"]
    with caplog.at_level("INFO"), pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert "Any parts has learnt from 3 of 5 replies." in capsys.readouterr().out
    assert "1 files could not be read, and the replies that speak of them are left out. The first: blue.png: " in caplog.text
    assert [path.name for path in (tmp_path / "run").rglob("*.png")] == ["curve.png"]  # what is shown is not copied
    (data / "red.png").write_bytes(b"")
    with pytest.raises(SystemExit) as ended:
        main([*words[:-4], "--run", str(tmp_path / "again")])
    assert ended.value.code == 0
    assert "Any parts has learnt from 2 of 5 replies." in capsys.readouterr().out  # those in which nothing is shown
    turns = (data / "dialogues.jsonl").read_text(encoding="utf-8").splitlines()[:2]
    (data / "dialogues.jsonl").write_text("\n".join(turns), encoding="utf-8")
    with pytest.raises(SystemExit, match="None of the files that are shown can be read"):
        main([*words[:-4], "--run", str(tmp_path / "third")])


def test_a_lora_of_another_rank_that_is_there_is_what_is_counted(checkpoint: Checkpoint, tmp_path: Path) -> None:
    course = Course(tmp_path / "run", 1.0, batch=4, rate=5e-4, seed=7)
    fresh = size(checkpoint, [], course).trained
    rank = any_instruct.LORA["r"]
    other = get_peft_model(
        LanguageModel(checkpoint.part("llm"), None, torch.device("cpu")).model, LoraConfig(**any_instruct.LORA | {"r": 8})
    )
    learning = sum(parameter.numel() for parameter in other.parameters() if parameter.requires_grad)
    other.save_pretrained(checkpoint.part("lora"))
    assert size(checkpoint, [], course).trained == fresh - learning * rank // 8 + learning


def test_a_model_with_towers_of_its_own_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be taught so"):
        any_instruct.check(put_together(tmp_path / "omni", "omni", {}))


@pytest.mark.parametrize("ended", ["save_weights", "take_places"])
def test_a_run_that_is_ended_while_it_writes_is_gone_on_with(
    checkpoint: Checkpoint, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    dialogues, course = told(data, tmp_path), Course(tmp_path / "run", epochs=1, batch=4, rate=1e-3, seed=1)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(any_instruct, ended, stop)
        with pytest.raises(KeyboardInterrupt):
            train(checkpoint, dialogues, course)
    train(checkpoint, dialogues, course)
    assert read_checkpoint(checkpoint.folder).lora
    assert not [path for path in checkpoint.folder.iterdir() if path.name.endswith(".new")]
