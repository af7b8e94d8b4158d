"""Decoders on pipelines of the real classes with random weights, saved and loaded as a checkpoint's are."""

import random
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AudioLDMPipeline, AutoencoderKL, StableDiffusionPipeline, TextToVideoSDPipeline
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from nextgpt_chat.checkpoint import Checkpoint, Decoding
from nextgpt_chat.errors import Cancelled
from nextgpt_chat.generate.decoders import load_decoders
from nextgpt_chat.generate.decoding import Decoder, Denoising
from nextgpt_chat.tinyland.film import film
from nextgpt_chat.tinyland.scene import Scene
from nextgpt_chat.training.base_parts import audio_diffusion, audio_vae, image_diffusion, image_vae, video_diffusion, vocoder
from nextgpt_chat.training.diffusion import new_scheduler

DECODING = Decoding(
    strength=0.75, steps=4, max_steps=8, guidance=2.0, max_guidance=4.0, size=80, frames=8, frame_rate=4, seconds=2.048
)
HOW = Denoising(steps=4, guidance=2.0, seed=3, strength=0.5, frames=8, seconds=2.048)
WIDTHS = {"image": (16, 128), "video": (16, 128), "audio": (1, audio_diffusion.WIDTH)}
SHAPES = {"image": (80, 80, 3), "video": (8, 80, 80, 3), "audio": (32_768,)}


