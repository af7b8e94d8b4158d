"""Questions about media: what they show, one attribute, what was before, which of several."""

import random
from collections.abc import Callable
from dataclasses import replace

from nextgpt_chat.media.names import NOUNS
from nextgpt_chat.tinyland.captions import MOTION, NUMBERS, WHERE, noun_phrase, plural
from nextgpt_chat.tinyland.exchange import Exchange, Medium, a_kind, be, may_become, pick, pronoun, sentence, the
from nextgpt_chat.tinyland.scene import PLACES, VALUES, Scene

DESCRIBE = {
    "image": (
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
    ),
    "video": (
        "what is this?",
        "what do you see?",
        "describe this clip",
        "describe it",
        "what happens in the clip?",
        "tell me what you see",
        "what happens here?",
        "what is in this video?",
        "caption this",
        "what is going on?",
    ),
    "audio": (
        "what is this?",
        "what do you hear?",
        "describe this sound",
        "describe it",
        "what can be heard?",
        "tell me what you hear",
        "what is this sound?",
        "what is in this recording?",
        "caption this",
        "what does this sound like?",
        "what does it sound like?",
        "how does it sound?",
    ),
}
TELLING = {"image": "I see {}.", "video": "I see {}.", "audio": "I hear {}."}
CANNOT_HEAR = "I only hear it. I cannot tell."
ORDINALS = ("first", "second", "third")


def describe(medium: Medium, rng: random.Random, shown: bool = False) -> Exchange:
    """What a medium shows, in full."""
    ask = pick(rng, DESCRIBE[medium.kind])
    return Exchange(ask, TELLING[medium.kind].format(medium.caption), shown=(medium,) if shown else (), intent="describe")


def _ask_thing(s: Scene, rng: random.Random) -> tuple[str, str]:
    return pick(
        rng, ("what thing is it?", "what kind of thing is that?", "which thing is that?", "what {be} {pro}?", "what made this?")
    ), f"{sentence(pronoun(s))} {be(s)} {a_kind(s.thing, s)}."


