"""Every pipeline that can be a decoder, by its own class, small and with random weights: driven by captions and by prompt embeddings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nextgpt_chat.errors import Cancelled
from nextgpt_chat.generate.any_decoder import AnyDecoder
from nextgpt_chat.generate.decoding import Denoising
from nextgpt_chat.generate.families import FAMILIES
from tests.small_pipelines import PIPELINES, PLACES, save

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


@pytest.fixture(scope="module", params=PIPELINES)
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, AnyDecoder]:
    folder = tmp_path_factory.mktemp("decoder")
    save(request.param, folder)
    return request.param, AnyDecoder(folder, request.param, torch.device("cpu"), size=32, frame_rate=8)


def make(decoder: AnyDecoder, prompt: str | torch.Tensor, how: Denoising = HOW) -> tuple[np.ndarray, list[int]]:
    reported: list[int] = []
    return decoder.make(prompt, how, None, reported.append, lambda: False), reported


def test_all_of_them_are_tested() -> None:
    assert set(PIPELINES) == set(FAMILIES) == set(QUERIES)


def test_a_caption_becomes_a_medium_of_the_size_that_is_asked_for(decoder: tuple[str, AnyDecoder]) -> None:
    name, made_by = decoder
    medium, reported = make(made_by, "a red bird")
    assert medium.shape == SHAPES[FAMILIES[name].kind]
    assert medium.dtype == (np.float32 if FAMILIES[name].kind == "audio" else np.uint8)
    assert reported == [1, 2, 3]
    assert made_by.steps(HOW, None) == 3
    assert np.array_equal(medium, make(made_by, "a red bird")[0])
    assert not np.array_equal(medium, make(made_by, "a blue boat")[0])
    assert not np.array_equal(medium, make(made_by, "a red bird", replace(HOW, seed=2))[0])


def test_so_do_prompt_embeddings(decoder: tuple[str, AnyDecoder]) -> None:
    name, made_by = decoder
    torch.manual_seed(1)
    prompt = torch.randn(1, *QUERIES[name])
    medium, reported = make(made_by, prompt)
    assert medium.shape == SHAPES[FAMILIES[name].kind]
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
