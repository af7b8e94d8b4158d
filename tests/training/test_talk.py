import random

import pytest
from transformers import AutoTokenizer

from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.evaluation.readers.text import read_text
from nextgpt_chat.reason.prompt import PromptFormat
from nextgpt_chat.tinyland.exchange import Exchange, Medium
from nextgpt_chat.tinyland.scene import Scene
from nextgpt_chat.training import talk
from nextgpt_chat.training.base_parts.tokenizer import SIGNALS
from nextgpt_chat.training.talk import (
    DECISIVE,
    NAMING,
    dialogue_batch,
    fitting,
    odd_captions,
    pad,
    read_batch,
    reply_weights,
    turns,
)
from tests.conftest import CHECKPOINT


@pytest.fixture
def form(monkeypatch: pytest.MonkeyPatch) -> PromptFormat:
    """With a weight of choices that no other words have."""
    monkeypatch.setattr(talk, "CHOOSING", 7.0)
    return PromptFormat(AutoTokenizer.from_pretrained(CHECKPOINT / "llm"), SIGNALS, input_tokens={})


def weighing(form: PromptFormat, exchange: Exchange, weight: float, chooses: bool = True) -> str:
    """What of the reply has this weight."""
    padded = pad([form.conversation(turns([exchange], random.Random(1), draws=chooses))], form.pad)
    weights = reply_weights(padded, form, chooses)
    assert (weights[~padded.answer] == 0).all()
    assert (weights[padded.answer] >= 1).all()
    found: str = form.tokenizer.decode(padded.ids[weights == weight])
    return found


@pytest.mark.parametrize(
    ("reply", "decides", "names", "chooses"),
    [
        ("It is pink indeed.", "indeed", "pink", "It</s>"),
        ("They are red, not blue.", ",", "red blue", "They</s>"),
        ("I am in, on, not at.", ",", "", "I</s>"),
        ("I see a cat in the middle.", "", "a middle", "I</s>"),
    ],
)
def test_words_that_decide_name_and_begin_or_end_weigh_more(
    form: PromptFormat, reply: str, decides: str, names: str, chooses: str
) -> None:
    exchange = Exchange(", not red indeed", reply)
    assert [weighing(form, exchange, weight).strip() for weight in (DECISIVE, NAMING, 7.0)] == [
        decides,
        names,
        chooses,
    ]


def test_what_asks_for_media_weighs_more_where_media_are_made(form: PromptFormat) -> None:
    made = (Medium("image", Scene("bird", "red")), Medium("audio", Scene("bird", "red")))
    exchange = Exchange("draw", "Look.", made=made, start=True)
    assert weighing(form, exchange, 7.0) == "Look[FROM][IMG0][FROM][AUD0]</s>"
    assert weighing(form, exchange, 7.0, chooses=False) == ""


def test_a_drill_is_strung_together_to_the_length_of_the_dialogues() -> None:
    drill = [Exchange(str(i), "yes") for i in range(7)]
    for seed in range(10):
        told = dialogue_batch(random.Random(seed), 12, 6, drill)
        assert [exchange for exchanges in told for exchange in exchanges][-7:] == drill
        assert all(len(exchanges) <= len(told[0]) for exchanges in told)


def test_odd_captions_are_repeated_and_lack_a_known_colour_or_thing() -> None:
    for exchange in odd_captions(random.Random(4), ("market", "morning"), 200):
        (made,) = exchange.made
        assert exchange.reply == f"{exchange.ask}." == f"{made.caption}."
        assert not {"thing", "colour"} <= set(read_text(exchange.ask))


def said(*texts: str) -> list[Turn]:
    """A dialogue that was read."""
    return [Turn("assistant" if i % 2 else "user", (Text(text),)) for i, text in enumerate(texts)]


def test_of_what_was_read_the_first_exchanges_that_fit_are_kept() -> None:
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm")
    form = PromptFormat(tokenizer, {"image": ("IMG", 4)}, input_tokens={"image": 1})
    whole, long = said("hi", "hello", "who are you?", "It is me."), said("hi " * 50, "hello", "hi", "hello")
    context = len(form.conversation(whole).ids)
    assert fitting([whole, long], form, context) == [whole]
    assert fitting([long, whole], form, context - 1) == [whole[:2]]
    assert fitting([whole], form, 3) == []


def test_what_was_read_is_as_long_as_the_dialogues_beside_it() -> None:
    told = [said("a", "b", "c", "d"), said("e", "f")]
    assert all(dialogue in (told[0][:2], told[1]) for dialogue in read_batch(random.Random(1), told, 9, 1))
    assert len(read_batch(random.Random(1), told, 9, 2)) == 4
    assert read_batch(random.Random(1), told, 9, 2) == read_batch(random.Random(1), told, 9, 2)
    assert told[0] in read_batch(random.Random(1), told, 9, 2)
    rng, same = random.Random(1), random.Random(1)
    assert read_batch(rng, [], 9, 2) == []
    assert rng.random() == same.random()  # without files, nothing that is random changes