def _ask_colour(s: Scene, rng: random.Random) -> tuple[str, str]:
    ask = pick(
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
    return ask, f"{sentence(pronoun(s))} {be(s)} {s.colour}."


def _ask_size(s: Scene, rng: random.Random) -> tuple[str, str]:
    ask = pick(
        rng,
        (
            "how big {be} {pro}?",
            "what size {be} {the}?",
            "{be} {pro} big or small?",
            "{be} {the} small or big?",
            "and the size?",
        ),
    )
    return ask, f"{sentence(pronoun(s))} {be(s)} {s.size}."


def _ask_place(s: Scene, rng: random.Random) -> tuple[str, str]:
    ask = pick(
        rng,
        (
            "where {be} {pro}?",
            "where {be} {the}?",
            "on which side {be} {pro}?",
            "where in the picture {be} {the}?",
            "and where?",
        ),
    )
    return ask, f"{sentence(pronoun(s))} {be(s)} {WHERE[s.place]}."


def _ask_count(s: Scene, rng: random.Random) -> tuple[str, str]:
    ask = pick(
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
    return ask, f"There {be(s)} {NUMBERS[s.count]}."


def _ask_time(s: Scene, rng: random.Random) -> tuple[str, str]:
    return pick(
        rng, ("is it day or night?", "what time of day is it?", "day or night?", "is it dark or light?", "when is it?")
    ), f"It is {s.time}."


def _ask_spot(s: Scene, rng: random.Random) -> tuple[str, str]:
    place = rng.choice(PLACES)
    ask = pick(rng, ("what is {}?", "what was {}?", "and what was {}?", "what do you see {}?", "is there anything {}?")).format(
        WHERE[place]
    )
    if place == s.place:
        return ask, f"{sentence(noun_phrase(s))}."
    return ask, f"Nothing is {WHERE[place]}. {sentence(the(s))} {be(s)} {WHERE[s.place]}."


def _ask_motion(s: Scene, rng: random.Random) -> tuple[str, str]:
    ask = pick(
        rng,
        (
            "how {do} {pro} move?",
            "where {be} {pro} going?",
            "what {be} {pro} doing?",
            "what {do} {the} do?",
            "which way {do} {pro} go?",
            "and the motion?",
        ),
    )
    return ask, f"{sentence(pronoun(s))} {be(s)} {MOTION[s.motion]}."


def _ask_whether(medium: Medium, rng: random.Random) -> tuple[str, str]:
    """What is seen comes first in the reply, so that the model compares a word that it has just said; yes and no first were never learnt."""
    s = medium.scene
    others: list[str | int] = []
    while not others:
        name = rng.choice(WHETHER[medium.kind])
        truth = getattr(s, name)
        others = [v for v in VALUES[name] if v != truth and may_become(medium, Medium(medium.kind, replace(s, **{name: v})))]  # type: ignore[arg-type]
    value = truth if rng.random() < 0.5 else rng.choice(others)
    subject = "it is" if name == "time" else f"{pronoun(s)} {be(s)}"
    if name == "thing":
        ask = f"{be(s)} {'this' if s.count == 1 else 'these'} {a_kind(str(value), s)}?"
        seen, asked = a_kind(s.thing, s), a_kind(str(value), s)
    elif name == "motion":
        ask = f"{be(s)} {pronoun(s)} {MOTION[str(value)]}?"
        seen, asked = MOTION[s.motion], MOTION[str(value)]
    else:
        asks = ("is it {v}?", "is it {v} there?") if name == "time" else ("{{be}} {{pro}} {v}?", "{{be}} {{the}} {v}?")
        ask = pick(rng, asks).format(v=value)
        seen, asked = truth, str(value)
    return ask, f"{sentence(subject)} {seen} indeed." if value == truth else f"{sentence(subject)} {seen}, not {asked}."


WHETHER = {
    "image": ("colour", "thing", "time", "size"),
    "video": ("colour", "thing", "time", "size", "motion"),
    "audio": ("thing", "size"),
}
"""What closed questions are about, by kind."""
QUESTIONS: dict[str, Callable[[Scene, random.Random], tuple[str, str]]] = {
    "thing": _ask_thing,
    "colour": _ask_colour,
    "size": _ask_size,
    "place": _ask_place,
    "count": _ask_count,
    "time": _ask_time,
    "motion": _ask_motion,
    "spot": _ask_spot,
}
ASKED = {
    "image": {"thing": 2, "colour": 1, "size": 1, "place": 1, "count": 1, "time": 1, "spot": 3, "whether": 3},
    "video": {"thing": 2, "colour": 1, "size": 1, "count": 1, "time": 1, "motion": 3, "whether": 3},
    "audio": {"thing": 2, "size": 1, "count": 2, "whether": 3},
}
"""How often each question is asked of media of each kind: `spot` and `whether` ask for a comparison, which is learnt last."""


def question(medium: Medium, rng: random.Random, name: str | None = None, shown: bool = False) -> Exchange:
    """A question about one attribute of the medium in view."""
    often = ASKED[medium.kind]
    name = name or rng.choices(tuple(often), tuple(often.values()))[0]
    scene = medium.scene
    ask, reply = _ask_whether(medium, rng) if name == "whether" else QUESTIONS[name](scene, rng)
    ask = _filled(ask, scene)
    return Exchange(ask, reply, shown=(medium,) if shown else (), intent="ask")


def _filled(ask: str, scene: Scene) -> str:
    return ask.format(
        be=be(scene),
        do="does" if scene.count == 1 else "do",
        pro=pronoun(scene),
        the=the(scene),
        things=plural(scene.thing, 2),
    )


def unheard(medium: Medium, rng: random.Random) -> Exchange:
    """A question about a sound that a sound cannot answer."""
    name = rng.choice(("colour", "place", "time"))
    return Exchange(_filled(QUESTIONS[name](medium.scene, rng)[0], medium.scene), CANNOT_HEAR, intent="ask")


def which(media: tuple[Medium, ...], rng: random.Random) -> Exchange:
    """Several pictures or clips and, last, a sound: which of them does it belong to? What is heard comes first in the reply."""
    *seen, heard = media
    right = next(i for i, medium in enumerate(seen) if medium.scene.thing == heard.scene.thing)
    noun = f"{NOUNS[seen[0].kind]}s"
    ask = pick(
        rng, (f"which of these {noun} matches this sound?", f"which of the {noun} makes this sound?", "which one sounds like this?")
    )
    return Exchange(ask, f"I hear {heard.caption}. It is the {ORDINALS[right]} one.", shown=media, intent="which")


def ordinal(media: tuple[Medium, ...], rng: random.Random) -> Exchange:
    """Several media, and a question about one of them."""
    i = rng.randrange(len(media))
    noun = rng.choice(("one", NOUNS[media[i].kind] if len({medium.kind for medium in media}) == 1 else "one"))
    ask = pick(rng, ("what is the {}?", "describe the {}", "what about the {}?", "tell me about the {}")).format(
        f"{ORDINALS[i]} {noun}"
    )
    return Exchange(ask, TELLING[media[i].kind].format(media[i].caption), shown=media, intent="which")


def both(media: tuple[Medium, ...], rng: random.Random) -> Exchange:
    """Two media, and a question about all that they show."""
    kinds = [medium.kind for medium in media]
    asks: tuple[str, ...] = ("what are these?", "describe both", "tell me about both of them", "what is in these?")
    if "audio" in kinds and len(set(kinds)) > 1:
        asks = (*asks, "what do you see and hear?")
    reply = " ".join(TELLING[medium.kind].format(medium.caption) for medium in media)
    return Exchange(pick(rng, asks), reply, shown=media, intent="which")


def before(scene: Scene, earlier: Scene, rng: random.Random) -> Exchange:
    """A question about the picture or clip before the last one."""
    name = rng.choice([n for n in ("colour", "thing", "count") if getattr(scene, n) != getattr(earlier, n)] or ["colour"])
    ask = {
        "colour": "what colour was it before?",
        "thing": "what was it before?",
        "count": "how many were there before?",
    }[name]
    told = {"colour": earlier.colour, "thing": a_kind(earlier.thing, earlier), "count": NUMBERS[earlier.count]}[name]
    return Exchange(ask, f"Before, it was {told}.", intent="before")
