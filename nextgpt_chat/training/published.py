"""The instruction data of the NExT-GPT authors in the words of our own format (see `mosit`).

They published three shapes, each as a JSON array of items, and those of LLaVA, which they took in, are read as they are; all are told apart by
their keys alone:

- MosIT as it was written: `image_list`, `video_list` and `audio_list` name files and their captions, and `<Image>file</Image>` in a message
  is the place of one. Where no file was found yet, a description stands between the tags.
- The first training's items: one file, `image_name` or `mm_name`, whatever its kind. A message whose `input_modality` is not text came with
  it; one whose `output_modality` is not text makes a medium of its own `caption`. Where no message says so, a picture came with the first one.
- The second training's items: `<image>` in a message is the place of the next one of `input_image`, or of `image_captions` if the model
  speaks; the same for clips and sounds.
- LLaVA's items: one picture, `image`, whose place is `<image>` in the first message, or no picture at all.

What is made needs no file: of MosIT and of the first items, the authors published captions alone. This module rewrites values; it opens
nothing. The authors' shapes were read from the scripts and samples below `data` in github.com/NExT-GPT/NExT-GPT.
"""

import re
from collections.abc import Iterator
from typing import Any

from nextgpt_chat.errors import InputError
from nextgpt_chat.export.dialogue_file import UnusableFileError

KINDS = ("image", "video", "audio")
ROLES = {"human": "user", "gpt": "assistant"}
PLACE = re.compile(r"<(image|video|audio)>(?:([^<>]*)</\1>)?", re.IGNORECASE)
"""Where a medium stands in a message, with the file or the description between the tags, if there is one."""
FILE = re.compile(r"\S+\.\w{2,4}")
"""Tells the name of a file from a description."""


def as_mosit(item: Any) -> dict[str, Any]:
    """An item as a line of `dialogues.jsonl`. Raises `InputError` for what has none of the shapes."""
    known = item if isinstance(item, dict) else {}
    conversation = known.get("conversation", known.get("conversations"))
    if not isinstance(conversation, list):
        raise InputError("The item has no list `conversation` or `conversations`.")
    media = _Media(known)
    turns = [_turn(message, media) for message in conversation]
    marked = any(PLACE.search(message["value"]) or {"input_modality", "output_modality"} & set(message) for message in conversation)
    if media.file and turns and not marked:
        turns[0]["parts"].insert(0, media.shown("image", None))
    return {"turns": turns}


class _Media:
    """The media of one item, from its first message to its last."""

    def __init__(self, item: dict[str, Any]) -> None:
        self.file = item.get("image_name", item.get("mm_name", item.get("image")))
        listed = {kind: [entry for entry in _many(item.get(f"{kind}_list")) if isinstance(entry, dict)] for kind in KINDS}
        self.captions = {kind: {str(entry.get(f"{kind}_name")): entry.get("caption") for entry in listed[kind]} for kind in KINDS}
        self._shown = {kind: iter(_many(item.get(f"input_{kind}"))) for kind in KINDS}
        self._made = {kind: iter(_many(item.get(f"{kind}_captions"))) for kind in KINDS}

    def shown(self, kind: str, named: str | None) -> dict[str, Any]:
        """What a person shows; `named` stands between the tags."""
        file = named or next(self._shown[kind], self.file)
        if not file:
            raise UnusableFileError(f"The item names no file for <{kind}>.")
        return {"kind": kind, "file": file, "caption": self.captions[kind].get(str(file))}

    def made(self, kind: str, named: str | None, caption: str | None) -> dict[str, Any]:
        """What the model makes; `caption` is the message's own."""
        if named is None:
            caption = next(self._made[kind], caption)
        else:
            caption = self.captions[kind].get(named, None if FILE.fullmatch(named) else named)
        return {"kind": kind, "caption": caption or None}


def _turn(message: Any, media: _Media) -> dict[str, Any]:
    """One message: text and media in the order in which they stand in it."""
    if not isinstance(message, dict) or not isinstance(message.get("value"), str):
        raise InputError("A message of the item has no text under `value`.")
    value = message["value"]
    speaks = message.get("from") == "gpt"

    def medium(kind: str, named: str | None = None) -> dict[str, Any]:
        return media.made(kind, named, message.get("caption")) if speaks else media.shown(kind, named)

    parts: list[dict[str, Any]] = []
    position = 0
    for place in PLACE.finditer(value):
        named = (place[2] or "").strip() or None
        parts += [*_text(value[position : place.start()]), medium(place[1].lower(), named)]
        position = place.end()
    parts += _text(value[position:])
    kind = message.get("output_modality" if speaks else "input_modality")
    if position == 0 and kind in KINDS:  # no place is marked
        parts = [*parts, medium(kind)] if speaks else [medium(kind), *parts]
    return {"role": ROLES.get(str(message.get("from")), message.get("from")), "parts": parts}


def _text(words: str) -> Iterator[dict[str, Any]]:
    """The words as a part, unless there are none."""
    if words.strip():
        yield {"kind": "text", "text": words.strip()}


def _many(value: Any) -> list[Any]:
    """One or several values, or none, as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]
