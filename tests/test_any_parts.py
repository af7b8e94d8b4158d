"""Language models and decoders of other families in the place of the embedded ones: the whole pipeline, small and with random weights."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nextgpt_chat.conversation import Conversation, Image, Media, Text, Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import Done, Event, MediaReady, MediaStarted, Notice
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.pipeline import MOST_MEDIA, Pipeline
from nextgpt_chat.reason.language_model import FAMILIES, OMNI, LanguageModel, Word
from nextgpt_chat.reason.signal_tokens import SignalGroups
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.store.jobs import parts_of
from tests.any_parts import put_together
from tests.conftest import CHECKPOINT, picture
from tests.small_language_models import save_language_model

pytestmark = pytest.mark.filterwarnings("ignore:Should have t")  # torchsde, of a bound that is met to within rounding

HOUSES = {
    "llama": {"image": "StableDiffusionXLPipeline", "video": "LTXPipeline", "audio": "AudioLDM2Pipeline"},
    "mistral": {"image": "StableDiffusion3Pipeline", "video": "WanPipeline", "audio": "StableAudioPipeline"},
    "qwen2": {"image": "tinyland", "video": "tinyland", "audio": "tinyland"},
    "qwen3": {"image": "FluxPipeline", "video": "CogVideoXPipeline", "audio": "AudioLDM2Pipeline"},
}
"""Language model, and decoder of each kind; `tinyland` are the embedded ones, of Stable Diffusion, Zeroscope and AudioLDM."""
ALL = ("image", "video", "audio")
ASKED = Turn("user", (Text("a red bird, please"),))


def reply(pipeline: Pipeline, turns: tuple[Turn, ...], settings: ReplySettings) -> list[Event]:
    return list(pipeline.reply(Conversation(turns), settings, lambda: False))


@pytest.fixture(scope="module", params=HOUSES)
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("checkpoints") / request.param
    decoding = {}
    if request.param == "qwen2":
        decoding = {
            "decoding": {
                "image": {"steps": 2, "max_steps": 4, "guidance": 2.0, "max_guidance": 5.0, "size": 80},
                "video": {
                    "steps": 2,
                    "max_steps": 4,
                    "guidance": 2.0,
                    "max_guidance": 5.0,
                    "size": 80,
                    "frames": 4,
                    "frame_rate": 4,
                },
                "audio": {"steps": 2, "max_steps": 4, "guidance": 2.0, "max_guidance": 5.0, "seconds": 2.048},
            }
        }
    put_together(folder, request.param, HOUSES[request.param], **decoding)
    return load_pipeline(folder, ContentStore(tmp_path_factory.mktemp("media")), "cpu")


def test_every_kind_is_made_from_a_caption_and_can_be_made_again(pipeline: Pipeline) -> None:
    settings = ReplySettings(seed=1, kinds=ALL, max_new_tokens=12)
    events = reply(pipeline, (ASKED,), settings)
    media = [event.part for event in events if isinstance(event, MediaReady)]
    assert {medium.kind for medium in media} == set(ALL)
    captions = [event.caption for event in events if isinstance(event, MediaStarted)]
    assert captions == [medium.caption for medium in media]
    assert all(captions)
    assert isinstance(events[-1], Done)
    assert parts_of(reply(pipeline, (ASKED,), settings)) == parts_of(events)

    whole = Conversation((ASKED, Turn("assistant", parts_of(events))))
    for number, medium in enumerate(media):
        same = list(pipeline.remake(whole, number, ReplySettings(seed=medium.seed), lambda: False))
        assert next(event.part.sha256 for event in same if isinstance(event, MediaReady)) == medium.sha256
    other = list(pipeline.remake(whole, 0, ReplySettings(seed=77), lambda: False))
    assert next(event.part.sha256 for event in other if isinstance(event, MediaReady)) != media[0].sha256

    more = reply(pipeline, (*whole.turns, Turn("user", (Text("make it blue"),))), replace(settings, kinds=("image",)))
    assert [event.part.kind for event in more if isinstance(event, MediaReady)] == ["image"]


def test_what_no_part_can_do_gets_a_sentence(pipeline: Pipeline) -> None:
    seen = Turn("user", (picture(pipeline.content), Text("what is this?")))
    with pytest.raises(InputError, match="does not understand this kind of file: image"):
        reply(pipeline, (seen,), ReplySettings())


def test_signal_tokens_and_captions_stand_side_by_side(tmp_path: Path) -> None:
    signals = {"image": {"prefix": "IMG", "count": 4, "queries": 17, "width": 32}}
    put_together(
        tmp_path / "mixed",
        "qwen3",
        {"image": "StableDiffusionXLPipeline", "audio": "StableAudioPipeline"},
        signals=signals,
        inputs=["text", "image"],
        input_tokens={"image": 1},
        input_projection="linear",
    )
    pipeline = load_pipeline(tmp_path / "mixed", ContentStore(tmp_path / "media"), "cpu")
    seen = Turn("user", (picture(pipeline.content), Text("a red bird, please")))
    events = reply(pipeline, (seen,), ReplySettings(seed=1, kinds=("image", "audio"), max_new_tokens=12))
    media: list[Media] = [event.part for event in events if isinstance(event, MediaReady)]
    assert sorted(medium.kind for medium in media) == ["audio", "image"]
    number = next(i for i, medium in enumerate(media) if isinstance(medium, Image))
    whole = Conversation((seen, Turn("assistant", parts_of(events))))
    same = list(pipeline.remake(whole, number, ReplySettings(seed=media[number].seed), lambda: False))
    assert next(event.part.sha256 for event in same if isinstance(event, MediaReady)) == media[number].sha256
    shade = pipeline.encoder(picture(pipeline.content, 10)) - pipeline.encoder(picture(pipeline.content, 200))  # type: ignore[misc]
    assert np.abs(shade.numpy()).max() > 0


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(OMNI)))
def test_every_kind_of_language_model_reads_and_writes_as_in_one_pass(family: str, tmp_path: Path) -> None:
    save_language_model(family, tmp_path)
    model = LanguageModel(tmp_path, None, torch.device("cpu"))
    prompt, options = model.embed(list(range(20))), {"most": 6, "temperature": 0, "cancelled": lambda: False}
    written = model.write(prompt, SignalGroups({}), [[10**6]], generator=torch.Generator(), **options)
    words = [piece.token for piece in written if isinstance(piece, Word)]
    assert model.ends == list(model.tokenizer.convert_tokens_to_ids(["<|end|>", "<|stop|>"]))  # what ends a turn, first
    with torch.inference_mode():
        logits = model.model(inputs_embeds=torch.cat([prompt, model.embed(words[:-1])], dim=1)).logits[0, -len(words) :]
    assert logits.argmax(dim=-1).tolist() == words
    assert len(words) == 6


def test_a_reply_that_repeats_itself_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_together(tmp_path / "any", "llama", {"audio": "StableAudioPipeline"})
    pipeline = load_pipeline(tmp_path / "any", ContentStore(tmp_path / "media"), "cpu")
    again = pipeline.form.text("<audio>rain</audio>")
    monkeypatch.setattr(pipeline.language_model, "write", lambda *_, **__: (Word(token) for token in again * 30))
    events = reply(pipeline, (ASKED,), ReplySettings(seed=1))
    assert sum(isinstance(event, MediaReady) for event in events) == MOST_MEDIA
    assert any(isinstance(event, Notice) and "at most 8 media" in event.message for event in events)
    assert isinstance(events[-1], Done)


def test_several_models_can_be_loaded_at_once(tmp_path: Path) -> None:
    put_together(tmp_path / "any", "llama", {"audio": "AudioLDM2Pipeline"})
    folders = [tmp_path / "any", CHECKPOINT] * 3
    with ThreadPoolExecutor(len(folders)) as pool:
        loaded = list(pool.map(lambda folder: load_pipeline(folder, ContentStore(tmp_path / "media"), "cpu"), folders))
    for pipeline in loaded:
        parameters = [*pipeline.language_model.model.parameters(), *pipeline.decoders["audio"].pipeline.vae.parameters()]  # type: ignore[attr-defined]
        assert not any(parameter.is_meta for parameter in parameters)
