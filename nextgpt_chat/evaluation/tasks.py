"""What is measured, on scenes that no training met: telling what a medium shows, making one, turning one kind into another, editing, several
media at once, choosing what to reply with, and following a dialogue.

Each task asks the model through `reply`, the same function that the page uses, and returns one record per scene or dialogue.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.evaluation.bench import Bench, truth
from nextgpt_chat.evaluation.readers.text import read_answer, read_text
from nextgpt_chat.tinyland import outside
from nextgpt_chat.tinyland.dialogues import EXCHANGES, dialogue, held_out_scenes, new_medium, several, small_talk
from nextgpt_chat.tinyland.edits import edit, turn
from nextgpt_chat.tinyland.exchange import Exchange, Medium
from nextgpt_chat.tinyland.questions import describe, question
from nextgpt_chat.tinyland.requests import mixed_request, outside_request, request, short_request
from nextgpt_chat.tinyland.scene import ATTRIBUTES

Record = dict[str, Any]


def telling(bench: Bench, count: int, kind: str) -> Iterator[Record]:
    """A medium to text: what does it show? `blind` is the same question without the medium."""
    rng = bench.rng(f"telling/{kind}")
    for _ in range(count):
        medium = held_out_medium(rng, kind)
        exchange = describe(medium, rng, shown=True)
        reply = bench.answer((bench.asked(exchange, rng),), rng.randrange(2**31))
        blind = bench.answer((Turn("user", (Text(exchange.ask),)),), rng.randrange(2**31))
        yield {"truth": truth(medium), "found": read_text(reply.text), "blind": read_text(blind.text), "reply": reply.text}


def making(bench: Bench, count: int, kind: str) -> Iterator[Record]:
    """Text to a medium: is what was asked for in the pixels, in the frames, in the samples?"""
    rng = bench.rng(f"making/{kind}")
    for _ in range(count):
        medium = held_out_medium(rng, kind)
        exchange = request(medium, rng)
        reply = bench.answer((Turn("user", (Text(exchange.ask),)),), rng.randrange(2**31))
        yield {
            "truth": truth(medium),
            "found": bench.found(reply, kind),
            "said": read_text(reply.text),
            "ask": exchange.ask,
            "path": str(reply.media[0].path) if reply.media else "",
        }


def turning(bench: Bench, count: int, source: str, kind: str) -> Iterator[Record]:
    """A medium of one kind to one of another: is what both can show the same in both?"""
    rng = bench.rng(f"turning/{source}/{kind}")
    shared = [
        name for name in ATTRIBUTES[kind] if name in ATTRIBUTES[source] or (source, kind, name) == ("image", "video", "motion")
    ]
    for _ in range(count):
        medium = held_out_medium(rng, source)
        while (exchange := turn(medium, kind, rng)) is None:
            medium = held_out_medium(rng, source)
        reply = bench.answer((bench.asked(replace(exchange, shown=(medium,)), rng),), rng.randrange(2**31))
        (made,) = exchange.made
        found = bench.found(reply, kind)
        yield {
            "truth": {name: value for name, value in truth(made).items() if name in shared},
            "found": {name: value for name, value in found.items() if name in shared},
            "ask": exchange.ask,
            "reply": reply.text,
        }


def editing(bench: Bench, count: int, kind: str) -> Iterator[Record]:
    """A given medium and one thing to change: `changed` is whether that is as it was asked for, `kept` the share of the rest that stayed."""
    rng = bench.rng(f"editing/{kind}")
    for _ in range(count):
        medium = held_out_medium(rng, kind)
        exchange = edit(medium, rng)
        (made,) = exchange.made
        reply = bench.answer((bench.asked(replace(exchange, shown=(medium,)), rng),), rng.randrange(2**31))
        before, wanted, found = truth(medium), truth(made), bench.found(reply, kind)
        (name,) = (name for name in wanted if wanted[name] != before[name])
        right = [found.get(other) == wanted[other] for other in wanted if other != name]
        yield {
            "changed": found.get(name) == wanted[name],
            "kept": sum(right) / len(right),
            "ask": exchange.ask,
            "reply": reply.text,
        }


def mixing(bench: Bench, count: int, mix: str) -> Iterator[Record]:
    """Several media at once. `in`: two or three in one message and a question that leads to one of them; is the answer right? Otherwise a
    picture (`image`) or a clip (`video`) with its sound: the share of the attributes of both that are right."""
    rng = bench.rng(f"mixing/{mix}")
    for _ in range(count):
        exchange = several(rng, held_out_scenes, tuple(ATTRIBUTES)) if mix == "in" else _with_sound(held_out_medium(rng, mix), rng)
        reply = bench.answer((bench.asked(exchange, rng),), rng.randrange(2**31))
        right = [float(read_answer(reply.text) == read_answer(exchange.reply))] if mix == "in" else []
        for medium in exchange.made:
            found = bench.found(reply, medium.kind)
            right += [float(found.get(name) == value) for name, value in truth(medium).items()]
        yield {"right": sum(right) / len(right), "ask": exchange.ask, "reply": reply.text}


def _with_sound(seen: Medium, rng: random.Random) -> Exchange:
    return mixed_request(seen, Medium("audio", seen.scene), rng)


def choosing(bench: Bench, count: int, kinds: Sequence[str]) -> Iterator[Record]:
    """Choice of modality: are the kinds of media in the reply those that were asked for? Outside words are ones never trained on."""
    rng = bench.rng("choosing")
    makers: tuple[Callable[[Medium], Exchange], ...] = (
        lambda medium: request(medium, rng),
        lambda medium: short_request(medium, rng),
        lambda medium: small_talk(rng),
        lambda medium: outside_request(rng, outside.TESTING, tuple(kinds)),
        lambda medium: question(medium, rng, shown=True),
        lambda medium: replace(edit(medium, rng), shown=(medium,)),
    )
    for i in range(count):
        exchange = makers[i % len(makers)](held_out_medium(rng, kinds[i // len(makers) % len(kinds)]))
        reply = bench.answer((bench.asked(exchange, rng),), rng.randrange(2**31))
        yield {
            "intent": exchange.intent,
            "right": kinds_of(reply) == [medium.kind for medium in exchange.made],
            "wanted": bool(exchange.made),
            "ask": exchange.ask,
            "reply": reply.text,
        }


def following(bench: Bench, count: int, kinds: Sequence[str]) -> Iterator[Record]:
    """Dialogues of three to seven exchanges with follow-ups that lean on earlier ones.

    The model's own replies are what the dialogue goes on with. `words`: every reply says what it should and comes with the kinds of media
    that it should. `media`: besides, every medium shows all attributes of its scene. `groups` of each step: its signal groups, whole ones
    of the right kinds in the right order, and no others.
    """
    rng = bench.rng("following")
    for _ in range(count):
        told: tuple[Turn, ...] = ()
        steps = []
        for exchange in leaning_dialogue(rng, rng.randint(*EXCHANGES), kinds):
            told = (*told, bench.asked(exchange, rng))
            reply = bench.answer(told, rng.randrange(2**31))
            told = (*told, reply)
            groups = kinds_of(reply) == [medium.kind for medium in exchange.made]
            words = groups and read_answer(reply.text) == read_answer(exchange.reply)
            right = words and all(bench.read(part) == truth(made) for part, made in zip(reply.media, exchange.made, strict=True))
            steps.append(
                {
                    "ask": exchange.ask,
                    "wanted": exchange.reply,
                    "reply": reply.text,
                    "groups": groups,
                    "words": words,
                    "media": right,
                }
            )
        yield {"words": all(step["words"] for step in steps), "media": all(step["media"] for step in steps), "steps": steps}


def leaning_dialogue(rng: random.Random, turns: int, kinds: Sequence[str]) -> list[Exchange]:
    """A dialogue about held-out scenes in which at least one exchange leans on an earlier one."""
    while True:
        exchanges = dialogue(rng, turns, held_out_scenes, kinds)
        leans = any(
            exchange.intent in ("edit", "turn", "ask", "before", "describe") and not exchange.shown for exchange in exchanges[1:]
        )
        if leans and any(medium.held_out for exchange in exchanges for medium in (*exchange.shown, *exchange.made)):
            return exchanges


def held_out_medium(rng: random.Random, kind: str) -> Medium:
    """A medium that no training met."""
    return new_medium(rng, kind, held_out_scenes)


def kinds_of(reply: Turn) -> list[str]:
    """The kinds of media in a reply, in their order."""
    return [medium.kind for medium in reply.media]
