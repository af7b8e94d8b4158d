"""Conversations about Tinyland: requests, questions, follow-ups, small talk, and honest answers to what lies outside."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from nextgpt_chat.tinyland.edits import again, edit, edit_twice, heard, removal, turn
from nextgpt_chat.tinyland.exchange import Exchange, Medium, may_become, sentence
from nextgpt_chat.tinyland.holdout import held_out_scene, training_scene
from nextgpt_chat.tinyland.questions import before, both, describe, ordinal, question, unheard, which
from nextgpt_chat.tinyland.requests import (
    ALL_COLOURS,
    ALL_THINGS,
    colourless_request,
    mixed_request,
    outside_request,
    request,
    short_request,
)
from nextgpt_chat.tinyland.scene import HEARD, Scene

NewScene = Callable[[random.Random, str], Scene]
"""Draws a scene that may be met as a medium of a kind."""
KINDS = ("image", "video", "audio")
OFTEN = {"image": 4, "video": 3, "audio": 3}
"""How often a conversation begins with a medium of each kind."""
EXCHANGES = (3, 7)
"""Fewest and most exchanges of a conversation that is written down or measured, as in the paper's MosIT (section 5)."""
LOOKED_AT = 0.25
"""How often a picture or a clip is spoken of after its sound was heard."""
ONLY_SEEN = {"image": ("colour", "place", "time"), "video": ("colour", "place", "time", "motion")}
"""What nobody asks of a sound: a message about it is about what was last seen."""
NO_MEDIUM = "There is nothing yet. Send me something, or ask me to draw."

SMALL_TALK: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("hello", "hi", "hey there", "good morning", "hi there", "good evening"),
        "Hello! Send me a picture, a clip or a sound, or ask me to make one.",
    ),
    (
        ("who are you?", "what are you?", "what is your name?", "tell me about yourself"),
        "I am a small model that knows one small world, Tinyland. I can see it, hear it, draw it, film it and play its sounds.",
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
        f"I know {ALL_THINGS}, small or big, one to three of them, on the left, in the middle or on the right, by day or at night. Ask me for a picture, a clip or a sound, or send one.",
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
    (
        ("draw something", "make something", "show me something", "make me a picture", "what shall i ask?", "surprise me"),
        f"Tell me what. I know {ALL_THINGS}.",
    ),
    (("how are you?", "how is it going?", "are you well?"), "I am fine, thank you. What shall I make?"),
    (("bye", "goodbye", "see you", "good night"), "Goodbye! Come back soon."),
)
TOO_EARLY = ("what colour is it?", "describe the picture", "how many are there?", "make it blue", "where is it?", "what do you see?", "let it go up", "what does it sound like?", "what do you hear?")  # fmt: skip


def training_scenes(rng: random.Random, kind: str) -> Scene:
    """Scenes that training may meet."""
    return training_scene(rng, (kind,))


def held_out_scenes(rng: random.Random, kind: str) -> Scene:
    """Scenes that training never meets."""
    return held_out_scene(rng, kind)


def new_medium(rng: random.Random, kind: str, new_scene: NewScene) -> Medium:
    """A medium with a scene of its own; of one that is only heard, the rest is as it is when nobody says."""
    scene = new_scene(rng, kind)
    return Medium(kind, heard(scene) if kind == "audio" else scene)


def small_talk(rng: random.Random) -> Exchange:
    """A greeting, thanks, or a question about the model itself."""
    asks, reply = rng.choice(SMALL_TALK)
    return Exchange(rng.choice(asks), reply)


def dialogue(rng: random.Random, turns: int, new_scene: NewScene = training_scenes, kinds: Sequence[str] = KINDS) -> list[Exchange]:
    """A conversation of `turns` exchanges about media of `kinds`; scenes come from `new_scene`."""
    exchanges: list[Exchange] = []
    seen: list[Medium] = []
    while len(exchanges) < turns:
        exchange = follow_up(rng, seen, kinds) if seen and rng.random() < 0.72 else None
        first = not any(earlier.shown or earlier.made for earlier in exchanges)
        exchange = exchange or opening(rng, first, new_scene, kinds)
        exchanges.append(replace(exchange, ask=as_typed(exchange.ask, rng)))
        seen += [*exchange.shown, *exchange.made]
        if exchange.intent == "which":
            seen = []  # of several media none is "it"
    return exchanges


def distracted_dialogue(
    rng: random.Random, turns: int, new_scene: NewScene = training_scenes, kinds: Sequence[str] = KINDS
) -> list[Exchange]:
    """A conversation about one medium with other things in between: things that it does not show, small talk, its sound.

    "Are they cars? They are clouds, not cars. Now in the middle." What was named last is not what is meant, and what was made last is not
    what is changed; where `dialogue` leads is too seldom here for a small model to learn it.
    """
    medium = new_medium(rng, _kind(rng, kinds), new_scene)
    first = request(medium, rng) if turns > 1 and rng.random() < 0.4 else question(medium, rng, "whether", shown=True)
    exchanges = [first]
    while len(exchanges) < turns:
        dice = rng.random()
        sound = turn(medium, "audio", rng) if medium.kind != "audio" and "audio" in kinds and len(exchanges) + 1 < turns else None
        if dice < 0.15 and sound:
            exchanges.append(sound)
            if len(exchanges) + 1 < turns and rng.random() < 0.5:
                exchanges.append(describe(sound.made[0], rng))
            exchanges.append(edit(medium, rng, ONLY_SEEN[medium.kind]))
            medium = exchanges[-1].made[0]
        elif dice < 0.4:
            exchanges.append(question(medium, rng, "whether"))
        elif dice < 0.55:
            exchanges.append(outside_request(rng, kinds=tuple(kinds)) if rng.random() < 0.5 else small_talk(rng))
        elif dice < 0.8:
            exchanges.append(edit(medium, rng))
            medium = exchanges[-1].made[0]
        elif dice < 0.93:
            exchanges.append(question(medium, rng))
        else:
            exchanges.append(describe(medium, rng))
    return [replace(exchange, ask=as_typed(exchange.ask, rng)) for exchange in exchanges]


