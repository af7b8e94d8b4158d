"""The layout of the later code, of small width, converted and used: compared with a plain computation from its weights."""

import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from nextgpt_chat.conversation import Conversation, Image, Text, Turn
from nextgpt_chat.convert.newer import expected_shapes, is_newer, read_newer
from nextgpt_chat.convert.write import Sources, convert
from nextgpt_chat.encode.preprocessing import media_tensor
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import Done, MediaReady
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png
from nextgpt_chat.pipeline import Pipeline
from nextgpt_chat.reason.language_model import SignalGroup
from nextgpt_chat.settings import ReplySettings
from tests.conftest import picture
from tests.convert.later import ALPHA, LAYERS, LINEAR, NAMES, RANK, Large, PlainGrouping, grouping, make_later, outputs
from tests.convert.official import SMALLER
from tests.encode.test_published_imagebind import CONFIG

Made = tuple[Sources, dict[str, Tensor], dict[str, Tensor]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_later(tmp_path_factory.mktemp("later"))


@pytest.fixture(scope="module")
def pipeline(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    out = tmp_path_factory.mktemp("checkpoints") / "mine"
    checkpoint = convert(made[0], out, lambda _: None, CONFIG)
    assert (checkpoint.prompt, checkpoint.input_projection, checkpoint.input_tokens["image"]) == ("llava", "groupvit", 8)
    assert (checkpoint.decoding["image"].size, checkpoint.decoding["image"].memory) == (80, 0.9)  # as large as this decoder draws
    path = out / "nextgpt.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    for kind, sizes in SMALLER.items():
        described["decoding"][kind] |= {"steps": 2, **sizes}
    path.write_text(json.dumps(described), encoding="utf-8")
    return load_pipeline(out, ContentStore(tmp_path_factory.mktemp("media")), "cpu")


def test_at_true_size_the_names_and_shapes_are_those_of_the_later_code() -> None:
    large = grouping(Large())
    assert sum(math.prod(shape) for shape in large.values()) == 53_144_912  # as counted on the published code
    assert sum(math.prod(shape) for name, shape in outputs(Large()).items() if "_aud_" in name) == 31_788_544
    published = large | outputs(Large())
    found = {name: torch.empty(shape, device="meta") for name, shape in published.items()}
    config = LlamaConfig(hidden_size=4096, intermediate_size=11_008, num_hidden_layers=32, num_attention_heads=32)
    expected, sizes = expected_shapes(found, config, {"r": 128, "target_modules": [name.rsplit(".", 1)[1] for name in LINEAR]})
    widths = dict.fromkeys(LINEAR, (4096, 4096)) | {"mlp.gate_proj": (11_008, 4096), "mlp.up_proj": (11_008, 4096)}
    for name, (out, into) in (widths | {"mlp.down_proj": (4096, 11_008)}).items():
        for layer in range(32):
            beginning = f"base_model.model.model.layers.{layer}.{name}.lora_"
            published |= {f"{beginning}A.weight": (128, into), f"{beginning}B.weight": (out, 128)}
    assert {name: tuple(shape) for name, shape in expected.items()} == published
    assert sizes == {"width": 512, "embedding": 1024, "hidden": 512, "layers": 4}


def test_every_tensor_is_what_was_trained_bit_by_bit(made: Made, pipeline: Pipeline) -> None:
    (sources, weights, lora), folder = made, pipeline.checkpoint.folder
    llm = load_file(folder / "llm" / "model.safetensors")
    base = load_file(sources.base / "model.safetensors") | {
        "model.embed_tokens.weight": weights["embed_tokens.weight"],
        "lm_head.weight": weights["lm_head.weight"],
    }
    assert llm.keys() == base.keys()
    assert all(torch.equal(llm[name], tensor) for name, tensor in base.items())
    adapter = load_file(folder / "lora" / "adapter_model.safetensors")
    assert adapter.keys() == lora.keys()
    assert all(torch.equal(adapter[name], tensor) for name, tensor in lora.items())
    files = load_file(folder / "input_projection.safetensors")
    kinds = {"img": "image", "vid": "video", "aud": "audio"}
    files |= load_file(folder / "output_projections.safetensors")
    left = set(files)
    for name, tensor in weights.items():
        if name in ("embed_tokens.weight", "lm_head.weight"):
            continue
        projection, rest = name.split(".", 1)
        if projection != "mm_input_projector":
            parts = [f"{kinds[projection.split('_')[2]]}.{rest}"]
        else:
            own = re.sub(r"^layers\.(\d)", r"stages.\1", rest)
            own = own.replace(".blocks.", ".layers.").replace("pre_assign_attn.attn.proj", "pre_assign_attn.attn.out_proj")
            if ".blocks." in rest:
                own = own.replace(".norm", ".layer_norm").replace(".attn.proj.", ".self_attn.out_proj.")
            parts = [own.replace("attn.qkv", f"self_attn.{part}_proj") for part in "qkv"] if "attn.qkv" in own else [own]
        assert torch.equal(torch.cat([files[part] for part in parts]), tensor), name
        left -= set(parts)
    assert len(left) == 12 * 3  # biases of queries, keys and values, which that code does not have
    assert not any(files[name].any() for name in left)


def test_pictures_are_drawn_by_the_steps_of_the_later_code(made: Made, pipeline: Pipeline) -> None:
    written = pipeline.checkpoint.part("image_decoder") / "scheduler" / "scheduler_config.json"
    published = made[0].decoders["image"] / "scheduler" / "scheduler_config.json"
    now, before = (json.loads(path.read_text(encoding="utf-8")) for path in (written, published))
    assert now["_class_name"] == "EulerDiscreteScheduler" != before["_class_name"]
    assert now["prediction_type"] == before["prediction_type"] == "v_prediction"


def test_a_picture_is_grouped_as_the_plain_computation_groups_it(made: Made, pipeline: Pipeline) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (10, 24, 3), np.uint8)
    sha256, path = pipeline.content.put(encode_png(pixels, {}), "image/png")
    image = Image(sha256, path, "image/png", width=24, height=10)
    patches = pipeline.imagebind.patch_embeddings(media_tensor(image, replace(CONFIG, filled=True))[None], "image")
    torch.testing.assert_close(patches.norm(dim=-1), torch.ones(patches.shape[:2]))
    embedded = pipeline.encoder(image)  # type: ignore[misc]
    assert embedded.shape[1] == 8
    torch.testing.assert_close(embedded, PlainGrouping(made[1])(patches), rtol=1e-4, atol=1e-4)
    noise = torch.randn(2, 40, patches.shape[-1])
    with torch.inference_mode():
        torch.testing.assert_close(pipeline.encoder.projection(noise, "audio"), PlainGrouping(made[1])(noise), rtol=1e-4, atol=1e-4)  # type: ignore[union-attr]


def test_the_language_model_has_the_whole_lora_at_its_scale(made: Made, pipeline: Pipeline) -> None:
    sources, weights, lora = made
    llama = LlamaForCausalLM.from_pretrained(sources.base, dtype=torch.float32)
    llama.resize_token_embeddings(len(weights["embed_tokens.weight"]), mean_resizing=False)
    state = llama.state_dict()
    state["model.embed_tokens.weight"], state["lm_head.weight"] = (
        weights["embed_tokens.weight"].float(),
        weights["lm_head.weight"].float(),
    )
    for layer in range(LAYERS):
        for name in LINEAR:
            a, b = (lora[f"base_model.model.model.layers.{layer}.{name}.lora_{side}.weight"].float() for side in "AB")
            state[f"model.layers.{layer}.{name}.weight"] += ALPHA / RANK * b @ a
    for name, tensor in pipeline.language_model.model.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=1e-5)


