import random
from collections import Counter

import pytest

from nextgpt_chat.evaluation.readers.text import read_text
from nextgpt_chat.generate.beginning import STARTS
from nextgpt_chat.tinyland.dialogues import (
    KINDS,
    dialogue,
    distracted_dialogue,
    follow_up,
    held_out_scenes,
    new_medium,
    training_scenes,
)
from nextgpt_chat.tinyland.edits import again, edit, edit_twice, removal, turn
from nextgpt_chat.tinyland.exchange import Exchange, Medium
from nextgpt_chat.tinyland.holdout import HELD_OUT
from nextgpt_chat.tinyland.questions import both, question, which
from nextgpt_chat.tinyland.requests import OWN_COLOUR, mixed_request
from nextgpt_chat.tinyland.scene import ATTRIBUTES, HEARD, Scene
from nextgpt_chat.training.talk import comparisons, odd_questions


def told(count: int, turns: int, seed: int = 1) -> list[list[Exchange]]:
    rng = random.Random(seed)
    return [make(rng, turns) for _ in range(count) for make in (dialogue, distracted_dialogue)]


def test_training_never_meets_or_says_what_is_held_out() -> None:
    rng = random.Random(2)
    drill = [*comparisons(rng, 2000), *odd_questions(rng, 1000)]
    for exchange in (*drill, *(exchange for exchanges in told(2000, 4) for exchange in exchanges)):
        assert not any(medium.held_out for medium in (*exchange.shown, *exchange.made))
        for words in (exchange.ask, exchange.reply):
            said = read_text(words)
            assert (said.get("thing"), said.get("colour")) not in HELD_OUT


def test_every_kind_leads_to_every_other() -> None:
    pairs = Counter()
    for exchanges in told(1500, 4):
        last = None
        for exchange in exchanges:
            before = exchange.shown[-1].kind if exchange.shown else last
            for medium in exchange.made:
                pairs[before, medium.kind] += 1
            media = (*exchange.shown, *exchange.made)
            last = media[-1].kind if media else last
    assert all(pairs[before, kind] > 20 for before in (None, *KINDS) for kind in KINDS)


def test_replies_say_the_caption_of_what_comes_with_them() -> None:
    for exchanges in told(500, 4):
        for exchange in exchanges:
            assert all(medium.caption in exchange.reply for medium in exchange.made)


def test_what_starts_from_another_medium_differs_from_it_in_what_the_message_asks_for() -> None:
    changed: Counter[int] = Counter()
    for exchanges in told(800, 4):
        seen: list[Medium] = []
        for exchange in exchanges:
            seen += exchange.shown
            if exchange.start:
                assert exchange.intent in ("edit", "turn")
                (made,) = exchange.made
                start = next(medium for medium in reversed(seen) if medium.kind in STARTS[made.kind])
                names = ATTRIBUTES[start.kind]
                changed[sum(getattr(made.scene, name) != getattr(start.scene, name) for name in names)] += 1
            seen += exchange.made
    assert set(changed) == {0, 1, 2}
    assert changed[1] > changed[2] > 0


def test_after_its_sound_a_picture_is_what_a_colour_is_asked_for() -> None:
    seen = [Medium(kind, Scene("dog", "blue", count=2)) for kind in ("image", "audio")]
    rng = random.Random(3)
    asked = [follow_up(rng, seen, KINDS) for _ in range(300)]
    edits = [exchange.made[0] for exchange in asked if exchange and exchange.intent == "edit" and exchange.made[0].kind == "image"]
    assert 30 < len(edits) < 130
    assert all(made.scene.attributes(HEARD) == seen[0].scene.attributes(HEARD) for made in edits)
    elsewhere = [seen[0], Medium("audio", Scene("dog", "brown", count=3))]
    asked = [follow_up(rng, elsewhere, KINDS) for _ in range(300)]
    assert not any(exchange.start and exchange.made[0].kind == "image" for exchange in asked if exchange)


def test_with_pictures_alone_nothing_is_heard_and_nothing_moves() -> None:
    rng = random.Random(5)
    for _ in range(500):
        for exchange in dialogue(rng, 3, kinds=("image",)):
            assert {medium.kind for medium in (*exchange.shown, *exchange.made)} <= {"image"}
            assert "sound" not in exchange.ask or exchange.intent == "nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_changes_one_attribute_that_the_medium_has(kind: str) -> None:
    rng = random.Random(6)
    for _ in range(400):
        medium = new_medium(rng, kind, training_scenes)
        (made,) = edit(medium, rng).made
        names = ATTRIBUTES[kind]
        assert sum(getattr(made.scene, name) != getattr(medium.scene, name) for name in names) == 1


