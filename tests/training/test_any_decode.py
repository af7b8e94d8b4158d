"""Signal tokens for another language model and decoder, learnt from captions; both are small, with random weights."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.cli import main
from nextgpt_chat.conversation import Conversation, Text, Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import MediaReady
from nextgpt_chat.generate.any_decoder import AnyDecoder
from nextgpt_chat.generate.caption_embeddings import ENCODED, T5_LENGTH, CaptionEncoder
from nextgpt_chat.generate.decoding import Denoising
from nextgpt_chat.generate.families import FAMILIES
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.pipeline import load_pipeline
from nextgpt_chat.reason.chat_prompt import ChatPrompt
from nextgpt_chat.reason.language_model import LanguageModel, SignalGroup
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.training import any_decode, computed_once
from nextgpt_chat.training.any_decode import SIGNALS, Signals, Wanted, batches, embed, example, plan_for, size, train
from tests.any_parts import PROJECTION, lively, put_together
from tests.conftest import CHECKPOINT
from tests.small_pipelines import save

pytestmark = pytest.mark.filterwarnings("ignore:Should have t")  # torchsde, of a bound that is met to within rounding

CAPTIONS = ["a small red bird", "a big blue boat", "two big green clocks at night", "a small yellow dog on the left"]


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setattr(any_decode, "PROJECTION", PROJECTION)
    return lively(put_together(tmp_path / "any", "qwen2", {"image": "StableDiffusionXLPipeline", "audio": "StableAudioPipeline"}))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """With the embedded model's decoder of sounds, for whose text encoder different captions are different, and few instructions."""
    monkeypatch.setattr(any_decode, "PROJECTION", PROJECTION)
    decoding = {"audio": {"steps": 2, "max_steps": 4, "guidance": 2.0, "max_guidance": 5.0, "seconds": 2.048}}
    return lively(put_together(tmp_path / "small", "qwen2", {"audio": "tinyland"}, decoding=decoding, instructions="Talk."))


def form_of(language: LanguageModel) -> ChatPrompt:
    return ChatPrompt(language.tokenizer, {"image": SIGNALS["image"]}, ("audio",), lambda _: 0, language.ends)


def loaded(checkpoint: Checkpoint) -> LanguageModel:
    return LanguageModel(checkpoint.part("llm"), None, torch.device("cpu"))


@pytest.mark.parametrize("name", sorted(set(ENCODED) & set(FAMILIES)))
def test_what_captions_become_is_what_the_pipeline_makes_of_them(name: str, tmp_path: Path) -> None:
    """A projection that wrote exactly this would make the same medium as the caption."""
    save(name, tmp_path)
    encoder = CaptionEncoder(tmp_path, torch.device("cpu"))
    assert encoder.pipeline.vae is None
    decoder = AnyDecoder(tmp_path, name, torch.device("cpu"), size=32, frame_rate=8)
    how = Denoising(steps=2, guidance=3.0, seed=1, frames=9, seconds=1.0)
    queries = encoder("a bird")
    made = decoder.make(queries, how, None, lambda _: None, lambda: False)
    if FAMILIES[name].kind == "audio":
        plain = decoder.make("a bird", how, None, lambda _: None, lambda: False)
        assert plain.std() > 0
        np.testing.assert_allclose(made, plain, atol=1e-4 * np.abs(plain).max())
        return
    length = {} if name == "StableDiffusionXLPipeline" else {"max_sequence_length": T5_LENGTH}
    plain = decoder.pipeline(prompt="a bird", **length, **how.options(), **decoder._extent(how), output_type="np")
    said = plain.images[0] if FAMILIES[name].kind == "image" else plain.frames[0]
    assert np.abs(made.astype(int) - said * 255).max() <= 1


@pytest.mark.parametrize("name", ["LTXPipeline", "AudioLDM2Pipeline", "StableAudioPipeline"])
def test_what_a_caption_leaves_out_is_told_by_the_last_feature(name: str, tmp_path: Path) -> None:
    save(name, tmp_path)
    encoder = CaptionEncoder(tmp_path, torch.device("cpu"))
    short, long = (int((encoder(caption)[0, -T5_LENGTH:, -1] > 0).sum()) for caption in ("a bird", "a bird on the left at night"))
    assert 0 < short < long < T5_LENGTH
    decoder = AnyDecoder(tmp_path, name, torch.device("cpu"), size=32, frame_rate=8)
    how = Denoising(steps=2, guidance=3.0, seed=1, frames=9, seconds=1.0)
    made = []
    for words in (0.0, 5.0):
        for read in (-1.0, 1.0):
            queries = encoder("a bird").clone()
            queries[:, short - T5_LENGTH, :-1], queries[:, short - T5_LENGTH, -1] = words, read
            made.append(decoder.make(queries, how, None, lambda _: None, lambda: False))
    assert np.array_equal(made[0], made[2])  # what is left out changes nothing, whatever stands there
    assert not np.array_equal(made[1], made[3])