def test_a_conversation_is_written_as_in_training(pipeline: Pipeline) -> None:
    tokenizer, form, image = pipeline.language_model.tokenizer, pipeline.form, picture(pipeline.content)
    turns = (
        Turn("user", (Text("a small bird"), image)),
        Turn("assistant", (Text("Here."), image)),
        Turn("user", (Text("<image_00> </s>"),)),
    )
    prompt = form.conversation(turns)
    assert (prompt.ids[0], prompt.ids.count(tokenizer.bos_token_id)) == (tokenizer.bos_token_id, 1)
    start = prompt.slots[0].start
    assert tokenizer.decode(prompt.ids[1:start]).strip().endswith("to the user's questions. USER:")
    first = tokenizer.convert_tokens_to_ids("<image_00>")
    place = prompt.ids.index(first)
    assert tokenizer.decode(prompt.ids[start + 8 : place]).strip() == "a small bird ASSISTANT: Here."
    assert form.choices((Text("Here. "), image)) == [*form.text("Here."), prompt.ids[place - 1], prompt.ids[place]]
    space = tokenizer.convert_tokens_to_ids("\u2581")
    assert prompt.ids[place : place + 7] == [first, space, first + 1, space, first + 2, space, first + 3]
    assert prompt.ids[place + 7] == tokenizer.eos_token_id
    assert tokenizer.decode(prompt.ids[place + 8 :]).strip() == "USER: <image_00> </s> ASSISTANT:"
    assert first not in prompt.ids[place + 8 :]
    assert prompt.ids[place - 1] == space
    assert space not in form.groups.never_first
    assert {first + 1, first + 2, first + 3} <= set(form.groups.never_first)
    assert len(NAMES) == 36


