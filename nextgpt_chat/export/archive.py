"""A conversation as a ZIP file: `conversation.md` to read, `dialogues.jsonl` to train on, and all media once.

`dialogues.jsonl` has the format of `nextgpt-chat data mosit`, so that `train stage3_instruct --data` reads the unpacked folder.
"""

import json
import re
from collections.abc import Sequence
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from nextgpt_chat.conversation import Media, Part, Text
from nextgpt_chat.export.limits import check_size, media_once
from nextgpt_chat.media.names import described, file_name
from nextgpt_chat.store.conversations import Message

LARGEST_MB = 500
"""Most megabytes of media in one archive."""


def write_archive(title: str, identity: str, messages: Sequence[Message], file: IO[bytes]) -> None:
    """Writes the archive. Raises `InputError` if there are more than `LARGEST_MB` of media."""
    check_size(messages, LARGEST_MB)
    names = media_names(messages)
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("conversation.md", markdown(title, messages, names))
        archive.writestr("dialogues.jsonl", json.dumps(dialogue(identity, messages, names), ensure_ascii=False) + "\n")
        for sha256, medium in media_once(messages).items():
            if medium.path.is_file():
                archive.write(medium.path, names[sha256], ZIP_STORED)


def media_names(messages: Sequence[Message]) -> dict[str, str]:
    """Content hash -> name in the archive; numbered in the order of the conversation."""
    media = media_once(messages).items()
    return {sha256: f"media/{number:03}-{file_name(medium)}" for number, (sha256, medium) in enumerate(media, 1)}


def markdown(title: str, messages: Sequence[Message], names: dict[str, str]) -> str:
    """The conversation to read; what people and models wrote stands there letter by letter."""
    lines = [f"# {literal(title)}"]
    for message in messages:
        made = message.role == "assistant"
        lines.append(f"**{literal(message.model or 'Model')}**" if made else "**You**")
        for part in message.turn.parts:
            lines.append(literal(part.text) if isinstance(part, Text) else _medium(part, made, names))
        if message.status not in ("complete", "running"):
            lines.append(f"*{message.status}*")
    return "\n\n".join(lines) + "\n"


def literal(text: str) -> str:
    """Text in Markdown that shows every character as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#+\-.!|~&])", r"\\\1", text.strip())


def _medium(part: Media, made: bool, names: dict[str, str]) -> str:
    said = literal(described(part, made))
    return f"{'!' if part.kind == 'image' else ''}[{said}](<{names[part.sha256]}>)"


def dialogue(identity: str, messages: Sequence[Message], names: dict[str, str]) -> dict[str, Any]:
    """The conversation as far as every message has its reply; one that failed or is empty, and what follows it, teaches nothing."""
    turns: list[dict[str, Any]] = []
    for asked, reply in zip(messages[::2], messages[1::2], strict=False):
        if reply.status != "complete" or not reply.turn.parts:
            break
        turns += [
            {"role": message.role, "parts": [_part(part, names) for part in message.turn.parts]} for message in (asked, reply)
        ]
    return {"id": identity, "turns": turns}


def _part(part: Part, names: dict[str, str]) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"kind": "text", "text": part.text}
    said = {"kind": part.kind, "file": names[part.sha256], "caption": part.caption, "seed": part.seed}
    started = {"start": True} if "start" in part.settings else {}
    return {name: value for name, value in said.items() if value is not None} | started
