"""The published checkpoint, of small width, converted and used: compared with a plain computation from the published weights."""

import itertools
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig

from nextgpt_chat.checkpoint import read_checkpoint
from nextgpt_chat.cli import main
from nextgpt_chat.conversation import Audio, Conversation, Image, Text, Turn, Video
from nextgpt_chat.convert.official import expected_shapes
from nextgpt_chat.convert.write import Sources, convert
from nextgpt_chat.encode.preprocessing import media_tensor
from nextgpt_chat.errors import InputError, SetupError
from nextgpt_chat.events import Done, MediaReady
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.pipeline import Pipeline
from nextgpt_chat.placement import Placement
from nextgpt_chat.reason.language_model import SignalGroup, Word
from nextgpt_chat.settings import ReplySettings
from tests.conftest import picture
from tests.convert.official import SMALL, TOKENS, PlainProjection, Size, plain_llama, shapes
from tests.encode.test_published_imagebind import CONFIG


def test_at_true_size_every_published_name_is_expected_in_its_shape_and_nothing_else() -> None:
    published = shapes(Size())
    assert sum(math.prod(shape) for shape in published.values()) == 396_045_568  # 792.09 MB in half precision, as published
    found = {name: torch.empty(shape, device="meta") for name, shape in published.items()}
    config = LlamaConfig(hidden_size=4096, num_hidden_layers=32)
    expected, sizes = expected_shapes(found, config)
    assert {name: tuple(shape) for name, shape in expected.items()} == published
    assert sizes == {"hidden": 512, "layers": 4, "rank": 32}


def test_every_tensor_is_what_was_published_bit_by_bit(made: tuple[Sources, dict[str, Tensor]], converted: Path) -> None:
    sources, weights = made
    llm = load_file(converted / "llm" / "model.safetensors")
    files = {
        **{f"llama_model.base_model.model.{name}": tensor for name, tensor in llm.items()},
        **{f"llama_model.{name}": t for name, t in load_file(converted / "lora" / "adapter_model.safetensors").items()},
        **load_file(converted / "input_projection.safetensors"),
    }
    for name, tensor in load_file(converted / "output_projections.safetensors").items():
        kind, rest = name.split(".", 1)
        suffix = {"image": "", "video": "_video", "audio": "_audio"}[kind]
        files[f"gen_text_hidden_fcs{suffix}.0.{rest.replace('in_fc', 'fc').replace('out_fc', 'model')}"] = tensor
    for name, tensor in weights.items():
        assert torch.equal(files[name.replace(".default.", ".")], tensor), name
    base = load_file(sources.base / "model.safetensors")
    own = {name for name in base if "embed_tokens" not in name and "lm_head" not in name}
    assert len(own) == 2 * 9 + 1
    assert all(torch.equal(llm[name], base[name]) for name in own)
    used = {name.replace(".default.", ".") for name in weights} | {f"llama_model.base_model.model.{name}" for name in own}
    assert used == set(files)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # PyTorch, of the plain projection
def test_it_computes_what_the_published_weights_compute(made: tuple[Sources, dict[str, Tensor]], pipeline: Pipeline) -> None:
    sources, weights = made
    image = picture(pipeline.content)
    conversation = Conversation((Turn("user", (image, Text("a small bird"))),))
    run = pipeline._run(ReplySettings(seed=1, kinds=("image", "video", "audio"), max_new_tokens=200), lambda: False)
    prompt = pipeline._prompt(conversation, run.settings)
    embedded = pipeline._encode(prompt, run)
    llama = plain_llama(sources.base, weights)
    table = llama.get_input_embeddings()
    with torch.inference_mode():
        seen = pipeline.imagebind.encode_media(media_tensor(image, CONFIG)[None], "image")
        medium = seen @ weights["llama_proj.weight"].float().T + weights["llama_proj.bias"].float()
        plain = table(torch.tensor([prompt.ids]))
        plain[0, prompt.slots[0].start] = medium
    torch.testing.assert_close(embedded, plain, rtol=0, atol=1e-6)

    written = list(run.writer._tokens(embedded, 200, run.settings.kinds))
    groups = [piece for piece in written if isinstance(piece, SignalGroup)]
    assert {group.kind for group in groups} == {"image", "video", "audio"}
    first, kinds = groups[0], {"image": 0, "video": 1, "audio": 2}
    ids = list(pipeline.form.groups.ids[first.kind])
    before = [piece.token for piece in itertools.takewhile(lambda piece: isinstance(piece, Word), written)]
    with torch.inference_mode():
        sequence = torch.cat([plain, table(torch.tensor([[*before, *ids]]))], dim=1)
        states = llama.model(inputs_embeds=sequence).last_hidden_state[:, -len(ids) :]
        torch.testing.assert_close(first.states, states, rtol=0, atol=1e-4)
        reference = PlainProjection(*SMALL.outputs[kinds[first.kind]]).load(weights)
        conditions = pipeline.output_projections[first.kind](first.states, first.embeddings)
        torch.testing.assert_close(conditions, reference(states, table(torch.tensor([ids]))), rtol=1e-4, atol=1e-4)


