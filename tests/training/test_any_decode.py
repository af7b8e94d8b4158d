"""Signal tokens for another language model and decoder, learnt from captions; both are small, with random weights."""

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedModel

from nextgpt_chat import disk
from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.cli import main
from nextgpt_chat.conversation import Conversation, Text, Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import MediaReady
from nextgpt_chat.generate.caption_embeddings import CaptionEncoder
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.reason import chat_prompt
from nextgpt_chat.reason.chat_prompt import ChatPrompt
from nextgpt_chat.reason.language_model import LanguageModel, SignalGroup
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.training import any_decode
from nextgpt_chat.training import course as course_of
from nextgpt_chat.training.any_decode import SIGNALS, Signals, Wanted, batches, embed, example, size, train
from nextgpt_chat.training.any_encode import LONGEST, SHORTEST
from nextgpt_chat.training.course import CONTEXT, Course
from tests.any_parts import PROJECTION, lively, put_together, values
from tests.conftest import CHECKPOINT

pytestmark = pytest.mark.filterwarnings("ignore:Should have t")  # torchsde, of a bound that is met to within rounding

CAPTIONS = ["a small red bird", "a big blue boat", "two big green clocks at night", "a small yellow dog on the left"]


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setattr(any_decode, "PROJECTION", PROJECTION)
    monkeypatch.setattr(chat_prompt, "ASK", "{names}: {tags}")  # the small tokenizer writes letter by letter
    return lively(put_together(tmp_path / "any", "qwen2", {"image": "StableDiffusionXLPipeline", "audio": "StableAudioPipeline"}))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """With the embedded model's decoder of sounds, for whose text encoder different captions are different, and few instructions."""
    monkeypatch.setattr(any_decode, "PROJECTION", PROJECTION)
    decoding = {"audio": {"steps": 2, "max_steps": 4, "guidance": 2.0, "max_guidance": 5.0, "seconds": 2.048}}
    return lively(put_together(tmp_path / "small", "qwen2", {"audio": "tinyland"}, decoding=decoding, instructions="Talk."))


def form_of(language: LanguageModel) -> ChatPrompt:
    return ChatPrompt(language.tokenizer, {"image": SIGNALS["image"]}, ("audio",), lambda _: 0, language.ends)


def course(folder: Path, epochs: float = 1, batch: int = 2) -> Course:
    return Course(folder / "run", epochs, batch, rate=1e-2, seed=1)


def loaded(checkpoint: Checkpoint) -> LanguageModel:
    return LanguageModel(checkpoint.part("llm"), None, torch.device("cpu"))


def test_captions_are_embedded_once(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, asked, loaded = CaptionEncoder(checkpoint.part("image_decoder"), torch.device("cpu")), list[list[str]](), []
    monkeypatch.setattr(any_decode, "EMBEDDED_AT_ONCE", 3)

    def counted(captions: list[str]) -> torch.Tensor:
        asked.append(captions)
        return encoder(captions)

    monkeypatch.setattr(any_decode, "CaptionEncoder", lambda *told: loaded.append(told) or counted)
    for _ in range(2):
        found = embed(CAPTIONS, checkpoint.part("image_decoder"), tmp_path / "run")
    assert asked == [CAPTIONS[:3], CAPTIONS[3:]]
    assert len(loaded) == 1  # and not where nothing is missing
    for vector, caption in zip(found.vectors, CAPTIONS, strict=True):
        torch.testing.assert_close(torch.from_numpy(vector.astype(np.float32)), encoder([caption])[0], rtol=1e-3, atol=1e-3)


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


@pytest.mark.parametrize("instructions", ["Talk.", "Talk. " * 30])
def test_no_example_is_longer_than_it_may_be(small: Checkpoint, instructions: str) -> None:
    language, wanted = loaded(small), Wanted(["ä bird " * 100_000], np.zeros((1, 1, 64), np.float16))
    form = ChatPrompt(language.tokenizer, {"audio": SIGNALS["audio"]}, (), lambda _: 0, language.ends, instructions)
    batch = batches(wanted, form, "audio", 16)(random.Random(3))
    assert batch["ids"].shape[1] <= CONTEXT
    for row, said in enumerate(batch["said"].sum(dim=1).tolist()):
        assert "\ufffd" not in form.tokenizer.decode(batch["ids"][row])
        assert SHORTEST <= said <= LONGEST + 1
    form = ChatPrompt(language.tokenizer, {"audio": SIGNALS["audio"]}, (), lambda _: 0, language.ends, "Talk. " * 90)
    with pytest.raises(InputError, match=r"The instructions of the model are too long: a request has \d+ of the 512 tokens"):
        batches(wanted, form, "audio", 16)


def measure(checkpoint: Checkpoint, signals: Signals, wanted: Wanted, language: LanguageModel) -> dict[str, float]:
    form = ChatPrompt(language.tokenizer, {"audio": SIGNALS["audio"]}, (), lambda _: 0, language.ends, "Talk.")
    batch = batches(wanted, form, "audio", 16)(random.Random(3))
    turned = {**batch, "wanted": batch["wanted"].roll(1, dims=0)}
    with torch.inference_mode():
        found, other = signals(language.model, batch), signals(language.model, turned)
    return {"distance": float(found["distance"]), "choosing": float(found["choosing"]), "turned": float(other["distance"])}


def test_what_is_learnt_depends_on_the_caption_and_is_served(small: Checkpoint, tmp_path: Path) -> None:
    checkpoint = small
    train(checkpoint, "audio", CAPTIONS, Course(tmp_path / "run", epochs=240, batch=8, rate=4e-3, seed=1))
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
    train(checkpoint, "image", CAPTIONS, course(tmp_path))
    after = loaded(checkpoint).model.state_dict()
    for name, tensor in before.items():
        rows = known if "embed_tokens" in name or "lm_head" in name else len(tensor)
        assert torch.equal(after[name][:rows], tensor[:rows]), name
    assert not checkpoint.part("llm.before").exists()
    assert checkpoint.part("nextgpt.before.json").is_file()


def test_the_command_trains_what_the_pairs_are_of(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps([{"caption": caption, "image_name": "none.png"} for caption in CAPTIONS]), encoding="utf-8")
    words = ["align", "decode", str(checkpoint.folder), "--pairs", str(pairs), "--run", str(tmp_path / "run"), "--batch", "2"]

    def run(*more: Any) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*words, *more])
        assert ended.value.code == 0
        return capsys.readouterr().out

    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("something is loaded")

    with monkeypatch.context() as dry:
        for kind in (DiffusionPipeline, PreTrainedModel):
            dry.setattr(kind, "from_pretrained", load)
        assert "image: 4, 2 steps." in run("--dry-run")
    with monkeypatch.context() as full:
        full.setattr(disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * 10**9))
        with pytest.raises(
            SystemExit, match="GB are to be written, .* and 2.0 GB of disk are free in .*, of which 2 must stay. Free some"
        ):
            main(words)
        assert not (tmp_path / "run").exists()
    assert read_checkpoint(checkpoint.folder).captions == ("image", "audio")
    assert "has signal tokens for this now: image" in run()
    assert read_checkpoint(checkpoint.folder).captions == ("audio",)
    assert "has signal tokens for this already: image" in run()
    with pytest.raises(SystemExit, match="--imagebind"):
        main(["align", "encode", str(checkpoint.folder), "--pairs", str(pairs)])
    with pytest.raises(SystemExit, match="Tinyland cannot be taught so"):
        main(["align", "decode", str(CHECKPOINT), "--pairs", str(pairs)])


