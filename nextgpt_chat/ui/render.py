"""Messages and events as what the chat shows. Nothing else decides that.

Texts are escaped and the chat renders no Markdown, so nothing that a person or the model writes can load, run or imitate anything. Media are referred to by signed links of our own route.
"""

import html
from collections.abc import Callable, Iterable
from typing import Any

from nextgpt_chat.conversation import Media, Part, Text
from nextgpt_chat.events import Done, Event, Failed, MediaProgress, MediaReady, MediaStarted, Notice, TextDelta
from nextgpt_chat.store.conversations import Message

Link = Callable[[Media], str]
"""Gives the absolute address of a medium."""
Content = list[str | dict[str, Any]]

WORDS = {"image": ("picture", "Drawing"), "audio": ("sound", "Composing"), "video": ("clip", "Filming")}
BAR = 12
"""Characters of a progress bar."""


def chat_message(message: Message, link: Link) -> dict[str, Any]:
    """A stored message as the chat component takes it."""
    content: Content = [item for part in message.turn.parts for item in part_content(part, link, made=message.role == "assistant")]
    if note := status_note(message):
        content.append(note)
    return {"role": message.role, "content": content or [""]}


def status_note(message: Message) -> str:
    """The line under a reply that did not end well."""
    if message.status == "stopped":
        return "■ Stopped."
    if message.status in ("failed", "interrupted"):
        return f"⚠ {plain(message.error or '')}"
    return ""


def plain(text: str) -> str:
    """Text that shows every character as it is: the chat component inserts texts as HTML even where it renders no Markdown."""
    return html.escape(text, quote=False)


def part_content(part: Part, link: Link, made: bool) -> Content:
    """One part; a medium that the model made is labelled as such, with the seed that makes it again."""
    if isinstance(part, Text):
        return [plain(part.text)]
    noun = WORDS[part.kind][0]
    described = f"AI-generated {noun}: {part.caption}" if made else f"Your {noun}"
    # With a path and an absolute address, Gradio neither copies the file into its public cache nor serves it: our own route does.
    address = link(part)
    file = {
        "path": address,
        "url": address,
        "mime_type": part.mime,
        "orig_name": part.path.name,
        "meta": {"_type": "gradio.FileData"},
    }
    shown = {"type": "file", "file": file, "alt_text": described}
    return [shown, f"AI-generated {noun}, seed {part.seed}"] if made else [shown]


class GrowingReply:
    """A reply as far as its events tell: text, finished media, and the progress of the one that is being made."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.content: Content = []
        self.notes: list[str] = []
        self._pending: MediaStarted | None = None
        self._progress: MediaProgress | None = None
        self._text_open = False

    def add(self, events: Iterable[Event]) -> None:
        """Takes in what happened."""
        for event in events:
            self._add(event)

    def _add(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            if self._text_open:
                self.content[-1] = f"{self.content[-1]}{plain(event.text)}"
            else:
                self.content.append(plain(event.text))
            self._text_open = True
            return
        self._text_open = False
        if isinstance(event, MediaStarted):
            self._pending, self._progress = event, None
        elif isinstance(event, MediaProgress):
            self._progress = event
        elif isinstance(event, MediaReady):
            self._pending = None
            self.content += part_content(event.part, self.link, made=True)
        elif isinstance(event, Notice):
            self.notes.append(f"ℹ {plain(event.message)}")
        elif isinstance(event, Done | Failed):
            self._pending = None
            if isinstance(event, Failed):
                self.notes.append(f"⚠ {plain(event.message)}")
            elif event.stats.stopped:
                self.notes.append("■ Stopped.")

    def message(self) -> dict[str, Any]:
        """The reply as the chat component takes it."""
        content = [*self.content]
        if self._pending:
            content.append(progress_line(self._pending, self._progress))
        return {"role": "assistant", "content": [*content, *self.notes] or ["…"]}


def progress_line(started: MediaStarted, progress: MediaProgress | None) -> str:
    """`Drawing ▰▰▰▱▱▱ step 3 of 6`."""
    verb = WORDS[started.kind][1]
    if progress is None:
        return f"{verb} {'▱' * BAR}"
    full = round(BAR * progress.step / progress.total)
    return f"{verb} {'▰' * full}{'▱' * (BAR - full)} step {progress.step} of {progress.total}"