def test_a_turn_keeps_the_things() -> None:
    rng = random.Random(7)
    sound = Medium("audio", Scene("drum", OWN_COLOUR["drum"], size="small", count=2))
    exchange = turn(sound, "image", rng)
    assert exchange is not None
    assert exchange.made == (Medium("image", sound.scene),)
    assert turn(Medium("image", Scene("drum", "blue", count=3)), "audio", rng) is not None


def test_a_clip_with_sound_comes_behind_its_sound_which_is_then_its_track() -> None:
    rng = random.Random(10)
    dog = Scene("dog", "blue", size="small", motion="up")
    for kind, order in (("video", ["audio", "video"]), ("image", ["image", "audio"])):
        asked = [mixed_request(Medium(kind, dog), Medium("audio", dog), rng) for _ in range(100)]
        assert all([medium.kind for medium in exchange.made] == order for exchange in asked)
        assert len({exchange.made for exchange in asked}) > 1  # short requests leave out what is then as it is when nobody says
        assert all(len({(m.scene.thing, m.scene.size, m.scene.count) for m in exchange.made}) == 1 for exchange in asked)


def test_of_two_media_both_can_be_told() -> None:
    media = (Medium("image", Scene("dog", "blue")), Medium("audio", Scene("car", "red")))
    assert both(media, random.Random(1)).reply == "I see a big blue dog in the middle by day. I hear a big car roaring."


def test_the_right_one_of_several_is_named() -> None:
    rng = random.Random(8)
    dog, car = Scene("dog", "blue"), Scene("car", "red", count=2)
    heard = Medium("audio", Scene("car", "red", count=2))
    exchange = which((Medium("image", dog), Medium("image", car), heard), rng)
    assert exchange.reply == "I hear two big cars roaring. It is the second one."


def test_what_something_sounds_like_is_played_of_what_is_seen_said_of_what_is_heard_and_refused_where_nothing_is() -> None:
    answers: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    for exchanges in [*told(1200, 5), *told(6000, 1, seed=4)]:
        last = "nothing"
        for exchange in exchanges:
            kinds = [medium.kind for medium in exchange.shown] or [last]
            asked = exchange.ask.lower().rstrip("?.")
            assert exchange.intent != "nothing" or kinds == ["nothing"]
            if asked in ("what does it sound like", "what does this sound like", "how does it sound"):
                answers.setdefault((asked, kinds[-1]), set()).add(tuple(medium.kind for medium in exchange.made))
            last = [*kinds, *(medium.kind for medium in exchange.made)][-1]
    assert answers == {
        ("what does it sound like", "nothing"): {()},
        **{
            (f"{words} sound{like}", kind): {("audio",) if kind != "audio" else ()}
            for words, like in (("what does it", " like"), ("what does this", " like"), ("how does it", ""))
            for kind in KINDS
        },
    }


def test_half_of_the_closed_questions_name_another_value() -> None:
    rng = random.Random(7)
    media = [new_medium(rng, rng.choice(KINDS), training_scenes) for _ in range(2000)]
    replies = [question(medium, rng, "whether").reply for medium in media]
    assert 0.45 < sum(", not " in reply for reply in replies) / len(replies) < 0.55


def test_distracted_dialogues_name_what_their_medium_does_not_show() -> None:
    rng = random.Random(9)
    found = [distracted_dialogue(rng, 3, held_out_scenes) for _ in range(500)]
    assert all(len([exchange for exchange in exchanges if exchange.shown or exchange.intent == "make"]) == 1 for exchanges in found)
    assert sum(any(", not " in exchange.reply for exchange in exchanges[:2]) for exchanges in found) > 200
    assert sum(exchanges[-1].intent == "edit" for exchanges in found) > 75


def test_odd_questions_do_not_name_what_has_no_name() -> None:
    for exchange in odd_questions(random.Random(8), 500):
        (unnamed,) = exchange.unnamed
        assert unnamed in ("thing", "colour")
        assert unnamed not in read_text(f"{exchange.ask} {exchange.reply}")


def test_two_changes_at_once_one_more_one_less_and_again() -> None:
    rng = random.Random(8)
    two = Medium("image", Scene("dog", "red", count=2))
    for _ in range(300):
        exchange = edit_twice(two, rng)
        (made,) = exchange.made
        assert sum(getattr(made.scene, name) != getattr(two.scene, name) for name in ATTRIBUTES["image"]) == 2
        assert "and and" not in exchange.ask
        assert not made.held_out
    said = {exchange.ask: exchange.made[0].scene.count for exchange in (edit(two, rng) for _ in range(2000))}
    assert said["add one"] == said["add another dog"] == 3
    assert said["remove one"] == said["take one away"] == 1
    repeated = again(two, rng)
    assert repeated.made == (two,)
    assert not repeated.start
    assert not removal(two, rng).made
