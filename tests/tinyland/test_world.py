import random

import numpy as np

from nextgpt_chat.evaluation.readers.text import read_text
from nextgpt_chat.tinyland import outside
from nextgpt_chat.tinyland.captions import caption, free_caption
from nextgpt_chat.tinyland.dialogues import dialogue, distracted_dialogue, question
from nextgpt_chat.tinyland.draw import PAINT, draw
from nextgpt_chat.tinyland.holdout import HELD_OUT, is_held_out, training_scene
from nextgpt_chat.tinyland.scene import COLOURS, THINGS, Scene, random_scene
from nextgpt_chat.tinyland.unnamed import FAR, imagined_shape, unnamed_paint, unnamed_shape
from nextgpt_chat.training.talk import comparisons, odd_questions


def test_each_thing_and_each_colour_has_exactly_one_pair_held_out() -> None:
    assert sorted(thing for thing, _ in HELD_OUT) == sorted(THINGS)
    assert sorted(colour for _, colour in HELD_OUT) == sorted(COLOURS)


def test_training_dialogues_never_show_say_or_draw_a_held_out_pair() -> None:
    rng = random.Random(1)
    drill = [*comparisons(rng, 2000), *odd_questions(rng, 1000)]
    told = [exchange for _ in range(3000) for exchange in dialogue(rng, 4, training_scene)]
    told += [exchange for _ in range(1500) for exchange in distracted_dialogue(rng, 4, training_scene)]
    for exchange in (*drill, *told):
        assert not any(is_held_out(scene) for scene in (exchange.shown, exchange.drawn) if scene)
        for words in (exchange.ask, exchange.reply):
            said = read_text(words)
            assert (said.get("thing"), said.get("colour")) not in HELD_OUT


def test_half_of_the_closed_questions_name_another_value() -> None:
    rng = random.Random(7)
    replies = [question(random_scene(rng), rng, "whether").reply for _ in range(2000)]
    assert 0.45 < sum(", not " in reply for reply in replies) / len(replies) < 0.55


def test_distracted_dialogues_name_what_their_picture_does_not_show() -> None:
    rng = random.Random(9)
    told = [distracted_dialogue(rng, 3) for _ in range(500)]
    assert all(len([exchange for exchange in exchanges if exchange.shown or exchange.intent == "draw"]) == 1 for exchanges in told)
    assert sum(any(", not " in exchange.reply for exchange in exchanges[:2]) for exchanges in told) > 200
    assert sum(exchanges[-1].intent == "edit" for exchanges in told) > 75


def test_odd_questions_do_not_name_what_has_no_name() -> None:
    for exchange in odd_questions(random.Random(8), 500):
        (unnamed,) = exchange.unnamed
        assert unnamed in ("thing", "colour")
        assert unnamed not in read_text(f"{exchange.ask} {exchange.reply}")


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