def test_all_positions_of_a_run_say_what_is_made_and_all_kinds_come_out(pipeline: Pipeline) -> None:
    settings = ReplySettings(seed=1, steps=2, kinds=("image", "video", "audio"), max_new_tokens=120)
    conversation = Conversation((Turn("user", (Text("a bird"),)),))
    run = pipeline._run(settings, lambda: False)
    embedded = pipeline._encode(pipeline._prompt(conversation, run.settings), run)
    groups = {piece.kind: piece for piece in run.writer._tokens(embedded, 120, settings.kinds) if isinstance(piece, SignalGroup)}
    assert {kind: group.states.shape[1] for kind, group in groups.items()} == {"image": 7, "video": 47, "audio": 15}
    events = list(pipeline.reply(conversation, settings, lambda: False))
    assert {event.part.kind for event in events if isinstance(event, MediaReady)} == {"image", "video", "audio"}
    assert isinstance(events[-1], Done)


def test_all_in_one_file_reads_the_same_and_without_a_lora_too(made: Made, tmp_path: Path) -> None:
    sources, weights, _ = make_later(tmp_path, split=False)
    together, apart = read_newer(sources.official, sources.base), read_newer(made[0].official, made[0].base)
    assert together.input_projection.keys() == apart.input_projection.keys()
    assert sum(tensor.numel() for tensor in together.input_projection.values()) == sum(
        tensor.numel() for name, tensor in weights.items() if name.startswith("mm_input")
    ) + sum(3 * 32 for _ in range(12))
    (sources.official / "adapter_model.safetensors").unlink()
    assert read_newer(sources.official, sources.base).lora == {}
    assert is_newer(sources.official)
    assert not is_newer(sources.imagebind.parent / "official")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: state.pop("model.mm_input_projector.layers.1.group_token"), "missing"),
        (lambda state: state.update({"model.mm_input_projector.extra": torch.zeros(1)}), "left over"),
        (lambda state: state.update({"model.mm_input_projector.norm.bias": torch.zeros(5)}), "another shape"),
        (lambda state: [state.pop(name) for name in list(state) if "layers" in name or "_fc" in name], "none that groups"),
    ],
)
def test_what_does_not_fit_is_refused(
    made: Made, tmp_path: Path, change: Callable[[dict[str, Tensor]], object], sentence: str
) -> None:
    official = tmp_path / "broken"
    shutil.copytree(made[0].official, official)
    state = torch.load(official / "mm_input_projector.bin")
    change(state)
    torch.save(state, official / "mm_input_projector.bin")
    with pytest.raises(InputError, match=sentence):
        read_newer(official, made[0].base)


def test_a_lora_without_its_description_is_refused(made: Made, tmp_path: Path) -> None:
    official = tmp_path / "broken"
    shutil.copytree(made[0].official, official)
    (official / "adapter_config.json").write_text('{"r": "many"}')
    with pytest.raises(InputError, match="adapter_config"):
        read_newer(official, made[0].base)


def test_a_run_of_signal_tokens_with_a_gap_is_refused(made: Made, tmp_path: Path) -> None:
    official = tmp_path / "broken"
    shutil.copytree(made[0].official, official)
    added = json.loads((official / "added_tokens.json").read_text())
    added["<image_09>"] = added.pop("<image_02>")
    (official / "added_tokens.json").write_text(json.dumps(added))
    with pytest.raises(InputError, match="<image_02> is missing"):
        read_newer(official, made[0].base)
