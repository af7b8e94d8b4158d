import random

from transformers import AutoTokenizer

from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.evaluation.readers.text import read_text
from nextgpt_chat.reason.prompt import PromptFormat
from nextgpt_chat.tinyland.exchange import Exchange
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


def test_only_words_that_decide_or_name_weigh_more() -> None:
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm")
    form = PromptFormat(tokenizer, {"image": ("IMG", 4)}, input_tokens={"image": 1})
    replies = ("It is pink indeed.", "They are red, not blue.", "I am in, on, not at.", "I see a cat in the middle.")
    asked = ", not red indeed"
    padded = pad([form.conversation(turns([Exchange(asked, reply)], random.Random(1))) for reply in replies], form.pad)
    weights = reply_weights(padded, form)
    assert (weights[~padded.answer] == 0).all()
    assert (weights == DECISIVE).sum(dim=1).tolist() == [1, 1, 1, 0]
    assert tokenizer.decode(padded.ids[1][weights[1] == DECISIVE]) == ","
    assert tokenizer.decode(padded.ids[0][weights[0] == NAMING]) == " pink"
    assert tokenizer.decode(padded.ids[1][weights[1] == NAMING]) == " red blue"


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