def test_other_pipelines_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(
        InputError, match="No projection can be trained for a FluxPipeline. These can have one: StableDiffusionPipeline"
    ):
        CaptionEncoder(tmp_path, torch.device("cpu"))


def test_captions_are_embedded_once(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, asked = CaptionEncoder(checkpoint.part("image_decoder"), torch.device("cpu")), []
    monkeypatch.setattr(computed_once, "SAVED_EVERY", 2)

    class Counted:
        name = encoder.name

        def __call__(self, caption: str) -> torch.Tensor:
            asked.append(caption)
            if len(asked) == 5:
                raise KeyboardInterrupt
            return encoder(caption)

    with pytest.raises(KeyboardInterrupt):
        embed(CAPTIONS, Counted(), tmp_path / "run")  # type: ignore[arg-type]
    found = embed(CAPTIONS, Counted(), tmp_path / "run")  # type: ignore[arg-type]
    assert asked == [CAPTIONS[0], *CAPTIONS, *CAPTIONS[2:]]
    for vector, caption in zip(found.vectors, CAPTIONS, strict=True):
        torch.testing.assert_close(torch.from_numpy(vector.astype(np.float32)), encoder(caption)[0], rtol=1e-3, atol=1e-3)


def test_an_example_is_a_request_and_its_reply(checkpoint: Checkpoint) -> None:
    language = loaded(checkpoint)
    language.tokenizer.add_tokens([f"[IMG{i}]" for i in range(4)], special_tokens=True)
    form = form_of(language)
    ids, begin = example(CAPTIONS[0], "image", form, random.Random(2), drawn=True)
    assert form.tokenizer.decode(ids[begin:]) in {reply.format(CAPTIONS[0]) for reply in any_decode.REPLIED}
    ids, begin = example(CAPTIONS[0], "image", form, random.Random(2), drawn=False)
    assert form.tokenizer.decode(ids[begin:]) == f"{CAPTIONS[0]}{form.tokenizer.eos_token}"
    assert "You can give a picture" in form.system
    assert "<image>" not in form.system


def measure(checkpoint: Checkpoint, signals: Signals, wanted: Wanted, language: LanguageModel) -> dict[str, float]:
    form = ChatPrompt(language.tokenizer, {"audio": SIGNALS["audio"]}, (), lambda _: 0, language.ends, "Talk.")
    batch = batches(wanted, form, "audio", 16)(random.Random(3))
    turned = {**batch, "wanted": batch["wanted"].roll(1, dims=0)}
    with torch.inference_mode():
        found, other = signals(language.model, batch), signals(language.model, turned)
    return {"distance": float(found["distance"]), "choosing": float(found["choosing"]), "turned": float(other["distance"])}


def test_what_is_learnt_depends_on_the_caption_and_is_served(small: Checkpoint, tmp_path: Path) -> None:
    checkpoint = small
    train(checkpoint, "audio", CAPTIONS, tmp_path / "run", plan_for(4, 240, 8, 4e-3), batch=8, seed=1)
    described = read_checkpoint(checkpoint.folder)
    assert described.captions == ()
    assert described.signals["audio"].model_dump() == {"prefix": "AUD", "count": 8, "queries": 1, "width": 64}
    language = loaded(checkpoint)
    ids = language.tokenizer.convert_tokens_to_ids([f"[AUD{i}]" for i in range(8)])
    wanted = Wanted(CAPTIONS, np.load(tmp_path / "run" / "computed.npy"))
    torch.manual_seed(1)
    fresh = Signals(language.model, 8, 1, 64, PROJECTION)
    learnt = Signals(language.model, 8, 1, 64, PROJECTION)
    learnt.embeddings.data = language.model.get_input_embeddings().weight[ids].detach()
    learnt.head.data = language.model.get_output_embeddings().weight[ids[0]].detach()
    weights = load_file(checkpoint.part("output_projections.safetensors"))
    learnt.projection.load_state_dict({name.removeprefix("audio."): tensor for name, tensor in weights.items()})
    before, after = (measure(checkpoint, one, wanted, language) for one in (fresh, learnt))
    assert after["distance"] < 0.5 * before["distance"]
    assert after["distance"] < 0.8 * after["turned"]
    assert after["choosing"] < before["choosing"]

    pipeline = load_pipeline(checkpoint.folder, ContentStore(tmp_path / "media"), "cpu")
    asked = Conversation((Turn("user", (Text("Let me hear this: a small red bird"),)),))
    events = list(pipeline.reply(asked, ReplySettings(seed=1, kinds=("audio",), max_new_tokens=8), lambda: False))
    assert {event.part.kind for event in events if isinstance(event, MediaReady)} == {"audio"}

    run = pipeline._run(ReplySettings(seed=1), lambda: False)
    tokens = [*pipeline._prompt(asked, run.settings).ids, *pipeline.form.text("Here it is: a small red bird")]
    (group,) = [
        piece
        for piece in run.writer._tokens(pipeline.language_model.embed(tokens), 0, ("audio",))
        if isinstance(piece, SignalGroup)
    ]
    with torch.inference_mode():
        served = pipeline.output_projections["audio"](group.states, group.embeddings)[0]
    distances = [float((served - torch.from_numpy(vector.astype(np.float32))).square().mean()) for vector in wanted.vectors]
    assert min(distances) == distances[0]


@pytest.mark.parametrize("tied", [False, True])
def test_what_the_language_model_knew_it_still_knows(tied: bool, checkpoint: Checkpoint, tmp_path: Path) -> None:
    if tied:
        language = AutoModelForCausalLM.from_pretrained(checkpoint.part("llm"))
        language.config.tie_word_embeddings = True
        language.tie_weights()
        language.save_pretrained(checkpoint.part("llm"))
    before, known = loaded(checkpoint).model.state_dict(), len(AutoTokenizer.from_pretrained(checkpoint.part("llm")))
    train(checkpoint, "image", CAPTIONS, tmp_path / "run", plan_for(4, 1, 2, 1e-2), batch=2, seed=1)
    after = loaded(checkpoint).model.state_dict()
    for name, tensor in before.items():
        rows = known if "embed_tokens" in name or "lm_head" in name else len(tensor)
        assert torch.equal(after[name][:rows], tensor[:rows]), name
    assert not checkpoint.part("llm.before").exists()
    assert checkpoint.part("nextgpt.before.json").is_file()


def test_the_command_trains_what_the_pairs_are_of(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps([{"caption": caption, "image_name": "none.png"} for caption in CAPTIONS]), encoding="utf-8")
    words = ["align", "decode", str(checkpoint.folder), "--pairs", str(pairs), "--run", str(tmp_path / "run"), "--batch", "2"]

    def run(*more: Any) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*words, *more])
        assert ended.value.code == 0
        return capsys.readouterr().out

    assert "image: 4, 2 steps." in run("--dry-run")
    assert read_checkpoint(checkpoint.folder).captions == ("image", "audio")
    assert "has signal tokens for this now: image" in run()
    assert read_checkpoint(checkpoint.folder).captions == ("audio",)
    assert "has signal tokens for this already: image" in run()
    with pytest.raises(SystemExit, match="--imagebind"):
        main(["align", "encode", str(checkpoint.folder), "--pairs", str(pairs)])
    with pytest.raises(SystemExit, match="Tinyland cannot be taught so"):
        main(["align", "decode", str(CHECKPOINT), "--pairs", str(pairs)])