def pipeline(kind: str) -> StableDiffusionPipeline | TextToVideoSDPipeline | AudioLDMPipeline:
    words = {"<pad>": 0, "<s>": 1, "</s>": 2, "bird": 3}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<pad>")), pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    tokenizer.model_max_length = 16
    if kind == "audio":
        return AudioLDMPipeline(
            vae=audio_vae.new_vae(),
            text_encoder=audio_diffusion.new_text_encoder(tokenizer),
            tokenizer=tokenizer,
            unet=audio_diffusion.new_unet(),
            scheduler=new_scheduler(),
            vocoder=vocoder.new_vocoder(),
        )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=4,
            hidden_size=128,
            intermediate_size=8,
            num_hidden_layers=0,
            num_attention_heads=2,
            max_position_embeddings=16,
        )
    )
    vae: AutoencoderKL = image_vae.new_vae()
    if kind == "video":
        return TextToVideoSDPipeline(vae, text_encoder, tokenizer, video_diffusion.new_unet(), new_scheduler())
    return StableDiffusionPipeline(
        vae, text_encoder, tokenizer, image_diffusion.new_unet(), new_scheduler(), None, None, requires_safety_checker=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    for kind in WIDTHS:
        pipeline(kind).save_pretrained(folder / f"{kind}_decoder")
    return folder


def decoders(folder: Path, kinds: Collection[str], **decoding: Any) -> dict[str, Decoder]:
    every = {kind: DECODING.model_copy(update=decoding) for kind in kinds}
    return dict(load_decoders(Checkpoint.model_construct(folder=folder, decoding=every), lambda _part: torch.device("cpu")))


@pytest.fixture(scope="module", params=("image", "video", "audio"))
def loaded(request: pytest.FixtureRequest, folder: Path) -> tuple[str, Decoder]:
    return request.param, decoders(folder, (request.param,))[request.param]


def prompt(kind: str) -> torch.Tensor:
    return torch.randn(1, *WIDTHS[kind], generator=torch.Generator().manual_seed(1))


def start(kind: str) -> np.ndarray:
    if kind == "audio":
        return (0.3 * np.sin(np.arange(32_768) / 8)).astype(np.float32)
    clip = film(Scene("dog", "red", motion="left"), random.Random(1))
    return clip[0] if kind == "image" else clip


def test_a_seed_always_makes_the_same_and_steps_are_reported(loaded: tuple[str, Decoder]) -> None:
    kind, decoder = loaded
    done: list[int] = []
    made = decoder.make(prompt(kind), HOW, None, done.append, lambda: False)
    assert made.shape == SHAPES[kind]
    assert made.dtype == (np.float32 if kind == "audio" else np.uint8)
    assert done == [1, 2, 3, 4]
    assert np.array_equal(made, decoder.make(prompt(kind), HOW, None, lambda _: None, lambda: False))
    other = replace(HOW, seed=4)
    assert not np.array_equal(made, decoder.make(prompt(kind), other, None, lambda _: None, lambda: False))


def test_what_begins_from_another_takes_fewer_steps_and_depends_on_it(loaded: tuple[str, Decoder]) -> None:
    kind, decoder = loaded
    done: list[int] = []
    made = decoder.make(prompt(kind), HOW, start(kind), done.append, lambda: False)
    assert made.shape == SHAPES[kind]
    assert done == [1, 2]
    assert len(done) == decoder.steps(HOW, start(kind))
    other = decoder.make(prompt(kind), HOW, np.zeros_like(start(kind)), lambda _: None, lambda: False)
    assert not np.array_equal(made, other)
    plain = decoder.make(prompt(kind), HOW, None, done.append, lambda: False)
    assert not np.array_equal(made, plain)
    assert len(done) == 6


def test_a_clip_or_a_sound_is_as_long_as_it_shall_be(loaded: tuple[str, Decoder]) -> None:
    kind, decoder = loaded
    how = replace(HOW, steps=2, frames=5, seconds=1.3)
    shape = {"image": (80, 80, 3), "video": (5, 80, 80, 3), "audio": (20_800,)}[kind]
    assert decoder.make(prompt(kind), how, None, lambda _: None, lambda: False).shape == shape
    begun = start(kind)[: shape[0]] if kind != "image" else start(kind)
    assert decoder.make(prompt(kind), how, begun, lambda _: None, lambda: False).shape == shape


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_of_few_steps_one_is_taken_however_little_is_changed(loaded: tuple[str, Decoder], steps: int) -> None:
    kind, decoder = loaded
    few, done = replace(HOW, steps=steps, strength=0.1), list[int]()
    assert decoder.make(prompt(kind), few, start(kind), done.append, lambda: False).shape == SHAPES[kind]
    assert done == [1]
    assert decoder.steps(few, start(kind)) == 1


def test_it_stops_between_two_steps(loaded: tuple[str, Decoder]) -> None:
    kind, decoder = loaded
    done: list[int] = []
    with pytest.raises(Cancelled):
        decoder.make(prompt(kind), HOW, None, done.append, lambda: len(done) == 2)
    assert done == [1, 2]
    assert decoder.make(prompt(kind), HOW, None, lambda _: None, lambda: False).shape == SHAPES[kind]


def test_the_image_decoder_draws_the_first_frame_of_a_clip(folder: Path) -> None:
    drawing, filming = decoders(folder, ("image", "video"), first_frame=True).values()
    clip, picture = start("video"), drawing.make(prompt("image"), HOW, None, lambda _: None, lambda: False)

    def filmed(begin: np.ndarray | None, steps: list[int]) -> np.ndarray:
        done: list[int] = []
        made = filming.make(prompt("video"), HOW, begin, done.append, lambda: False)
        assert done == steps
        assert len(done) == filming.steps(HOW, begin)
        return made

    from_nothing = filmed(None, [1, 2, 3, 4, 5, 6])  # a picture in four steps, a clip from it in two
    assert np.array_equal(from_nothing, filmed(picture[None], [1, 2]))  # the same picture, given
    drawn = replace(HOW, strength=DECODING.strength)  # as pictures are changed
    edited = drawing.make(prompt("image"), drawn, clip[0], lambda _: None, lambda: False)
    assert np.array_equal(filmed(clip, [1, 2, 3, 4, 5]), filmed(edited[None], [1, 2]))
    with pytest.raises(Cancelled):
        filming.make(prompt("video"), HOW, None, lambda _: None, lambda: True)
