import random

from nextgpt_chat.tinyland.captions import sound_caption
from nextgpt_chat.tinyland.scene import COUNTS, SIZES, Scene
from nextgpt_chat.training.base_parts.audio_diffusion import CANONICAL, UNCONDITIONAL, sound_prompt
from nextgpt_chat.training.sounds import heard_scene, sound_batch

IMAGINED = {"lamp": "humming", "ship": "creaking"}


def test_imagined_things_are_heard_in_every_size_and_number_and_tinylands_never_in_the_withheld_ones() -> None:
    rng = random.Random(1)
    scenes = [heard_scene(tuple(IMAGINED), 0.6, rng) for _ in range(4000)]
    heard = {(scene.thing, scene.size, scene.count) for scene in scenes}
    assert {(thing, size, count) for thing in IMAGINED for size in SIZES for count in COUNTS} <= heard
    assert len(heard) == 40 + 2 * 6
    assert abs(sum(scene.thing in IMAGINED for scene in scenes) / len(scenes) - 0.6) < 0.03


def test_prompts_of_imagined_things_have_their_name_and_what_they_do() -> None:
    rng = random.Random(2)
    prompts = {sound_prompt(Scene("lamp", "red", size="small", count=2), IMAGINED, rng) for _ in range(100)}
    assert prompts == {"", "two small lamp humming"}
    scene = Scene("dog", "red", count=3)
    said = [sound_prompt(scene, IMAGINED, rng) for _ in range(3000)]
    assert abs(said.count("") / len(said) - UNCONDITIONAL) < 0.02
    assert said.count(sound_caption(scene)) / len(said) > CANONICAL * (1 - UNCONDITIONAL) - 0.03


def test_a_batch_holds_sounds_of_things_that_tinyland_has_and_of_others() -> None:
    batch = sound_batch([Scene("dog", "red"), Scene("lamp", "red")], random.Random(3))
    assert batch.shape == (2, 32_768)
    assert (batch.abs().amax(dim=1) > 0.2).all()
