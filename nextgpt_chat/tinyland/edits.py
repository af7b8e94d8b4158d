"""From one medium to another: edits that keep its kind, and turns from what is seen to what is heard or moves, and back."""

import random
from collections.abc import Sequence
from dataclasses import replace

from nextgpt_chat.tinyland.captions import NUMBERS, SIZE_WORDS, WHEN_WORDS, WHERE_WORDS, plural, thing_word
from nextgpt_chat.tinyland.exchange import Exchange, Medium, here, may_become, pick, pronoun, the, them
from nextgpt_chat.tinyland.requests import OWN_COLOUR, OWN_MOTION
from nextgpt_chat.tinyland.scene import ATTRIBUTES, COLOURS, COUNTS, HEARD, MOTIONS, PLACES, SIZES, THINGS, TIMES, Scene

Changes = dict[str, tuple[tuple[str | int, ...], tuple[str, ...]]]

SEEN_CHANGES: Changes = {
    "colour": (COLOURS, ("make {them} {v}", "now in {v}", "paint {them} {v}", "can you make {them} {v}?", "and in {v}?", "turn {them} {v}", "i want {them} {v}")),
    "size": (SIZES, ("make {them} {w}", "{w} please", "can you make {them} {w}?", "now {w}", "i want {them} {w}")),
    "place": (PLACES, ("move {them} {w}", "put {them} {w}", "now {w}", "and {w}?", "i want {them} {w}")),
    "count": (COUNTS, ("make it {n}", "now {n} of them", "i want {n} of them", "show {n}", "and {n} of them?", "draw {n} instead")),
    "time": (TIMES, ("now {w}", "make it {v}", "and {w}?", "show {them} {w}", "the same {w}", "at {v}time", "by {v}light")),
    "thing": (THINGS, ("make {them} {p}", "now with {p}", "{p} instead", "the same with {p}", "change {them} to {p}")),
}  # fmt: skip
"""What may change in a picture: the values, and ways to say so."""
MOTION_CHANGES: Changes = {"motion": (MOTIONS, ("let {them} {m}", "make {them} {m}", "now let {them} {m}", "can you let {them} {m}?", "i want {them} to {m}"))}  # fmt: skip
HEARD_CHANGES: Changes = {
    "size": (SIZES, ("make it {h}", "{h} please", "now {h}", "a bit {h}", "can you make it {h}?")),
    "count": (COUNTS, ("{t}", "now {t}", "play it {t}", "make it {n}", "i want to hear {n}")),
    "thing": (THINGS, ("now {p}", "{p} instead", "the same with {p}", "and {p}?")),
}  # fmt: skip
ONE_MORE = ("add one", "one more {p}", "add another {p}", "add one more")
ONE_LESS = ("remove one", "take one away", "one less", "remove one of them")
"""Ways to ask for one thing more or less."""
CHANGES = {"image": SEEN_CHANGES, "video": {**SEEN_CHANGES, **MOTION_CHANGES}, "audio": HEARD_CHANGES}
PITCH_WORDS = {"big": ("lower", "deeper"), "small": ("higher", "brighter")}
TIMES_WORDS = {1: "once", 2: "twice", 3: "three times"}
MOVE = {
    "left": ("move left", "go left", "fly to the left", "drive left", "move to the left"),
    "right": ("move right", "go right", "fly to the right", "drive right", "move to the right"),
    "up": ("move up", "fly up", "fly away"),
    "down": ("move down", "go down", "sink"),
    "grow": ("grow", "get bigger", "come nearer"),
    "shrink": ("shrink", "get smaller"),
    "stay": ("stand still", "stop"),
}
AGAIN = ("again", "again please", "another one", "try again", "once again", "the same again", "give me another one", "do it again")
REMOVE = ("remove {them}", "remove {the}", "take {the} away", "delete {them}", "take {them} out")
NOTHING_LEFT = "Then nothing is left. Ask me for something else."
TURNS = {
    ("image", "audio"): ("what {do} {pro} sound like?", "what {do} {this} sound like?", "let me hear {them}", "what sound {do} {pro} make?", "play the sound", "can i hear {them}?", "how {do} {pro} sound?", "and the sound?"),
    ("image", "video"): ("animate {them}", "animate this", "make a clip of {them}", "a clip of {them}, please", "film {them}", "make {them} move", "and a clip?"),
    ("video", "image"): ("show me a picture of {them}", "a picture of {them}, please", "draw {them}", "make a picture of {them}", "and a picture?"),
    ("audio", "image"): ("show me", "show {them} to me", "what {do} {pro} look like?", "draw what you hear", "a picture of {them}, please", "what made this sound? show me", "show me what made this", "and a picture?"),
    ("audio", "video"): ("show me a clip of {them}", "make a video of {them}", "a clip of {them}, please", "film {them}", "and a clip?"),
}  # fmt: skip
TURNS["video", "audio"] = TURNS["image", "audio"]


