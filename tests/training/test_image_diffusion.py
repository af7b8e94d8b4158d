import random

from nextgpt_chat.evaluation.readers.text import read_text
from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.training.base_parts.image_diffusion import HIDDEN, UNCONDITIONAL, denoiser_prompt


def test_a_blob_has_no_thing_in_its_prompt_and_keeps_its_colour() -> None:
    rng = random.Random(1)
    for _ in range(500):
        scene = training_scene(rng)
        prompt = denoiser_prompt(scene, ("thing",), rng)
        assert not prompt or ("thing" not in read_text(prompt) and scene.colour in prompt.split())


def test_some_prompts_hide_the_colour_or_the_thing() -> None:
    rng = random.Random(2)
    read = [read_text(denoiser_prompt(training_scene(rng), (), rng)) for _ in range(4000)]
    named = [found for found in read if found]
    assert abs(1 - len(named) / len(read) - UNCONDITIONAL) < 0.02
    for name in ("colour", "thing"):
        assert abs(sum(name not in found for found in named) / len(named) - HIDDEN) < 0.03
    assert not any("colour" not in found and "thing" not in found for found in named)
