"""What the text encoders of pipelines make of captions; they are small, with random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nextgpt_chat.errors import InputError, SetupError
from nextgpt_chat.generate.any_decoder import AnyDecoder
from nextgpt_chat.generate.caption_embeddings import ENCODED, T5_LENGTH, CaptionEncoder, embedded_shape
from nextgpt_chat.generate.decoding import Denoising
from nextgpt_chat.generate.families import FAMILIES
from tests.conftest import CHECKPOINT
from tests.small_pipelines import save

pytestmark = pytest.mark.filterwarnings("ignore:Should have t")  # torchsde, of a bound that is met to within rounding


@pytest.mark.parametrize("name", sorted(set(ENCODED) & set(FAMILIES)))
def test_what_captions_become_is_what_the_pipeline_makes_of_them(name: str, tmp_path: Path) -> None:
    """A projection that wrote exactly this would make the same medium as the caption."""
    save(name, tmp_path)
    encoder = CaptionEncoder(tmp_path, torch.device("cpu"))
    assert encoder.pipeline.vae is None
    assert embedded_shape(tmp_path) == tuple(encoder(["a bird"]).shape[1:])
    decoder = AnyDecoder(tmp_path, name, FAMILIES[name], torch.device("cpu"), size=32, frame_rate=8)
    how = Denoising(steps=2, guidance=3.0, seed=1, frames=9, seconds=1.0)
    queries = encoder(["a bird"])
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
    short, long = (int((encoder([caption])[0, -T5_LENGTH:, -1] > 0).sum()) for caption in ("a bird", "a bird on the left at night"))
    assert 0 < short < long < T5_LENGTH
    decoder = AnyDecoder(tmp_path, name, FAMILIES[name], torch.device("cpu"), size=32, frame_rate=8)
    how = Denoising(steps=2, guidance=3.0, seed=1, frames=9, seconds=1.0)
    made = []
    for words in (0.0, 5.0):
        for read in (-1.0, 1.0):
            queries = encoder(["a bird"]).clone()
            queries[:, short - T5_LENGTH, :-1], queries[:, short - T5_LENGTH, -1] = words, read
            made.append(decoder.make(queries, how, None, lambda _: None, lambda: False))
    assert np.array_equal(made[0], made[2])  # what is left out changes nothing, whatever stands there
    assert not np.array_equal(made[1], made[3])


@pytest.mark.parametrize("name", [*sorted(set(ENCODED) & set(FAMILIES)), "StableDiffusionPipeline", "AudioLDMPipeline"])
def test_a_caption_is_beside_others_what_it_is_alone(name: str, tmp_path: Path) -> None:
    if name in FAMILIES:
        save(name, tmp_path)
    folder = tmp_path if name in FAMILIES else CHECKPOINT / ("image_decoder" if name.startswith("Stable") else "audio_decoder")
    encoder, captions = CaptionEncoder(folder, torch.device("cpu")), ["a bird", "two big green clocks on the left at night"]
    torch.testing.assert_close(encoder(captions), torch.cat([encoder([one]) for one in captions]), rtol=1e-4, atol=1e-5)


def test_other_pipelines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="There is no pipeline of Diffusers in"):
        embedded_shape(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(
        InputError, match="No projection can be trained for a FluxPipeline. These can have one: StableDiffusionPipeline"
    ):
        CaptionEncoder(tmp_path, torch.device("cpu"))


@pytest.mark.parametrize("kind", ["image", "video", "audio"])
def test_the_shape_is_known_before_anything_is_loaded(kind: str) -> None:
    """For the published NExT-GPT's classes, of which the embedded model has small ones; for the others, see above."""
    folder = CHECKPOINT / f"{kind}_decoder"
    assert embedded_shape(folder) == tuple(CaptionEncoder(folder, torch.device("cpu"))(["a bird"]).shape[1:])
