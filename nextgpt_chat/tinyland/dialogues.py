"""Conversations about Tinyland: requests, questions, follow-ups, small talk, and honest answers to what lies outside.

A dialogue is a list of exchanges. An exchange knows what was said and which scenes were shown; it knows no prompt format.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from nextgpt_chat.tinyland import outside
from nextgpt_chat.tinyland.captions import (
    NUMBERS,
    SIZE_WORDS,
    WHEN_WORDS,
    WHERE,
    WHERE_WORDS,
    caption,
    free_caption,
    noun_phrase,
    plural,
    thing_word,
)
from nextgpt_chat.tinyland.holdout import is_held_out, training_scene
from nextgpt_chat.tinyland.scene import COLOURS, COUNTS, PLACES, SIZES, THINGS, TIMES, VALUES, Scene, random_scene


@dataclass(frozen=True)
class Exchange:
    """A message and its reply."""

    ask: str
    reply: str
    shown: Scene | None = None
    """The picture that comes with the message."""
    unnamed: tuple[str, ...] = ()
    """`colour` or `thing` where the picture shows one that has no name (only training does that)."""
    drawn: Scene | None = None
    """The picture that comes with the reply."""
    intent: str = "talk"
    """draw, edit, describe, ask, before, nothing, outside, media, talk."""


ALL_THINGS = "birds, cars, bells, drums, clouds, clocks, dogs and boats"
ALL_COLOURS = "red, orange, yellow, green, blue, purple, pink and brown"
NO_THING = f"That is not in Tinyland. I can draw {ALL_THINGS}."
NO_COLOUR = f"I do not have that colour. I have {ALL_COLOURS}."
NO_COUNT = "I can only count to three. Ask me for one, two or three."
NO_ANSWER = f"I do not know that. I only know Tinyland: {ALL_THINGS}."
NO_PICTURE = "There is no picture yet. Send me one, or ask me to draw."
NO_SOUND = "I cannot make sounds or clips yet, only text and pictures."

SMALL_TALK: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("hello", "hi", "hey there", "good morning", "hi there", "good evening"),
        "Hello! Send me a picture, or ask me to draw.",
    ),
    (
        ("who are you?", "what are you?", "what is your name?", "tell me about yourself"),
        "I am a small model that knows one small world, Tinyland. I can see pictures of it and draw them.",
    ),
    (
        (
            "what can you do?",
            "help",
            "what can you draw?",
            "what do you know?",
            "how does this work?",
            "what things do you have?",
        ),
        f"I know {ALL_THINGS}, small or big, one to three of them, on the left, in the middle or on the right, by day or at night. Ask me to draw, or send a picture.",
    ),
    (("which colours do you know?", "what colours do you have?", "list your colors"), f"I have {ALL_COLOURS}."),
    (
        (
            "thanks",
            "thank you",
            "thank you very much",
            "great, thanks",
            "nice, thank you",
            "cool",
            "lovely",
            "well done",
        ),
        "You are welcome!",
    ),
    (("how are you?", "how is it going?", "are you well?"), "I am fine, thank you. What shall I draw?"),
    (("bye", "goodbye", "see you", "good night"), "Goodbye! Come back soon."),
)

DRAW = (
    "draw {}",
    "draw me {}",
    "show me {}",
    "please draw {}",
    "can you draw {}?",
    "could you show me {}, please?",
    "i want to see {}",
    "make a picture of {}",
    "a picture of {}, please",
    "paint {}",
    "i would like {}",
    "give me {}",
    "let me see {}",
    "create an image of {}",
    "generate {}",
)
HERE = ("Here {be} {}.", "Here you are: {}.", "I drew {}.", "Look: {}.")
DESCRIBE = (
    "what is this?",
    "what do you see?",
    "describe this picture",
    "describe it",
    "what is in the picture?",
    "tell me what you see",
    "what does this show?",
    "what is in this image?",
    "caption this",
    "what have we here?",
)


def _pick(rng: random.Random, options: tuple[str, ...]) -> str:
    return rng.choice(options)


def _pronoun(scene: Scene) -> str:
    return "it" if scene.count == 1 else "they"


def _be(scene: Scene) -> str:
    return "is" if scene.count == 1 else "are"


def _the(scene: Scene) -> str:
    return f"the {plural(scene.thing, scene.count)}"


def _sure(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _here(scene: Scene, rng: random.Random) -> str:
    return _pick(rng, HERE).format(caption(scene), be=_be(scene))


def _a(thing: str, s: Scene) -> str:
    return f"a {thing}" if s.count == 1 else plural(thing, s.count)


def _kind(scene: Scene) -> str:
    return _a(scene.thing, scene)


def draw_request(scene: Scene, rng: random.Random) -> Exchange:
    """A request for a picture, with every attribute named."""
    return Exchange(
        _pick(rng, DRAW).format(free_caption(scene, rng)),
        _here(scene, rng),
        drawn=scene,
        intent="draw",
    )


def short_request(scene: Scene, rng: random.Random) -> Exchange:
    """A request that leaves attributes open; what is not said is big, one, in the middle, by day."""
    kept = {name for name in ("size", "place", "count", "time") if rng.random() < 0.35}
    scene = Scene(scene.thing, scene.colour, **{name: value for name, value in scene.attributes().items() if name in kept})  # type: ignore[arg-type]
    words = ["a" if scene.count == 1 else NUMBERS[scene.count]]
    if "size" in kept:
        words.append(rng.choice(SIZE_WORDS[scene.size]))
    words += [scene.colour, plural(thing_word(scene.thing, rng), scene.count)]
    if "place" in kept:
        words.append(rng.choice(WHERE_WORDS[scene.place]))
    if "time" in kept:
        words.append(rng.choice(WHEN_WORDS[scene.time]))
    return Exchange(_pick(rng, DRAW).format(" ".join(words)), _here(scene, rng), drawn=scene, intent="draw")


def describe(scene: Scene, rng: random.Random, shown: bool = False) -> Exchange:
    """What is in the picture, in full."""
    return Exchange(_pick(rng, DESCRIBE), f"I see {caption(scene)}.", shown=scene if shown else None, intent="describe")


def _ask_thing(s: Scene, rng: random.Random) -> tuple[str, str]:
    return _pick(
        rng, ("what thing is it?", "what kind of thing is that?", "which thing is shown?", "what {be} {pro}?")
    ), f"{_sure(_pronoun(s))} {_be(s)} {_kind(s)}."


def _ask_colour(s: Scene, rng: random.Random) -> tuple[str, str]:
    ask = _pick(
        rng,
        (
            "what colour {be} {pro}?",
            "what color {be} {the}?",
            "which colour {be} {the}?",
            "and the colour?",
            "tell me the colour",
            "what colour is that?",
        ),
    )
    return ask, f"{_sure(_pronoun(s))} {_be(s)} {s.colour}."


def _ask_size(s: Scene, rng: random.Random) -> tuple[str, str]:
    ask = _pick(
        rng,
        (
            "how big {be} {pro}?",
            "what size {be} {the}?",
            "{be} {pro} big or small?",
            "{be} {the} small or big?",
            "and the size?",
        ),
    )
    return ask, f"{_sure(_pronoun(s))} {_be(s)} {s.size}."


def _ask_place(s: Scene, rng: random.Random) -> tuple[str, str]:
    ask = _pick(
        rng,
        (
            "where {be} {pro}?",
            "where {be} {the}?",
            "on which side {be} {pro}?",
            "where in the picture {be} {the}?",
            "and where?",
        ),
    )
    return ask, f"{_sure(_pronoun(s))} {_be(s)} {WHERE[s.place]}."


def _ask_count(s: Scene, rng: random.Random) -> tuple[str, str]:
    ask = _pick(
        rng,
        (
            "how many are there?",
            "how many {things} do you see?",
            "how many {things} are there?",
            "count them",
            "count the {things}",
            "and how many?",
        ),
    )
    return ask, f"There {_be(s)} {NUMBERS[s.count]}."


def _ask_time(s: Scene, rng: random.Random) -> tuple[str, str]:
    return _pick(
        rng, ("is it day or night?", "what time of day is it?", "day or night?", "is it dark or light?", "when is it?")
    ), f"It is {s.time}."


def _ask_spot(s: Scene, rng: random.Random) -> tuple[str, str]:
    place = rng.choice(PLACES)
    ask = _pick(rng, ("what is {}?", "what was {}?", "and what was {}?", "what do you see {}?", "is there anything {}?")).format(
        WHERE[place]
    )
    if place == s.place:
        return ask, f"{_sure(noun_phrase(s))}."
    return ask, f"Nothing is {WHERE[place]}. {_sure(_the(s))} {_be(s)} {WHERE[s.place]}."


def _ask_whether(s: Scene, rng: random.Random) -> tuple[str, str]:
    """What is seen comes first in the reply, so that the model compares a word that it has just said; yes and no first were never learnt."""
    name = rng.choice(("colour", "thing", "time", "size"))
    truth = getattr(s, name)
    others = [v for v in VALUES[name] if v != truth and _may_become(s, replace(s, **{name: v}))]  # type: ignore[arg-type]
    value = truth if rng.random() < 0.5 else rng.choice(others)
    subject = "it is" if name == "time" else f"{_pronoun(s)} {_be(s)}"
    if name == "thing":
        ask = f"{_be(s)} {'this' if s.count == 1 else 'these'} {_a(str(value), s)}?"
        seen, asked = _a(s.thing, s), _a(str(value), s)
    else:
        asks = ("is it {v}?", "is it {v} there?") if name == "time" else ("{{be}} {{pro}} {v}?", "{{be}} {{the}} {v}?")
        ask = _pick(rng, asks).format(v=value)
        seen, asked = truth, str(value)
    return ask, f"{_sure(subject)} {seen} indeed." if value == truth else f"{_sure(subject)} {seen}, not {asked}."


QUESTIONS: dict[str, Callable[[Scene, random.Random], tuple[str, str]]] = {
    "thing": _ask_thing,
    "colour": _ask_colour,
    "size": _ask_size,
    "place": _ask_place,
    "count": _ask_count,
    "time": _ask_time,
    "spot": _ask_spot,
    "whether": _ask_whether,
}
OFTEN = {"thing": 2, "spot": 3, "whether": 3}
"""How often a question is asked, where it is more than once: the last two ask for a comparison, which is learnt last."""


def question(scene: Scene, rng: random.Random, name: str | None = None, shown: bool = False) -> Exchange:
    """A question about one attribute of the picture in view."""
    name = name or rng.choices(tuple(QUESTIONS), [OFTEN.get(each, 1) for each in QUESTIONS])[0]
    ask, reply = QUESTIONS[name](scene, rng)
    ask = ask.format(be=_be(scene), pro=_pronoun(scene), the=_the(scene), things=plural(scene.thing, 2))
    return Exchange(ask, reply, shown=scene if shown else None, intent="ask")


def _may_become(scene: Scene, changed: Scene) -> bool:
    """Whether the changed scene may be spoken of: training scenes never lead to held-out ones."""
    return is_held_out(scene) or not is_held_out(changed)


def edit(scene: Scene, rng: random.Random) -> Exchange:
    """`make it blue`: one attribute changes, the others stay. Never leads into a held-out scene from a training scene."""
    them = "it" if scene.count == 1 else "them"
    changes: list[tuple[str, tuple[str | int, ...], tuple[str, ...]]] = [
        ("colour", COLOURS, ("make {them} {v}", "now in {v}", "paint {them} {v}", "can you make {them} {v}?", "and in {v}?", "turn {them} {v}", "i want {them} {v}")),
        ("size", SIZES, ("make {them} {w}", "{w} please", "can you make {them} {w}?", "now {w}", "i want {them} {w}")),
        ("place", PLACES, ("move {them} {w}", "put {them} {w}", "now {w}", "and {w}?", "i want {them} {w}")),
        ("count", COUNTS, ("make it {n}", "now {n} of them", "i want {n} of them", "show {n}", "and {n} of them?", "draw {n} instead")),
        ("time", TIMES, ("now {w}", "make it {v}", "and {w}?", "show {them} {w}", "the same {w}", "at {v}time" if scene.time == "day" else "by daylight")),
        ("thing", THINGS, ("make {them} a {v}" if scene.count == 1 else "make them {p}", "now with {p}", "{p} instead", "the same with {p}", "change {them} to {p}")),
    ]  # fmt: skip
    while True:
        name, values, templates = rng.choice(changes)
        value = rng.choice([v for v in values if v != getattr(scene, name)])
        changed = replace(scene, **{name: value})  # type: ignore[arg-type]
        if _may_become(scene, changed):
            break
    words = {"size": SIZE_WORDS, "place": WHERE_WORDS, "time": WHEN_WORDS}.get(name, {}).get(str(value), (str(value),))
    kind = plural(thing_word(changed.thing, rng), changed.count)
    ask = _pick(rng, templates).format(
        them=them,
        v=value,
        w=rng.choice(words),
        n=NUMBERS.get(changed.count, ""),
        p=kind if changed.count > 1 else f"a {kind}",
    )
    return Exchange(ask, _here(changed, rng), drawn=changed, intent="edit")


def before(scene: Scene, earlier: Scene, rng: random.Random) -> Exchange:
    """A question about the picture before the last one."""
    name = rng.choice([n for n in ("colour", "thing", "count") if getattr(scene, n) != getattr(earlier, n)] or ["colour"])
    ask = {
        "colour": "what colour was it before?",
        "thing": "what was it before?",
        "count": "how many were there before?",
    }[name]
    told = {"colour": earlier.colour, "thing": _kind(earlier), "count": NUMBERS[earlier.count]}[name]
    return Exchange(ask, f"Before, it was {told}.", intent="before")


def outside_request(rng: random.Random, words: outside.Outside = outside.TRAINING) -> Exchange:
    """Something that Tinyland does not have."""
    kind = rng.choice(("thing", "thing", "colour", "count", "scene", "scene", "question", "question", "media"))
    if kind == "thing":
        noun = rng.choice(words.things)
        phrase = rng.choice(
            (
                f"a {noun}",
                f"a {rng.choice(COLOURS)} {noun}",
                f"a big {noun}",
                f"two {plural(noun, 2)}",
                f"a small {noun} on the left",
                f"three {plural(noun, 2)} at night",
            )
        )
        return Exchange(_pick(rng, DRAW).format(phrase), NO_THING, intent="outside")
    if kind == "colour":
        thing = rng.choice(THINGS)
        phrase = rng.choice((f"a {rng.choice(words.colours)} {thing}", f"two {rng.choice(words.colours)} {plural(thing, 2)}"))
        return Exchange(_pick(rng, DRAW).format(phrase), NO_COLOUR, intent="outside")
    if kind == "count":
        many = rng.choice(("four", "five", "six", "seven", "ten", "a hundred", "twenty", "4", "10"))
        scene = training_scene(rng)
        colour = rng.choice(("", f"{scene.colour} "))
        return Exchange(_pick(rng, DRAW).format(f"{many} {colour}{plural(scene.thing, 2)}"), NO_COUNT, intent="outside")
    if kind == "scene":
        return Exchange(_pick(rng, DRAW).format(rng.choice(words.scenes)), NO_THING, intent="outside")
    if kind == "question":
        return Exchange(rng.choice(words.questions), NO_ANSWER, intent="outside")
    thing = rng.choice(THINGS)
    asks = (
        "what does it sound like?",
        f"play the sound of a {thing}",
        f"make a video of a {thing}",
        "let me hear it",
        f"let the {thing} fly away",
        "animate it",
        "make a sound",
    )
    return Exchange(rng.choice(asks), NO_SOUND, intent="media")


def small_talk(rng: random.Random) -> Exchange:
    """A greeting, thanks, or a question about the model itself."""
    asks, reply = rng.choice(SMALL_TALK)
    return Exchange(rng.choice(asks), reply)


def colourless_request(rng: random.Random) -> Exchange:
    """`draw a dog`: no colour is named, so the thing has its own."""
    thing = rng.choice(THINGS)
    scene = Scene(thing, OWN_COLOUR[thing])
    return Exchange(
        _pick(rng, DRAW).format(f"a {thing_word(thing, rng)}"),
        _here(scene, rng),
        drawn=scene,
        intent="draw",
    )


OWN_COLOUR = {
    "bird": "blue",
    "car": "red",
    "bell": "yellow",
    "drum": "red",
    "cloud": "blue",
    "clock": "green",
    "dog": "brown",
    "boat": "red",
}
"""The colour that a thing has when nobody names one."""


def dialogue(rng: random.Random, turns: int, new_scene: Callable[[random.Random], Scene] = random_scene) -> list[Exchange]:
    """A conversation of `turns` exchanges; scenes come from `new_scene`."""
    exchanges: list[Exchange] = []
    seen: list[Scene] = []
    while len(exchanges) < turns:
        exchange = _next(rng, seen, new_scene)
        exchanges.append(replace(exchange, ask=_as_typed(exchange.ask, rng)))
        seen += [scene for scene in (exchange.shown, exchange.drawn) if scene]
    return exchanges


def distracted_dialogue(
    rng: random.Random, turns: int, new_scene: Callable[[random.Random], Scene] = random_scene
) -> list[Exchange]:
    """A conversation about one picture in which things are named that it does not show.

    "Are they cars? They are clouds, not cars. Now in the middle." What was named last is not what is meant; where `dialogue` leads is too
    seldom here for a small model to learn it.
    """
    scene = new_scene(rng)
    first = draw_request(scene, rng) if turns > 1 and rng.random() < 0.4 else question(scene, rng, "whether", shown=True)
    exchanges = [first]
    while len(exchanges) < turns:
        dice = rng.random()
        if dice < 0.4:
            exchanges.append(question(scene, rng, "whether"))
        elif dice < 0.5:
            exchanges.append(outside_request(rng))
        elif dice < 0.75:
            exchanges.append(edit(scene, rng))
            scene = exchanges[-1].drawn or scene
        elif dice < 0.9:
            exchanges.append(question(scene, rng))
        else:
            exchanges.append(describe(scene, rng))
    return [replace(exchange, ask=_as_typed(exchange.ask, rng)) for exchange in exchanges]


def _next(rng: random.Random, seen: list[Scene], new_scene: Callable[[random.Random], Scene]) -> Exchange:
    dice = rng.random()
    if seen and dice < 0.72:
        scene = seen[-1]
        if dice < 0.30:
            return edit(scene, rng)
        if dice < 0.58:
            return question(scene, rng)
        if dice < 0.66 or len(seen) < 2:
            return describe(scene, rng)
        return before(scene, seen[-2], rng)
    dice = rng.random()
    if dice < 0.34:
        scene = new_scene(rng)
        first = rng.random()
        if first < 0.4:
            return describe(scene, rng, shown=True)
        if first < 0.85:
            return question(scene, rng, shown=True)
        return replace(edit(scene, rng), shown=scene)
    if dice < 0.72:
        return draw_request(new_scene(rng), rng) if rng.random() < 0.6 else short_request(new_scene(rng), rng)
    if dice < 0.76:
        return colourless_request(rng)
    if dice < 0.90:
        return outside_request(rng)
    if dice < 0.93 and not seen:
        ask = rng.choice(
            (
                "what colour is it?",
                "describe the picture",
                "how many are there?",
                "make it blue",
                "where is it?",
                "what do you see?",
            )
        )
        return Exchange(ask, NO_PICTURE, intent="nothing")
    return small_talk(rng)


def _as_typed(ask: str, rng: random.Random) -> str:
    """The same message as people type it: with or without capitals and closing marks."""
    if rng.random() < 0.5:
        ask = _sure(ask)
    if rng.random() < 0.25:
        return ask.rstrip("?.")
    return ask if ask[-1] in "?.!" or rng.random() < 0.6 else ask + "."
