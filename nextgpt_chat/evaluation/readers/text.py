"""Attributes in a sentence, found by their words."""

import re

WORDS: dict[str, dict[str, str]] = {
    "thing": {
        "bird": "bird birds",
        "car": "car cars",
        "bell": "bell bells",
        "drum": "drum drums",
        "cloud": "cloud clouds",
        "clock": "clock clocks",
        "dog": "dog dogs puppy puppies",
        "boat": "boat boats",
    },
    "colour": {name: name for name in "red orange yellow green blue purple pink brown".split()},
    "size": {"small": "small little tiny", "big": "big large huge"},
    "place": {"left": "left", "middle": "middle centre center", "right": "right"},
    "count": {"1": "a an one 1", "2": "two 2", "3": "three 3"},
    "time": {"day": "day daytime daylight", "night": "night dark"},
}
"""Attribute -> value -> its words."""
LOOKUP = {word: (name, value) for name, values in WORDS.items() for value, words in values.items() for word in words.split()}
MOVING = {
    "left": r"(?:moving|going) (?:to the )?left",
    "right": r"(?:moving|going) (?:to the )?right",
    "up": r"(?:moving|going) up|rising",
    "down": r"(?:moving|going) down|falling",
    "grow": r"growing|getting (?:bigger|larger)",
    "shrink": r"shrinking|getting smaller",
    "stay": r"standing still|not moving",
}
"""How things move, by value, as patterns."""
ORDINALS = {"first": "1", "second": "2", "third": "3"}


def read_text(text: str) -> dict[str, str]:
    """Every attribute that the text names exactly one value of; an attribute with two values counts as not said."""
    found: dict[str, set[str]] = {}
    for name, value in _said(text):
        found.setdefault(name, set()).add(value)
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def read_answer(text: str) -> tuple[tuple[str, ...], str]:
    """What an answer says, for comparison with another: all attribute words in it (articles left out), which one of several, and yes, no,
    nothing, or a refusal."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    spoken = re.sub(r"\b(?:an?)\b", " ", text.lower())
    said = {f"{name}={value}" for name, value in _said(spoken)} | {f"which={ORDINALS[word]}" for word in words if word in ORDINALS}
    for mark in ("yes", "nothing", "no", "cannot", "not", "only"):
        if mark in words:
            return tuple(sorted(said)), mark
    return tuple(sorted(said)), ""


def _said(text: str) -> list[tuple[str, str]]:
    """Attributes and values in a text, in any order."""
    text = text.lower()
    said = []
    for value, pattern in MOVING.items():
        text, times = re.subn(rf"\b(?:{pattern})\b", " ", text)
        said += [("motion", value)] * times
    return said + [LOOKUP[word] for word in re.findall(r"[a-z0-9]+", text) if word in LOOKUP]
