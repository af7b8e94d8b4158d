import random

import numpy as np

from nextgpt_chat.evaluation.readers.text import read_text
from nextgpt_chat.tinyland import outside
from nextgpt_chat.tinyland.captions import (
    caption,
    clip_caption,
    free_caption,
    free_clip_caption,
    free_sound_caption,
    sound_caption,
)
from nextgpt_chat.tinyland.draw import PAINT, draw
from nextgpt_chat.tinyland.holdout import HELD_OUT, HELD_OUT_MOTIONS, HELD_OUT_SOUNDS, is_held_out, training_scene
from nextgpt_chat.tinyland.scene import COLOURS, MOVING, THINGS, Scene, random_scene
from nextgpt_chat.tinyland.unnamed import FAR, imagined_shape, unnamed_paint, unnamed_shape


def test_each_thing_and_each_colour_has_exactly_one_pair_held_out() -> None:
    assert sorted(thing for thing, _ in HELD_OUT) == sorted(THINGS)
    assert sorted(colour for _, colour in HELD_OUT) == sorted(COLOURS)


def test_each_thing_lacks_one_motion_and_one_sound() -> None:
    assert sorted(thing for thing, _ in HELD_OUT_MOTIONS) == sorted(THINGS)
    assert sorted(thing for thing, _, _ in HELD_OUT_SOUNDS) == sorted(THINGS)


def test_training_scenes_suit_every_kind_that_was_asked_for() -> None:
    rng = random.Random(3)
    for _ in range(2000):
        scene = training_scene(rng, ("image", "video", "audio"))
        assert not any(is_held_out(scene, kind) for kind in ("image", "video", "audio"))
    assert len({training_scene(rng, ("video",)).motion for _ in range(200)}) == 7
    assert {training_scene(rng).motion for _ in range(50)} == {"stay"}


def test_captions_of_clips_and_sounds_say_what_the_scene_is() -> None:
    rng = random.Random(4)
    for _ in range(500):
        scene = training_scene(rng, ("video", "audio"))
        truth = {name: str(value) for name, value in scene.attributes(MOVING).items()}
        for said in (clip_caption(scene), free_clip_caption(scene, rng)):
            assert read_text(said) == truth
        for said in (sound_caption(scene), free_sound_caption(scene, rng)):
            assert read_text(said) == {name: truth[name] for name in ("thing", "size", "count")}


def test_captions_say_what_the_scene_is() -> None:
    rng = random.Random(2)
    for _ in range(500):
        scene = random_scene(rng)
        truth = {name: str(value) for name, value in scene.attributes().items()}
        assert read_text(caption(scene)) == truth
        assert read_text(free_caption(scene, rng)) == truth


def test_pictures_differ_in_every_attribute_and_repeat_with_the_same_randomness() -> None:
    base = Scene("dog", "blue")
    same = draw(base, random.Random(3))
    assert same.shape == (80, 80, 3)
    assert np.array_equal(same, draw(base, random.Random(3)))
    for other in (
        Scene("car", "blue"),
        Scene("dog", "red"),
        Scene("dog", "blue", size="small"),
        Scene("dog", "blue", time="night"),
        Scene("dog", "blue", count=2),
    ):
        assert not np.array_equal(same, draw(other, random.Random(3)))


def test_words_for_honesty_tests_were_never_trained_on() -> None:
    for trained, tested in zip(outside.TRAINING, outside.TESTING, strict=True):
        assert not set(trained) & set(tested)


def test_unnamed_paints_and_shapes_change_only_the_things() -> None:
    rng = random.Random(4)
    scene = Scene("cloud", "red")
    plain = draw(scene, random.Random(5))
    painted = draw(scene, random.Random(5), paint=unnamed_paint("pink", rng))
    shaped = draw(scene, random.Random(5), shape=unnamed_shape(rng))
    for other in (painted, shaped):
        changed = (plain != other).any(axis=-1)
        assert changed.any()
        assert not changed[:20].any()
        assert not changed[:, :20].any()


def test_an_imagined_thing_always_has_the_shape_of_its_name() -> None:
    scene = Scene("cloud", "red")
    first, again, other = (draw(scene, random.Random(5), shape=imagined_shape(name)) for name in ("lamp", "lamp", "ship"))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_unnamed_paint_keeps_away_from_the_withheld_colour() -> None:
    rng = random.Random(6)
    pink = np.array(PAINT["pink"])
    assert all(np.linalg.norm(np.array(unnamed_paint("pink", rng)) - pink) > FAR for _ in range(500))
