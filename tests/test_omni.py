"""An omni language model, small and with random weights: it sees and hears by its own towers, and asks for media by captions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nextgpt_chat.checkpoint import read_checkpoint
from nextgpt_chat.conversation import Audio, Conversation, Image, Text, Turn, Video
from nextgpt_chat.encode.own_towers import MOST_PATCHES, OwnTowers
from nextgpt_chat.errors import InputError, SetupError
from nextgpt_chat.events import MediaReady
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.audio_file import RATE, read_audio
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.made import Made
from nextgpt_chat.pipeline import Pipeline
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.store.jobs import parts_of
from tests.any_parts import put_together
from tests.conftest import picture

pytestmark = pytest.mark.filterwarnings("ignore:Should have t")  # torchsde, of a bound that is met to within rounding


@pytest.fixture(scope="module", params=["omni", "omni whole"])
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("checkpoints") / "omni"
    put_together(folder, request.param, {"image": "StableDiffusion3Pipeline", "audio": "StableAudioPipeline"})
    return load_pipeline(folder, ContentStore(tmp_path_factory.mktemp("media")), "cpu")


def sent(pipeline: Pipeline, pixels: tuple[int, int] = (60, 90)) -> tuple[Image, Audio]:
    made, rng = Made(pipeline.content, "test"), np.random.default_rng(1)
    image = made.keep("image", rng.integers(0, 255, (*pixels, 3), dtype=np.uint8), "x", 1, {}, 0)
    audio = made.keep("audio", np.sin(np.arange(int(1.3 * RATE)) / 9).astype(np.float32), "x", 1, {}, 0)
    assert isinstance(image, Image)
    assert isinstance(audio, Audio)
    return image, audio


def test_it_reads_what_the_model_itself_reads(pipeline: Pipeline) -> None:
    """Against Transformers' own forward pass over ids, pixels and spectrogram."""
    image, audio = sent(pipeline)
    other = picture(pipeline.content)
    turns = (
        Turn("user", (image, Text("what is this?"))),
        Turn("assistant", (Text("A bird."),)),
        Turn("user", (other, audio, Text("and these?"))),
    )
    run = pipeline._run(ReplySettings(seed=1, temperature=0, max_new_tokens=4), lambda: False)
    prompt = pipeline._prompt(Conversation(turns), run.settings)
    embedded = pipeline._encode(prompt, run)
    towers, model = pipeline.encoder, pipeline.language_model.model
    assert isinstance(towers, OwnTowers)
    size = {"shortest_edge": 4 * 28**2, "longest_edge": MOST_PATCHES * 28**2}
    pixels = [np.asarray(medium_pixels(one)) for one in (image, other)]
    seen = towers.pictures(images=pixels, size=size, return_tensors="pt")
    samples = read_audio(audio.path)
    heard = towers.sounds(samples, sampling_rate=RATE, return_attention_mask=True, return_tensors="pt")  # padded to its longest
    ids = torch.tensor([prompt.ids])
    with torch.inference_mode():
        plain = model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=seen["pixel_values"],
            image_grid_thw=seen["image_grid_thw"],
            input_features=heard["input_features"],
            feature_attention_mask=heard["attention_mask"],
        ).logits[0, -1]
        states = model.get_decoder()(inputs_embeds=embedded, position_ids=run.writer.positions).last_hidden_state
        ours = model.get_output_embeddings()(states)[0, -1]
    torch.testing.assert_close(ours, plain, rtol=0, atol=2e-5)
    with torch.inference_mode():
        counted = model.get_output_embeddings()(model.get_decoder()(inputs_embeds=embedded).last_hidden_state)[0, -1]
    assert (counted - plain).abs().max() > 1e-3  # so positions matter


def medium_pixels(medium: Image) -> np.ndarray:
    from PIL import Image as Pillow

    return np.asarray(Pillow.open(medium.path).convert("RGB"))


def test_words_behind_the_prompt_count_on(pipeline: Pipeline) -> None:
    image, _ = sent(pipeline)
    run = pipeline._run(ReplySettings(seed=1, temperature=0, max_new_tokens=5), lambda: False)
    prompt = pipeline._prompt(Conversation((Turn("user", (image, Text("what is this?"))),)), run.settings)
    embedded = pipeline._encode(prompt, run)
    model = pipeline.language_model
    words = [piece.token for piece in run.writer._tokens(embedded, 5, ())]  # type: ignore[union-attr]
    assert run.writer.positions is not None
    last = int(run.writer.positions.max())
    assert last < len(prompt.ids) - 1  # a picture takes fewer positions than it has patches
    more = (torch.arange(len(words) - 1) + last + 1).expand(3, 1, -1)
    with torch.inference_mode():
        whole = torch.cat([embedded, model.embed(words[:-1])], dim=1)
        states = model.model.get_decoder()(inputs_embeds=whole, position_ids=torch.cat([run.writer.positions, more], dim=-1))
        logits = model.model.get_output_embeddings()(states.last_hidden_state)[0, -len(words) :]
    logits = logits.clone()
    logits[:, sorted(pipeline.form.not_for_replies)] = float("-inf")
    assert logits.argmax(dim=-1).tolist() == words


def test_media_go_in_and_out(pipeline: Pipeline) -> None:
    image, audio = sent(pipeline)
    asked = Turn("user", (image, audio, Text("a bird, please")))
    settings = ReplySettings(seed=1, kinds=("image", "audio"), max_new_tokens=12)
    events = list(pipeline.reply(Conversation((asked,)), settings, lambda: False))
    media = [event.part for event in events if isinstance(event, MediaReady)]
    assert {medium.kind for medium in media} == {"image", "audio"}
    more = (asked, Turn("assistant", parts_of(events)), Turn("user", (*media, Text("and these?"))))
    events = list(pipeline.reply(Conversation(more), replace(settings, kinds=("image",)), lambda: False))
    assert [event.part.kind for event in events if isinstance(event, MediaReady)] == ["image"]
    clip = Video("0" * 64, Path("x.mp4"), "video/mp4")
    with pytest.raises(InputError, match="does not understand this kind of file: video. It understands text, image, audio"):
        list(pipeline.reply(Conversation((Turn("user", (clip,)),)), settings, lambda: False))


def test_a_large_picture_takes_no_more_than_its_share(pipeline: Pipeline) -> None:
    image, audio = sent(pipeline, (1500, 2000))
    assert isinstance(pipeline.encoder, OwnTowers)
    assert MOST_PATCHES * 0.9 < pipeline.encoder.tokens(image) <= MOST_PATCHES
    assert pipeline.encoder.tokens(audio) == round(1.3 * 25)


@pytest.mark.parametrize("pixels", [(3, 1000), (1000, 1), (1, 1)])
def test_a_thin_picture_is_seen_as_well(pixels: tuple[int, int], pipeline: Pipeline) -> None:
    image, _ = sent(pipeline, pixels)
    assert isinstance(pipeline.encoder, OwnTowers)
    assert 0 < pipeline.encoder.tokens(image) <= MOST_PATCHES


def test_without_what_prepares_media_it_is_incomplete(tmp_path: Path) -> None:
    put_together(tmp_path / "omni", "omni", {})
    (tmp_path / "omni" / "llm" / "preprocessor_config.json").unlink()
    with pytest.raises(SetupError, match="missing: llm/preprocessor_config.json"):
        read_checkpoint(tmp_path / "omni")
