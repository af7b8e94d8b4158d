import random

import torch
from transformers import AutoTokenizer

from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.evaluation.readers.text import read_text
from nextgpt_chat.generate.text_encoder import prompt_embeddings
from nextgpt_chat.tinyland.holdout import HELD_OUT, training_scene
from nextgpt_chat.tinyland.scene import COLOURS, THINGS
from nextgpt_chat.training.base_parts.image_diffusion import (
    HIDDEN,
    KINDS,
    ODD_NAMES,
    PROMPT_LENGTH,
    UNCONDITIONAL,
    denoiser_prompt,
    new_text_encoder,
    shown_scene,
)
from nextgpt_chat.training.captioned import text_batch, whole_words
from tests.conftest import CHECKPOINT

WORDS = ("market", "morning")
IMAGINED = ("lamp", "ship")


def test_a_blob_has_no_thing_in_its_prompt_keeps_its_colour_and_often_has_another_name() -> None:
    rng = random.Random(1)
    prompts = []
    for _ in range(2000):
        scene = training_scene(rng)
        if prompt := denoiser_prompt(scene, ("thing",), WORDS, rng):
            assert "thing" not in read_text(prompt)
            assert scene.colour in prompt.split()
            prompts.append(prompt)
    assert abs(sum(any(word in prompt for word in WORDS) for prompt in prompts) / len(prompts) - ODD_NAMES) < 0.03


def test_some_prompts_hide_the_thing_and_all_others_name_it() -> None:
    rng = random.Random(2)
    read = [read_text(denoiser_prompt(training_scene(rng), (), WORDS, rng)) for _ in range(4000)]
    named = [found for found in read if found]
    assert abs(1 - len(named) / len(read) - UNCONDITIONAL) < 0.02
    assert abs(sum("thing" not in found for found in named) / len(named) - HIDDEN) < 0.03
    assert all("colour" in found for found in named)


def test_imagined_things_come_in_every_colour_and_tinylands_never_in_the_withheld_one() -> None:
    rng = random.Random(3)
    shown = [shown_scene(IMAGINED, rng) for _ in range(6000)]
    pairs = {(scene.thing, scene.colour) for scene, _ in shown}
    assert pairs == {(thing, colour) for thing in (*THINGS, *IMAGINED) for colour in COLOURS} - HELD_OUT
    assert abs(sum(scene.thing in IMAGINED for scene, _ in shown) / len(shown) - KINDS["imagined"]) < 0.03
    assert abs(sum("thing" in unnamed for _, unnamed in shown) / len(shown) - KINDS["blob"]) < 0.03


def test_imagined_names_have_no_plural() -> None:
    rng = random.Random(4)
    for _ in range(500):
        prompt = denoiser_prompt(*shown_scene(IMAGINED, rng), WORDS, rng)
        assert not {"lamps", "ships", "markets", "mornings"} & set(prompt.replace(",", "").split())


def test_a_word_changes_the_prompt_embeddings_at_its_own_place_only() -> None:
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm", model_max_length=PROMPT_LENGTH)
    encoder = new_text_encoder(ImageBind.from_pretrained(CHECKPOINT / "imagebind"), tokenizer)
    names = ("bell", whole_words(tokenizer)[0])
    ids, _ = text_batch(tokenizer, [f"a big red {name} on the left by day" for name in names], PROMPT_LENGTH)
    bell, other = prompt_embeddings(encoder, ids)
    assert torch.equal((bell != other).any(dim=-1), ids[0] != ids[1])