def test_a_run_of_another_model_is_not_gone_on_with(checkpoint: Checkpoint, tmp_path: Path) -> None:
    plan = plan_for(4, 1, 2, 1e-2)
    train(checkpoint, "image", CAPTIONS, tmp_path / "run", plan, batch=2, seed=1)
    other = put_together(tmp_path / "other", "llama", {"image": "StableDiffusionXLPipeline"})
    with pytest.raises(InputError, match="holds a run over another model"):
        train(other, "image", CAPTIONS, tmp_path / "run", plan, batch=2, seed=1)
    assert read_checkpoint(other.folder).captions == ("image",)


def test_an_omni_model_cannot_be_taught_so(tmp_path: Path) -> None:
    omni = put_together(tmp_path / "omni", "omni", {"image": "StableDiffusionXLPipeline"})
    with pytest.raises(InputError, match="without towers of its own"):
        any_decode.check(omni, "image")


def test_rows_of_another_run_are_not_taken_for_computed(tmp_path: Path) -> None:
    def rows(told: str, count: int, fails: bool = False) -> np.ndarray:
        def row(number: int) -> np.ndarray:
            if fails and number == 2:
                raise KeyboardInterrupt
            return np.full(3, number + 1)

        return computed_once.computed_once(tmp_path, told, count, lambda: (3,), np.float32, row).rows

    first = np.array(rows("a", 5))
    with pytest.raises(KeyboardInterrupt):
        rows("b", 4, fails=True)
    assert np.array_equal(rows("a", 5), first)


def test_at_true_size_a_dry_run_counts(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    llama = LlamaConfig(vocab_size=32_000, hidden_size=4096, intermediate_size=11_008, num_hidden_layers=32, num_attention_heads=32)
    llama.save_pretrained(checkpoint.folder / "llm")
    shape = {"hidden": 512, "layers": 4, "heads": 4}
    found = size(checkpoint, "image", plan_for(180_000, 1, 8, 4e-4, 3), shape)
    published = (
        31_958_784 + (17 - 77) * 512 + (32 - 768) * 513
    )  # of the paper's picture projection, with other queries and features
    assert found.trained == published + 5 * 4096
    assert found.whole == found.trained + 6_738_415_616
    assert found.steps == 7500
