"""The message box, and what is written in it."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from nextgpt_chat.conversation import Part, Text, Turn
from nextgpt_chat.engine.models import Models
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.upload import accept_upload
from nextgpt_chat.settings import Settings
from nextgpt_chat.ui.camera import camera
from nextgpt_chat.ui.i18n import shown

EMPTY: dict[str, Any] = {"text": "", "files": []}
"""A box in which nothing is written."""
MOST_ATTACHED = 50
"""Media of earlier messages that are looked up for the next one; the settings allow fewer."""


def message_box(models: Models) -> gr.MultimodalTextbox:
    """A box for text and for files of the kinds that a model takes; with a microphone and a camera where one hears and sees."""
    kinds = list(dict.fromkeys(kind for model in models.checkpoints for kind in model.inputs if kind != "text"))
    with gr.Row(elem_id="compose"):
        if "image" in kinds:
            camera()
        return gr.MultimodalTextbox(
            show_label=False,
            placeholder=shown("Write a message…"),
            file_count="multiple",
            file_types=kinds,
            sources=["upload", "microphone"] if "audio" in kinds else ["upload"],
            max_plain_text_length=1_000_000,
            elem_id="box",
            autofocus=True,
        )


def written(
    message: dict[str, Any], kept: Sequence[Part], settings: Settings, content: ContentStore, kinds: Collection[str]
) -> Turn:
    """The box as a value, behind the media `kept` of earlier messages; files are checked and taken into the content store.

    Raises `InputError` with a sentence for files of other kinds than `kinds`, for too many, and for what is wrong with one.
    """
    files = [Path(file) for file in message.get("files") or []]
    count = len(kept) + len(files)
    if count > settings.max_files_per_message:
        raise InputError(f"The message has {count} files. Accepted are up to {settings.max_files_per_message} in one message.")
    parts: list[Part] = [*kept, *(accept_upload(file, file.name, settings, content, kinds) for file in files)]
    if text := (message.get("text") or "").strip():
        parts.append(Text(text))
    return Turn("user", tuple(parts))


def places(attached: str) -> list[tuple[str, int]]:
    """Messages and numbers of media in them, from `MESSAGE:NUMBER MESSAGE:NUMBER ...`; each once, and `MOST_ATTACHED` of them."""
    pairs = [place.partition(":") for place in list(dict.fromkeys(attached.split()))[:MOST_ATTACHED]]
    return [(message, int(number)) for message, _, number in pairs if number.isdecimal()]