def edit(medium: Medium, rng: random.Random, names: Sequence[str] = ()) -> Exchange:
    """`make it blue`, `let it go up`, `lower`: one attribute, one of `names` if any are given, changes, and the others stay."""
    scene = medium.scene
    changes = CHANGES[medium.kind]
    while True:
        name = rng.choice(names or tuple(changes))
        values, ways = changes[name]
        value = rng.choice([v for v in values if v != getattr(scene, name)])
        changed = Medium(medium.kind, replace(scene, **{name: value}))  # type: ignore[arg-type]
        if may_become(medium, changed):
            break
    words = {"size": SIZE_WORDS, "place": WHERE_WORDS, "time": WHEN_WORDS}.get(name, {}).get(str(value), (str(value),))
    many = changed.scene.count
    kind = plural(thing_word(changed.scene.thing, rng), many)
    if name == "count" and rng.random() < 0.4 and abs(many - scene.count) == 1:
        ask = pick(rng, ONE_MORE if many > scene.count else ONE_LESS).format(p=thing_word(scene.thing, rng))
    else:
        ask = pick(rng, ways).format(
            them=them(scene),
            v=value,
            w=rng.choice(words),
            n=NUMBERS[many],
            t=TIMES_WORDS[many],
            p=kind if many > 1 else f"a {kind}",
            m=rng.choice(MOVE[changed.scene.motion]),
            h=rng.choice(PITCH_WORDS[changed.scene.size]),
        )
    return Exchange(ask, here((changed,), rng), made=(changed,), start=True, intent="edit")


def edit_twice(medium: Medium, rng: random.Random) -> Exchange:
    """`make it blue and put it on the left`: two attributes change at once."""
    first = edit(medium, rng)
    while True:
        second = edit(first.made[0], rng)
        (made,) = second.made
        before, after = (
            {name for name in ATTRIBUTES[medium.kind] if getattr(either.scene, name) != getattr(made.scene, name)}
            for either in (medium, first.made[0])
        )
        if len(before) == 2 and len(after) == 1:
            break
    ask = f"{first.ask.rstrip('?')} and {second.ask.removeprefix('and ')}"
    return Exchange(ask, here((made,), rng), made=(made,), start=True, intent="edit")


def again(medium: Medium, rng: random.Random) -> Exchange:
    """`another one`: the same words, made anew."""
    return Exchange(pick(rng, AGAIN), here((medium,), rng), made=(medium,), intent="again")


def removal(medium: Medium, rng: random.Random) -> Exchange:
    """`remove the bird`: nothing else would be there, and there is no picture of nothing."""
    ask = pick(rng, REMOVE).format(them=them(medium.scene), the=the(medium.scene))
    return Exchange(ask, NOTHING_LEFT, intent="outside")


def animate(medium: Medium, rng: random.Random) -> Exchange | None:
    """`let it fly away`: a picture begins to move. None if there is no motion that may be shown."""
    scene = medium.scene
    motions = [motion for motion in MOTIONS if may_become(medium, Medium("video", replace(scene, motion=motion)))]
    if not motions:
        return None
    made = Medium("video", replace(scene, motion=rng.choice(motions)))
    ask = pick(rng, MOTION_CHANGES["motion"][1]).format(them=them(scene), m=rng.choice(MOVE[made.scene.motion]))
    return Exchange(ask, here((made,), rng), made=(made,), start=True, intent="turn")


def turn(medium: Medium, kind: str, rng: random.Random) -> Exchange | None:
    """`what does it sound like?`, `show me`, `animate it`: the same things as a medium of another kind, which move in their own way if
    nobody says how. None if that may not be shown."""
    moves = (medium.kind, kind) == ("image", "video")
    if moves and rng.random() < 0.6:
        return animate(medium, rng)
    scene = medium.scene
    made = Medium(kind, replace(scene, motion=OWN_MOTION[scene.thing] if kind == "video" else "stay"))
    if not may_become(medium, made):
        return None
    one = scene.count == 1
    ask = pick(rng, TURNS[medium.kind, kind]).format(
        them=them(scene), pro=pronoun(scene), this="this" if one else "these", do="does" if one else "do"
    )
    return Exchange(ask, here((made,), rng), made=(made,), start=moves, intent="turn")


def heard(scene: Scene) -> Scene:
    """What can be known of a scene from its sound: the rest is as it is when nobody says."""
    return Scene(thing=scene.thing, colour=OWN_COLOUR[scene.thing], **{name: getattr(scene, name) for name in HEARD[1:]})