def test_a_conversation_is_written_as_in_training(pipeline: Pipeline) -> None:
    tokenizer, form = pipeline.language_model.tokenizer, pipeline.form
    image, count = picture(pipeline.content), len(pipeline.language_model.tokenizer) - len(TOKENS)
    turns = (
        Turn("user", (Text("a small bird"), image)),
        Turn("assistant", (Text("Here."), image)),
        Turn("user", (Text(" <Img> [IMG0] ### </s>"),)),
    )
    prompt = form.conversation(turns)
    shown = "".join(str(tokenizer.decode([token])) if token > 2 else f"({token})" for token in prompt.ids).replace("\u2581", " ")
    assert prompt.ids[0] == tokenizer.bos_token_id
    assert prompt.ids.count(tokenizer.bos_token_id) == 1
    assert prompt.ids.count(count) == prompt.ids.count(count + 1) - 1 == 1  # a medium's place holds the second one
    assert prompt.ids[prompt.slots[0].start - 1] == count
    group = prompt.ids.index(count + 2)
    assert prompt.ids[group : group + 4] == [count + 2 + i for i in range(4)]
    assert tokenizer.decode(prompt.ids[prompt.slots[0].start + 2 : group]).strip() == "a small bird\n### Assistant: Here."
    assert tokenizer.decode(prompt.ids[group + 4 :]).strip() == "### Human:  <Img> [IMG0] ### </s>\n### Assistant:", shown
    assert not {count, count + 2, tokenizer.eos_token_id} & set(prompt.ids[group + 4 :])
    assert tokenizer.encode("###", add_special_tokens=False) in form.stops
    newest = form.conversation(turns, limit=len(prompt.ids) - 1)
    assert (newest.dropped, newest.slots) == (2, [])


def test_all_kinds_come_out_and_go_in_again(pipeline: Pipeline) -> None:
    settings = ReplySettings(seed=1, steps=2, kinds=("image", "video", "audio"), max_new_tokens=60)
    asked = Turn("user", (Text("a bird, please"),))
    events = list(pipeline.reply(Conversation((asked,)), settings, lambda: False))
    made = {event.part.kind: event.part for event in events if isinstance(event, MediaReady)}
    assert isinstance(events[-1], Done)
    video, audio = made["video"], made["audio"]
    assert isinstance(made["image"], Image)
    assert isinstance(video, Video)
    assert isinstance(audio, Audio)
    assert (video.width, video.height) == (96, 80)
    again = Turn("user", (made["image"], video, audio, Text("what is this?")))
    events = list(pipeline.reply(Conversation((asked, again)), replace(settings, kinds=()), lambda: False))
    assert isinstance(events[-1], Done)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_makes_much_the_same(dtype: torch.dtype, converted: Path, pipeline: Pipeline, tmp_path: Path) -> None:
    half = Pipeline(read_checkpoint(converted), ContentStore(tmp_path), Placement(torch.device("cpu")), None, dtype)
    image = picture(half.content)
    torch.testing.assert_close(half.encoder(image).float(), pipeline.encoder(image), rtol=0, atol=0.05)
    settings = ReplySettings(seed=1, steps=2, kinds=("image", "video", "audio"), max_new_tokens=8)
    events = list(half.reply(Conversation((Turn("user", (image, Text("a bird, please"))),)), settings, lambda: False))
    assert [event.part.kind for event in events if isinstance(event, MediaReady)]
    assert {parameter.dtype for parameter in half.language_model.model.parameters()} == {dtype}
    assert half.imagebind.dtype == dtype


