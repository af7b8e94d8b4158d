"""Scenes in words: for each kind of medium one canonical caption, and many other ways to say the same."""

import random
from collections.abc import Collection

from nextgpt_chat.tinyland.scene import Scene

NUMBERS = {1: "one", 2: "two", 3: "three"}
ARTICLES = {1: "a", 2: "two", 3: "three"}
WHERE = {"left": "on the left", "middle": "in the middle", "right": "on the right"}
WHEN = {"day": "by day", "night": "at night"}

SIZE_WORDS = {"small": ("small", "little", "tiny"), "big": ("big", "large", "huge")}
WHERE_WORDS = {
    "left": ("on the left", "on the left side", "to the left"),
    "middle": ("in the middle", "in the centre", "in the center"),
    "right": ("on the right", "on the right side", "to the right"),
}
WHEN_WORDS = {
    "day": ("by day", "in the daytime", "during the day"),
    "night": ("at night", "in the night", "in the dark"),
}
THING_WORDS = {"cloud": ("cloud", "rain cloud"), "dog": ("dog", "puppy"), "boat": ("boat", "sailing boat")}
MOTION = {
    "left": "moving left",
    "right": "moving right",
    "up": "moving up",
    "down": "moving down",
    "grow": "growing",
    "shrink": "shrinking",
    "stay": "standing still",
}
MOTION_WORDS = {
    "left": ("moving left", "going left", "moving to the left"),
    "right": ("moving right", "going right", "moving to the right"),
    "up": ("moving up", "going up", "rising"),
    "down": ("moving down", "going down", "falling"),
    "grow": ("growing", "getting bigger", "getting larger"),
    "shrink": ("shrinking", "getting smaller"),
    "stay": ("standing still", "not moving"),
}
SOUNDING = {
    "bird": "chirping",
    "car": "roaring",
    "bell": "ringing",
    "drum": "beating",
    "cloud": "raining",
    "clock": "ticking",
    "dog": "barking",
    "boat": "hooting",
}
"""What each thing does when it is heard."""


def plural(noun: str, count: int) -> str:
    """The noun as it stands behind its number."""
    if count == 1:
        return noun
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"


def noun_phrase(scene: Scene, unnamed: Collection[str] = ()) -> str:
    """`two small red birds`; a colour without a name is left out, a thing without one is a thing."""
    colour = "" if "colour" in unnamed else f"{scene.colour} "
    return f"{ARTICLES[scene.count]} {scene.size} {colour}{plural('thing' if 'thing' in unnamed else scene.thing, scene.count)}"


def caption(scene: Scene, unnamed: Collection[str] = ()) -> str:
    """The canonical caption: `two small red birds on the left at night`. `unnamed` may hold `colour` and `thing`."""
    return f"{noun_phrase(scene, unnamed)} {WHERE[scene.place]} {WHEN[scene.time]}"


def clip_caption(scene: Scene, unnamed: Collection[str] = ()) -> str:
    """The canonical caption of a clip: `two small red birds on the left at night moving right`."""
    return f"{caption(scene, unnamed)} {MOTION[scene.motion]}"


def sound_caption(scene: Scene) -> str:
    """The canonical caption of a sound: `two small birds chirping`."""
    return f"{ARTICLES[scene.count]} {scene.size} {plural(scene.thing, scene.count)} {SOUNDING[scene.thing]}"


def thing_word(thing: str, rng: random.Random) -> str:
    """The thing's name or a synonym of it."""
    words: tuple[str, ...] = (thing, thing, *THING_WORDS.get(thing, ()))
    return rng.choice(words)


def free_caption(scene: Scene, rng: random.Random) -> str:
    """All that a picture shows, said in one of many ways."""
    size = rng.choice(SIZE_WORDS[scene.size])
    things = plural(thing_word(scene.thing, rng), scene.count)
    article = rng.choice(("a", "one")) if scene.count == 1 else NUMBERS[scene.count]
    if scene.count > 1 and rng.random() < 0.15:
        article = str(scene.count)
    where = rng.choice(WHERE_WORDS[scene.place])
    when = rng.choice(WHEN_WORDS[scene.time])
    phrase = f"{article} {size} {scene.colour} {things}"
    return rng.choice(
        (
            f"{phrase} {where} {when}",
            f"{phrase} {where}, {when}",
            f"{phrase} {when}, {where}",
            f"{when}, {phrase} {where}",
            f"{where} {phrase} {when}",
            f"{article} {scene.colour} {things}, {size}, {where} {when}",
            f"{article} {things}, {size} and {scene.colour}, {where}, {when}",
        )
    )


def free_clip_caption(scene: Scene, rng: random.Random) -> str:
    """All that a clip shows, said in one of many ways."""
    return rng.choice(("{}, {}", "{} {}")).format(free_caption(scene, rng), rng.choice(MOTION_WORDS[scene.motion]))


def free_sound_caption(scene: Scene, rng: random.Random) -> str:
    """All that a sound tells, said in one of many ways."""
    phrase = partial_caption(scene, ("size", "thing", "count"), rng)
    phrase = phrase.replace("one ", rng.choice(("a ", "one ")), 1) if scene.count == 1 else phrase
    return f"{phrase} {SOUNDING[scene.thing]}" if rng.random() < 0.7 else f"the sound of {phrase}"


def partial_caption(scene: Scene, kept: Collection[str], rng: random.Random) -> str:
    """Only the attributes in `kept`: `green bell at night`, `two things on the left`. True of every scene that shares them."""
    count = scene.count if "count" in kept else 1
    words = [NUMBERS[count]] if "count" in kept else []
    words += [rng.choice(SIZE_WORDS[scene.size])] if "size" in kept else []
    words += [scene.colour] if "colour" in kept else []
    words.append(plural(thing_word(scene.thing, rng) if "thing" in kept else "thing", count))
    words += [rng.choice(WHERE_WORDS[scene.place])] if "place" in kept else []
    words += [rng.choice(WHEN_WORDS[scene.time])] if "time" in kept else []
    words += [rng.choice(MOTION_WORDS[scene.motion])] if "motion" in kept else []
    return " ".join(words)


def partial_sound_caption(scene: Scene, kept: Collection[str], rng: random.Random) -> str:
    """Only the attributes in `kept`: `small bird chirping`, `two things sounding`."""
    return f"{partial_caption(scene, kept, rng)} {SOUNDING[scene.thing] if 'thing' in kept else 'sounding'}"
