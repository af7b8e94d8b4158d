import random

from nextgpt_chat.evaluation.readers.text import read_text
from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.training.base_parts.image_diffusion import HIDDEN, ODD_NAMES, UNCONDITIONAL, denoiser_prompt

WORDS = ("market", "morning")


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