def follow_up(rng: random.Random, seen: Sequence[Medium], kinds: Sequence[str]) -> Exchange | None:
    """An exchange that leans on the last medium; None if what was drawn may not be spoken of."""
    medium = seen[-1]
    others = other_kinds(medium, kinds)
    shown = seen[-2] if len(seen) > 1 and medium.kind == "audio" and sounds(seen[-2], medium) else None
    if shown and rng.random() < LOOKED_AT:
        return edit(shown, rng, ONLY_SEEN[shown.kind])
    dice = rng.random()
    if others and dice < 0.28:
        return turn(medium, rng.choice(others), rng)
    if dice < 0.55:
        how = rng.random()
        if how < 0.08:
            return again(medium, rng)
        if how < 0.12:
            return removal(medium, rng)
        return (edit_twice if how < 0.3 else edit)(medium, rng)
    if dice < 0.83:
        return question(medium, rng)
    if medium.kind == "audio" and all(other.kind == "audio" for other in seen) and dice < 0.88:
        return unheard(medium, rng)
    earlier = [other for other in seen[:-1] if other.kind != "audio"]
    if dice < 0.92 or not earlier or medium.kind == "audio" or earlier[-1] is not seen[-2]:
        return describe(medium, rng)
    return before(medium.scene, earlier[-1].scene, rng)


def sounds(seen: Medium, sound: Medium) -> bool:
    """Whether what is seen in a picture or a clip is what is heard."""
    return seen.kind != "audio" and seen.scene.attributes(HEARD) == sound.scene.attributes(HEARD)


def opening(rng: random.Random, first: bool, new_scene: NewScene, kinds: Sequence[str]) -> Exchange:
    """An exchange that leans on nothing; `first` if there was no medium before it."""
    medium = new_medium(rng, _kind(rng, kinds), new_scene)
    dice = rng.random()
    if dice < 0.30:
        how = rng.random()
        if how < 0.3:
            return describe(medium, rng, shown=True)
        if how < 0.55:
            return question(medium, rng, shown=True)
        others = other_kinds(medium, kinds)
        turned = turn(medium, rng.choice(others), rng) if others and how < 0.8 else None
        return replace(turned or edit(medium, rng), shown=(medium,))
    if dice < 0.36 and len(kinds) > 1:
        return several(rng, new_scene, kinds)
    if dice < 0.66:
        return request(medium, rng) if rng.random() < 0.6 else short_request(medium, rng)
    if dice < 0.70 and medium.kind != "audio" and "audio" in kinds and (mixed := seen_and_heard(medium, rng)):
        return mixed
    if dice < 0.74:
        return colourless_request(rng)
    if dice < 0.90:
        return outside_request(rng, kinds=tuple(kinds))
    if dice < 0.93 and first:
        return Exchange(rng.choice(TOO_EARLY), NO_MEDIUM, intent="nothing")
    return small_talk(rng)


def seen_and_heard(medium: Medium, rng: random.Random) -> Exchange | None:
    """A request for a picture or a clip with its sound; None if that may not be heard."""
    sound = Medium("audio", medium.scene)
    return mixed_request(medium, sound, rng) if may_become(medium, sound) else None


def other_kinds(medium: Medium, kinds: Sequence[str]) -> list[str]:
    """The kinds that a medium can be turned into."""
    return [kind for kind in kinds if kind != medium.kind]


def several(rng: random.Random, new_scene: NewScene, kinds: Sequence[str]) -> Exchange:
    """Two or three media in one message, and a question about one of them, or about both of two."""
    count = rng.choice((2, 2, 3))
    if "audio" in kinds and rng.random() < 0.5:
        kind = rng.choice([kind for kind in kinds if kind != "audio"])
        seen: list[Medium] = []
        while len(seen) < count:
            medium = new_medium(rng, kind, new_scene)
            if medium.scene.thing not in {other.scene.thing for other in seen}:
                seen.append(medium)
        right = rng.choice(seen)
        sound = Medium("audio", heard(right.scene))
        if may_become(right, sound):
            return which((*seen, sound), rng)
    media = tuple(new_medium(rng, _kind(rng, kinds), new_scene) for _ in range(count))
    return both(media, rng) if count == 2 and rng.random() < 0.3 else ordinal(media, rng)


def _kind(rng: random.Random, kinds: Sequence[str]) -> str:
    return rng.choices(kinds, [OFTEN[kind] for kind in kinds])[0]


def as_typed(ask: str, rng: random.Random) -> str:
    """The same message as people type it: with or without capitals and closing marks."""
    if rng.random() < 0.5:
        ask = sentence(ask)
    if rng.random() < 0.25:
        return ask.rstrip("?.")
    return ask if ask[-1] in "?.!" or rng.random() < 0.6 else ask + "."