def test_a_run_of_another_model_is_not_gone_on_with(checkpoint: Checkpoint, tmp_path: Path) -> None:
    train(checkpoint, "image", CAPTIONS, course(tmp_path))
    other = put_together(tmp_path / "other", "llama", {"image": "StableDiffusionXLPipeline"})
    with pytest.raises(InputError, match="holds a run over another model"):
        train(other, "image", CAPTIONS, course(tmp_path))
    assert read_checkpoint(other.folder).captions == ("image",)


def test_several_processes_go_on_with_what_one_has_embedded(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise RuntimeError("as far as this")

    monkeypatch.setattr(any_decode, "frozen", stop)  # what comes behind the embeddings
    for several in (1, 4):
        monkeypatch.setattr(course_of, "processes", lambda several=several: SimpleNamespace(num_processes=several))
        assert course(tmp_path, epochs=8).plan(4).steps == 16 // several
        with pytest.raises(RuntimeError, match="as far as this"):
            train(checkpoint, "image", CAPTIONS, course(tmp_path, epochs=8))
    for captions, other in (
        (CAPTIONS, course(tmp_path, epochs=9)),
        (CAPTIONS, course(tmp_path, 8, batch=4)),
        (CAPTIONS[1:], course(tmp_path, 8)),
    ):
        with pytest.raises(InputError, match="holds a run over another model, other pairs or other settings"):
            train(checkpoint, "image", captions, other)


def test_an_omni_model_cannot_be_taught_so(tmp_path: Path) -> None:
    omni = put_together(tmp_path / "omni", "omni", {"image": "StableDiffusionXLPipeline"})
    with pytest.raises(InputError, match="without towers of its own"):
        any_decode.check(omni, "image")


def test_at_true_size_a_dry_run_counts(checkpoint: Checkpoint, tmp_path: Path) -> None:
    llama = LlamaConfig(vocab_size=32_000, hidden_size=4096, intermediate_size=11_008, num_hidden_layers=32, num_attention_heads=32)
    llama.save_pretrained(checkpoint.folder / "llm")
    shape = {"hidden": 512, "layers": 4, "heads": 4}
    found = size(checkpoint, "image", 180_000, Course(tmp_path / "run", 1, batch=8, rate=4e-4, seed=7), shape)
    published = (
        31_958_784 + (17 - 77) * 512 + (32 - 768) * 513
    )  # of the paper's picture projection, with other queries and features
    assert found.trained == published + 5 * 4096
    decoders = sum(values(path) for path in checkpoint.folder.glob("*_decoder/*/*.safetensors"))
    assert found.whole == found.trained + 6_738_415_616 + decoders
    assert found.steps == 22_500
    parts = ("text_encoder", "text_encoder_2")  # what captions pass through
    encoders = sum(values(checkpoint.part("image_decoder") / part / "model.safetensors") for part in parts)
    assert found.encoders == 2 * encoders
    assert found.disk == 180_000 * 2 * 17 * 32
    assert found.written == 4 * (found.whole - decoders)  # in full precision, as on any processor
