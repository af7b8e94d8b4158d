"""What is measured: seeing, drawing, choosing the modality, and following a dialogue, on scenes that no training saw.

Each task asks the model through `reply`, the same function that the page uses, and returns one record per scene or dialogue.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nextgpt_chat.conversation import Conversation, Image, Text, Turn
from nextgpt_chat.evaluation.readers.picture import PictureReader
from nextgpt_chat.evaluation.readers.text import read_answer, read_text
from nextgpt_chat.events import Reply
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png, read_image
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.store.jobs import parts_of
from nextgpt_chat.tinyland import outside
from nextgpt_chat.tinyland.captions import free_caption
from nextgpt_chat.tinyland.dialogues import (
    Exchange,
    dialogue,
    draw_request,
    edit,
    outside_request,
    question,
    short_request,
    small_talk,
)
from nextgpt_chat.tinyland.draw import draw
from nextgpt_chat.tinyland.holdout import held_out_scene, is_held_out
from nextgpt_chat.tinyland.scene import Scene, random_scene


@dataclass(frozen=True)
class Bench:
    """What every task needs."""

    reply: Reply
    content: ContentStore
    reader: PictureReader
    seed: int

    def rng(self, task: str) -> random.Random:
        """The task's own randomness."""
        return random.Random(f"{self.seed}/{task}")

    def render(self, scene: Scene, rng: random.Random) -> Image:
        """A scene as a picture that a person might send."""
        pixels = draw(scene, rng)
        sha256, path = self.content.put(encode_png(pixels, {}), "image/png")
        return Image(sha256, path, "image/png", width=pixels.shape[1], height=pixels.shape[0])

    def answer(self, turns: tuple[Turn, ...], seed: int) -> Turn:
        """The model's reply."""
        events = list(self.reply(Conversation(turns), ReplySettings(seed=seed), lambda: False))
        return Turn("assistant", parts_of(events))

    def seen(self, image: Image) -> dict[str, str]:
        """What the picture reader finds in a picture."""
        return self.reader.read(read_image(image.path))


Record = dict[str, Any]


def truth(scene: Scene) -> dict[str, str]:
    """The attributes as the readers name them."""
    return {name: str(value) for name, value in scene.attributes().items()}


def seeing(bench: Bench, count: int) -> Iterator[Record]:
    """Picture to text: what is in a picture? `blind` is the same question without the picture."""
    rng = bench.rng("seeing")
    for _ in range(count):
        scene = held_out_scene(rng)
        ask = Text(rng.choice(("What do you see?", "Describe this picture", "what is in the picture?")))
        reply = bench.answer((Turn("user", (bench.render(scene, rng), ask)),), rng.randrange(2**31))
        blind = bench.answer((Turn("user", (ask,)),), rng.randrange(2**31))
        yield {"truth": truth(scene), "found": read_text(reply.text), "blind": read_text(blind.text), "reply": reply.text}


def drawing(bench: Bench, count: int) -> Iterator[Record]:
    """Text to picture: is what was asked for in the pixels?"""
    rng = bench.rng("drawing")
    for _ in range(count):
        scene = held_out_scene(rng)
        ask = f"{rng.choice(('Draw', 'Show me', 'Please paint'))} {free_caption(scene, rng)}"
        reply = bench.answer((Turn("user", (Text(ask),)),), rng.randrange(2**31))
        images = [part for part in reply.parts if isinstance(part, Image)]
        found = bench.seen(images[0]) if images else {}
        yield {
            "truth": truth(scene),
            "found": found,
            "said": read_text(reply.text),
            "ask": ask,
            "path": str(images[0].path) if images else "",
        }


def choosing(bench: Bench, count: int) -> Iterator[Record]:
    """Choice of modality: is there a picture in the reply exactly when one was asked for? Outside words are ones never trained on."""
    rng = bench.rng("choosing")
    makers: tuple[Callable[[], Exchange], ...] = (
        lambda: draw_request(held_out_scene(rng), rng),
        lambda: short_request(held_out_scene(rng), rng),
        lambda: small_talk(rng),
        lambda: outside_request(rng, outside.TESTING),
        lambda: question(held_out_scene(rng), rng, shown=True),
        lambda: _edit_shown(held_out_scene(rng), rng),
    )
    for i in range(count):
        exchange = makers[i % len(makers)]()
        reply = bench.answer((_asked(bench, exchange, rng),), rng.randrange(2**31))
        yield {
            "intent": exchange.intent,
            "right": bool(reply.media) == bool(exchange.drawn),
            "wanted": bool(exchange.drawn),
            "ask": exchange.ask,
            "reply": reply.text,
        }


def _edit_shown(scene: Scene, rng: random.Random) -> Exchange:
    exchange = edit(scene, rng)
    return Exchange(exchange.ask, exchange.reply, shown=scene, drawn=exchange.drawn, intent=exchange.intent)


def following(bench: Bench, count: int) -> Iterator[Record]:
    """Dialogues of three exchanges with follow-ups that lean on earlier ones.

    The model's own replies are what the dialogue goes on with. `words`: every reply says what it should and comes with a picture exactly
    when it should. `pixels`: besides, every picture shows all six attributes of its scene.
    """
    rng = bench.rng("following")
    for _ in range(count):
        exchanges = _leaning(rng)
        turns: tuple[Turn, ...] = ()
        steps = []
        for exchange in exchanges:
            turns = (*turns, _asked(bench, exchange, rng))
            reply = bench.answer(turns, rng.randrange(2**31))
            turns = (*turns, reply)
            images = [part for part in reply.parts if isinstance(part, Image)]
            words = read_answer(reply.text) == read_answer(exchange.reply) and bool(images) == bool(exchange.drawn)
            pixels = words and (exchange.drawn is None or bench.seen(images[0]) == truth(exchange.drawn))
            steps.append({"ask": exchange.ask, "wanted": exchange.reply, "reply": reply.text, "words": words, "pixels": pixels})
        yield {"words": all(step["words"] for step in steps), "pixels": all(step["pixels"] for step in steps), "steps": steps}


def _leaning(rng: random.Random) -> list[Exchange]:
    """A dialogue of three exchanges about held-out scenes in which at least one leans on an earlier one."""
    while True:
        exchanges = dialogue(rng, 3, held_out_scene)
        scenes = [scene for exchange in exchanges for scene in (exchange.shown, exchange.drawn) if scene]
        leans = any(exchange.intent in ("edit", "ask", "before", "describe") and not exchange.shown for exchange in exchanges[1:])
        if leans and any(is_held_out(scene) for scene in scenes):
            return exchanges


def _asked(bench: Bench, exchange: Exchange, rng: random.Random) -> Turn:
    parts = (bench.render(exchange.shown, rng),) if exchange.shown else ()
    return Turn("user", (*parts, Text(exchange.ask)))


def calibrated_reader(pictures: int, seed: int) -> tuple[PictureReader, dict[str, float]]:
    """A picture reader and its own share of right attributes, measured on rendered truth that it was not calibrated on."""
    rng = random.Random(f"{seed}/reader")
    scenes = [held_out_scene(rng) if i % 8 == 0 else random_scene(rng) for i in range(pictures)]
    reader = PictureReader([draw(scene, rng) for scene in scenes], scenes)
    fresh = [random_scene(rng) for _ in range(400)]
    read = [reader.read(draw(scene, rng)) for scene in fresh]
    right = {
        name: sum(found.get(name) == truth(scene)[name] for found, scene in zip(read, fresh, strict=True)) / len(fresh)
        for name in truth(fresh[0])
    }
    return reader, right
