"""Requests for pictures, clips and sounds, and for what lies outside Tinyland."""

import random
from dataclasses import replace

from nextgpt_chat.tinyland import outside
from nextgpt_chat.tinyland.captions import (
    MOTION_WORDS,
    NUMBERS,
    SIZE_WORDS,
    WHEN_WORDS,
    WHERE_WORDS,
    free_caption,
    free_clip_caption,
    free_sound_caption,
    plural,
    thing_word,
)
from nextgpt_chat.tinyland.exchange import Exchange, Medium, here, may_become, pick, them
from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.tinyland.scene import COLOURS, THINGS, Scene

ALL_THINGS = "birds, cars, bells, drums, clouds, clocks, dogs and boats"
ALL_COLOURS = "red, orange, yellow, green, blue, purple, pink and brown"
NO_THING = f"That is not in Tinyland. I know {ALL_THINGS}."
NO_COLOUR = f"I do not have that colour. I have {ALL_COLOURS}."
NO_COUNT = "I can only count to three. Ask me for one, two or three."
NO_BOTH = "I can only show one kind of thing at a time. Ask me for one of them."
NO_ANSWER = f"I do not know that. I only know Tinyland: {ALL_THINGS}."

REQUEST = {
    "image": (
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
        "picture of {}",
        "show {}",
    ),
    "video": (
        "make a clip of {}",
        "make a video of {}",
        "show me a clip of {}",
        "a clip of {}, please",
        "can you make a video of {}?",
        "i want a video of {}",
        "film {}",
        "a video of {}",
        "please film {}",
        "animate {}",
        "video of {}",
        "show me a video of {}",
        "give me a clip of {}",
    ),
    "audio": (
        "play the sound of {}",
        "let me hear {}",
        "i want to hear {}",
        "play {}",
        "make the sound of {}",
        "the sound of {}, please",
        "can i hear {}?",
        "how about the sound of {}?",
        "please play {}",
        "sound of {}",
    ),
}
MOVING_REQUEST = (*REQUEST["video"], "show me {}", "let me see {}", "i want to see {}")
"""What asks for a picture asks for a clip where the motion is said."""
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
OWN_MOTION = {
    "bird": "up",
    "car": "right",
    "bell": "grow",
    "drum": "down",
    "cloud": "right",
    "clock": "shrink",
    "dog": "left",
    "boat": "left",
}
"""What a thing does when nobody says."""


def request(medium: Medium, rng: random.Random) -> Exchange:
    """A request for a medium, with everything named that it shows."""
    free = {"image": free_caption, "video": free_clip_caption, "audio": free_sound_caption}[medium.kind]
    said = free(medium.scene, rng).removeprefix("the sound of ")
    ways = MOVING_REQUEST if medium.kind == "video" else REQUEST[medium.kind]
    return Exchange(pick(rng, ways).format(said), here((medium,), rng), made=(medium,), intent="make")


def short_request(medium: Medium, rng: random.Random) -> Exchange:
    """A request that leaves attributes open; what is not said is big, one, in the middle, by day, and moves in its own way."""
    scene = medium.scene
    kept = {name for name in ("size", "place", "count", "time", "motion") if rng.random() < (0.8 if name == "motion" else 0.35)}
    if medium.kind == "audio":
        kept &= {"size", "count"}
    if medium.kind != "video":
        kept -= {"motion"}
    named = {name: getattr(scene, name) for name in kept}
    colour = OWN_COLOUR[scene.thing] if medium.kind == "audio" else scene.colour
    motion = {"motion": OWN_MOTION[scene.thing]} if medium.kind == "video" else {}
    made = Medium(medium.kind, Scene(scene.thing, colour, **{**motion, **named}))
    if made.held_out and not medium.held_out:
        return request(medium, rng)
    scene = made.scene
    words = ["a" if scene.count == 1 else NUMBERS[scene.count]]
    words += [rng.choice(SIZE_WORDS[scene.size])] if "size" in kept else []
    words += [] if medium.kind == "audio" else [scene.colour]
    words.append(plural(thing_word(scene.thing, rng), scene.count))
    words += [rng.choice(WHERE_WORDS[scene.place])] if "place" in kept else []
    words += [rng.choice(WHEN_WORDS[scene.time])] if "time" in kept else []
    words += [rng.choice(MOTION_WORDS[scene.motion])] if "motion" in kept else []
    ways = MOVING_REQUEST if "motion" in kept else REQUEST[made.kind]
    return Exchange(pick(rng, ways).format(" ".join(words)), here((made,), rng), made=(made,), intent="make")


def colourless_request(rng: random.Random) -> Exchange:
    """`draw a dog`: no colour is named, so the thing has its own."""
    thing = rng.choice(THINGS)
    made = Medium("image", Scene(thing, OWN_COLOUR[thing]))
    return Exchange(
        pick(rng, REQUEST["image"]).format(f"a {thing_word(thing, rng)}"), here((made,), rng), made=(made,), intent="make"
    )


def mixed_request(seen: Medium, heard: Medium, rng: random.Random) -> Exchange:
    """A picture or a clip, and its sound. Where little is said, the rest is as `short_request` has it."""
    if rng.random() < 0.4:
        short = short_request(seen, rng)
        (made,) = short.made
        sound = Medium("audio", replace(heard.scene, size=made.scene.size, count=made.scene.count))
        if may_become(seen, sound):
            return _with_sound(short.ask, made, sound, rng)
    return _with_sound(request(seen, rng).ask, seen, heard, rng)


def _with_sound(ask: str, seen: Medium, heard: Medium, rng: random.Random) -> Exchange:
    asks = ("{} and let me hear {}", "{} and its sound", "{} with sound", "{}, with sound", "{} and play the sound too")
    ask = pick(rng, asks).format(ask.rstrip("?"), them(seen.scene))
    made = (seen, heard) if seen.kind == "image" else (heard, seen)  # a clip has the sound before it as its track
    return Exchange(ask, here(made, rng), made=made, intent="make")


def outside_request(rng: random.Random, words: outside.Outside = outside.TRAINING, kinds: tuple[str, ...] = ("image",)) -> Exchange:
    """Something that Tinyland does not have, asked for as a medium of one of `kinds`."""
    kind = rng.choice(("thing", "thing", "colour", "count", "both", "scene", "scene", "question", "question"))
    asked = pick(rng, REQUEST[rng.choice(kinds)])
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
        return Exchange(asked.format(phrase), NO_THING, intent="outside")
    if kind == "colour":
        thing = rng.choice(THINGS)
        phrase = rng.choice((f"a {rng.choice(words.colours)} {thing}", f"two {rng.choice(words.colours)} {plural(thing, 2)}"))
        return Exchange(pick(rng, REQUEST["image"]).format(phrase), NO_COLOUR, intent="outside")
    if kind == "count":
        many = rng.choice(("four", "five", "six", "seven", "ten", "a hundred", "twenty", "4", "10"))
        scene = training_scene(rng)
        colour = rng.choice(("", f"{scene.colour} "))
        return Exchange(asked.format(f"{many} {colour}{plural(scene.thing, 2)}"), NO_COUNT, intent="outside")
    if kind == "both":
        one, other = (
            rng.choice(("a ", f"a {rng.choice(COLOURS)} ", "a small ", "a big ")) + thing for thing in rng.sample(THINGS, 2)
        )
        return Exchange(asked.format(f"{one} and {other}"), NO_BOTH, intent="outside")
    if kind == "scene":
        return Exchange(asked.format(rng.choice(words.scenes)), NO_THING, intent="outside")
    return Exchange(rng.choice(words.questions), NO_ANSWER, intent="outside")