Change = Callable[[Path, dict[str, Tensor]], None]


def rewrite(change: Callable[[dict[str, Tensor]], object]) -> Change:
    def apply(folder: Path, weights: dict[str, Tensor]) -> None:
        changed = dict(weights)
        change(changed)
        torch.save(changed, folder / "official" / "pytorch_model.pt")

    return apply


def other_base(count: Callable[[int], int]) -> Change:
    def apply(folder: Path, _weights: dict[str, Tensor]) -> None:
        config = LlamaConfig.from_pretrained(folder / "base")
        config.vocab_size = count(config.vocab_size)
        LlamaForCausalLM(config).half().save_pretrained(folder / "base")

    return apply


def other_tokens(rename: Callable[[str], str | None]) -> Change:
    """Another name for each added token, or none for one that is not there."""

    def apply(folder: Path, _weights: dict[str, Tensor]) -> None:
        path = folder / "official" / "added_tokens.json"
        added = json.loads(path.read_text())
        path.write_text(json.dumps({new: number for name, number in added.items() if (new := rename(name))}))

    return apply


def mistral(folder: Path, _weights: dict[str, Tensor]) -> None:
    MistralConfig(hidden_size=32).save_pretrained(folder / "base")


HEAD = "llama_model.base_model.model.lm_head.weight"
REFUSED: dict[str, tuple[Change, str]] = {
    "missing": (rewrite(lambda weights: weights.pop(HEAD)), f"1 missing: {HEAD}"),
    "left over": (rewrite(lambda weights: weights.update(extra=torch.zeros(1))), "1 left over: extra"),
    "another shape": (
        rewrite(lambda weights: weights.update({"llama_proj.bias": torch.zeros(31)})),
        r"llama_proj.bias \(\[31\] instead",
    ),
    "no weights": (lambda folder, _: (folder / "official" / "pytorch_model.pt").unlink(), "There is no pytorch_model.pt"),
    "half a download": (
        lambda folder, _: (folder / "official" / "pytorch_model.pt").write_bytes(b"PK\3\4half"),
        "cannot be read as weights",
    ),
    "no tokens": (lambda folder, _: (folder / "official" / "added_tokens.json").write_text("{}"), "has not the tokens of NExT-GPT"),  # type: ignore[dict-item, return-value]
    "a gap in a run": (other_tokens(lambda name: name.replace("[IMG2]", "[IMG9]")), r"\[IMG2\] is missing"),
    "no signal tokens of a kind": (other_tokens(lambda name: None if "AUD" in name else name), r"\[AUD0\] is missing"),
    "Vicuna 1.5": (other_base(lambda count: count - 1), "has one more than"),
    "a stranger": (other_base(lambda count: count), "another model than the one that NExT-GPT was trained on"),
    "Mistral": (mistral, "of the kind 'mistral'"),
    "no base": (lambda folder, _: shutil.rmtree(folder / "base"), "There is no language model in"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_a_sentence(case: str, made: tuple[Sources, dict[str, Tensor]], tmp_path: Path) -> None:
    sources, weights = made
    for name in ("official", "base"):
        shutil.copytree(getattr(sources, name), tmp_path / name)
    change, sentence = REFUSED[case]
    change(tmp_path, weights)
    changed = replace(sources, official=tmp_path / "official", base=tmp_path / "base")
    with pytest.raises(InputError, match=sentence):
        convert(changed, tmp_path / "out" / "new", lambda _: None, CONFIG)
    assert not list((tmp_path / "out").glob("*"))


@pytest.fixture
def llama(made: tuple[Sources, dict[str, Tensor]], tmp_path: Path) -> tuple[Sources, dict[str, Tensor]]:
    """The base as LLaMA and as what is added to it, in the old form in which that was published; and the sum."""
    vicuna = LlamaForCausalLM.from_pretrained(made[0].base, dtype=torch.float16)
    config = LlamaConfig.from_pretrained(made[0].base)
    config.save_pretrained(tmp_path / "delta")
    config.vocab_size -= 1
    torch.manual_seed(8)
    base = LlamaForCausalLM(config).half()
    base.save_pretrained(tmp_path / "base")
    own, sums, delta = base.state_dict(), {}, {}
    for name, tensor in vicuna.state_dict().items():
        start = torch.zeros_like(tensor)
        start[: len(own[name])] = own[name]
        delta[name] = tensor - start
        sums[name] = start + delta[name]
    torch.save(delta, tmp_path / "delta" / "pytorch_model.bin")
    return replace(made[0], base=tmp_path / "base", delta=tmp_path / "delta"), sums


def test_the_base_is_made_of_llama_and_delta_weights(llama: tuple[Sources, dict[str, Tensor]], tmp_path: Path) -> None:
    sources, sums = llama
    convert(sources, tmp_path / "new", lambda _: None, CONFIG)
    written = load_file(tmp_path / "new" / "llm" / "model.safetensors")
    assert written.keys() == sums.keys()
    for name, tensor in sums.items():
        if "embed_tokens" not in name and "lm_head" not in name:
            assert torch.equal(written[name], tensor), name


def test_llama_alone_and_other_deltas_are_refused(llama: tuple[Sources, dict[str, Tensor]], tmp_path: Path) -> None:
    sources, sums = llama
    with pytest.raises(InputError, match="has one more than"):
        convert(replace(sources, delta=None), tmp_path / "new", lambda _: None, CONFIG)
    with pytest.raises(InputError, match="The language model in .*nowhere. cannot be read"):
        convert(replace(sources, delta=tmp_path / "nowhere"), tmp_path / "new", lambda _: None, CONFIG)
    config = LlamaConfig.from_pretrained(tmp_path / "delta")
    config.num_hidden_layers -= 1
    config.save_pretrained(tmp_path / "delta")  # the first layer alone is read
    with pytest.raises(InputError, match="9 are missing or left over, as model.layers.1"):
        convert(sources, tmp_path / "new", lambda _: None, CONFIG)
    config.num_hidden_layers += 1
    config.vocab_size -= 2
    config.save_pretrained(tmp_path / "delta")
    torch.save({name: tensor[: config.vocab_size] for name, tensor in sums.items()}, tmp_path / "delta" / "pytorch_model.bin")
    with pytest.raises(InputError, match="do not fit the base|has one more than"):
        convert(sources, tmp_path / "new", lambda _: None, CONFIG)


def test_another_decoder_is_refused(made: tuple[Sources, dict[str, Tensor]], tmp_path: Path) -> None:
    sources = made[0]
    swapped = {**sources.decoders, "video": sources.decoders["audio"]}
    with pytest.raises(InputError, match="For videos a TextToVideoSDPipeline is accepted"):
        convert(replace(sources, decoders=swapped), tmp_path / "new", lambda _: None, CONFIG)
    with pytest.raises(SetupError, match="There is no pipeline of Diffusers in"):
        convert(replace(sources, decoders={**sources.decoders, "video": tmp_path}), tmp_path / "new", lambda _: None, CONFIG)
    with pytest.raises(InputError, match="is there already"):
        convert(sources, tmp_path, lambda _: None, CONFIG)


def test_the_command_names_licences_and_ends_with_a_sentence(
    made: tuple[Sources, dict[str, Tensor]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = made[0]
    parts = ["--base", str(sources.base), "--imagebind", str(sources.imagebind), "--out", str(tmp_path / "new")]
    for kind, folder in sources.decoders.items():
        parts += [f"--{kind}-decoder", str(folder)]
    with pytest.raises(SystemExit, match="does not hold the weights of ImageBind-huge"):  # it is narrow
        main(["convert", str(sources.official), *parts])
    assert "CC-BY-NC" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()
