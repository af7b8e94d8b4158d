"""Messages and events as what the chat shows. Nothing else decides that.

Texts are escaped and the chat renders no Markdown, so nothing that a person or the model writes can load, run or imitate anything. Media are referred to by signed links of our own route.
"""

import html
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from nextgpt_chat.conversation import Media, Text
from nextgpt_chat.events import Done, Event, Failed, MediaProgress, MediaReady, MediaStarted, Notice, TextDelta
from nextgpt_chat.languages.translate import Say
from nextgpt_chat.media.names import NOUNS, described, file_name
from nextgpt_chat.store.conversations import Message
from nextgpt_chat.store.ratings import REASONS, WHOLE
from nextgpt_chat.ui.progress import Progress

Content = list[str | dict[str, Any]]

NOT_REMADE = "It could not be made again and stays as it was."


@dataclass(frozen=True)
class View:
    """What depends on who looks."""

    link: Callable[[Media], str]
    """Gives the absolute address of a medium."""
    say: Say = str


def chat_message(
    message: Message, view: View, again: Collection[str] = (), progress: str | None = None, buttons: bool = False
) -> dict[str, Any]:
    """A stored message as the chat component takes it.

    Media of the kinds `again` get a button that makes them again; the one that is being made again has the line `progress` under it.
    With `buttons` there is a line under the message with what can be done with it.
    """
    made, numbers, say = message.role == "assistant", iter(range(len(message.turn.media))), view.say
    content: Content = []
    for part in message.turn.parts:
        if isinstance(part, Text):
            content.append(plain(part.text))
            continue
        number = next(numbers)
        attempt = message.remake if message.remake and message.remake.medium == number else None
        if attempt and progress is not None:
            content += [shown(part, view), f'<div class="about">{shows(part, made)}{progress}</div>']
            continue
        tools = again_button(message.id, number, part, view.say) if made and part.kind in again else ""
        if buttons:
            tools += act(f"use:{number}", message.id, say("Use"), say("this {} in the next message").format(say(NOUNS[part.kind])))
        if made and buttons and len(message.turn.media) > 1:
            tools += thumbs(message, number, say("this {}").format(say(NOUNS[part.kind])), say)
        if attempt and attempt.status in ("failed", "interrupted"):
            tools += f"<span>⚠ {say(NOT_REMADE)}</span>"
        content += [shown(part, view), about(part, view, made, tools)]
    if note := status_note(message, say):
        content.append(note)
    if buttons:
        if made:
            tools = thumbs(message, WHOLE, say("this reply"), say) + how_replied(message, say)
        else:
            tools = act("edit", message.id, say("Edit"))
        content.append(f'<div class="about tools">{versions(message, say)}{tools}</div>')
    return {"role": message.role, "content": content or [""]}


def status_note(message: Message, say: Say) -> str:
    """The line under a reply that did not end well."""
    if message.status == "stopped":
        return f"■ {say('Stopped.')}"
    if message.status in ("failed", "interrupted"):
        return f"⚠ {plain(message.error or '')}"
    return ""


def plain(text: str) -> str:
    """Text that shows every character as it is: the chat component inserts texts as HTML even where it renders no Markdown."""
    return html.escape(text, quote=False)


def shown(part: Media, view: View) -> dict[str, Any]:
    """A medium itself."""
    # With a path and an absolute address, Gradio neither copies the file into its public cache nor serves it: our own route does.
    address = view.link(part)
    file = {
        "path": address,
        "url": address,
        "mime_type": part.mime,
        "orig_name": file_name(part),
        "meta": {"_type": "gradio.FileData"},
    }
    return {"type": "file", "file": file}


def about(part: Media, view: View, made: bool, tools: str = "") -> str:
    """The line under a medium: that a model made it, with which seed and how, a link that saves it, and `tools`."""
    say = view.say
    save = f'<a href="{attribute(view.link(part))}" download="{attribute(file_name(part))}">{say("Download")}</a>'
    said = ""
    if made:
        how = "<br>".join(plain(line) for line in how_made(part, say))
        label = say("AI-generated {}, seed {}").format(say(NOUNS[part.kind]), part.seed)
        said = f"<details><summary>{label}</summary>{how}</details>"
    return f'<div class="about">{shows(part, made)}{said}{save}{tools}</div>'


def shows(part: Media, made: bool) -> str:
    """What a medium shows, for whoever only hears the page. The chat component leaves alternative texts out; our script puts this there."""
    return f'<span class="unseen shows">{plain(described(part, made))}</span>'


def act(what: str, message: str, label: str, about: str = "", on: bool = False, say: Say = str) -> str:
    """A button that asks for `what` with a message; `about` is for whoever only hears the page, `on` whether it is pressed in."""
    unseen = " ".join(filter(None, (about, say("(chosen)") if on else "")))  # the chat component takes aria-pressed away
    heard = f'<span class="unseen"> {plain(unseen)}</span>' if unseen else ""
    return f'<button type="button" class="act{" on" * on}" name="{what}" value="{attribute(message)}">{label}{heard}</button>'


def again_button(message: str, number: int, part: Media, say: Say) -> str:
    """Asks for number `number` of the media of a message once more."""
    return act(
        f"again:{number}", message, say("Another seed"), say("for this {}: {}").format(say(NOUNS[part.kind]), part.caption or "")
    )


