"""Every pipeline that can be a decoder, by its own class, small and with random weights: driven by captions and by prompt embeddings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nextgpt_chat.errors import Cancelled, SetupError
from nextgpt_chat.generate.any_decoder import AnyDecoder
from nextgpt_chat.generate.decoding import Denoising
from nextgpt_chat.generate.families import FAMILIES, Family, family_of
from tests.small_pipelines import BY_CAPTIONS, PIPELINES, PLACES, save

pytestmark = pytest.mark.filterwarnings("ignore:Should have t")  # torchsde, of a bound that is met to within rounding

HOW = Denoising(steps=3, guidance=3.0, seed=1, frames=9, seconds=1.0)
SHAPES = {"image": (32, 32, 3), "video": (9, 32, 32, 3), "audio": (16_000,)}
QUERIES = {
    "StableDiffusionXLPipeline": (PLACES + 1, 32),
    "StableDiffusion3Pipeline": (PLACES + 12 + 1, 32),
    "LTXPipeline": (12, 33),
    "WanPipeline": (12, 32),
    "AudioLDM2Pipeline": (8 + 12, 33),
    "StableAudioPipeline": (12, 5),
}
"""Queries and features that a projection would write for each."""


KINDS = {name: family.kind for name, family in FAMILIES.items()} | {"FluxPipeline": "image", "CogVideoXPipeline": "video"}


@pytest.fixture(scope="module", params=PIPELINES | BY_CAPTIONS)
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, AnyDecoder]:
    folder = tmp_path_factory.mktemp("decoder")
    save(request.param, folder)
    family = family_of(request.param, KINDS[request.param])
    assert family
    return request.param, AnyDecoder(folder, request.param, family, torch.device("cpu"), size=32, frame_rate=8)


def make(decoder: AnyDecoder, prompt: str | torch.Tensor, how: Denoising = HOW) -> tuple[np.ndarray, list[int]]:
    reported: list[int] = []
    return decoder.make(prompt, how, None, reported.append, lambda: False), reported


def test_all_of_them_are_tested() -> None:
    assert set(PIPELINES) == set(FAMILIES) == set(QUERIES)


def test_a_caption_becomes_a_medium_of_the_size_that_is_asked_for(decoder: tuple[str, AnyDecoder]) -> None:
    name, made_by = decoder
    medium, reported = make(made_by, "a red bird")
    assert medium.shape == SHAPES[KINDS[name]]
    assert medium.dtype == (np.float32 if KINDS[name] == "audio" else np.uint8)
    assert reported == [1, 2, 3]
    assert made_by.steps(HOW, None) == 3
    assert np.array_equal(medium, make(made_by, "a red bird")[0])
    assert not np.array_equal(medium, make(made_by, "a blue boat")[0])
    assert not np.array_equal(medium, make(made_by, "a red bird", replace(HOW, seed=2))[0])


def test_so_do_prompt_embeddings(decoder: tuple[str, AnyDecoder]) -> None:
    name, made_by = decoder
    torch.manual_seed(1)
    if name in BY_CAPTIONS:
        with pytest.raises(SetupError, match="No projection can drive this decoder"):
            make(made_by, torch.randn(1, 4, 8))
        return
    prompt = torch.randn(1, *QUERIES[name])
    medium, reported = make(made_by, prompt)
    assert medium.shape == SHAPES[KINDS[name]]
    assert reported == [1, 2, 3]
    for query in (0, -1):  # all of them count
        other = prompt.clone()
        other[:, query] += 3
        assert not np.array_equal(medium, make(made_by, other)[0])


def test_it_stops_between_two_steps(decoder: tuple[str, AnyDecoder]) -> None:
    _, made_by = decoder
    reported: list[int] = []
    with pytest.raises(Cancelled):
        made_by.make("a red bird", HOW, None, reported.append, lambda: len(reported) == 2)
    assert reported == [1, 2]
    assert make(made_by, "a red bird")[1] == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("FluxPipeline", "video"),  # it makes pictures
        ("CogVideoXPipeline", "image"),
        ("WanPipeline", "image"),
        ("WanImageToVideoPipeline", "video"),  # it begins from a picture
        ("StableDiffusionInpaintPipeline", "image"),
        ("AutoencoderKL", "image"),  # it is no pipeline
        ("NoPipeline", "image"),
    ],
)
def test_what_does_not_make_such_media_from_a_caption_is_no_decoder(name: str, kind: str) -> None:
    assert family_of(name, kind) is None


def test_its_own_signature_tells_how_a_pipeline_is_called() -> None:
    assert family_of("PixArtSigmaPipeline", "image") == Family("image", None, late_callback=False)
    assert family_of("HunyuanVideoPipeline", "video") == Family("video", None)
    assert family_of("MusicLDMPipeline", "audio") == Family("audio", None, "audio_length_in_s", late_callback=False)
