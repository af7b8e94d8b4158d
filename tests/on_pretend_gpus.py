"""Run as a module: the same conversation on the processor and on pretended GPUs; says how far the media are apart."""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from nextgpt_chat.checkpoint import read_checkpoint
from nextgpt_chat.conversation import Conversation, Media, Text, Turn
from nextgpt_chat.events import MediaReady, TextDelta
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.stored import read_medium
from nextgpt_chat.memory import need
from nextgpt_chat.pipeline import Pipeline
from nextgpt_chat.placement import Placement
from nextgpt_chat.settings import ReplySettings
from tests.conftest import picture
from tests.pretend_gpus import COUNT, NAME, install

SAID = ("Draw a big red bird", "make it blue", "what does it sound like?")
"""A message each."""


def talk(pipeline: Pipeline) -> list[tuple[str, list[Media]]]:
    """What is answered to each message, with everything before it; by a model with random weights once, with all it can make."""
    turns: tuple[Turn, ...] = ()
    replies = []
    trained = pipeline.checkpoint.name == "tinyland"
    settings = ReplySettings(seed=4, steps=2, **({} if trained else {"kinds": pipeline.checkpoint.made, "max_new_tokens": 8}))
    for words in SAID if trained else SAID[:1]:
        seen = (picture(pipeline.content),) if "image" in pipeline.checkpoint.inputs and not turns else ()
        turns = (*turns, Turn("user", (*seen, Text(words))))
        events = list(pipeline.reply(Conversation(turns), settings, lambda: False))
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        media = [event.part for event in events if isinstance(event, MediaReady)]
        turns = (*turns, Turn("assistant", (Text(text), *media)))
        replies.append((text, media))
    return replies


def distance(one: Media, other: Media) -> float:
    """Mean difference of two media, as a share of their range."""
    first, second = (np.asarray(read_medium(medium.kind, medium.path, 8), dtype=np.float64) for medium in (one, other))
    return float(np.abs(first - second).mean() / (2 if one.kind == "audio" else 255))


def placements(folder: Path) -> list[Placement]:
    """Tiers and their parts in turns on one GPU, and everything on two, among which the language model is divided."""
    cards = [torch.device(NAME, i) for i in range(COUNT)]
    parts = need(read_checkpoint(folder), "float32").parts
    own = {name: cards[i % 2] for i, name in enumerate(sorted(parts, key=lambda name: name != "language model"))}
    return [
        Placement(cards[0], "tiers"),
        Placement(cards[0], "spread", own, dict.fromkeys(cards, 0.9 * parts["language model"])),
    ]


def main(folder: Path) -> None:
    """Prints a line for each way."""
    with tempfile.TemporaryDirectory() as media:
        content = ContentStore(Path(media))
        checkpoint = read_checkpoint(folder)
        expected = talk(Pipeline(checkpoint, content, Placement(torch.device("cpu"))))
        kept = install()
        for placement in placements(folder):
            pipeline = Pipeline(checkpoint, content, placement)
            layers = {str(weight.device) for weight in pipeline.language_model.model.parameters()}
            found = talk(pipeline)
            same = [text for text, _ in found] == [text for text, _ in expected]
            pairs = [
                pair for (_, ours), (_, theirs) in zip(found, expected, strict=True) for pair in zip(ours, theirs, strict=True)
            ]
            far = max((distance(*pair) for pair in pairs), default=0.0)
            sys.stdout.write(f"{placement.way}: language model on {sorted(layers)}, words {same}, {len(pairs)} media, {far:.4f}\n")
        del kept


if __name__ == "__main__":
    main(Path(sys.argv[1]))
