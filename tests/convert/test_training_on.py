"""The published model, of small width, learns on from dialogues in files."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.conversation import Conversation, Image, Media, Text, Turn
from nextgpt_chat.encode.published_imagebind import IMAGEBIND_HUGE
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import MediaReady, TextDelta
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.pipeline import Pipeline
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.training.any_instruct import LORA, check, size, train
from nextgpt_chat.training.course import Course
from nextgpt_chat.training.dialogue_examples import examples
from nextgpt_chat.training.mosit_reader import read_dialogues
from tests.any_parts import header_alone
from tests.convert.official import DECODERS, IMAGEBIND, LLAMA

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220)}
DIALOGUES = [
    *(
        [
            {"from": "human", "value": f"<image>{name}.png</image>\nwhich one?"},
            {"from": "gpt", "value": f"a {name} one"},
            {"from": "human", "value": "show it at night"},
            {"from": "gpt", "value": f"a night: <image>a {name} bird</image>"},
        ]
        for name in COLOURS
    ),
    [{"from": "human", "value": "let me hear it"}, {"from": "gpt", "value": "<audio>a big boat</audio>"}],
]
"""As the authors published theirs."""


@pytest.fixture
def checkpoint(converted: Path, tmp_path: Path) -> Checkpoint:
    """With a head so large that it can be sure of a word, and without the dropout under which so little learns nothing by heart."""
    made = shutil.copytree(converted, tmp_path / "nextgpt-7b")
    adapter = json.loads((made / "lora" / "adapter_config.json").read_text(encoding="utf-8"))
    assert adapter["lora_dropout"] == LORA["lora_dropout"] == 0.1
    (made / "lora" / "adapter_config.json").write_text(json.dumps(adapter | {"lora_dropout": 0.0}), encoding="utf-8")
    weights = load_file(made / "llm" / "model.safetensors")
    weights["lm_head.weight"] *= 3
    save_file(weights, made / "llm" / "model.safetensors", {"format": "pt"})
    return read_checkpoint(made)


@pytest.fixture
def told(tmp_path: Path) -> list[list[Turn]]:
    for name, colour in COLOURS.items():
        Pillow.fromarray(np.full((40, 40, 3), colour, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "mosit.json").write_text(json.dumps([{"conversation": messages} for messages in DIALOGUES]), encoding="utf-8")
    return read_dialogues(tmp_path / "mosit.json", None, Settings())


def test_an_example_is_what_the_authors_trained_on(checkpoint: Checkpoint, pipeline: Pipeline, told: list[list[Turn]]) -> None:
    form, tokenizer = pipeline.form, pipeline.language_model.tokenizer
    found = examples(told, form, checkpoint, 512)
    assert len(found) == 5

    def written(ids: list[int]) -> str:
        return "".join(tokenizer.convert_ids_to_tokens(ids)).replace("\u2581", " ").replace("<0x0A>", "\n")

    first, second, *_, heard = (written(one.ids) for one in found)
    assert first == "<s> ### Human:<Img></Img></Img> which one?\n### Assistant: a red one\n###"
    assert second == f"{first} Human: show it at night\n### Assistant: a night:[IMG0][IMG1][IMG2][IMG3] ###"
    assert heard == "<s> ### Human: let me hear it\n### Assistant:" + "".join(f"[AUD{i}]" for i in range(8)) + " ###"
    for one in found:  # served, it begins alike, and every end is one at which it stops
        assert form.conversation([Turn("user", (Text("?"),))]).ids[-1] == one.ids[one.begin - 1]
        assert any(one.ids[-len(stop) :] == stop for stop in form.stops)
    told[-1][1] = Turn("assistant", (Text(" a "), Text("bird "), told[-1][1].parts[0], Text(" and more ")))
    (more,) = examples(told[-1:], form, checkpoint, 512)
    history = form.conversation([*told[-1], Turn("user", (Text("again"),))])
    assert history.ids[: len(more.ids)] == more.ids  # later it is read as it was learnt
    sound = found[-1]
    assert [sound.ids[place] for place in sound.chosen] == [
        form.groups.ids["audio"][0],
        *tokenizer.encode("###", add_special_tokens=False),
    ]


def test_it_learns_on_and_serves_what_it_learnt(checkpoint: Checkpoint, told: list[list[Turn]], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(checkpoint, told, Course(run, epochs=500, batch=5, rate=1e-2, seed=1)) == 5
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["words"] < 0.3 < 2 < lines[0]["words"]
    assert lines[-1]["image distance"] < 0.6 * lines[0]["image distance"]
    pipeline = load_pipeline(checkpoint.folder, ContentStore(tmp_path / "shown"), "cpu")

    def reply(*turns: Turn) -> tuple[str, list[Media]]:
        events: list[Any] = list(pipeline.reply(Conversation(turns), ReplySettings(steps=2), lambda: False))
        said = "".join(event.text for event in events if isinstance(event, TextDelta)).strip()
        return said, [event.part for event in events if isinstance(event, MediaReady)]

    for dialogue, name in zip(told, COLOURS, strict=False):
        assert reply(dialogue[0]) == (f"a {name} one", [])
        said, made = reply(*dialogue[:3])
        assert (said, [type(one) for one in made]) == ("a night:", [Image])
    lengths: list[float] = []
    pipeline.output_projections["audio"].register_forward_hook(lambda _module, _given, made: lengths.append(float(made.norm())))
    assert [one.kind for one in reply(told[-1][0])[1]] == ["audio"]
    assert lengths == [
        pytest.approx(1, abs=0.4)
    ]  # as CLAP's are, with which AudioLDM was trained, and not those of this project's own projections


def test_at_true_size_what_learns_is_what_the_authors_say(tmp_path: Path) -> None:
    """LoRA, input projection and output projections: about 1 % of all."""
    llama = LlamaConfig(vocab_size=32_038, hidden_size=4096, intermediate_size=11_008, num_hidden_layers=32, num_attention_heads=32)
    llama.save_pretrained(tmp_path / "llm")
    linear = [f"{part}_proj" for part in "qkvo"]
    LoraConfig(r=32, lora_alpha=32, target_modules=linear, task_type="CAUSAL_LM").save_pretrained(tmp_path / "lora")
    (tmp_path / "imagebind").mkdir()
    (tmp_path / "imagebind" / "config.json").write_text(json.dumps(asdict(IMAGEBIND_HUGE)), encoding="utf-8")
    shapes = {"image": ("IMG", 4, 77, 768), "video": ("VID", 24, 77, 1024), "audio": ("AUD", 8, 1, 512)}
    files = {"imagebind/model": IMAGEBIND, "llm/model": LLAMA}
    for kind, parts in DECODERS.items():
        names = {part: "model" if part == "text_encoder" else "diffusion_pytorch_model" for part in parts}
        files |= {f"{kind}_decoder/{part}/{name}": parts[part] for part, name in names.items()}
        index = {"_class_name": "x", **{part: ["diffusers", "x"] for part in parts}}
        (tmp_path / f"{kind}_decoder").mkdir()
        (tmp_path / f"{kind}_decoder" / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    for name, number in files.items():
        header_alone(tmp_path / f"{name}.safetensors", {"all": torch.empty(number, device="meta")})
    described = {
        "format": 1, "name": "x", "title": "x", "knows": "x", "inputs": ["text", *shapes], "outputs": ["text", *shapes], "context": 2048,
        "input_tokens": dict.fromkeys(shapes, 1), "input_projection": "linear", "prompt": "vicuna", "folder": tmp_path,
        "signals": {kind: dict(zip(("prefix", "count", "queries", "width"), shape, strict=True)) for kind, shape in shapes.items()},
        "projection": {"hidden": 512, "layers": 4, "heads": 4},
        "decoding": dict.fromkeys(shapes, {"steps": 50, "max_steps": 50, "guidance": 7.5, "max_guidance": 10}),
    }  # fmt: skip
    found = size(Checkpoint.model_validate(described), [], Course(tmp_path / "run", 1.0, batch=4, rate=5e-4, seed=7))
    assert found.trained == 33_554_432 + 4_198_400 + 31_958_784 + 32_090_112 + 31_788_544
    assert found.whole == found.trained + sum(files.values())
    assert found.trained / found.whole == pytest.approx(0.0113, abs=1e-4)
    assert found.memory == pytest.approx(15.6e9, rel=0.01)


def test_that_of_the_later_code_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(InputError, match="Accepted is a model with the prompt 'chat' or 'vicuna'"):
        check(checkpoint.model_copy(update={"prompt": "llava"}))
