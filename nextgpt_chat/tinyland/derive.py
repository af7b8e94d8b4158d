"""Answers checked against scenes: every fact in a reply must follow from what was shown and made. It shares no code with the generator."""

import re
from collections.abc import Sequence

from nextgpt_chat.tinyland.exchange import Exchange, Medium
from nextgpt_chat.tinyland.scene import ATTRIBUTES, COLOURS, THINGS

PHRASES: dict[str, dict[str, str]] = {
    "thing": {rf"{thing}s?": thing for thing in THINGS},
    "colour": {colour: colour for colour in COLOURS},
    "size": {"small": "small", "big": "big"},
    "place": {"on the left": "left", "in the middle": "middle", "on the right": "right"},
    "count": {"one": "1", "two": "2", "three": "3"},
    "time": {"day": "day", "night": "night"},
    "motion": {
        "moving left": "left",
        "moving right": "right",
        "moving up": "up",
        "moving down": "down",
        "growing": "grow",
        "shrinking": "shrink",
        "standing still": "stay",
    },
}
"""How replies say the values of attributes, as patterns."""
ABOUT_TINYLAND = (
    "I know",
    "I have",
    "I only know",
    "I can only",
    "Ask me",
    "Send me",
    "Tell me",
    "Hello",
    "I am a small",
    "I am fine",
)
"""Beginnings of sentences that speak of no scene."""
ORDINAL = re.compile(r"It is the (first|second|third) one\.")


def contradictions(exchange: Exchange, seen: Sequence[Medium]) -> list[str]:
    """The sentences of a reply that do not follow from the media: those of the exchange, and `seen` before it, oldest first."""
    media = [*seen, *exchange.shown, *exchange.made]
    sentences = re.split(r"(?<=[.!])\s+", exchange.reply)
    return [said for said in sentences if not said.startswith(ABOUT_TINYLAND) and not _follows(said, exchange, media)]


def _follows(said: str, exchange: Exchange, media: Sequence[Medium]) -> bool:
    if found := ORDINAL.fullmatch(said):
        chosen = exchange.shown[("first", "second", "third").index(found[1])]
        return chosen.scene.thing == exchange.shown[-1].scene.thing
    if denied := re.fullmatch(r"Nothing is (.+)\.", said):
        return PHRASES["place"][denied[1]] != media[-1].scene.place
    said, _, negated = said.partition(", not ")
    facts = read_facts(said)
    if not facts:
        return True
    candidates = media if "before" not in said.lower() else media[:-1]
    true = [medium for medium in candidates if all(str(getattr(medium.scene, name)) == value for name, value in facts)]
    true = [medium for medium in true if {name for name, _ in facts} <= {*ATTRIBUTES[medium.kind]}]
    return bool(true) and not any(
        str(getattr(true[-1].scene, name)) == value for name, value in read_facts(negated) if name in dict(facts)
    )


def read_facts(said: str) -> list[tuple[str, str]]:
    """Attributes and values that a sentence names."""
    return [
        (name, value)
        for name, phrases in PHRASES.items()
        for pattern, value in phrases.items()
        if re.search(rf"\b{pattern}\b", said.lower())
    ]