def versions(message: Message, say: Say) -> str:
    """Which of several versions of a message this is, with buttons to the one before and the one behind."""
    if message.versions == 1:
        return ""
    place, before, behind = f"<span>{message.version} / {message.versions}</span>", "", ""
    if message.version > 1:
        before = act("version:-1", message.id, "‹", say("version before"))
    if message.version < message.versions:
        behind = act("version:1", message.id, "›", say("next version"))
    return before + place + behind


def thumbs(message: Message, number: int, what: str, say: Say) -> str:
    """Buttons that judge a reply or one of its media, and once it is judged as bad, what may be wrong with it."""
    rating = message.ratings.get(number)
    value = rating.value if rating else 0
    buttons = act(f"rate:{number}:1", message.id, say("Good"), what, value == 1, say)
    buttons += act(f"rate:{number}:-1", message.id, say("Bad"), what, value == -1, say)
    if rating and value == -1:
        buttons += "".join(
            act(f"reason:{number}:{key}", message.id, say(label), on=key in rating.reasons, say=say)
            for key, label in REASONS.items()
        )
    return buttons


def how_replied(message: Message, say: Say) -> str:
    """How a reply was made: by which model, with which seed, from and to how many tokens, and the time in each tier."""
    stats = message.stats
    if "seconds" not in stats:
        return ""
    seconds = {name: value for name, value in stats["seconds"].items() if name not in ("total", "first_text")}
    lines = [
        say("{}, seed {}").format(plain(stats["model"]), stats["seed"]),
        say("{} tokens read, {} written").format(stats["prompt_tokens"], stats["new_tokens"]),
        ", ".join(f"{plain(name)} {value:.2f} s" for name, value in seconds.items()),
    ]
    total = stats["seconds"].get("total", 0.0)
    return f"<details><summary>{total:.1f} s</summary>{'<br>'.join(line for line in lines if line)}</details>"


def how_made(part: Media, say: Say) -> list[str]:
    """Caption and settings of a medium that a model made, a line each."""
    used, words = part.settings, []
    if "steps" in used:
        words.append(say("{} steps").format(used["steps"]))
    if "guidance" in used:
        words.append(say("guidance {}").format(f"{used['guidance']:g}"))
    if "frames" in used:
        words.append(say("{} frames").format(used["frames"]))
    if "seconds" in used:
        words.append(say("{} seconds").format(f"{used['seconds']:g}"))
    if "start" in used:
        words.append(say("begun from an earlier medium, strength {}").format(f"{used.get('strength', 1):.0%}"))
    return [line for line in (part.caption or "", ", ".join(words)) if line]


def attribute(text: str) -> str:
    """Text as the value of an HTML attribute."""
    return html.escape(text, quote=True)


class GrowingReply:
    """A reply as far as its events tell: text, finished media, and the progress of the one that is being made."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.content: Content = []
        self.notes: list[str] = []
        self._progress: Progress | None = None
        self._text_open = False

    def add(self, events: Iterable[Event]) -> None:
        """Takes in what happened."""
        now = time.monotonic()
        for event in events:
            self._add(event, now)

    def _add(self, event: Event, now: float) -> None:
        if isinstance(event, TextDelta):
            if self._text_open:
                self.content[-1] = f"{self.content[-1]}{plain(event.text)}"
            else:
                self.content.append(plain(event.text))
            self._text_open = True
            return
        self._text_open = False
        if isinstance(event, MediaStarted):
            self._progress = Progress(event.kind, self.view.say)
        elif isinstance(event, MediaProgress):
            assert self._progress is not None
            self._progress.add(event, now)
        elif isinstance(event, MediaReady):
            self._progress = None
            self.content += [shown(event.part, self.view), about(event.part, self.view, made=True)]
        elif isinstance(event, Notice):
            self.notes.append(f"ℹ {plain(event.message)}")
        elif isinstance(event, Done | Failed):
            self._progress = None
            if isinstance(event, Failed):
                self.notes.append(f"⚠ {plain(event.message)}")
            elif event.stats.stopped:
                self.notes.append(f"■ {self.view.say('Stopped.')}")

    def message(self) -> dict[str, Any]:
        """The reply as the chat component takes it."""
        content = [*self.content]
        if self._progress:
            content.append(str(self._progress))
        return {"role": "assistant", "content": [*content, *self.notes] or ["…"]}


class GrowingRemake:
    """A stored reply with the progress of the medium that is being made again under the one that is there."""

    def __init__(self, stored: Message, view: View) -> None:
        assert stored.remake is not None
        self.stored, self.view = stored, view
        self.notes: list[str] = []
        self._progress = Progress(stored.turn.media[stored.remake.medium].kind, view.say)

    def add(self, events: Iterable[Event]) -> None:
        """Takes in what happened; the new medium itself is shown from the store, where it is when the job ends."""
        now = time.monotonic()
        for event in events:
            if isinstance(event, MediaProgress):
                self._progress.add(event, now)

    def message(self) -> dict[str, Any]:
        """The reply as the chat component takes it."""
        return chat_message(self.stored, self.view, progress=str(self._progress))
