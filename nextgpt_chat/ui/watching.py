"""A conversation as it is seen: as it is stored, or with a reply that grows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nextgpt_chat.conversation import Media
from nextgpt_chat.engine.follow import follow
from nextgpt_chat.engine.models import Models
from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.store.conversations import Conversations, Message
from nextgpt_chat.store.jobs import Jobs
from nextgpt_chat.ui.render import GrowingRemake, GrowingReply, chat_message
from nextgpt_chat.ui.visit import Visit


@dataclass(frozen=True)
class Seen:
    """What the page shows of a conversation."""

    conversation: str
    """Its id; empty for a new one."""
    chat: list[dict[str, Any]]
    """Messages, as the chat component takes them."""
    running: bool = False
    """Whether a reply is being made."""
    status: str = ""
    """The line above the message box."""
    retry: bool = False
    """Whether the last reply can be made again."""
    more: bool = False
    """Whether only chat and status differ from what was seen before."""


class Watching:
    """Looks at conversations and at replies that are being made."""

    def __init__(self, models: Models, conversations: Conversations, jobs: Jobs) -> None:
        self.models, self.conversations, self.jobs = models, conversations, jobs

    def open(self, visit: Visit, conversation: str) -> Iterator[Seen]:
        """A conversation; if a reply is being made in it, what `follow` yields. One that is not there is seen as a new one."""
        try:
            messages = self.conversations.messages(visit.user, conversation) if conversation else []
        except NotFoundError:
            conversation, messages = "", []
        job = next((message.job for message in messages if message.running), None)
        if job:
            yield from self.follow(visit, conversation, job)
        else:
            retry = bool(messages) and messages[-1].role == "assistant"
            yield Seen(conversation, self._chat(messages, visit), status=self.state(visit), retry=retry)

    def follow(self, visit: Visit, conversation: str, job: str) -> Iterator[Seen]:
        """A reply while it grows, or one medium while it is made again, then the stored conversation."""
        messages = self.conversations.messages(visit.user, conversation)
        chat = [chat_message(message, visit.view) for message in messages]
        place = next(i for i, message in enumerate(messages) if message.job == job)
        growing = GrowingRemake(messages[place], visit.view) if messages[place].remake else GrowingReply(visit.view)
        chat[place] = growing.message()
        yield Seen(conversation, chat, running=True, status=self._waiting(visit, job))
        for events in follow(self.jobs, visit.user, job):
            growing.add(event for _, event in events)
            chat[place] = growing.message()
            yield Seen(conversation, chat, running=True, status=self._waiting(visit, job), more=True)
        chat = self._chat(self.conversations.messages(visit.user, conversation), visit)
        chat[place]["content"] += [note for note in growing.notes if note.startswith("ℹ")]
        yield Seen(conversation, chat, retry=True)

    def _chat(self, messages: list[Message], visit: Visit) -> list[dict[str, Any]]:
        """A conversation in which nothing is being made: its messages have their buttons, and the last one offers what may be said next."""
        models = [self.models.find(message.model) for message in messages]
        chat = [
            chat_message(message, visit.view, model.outputs if model else (), buttons=True)
            for message, model in zip(messages, models, strict=True)
        ]
        media = [medium for message in messages for medium in message.turn.media]
        if media and models[-1]:
            fitting = models[-1].follow_ups.get(media[-1].kind, ())
            chat[-1]["options"] = [{"value": text} for text in fitting if not says_already(media[-1], text)]
        return chat

    def state(self, visit: Visit) -> str:
        """What is said of a model that is not there yet, or not at all."""
        return {"loading": visit.view.say("The model is loading…"), "failed": f"⚠ {self.models.problem}"}.get(self.models.state, "")

    def _waiting(self, visit: Visit, job: str) -> str:
        ahead = self.jobs.position(visit.user, job)
        return self.state(visit) or (visit.view.say("Waiting: {} before you.").format(ahead) if ahead else "")


def says_already(medium: Media, suggestion: str) -> bool:
    """Whether the last word of a suggestion, which is what it asks for, stands in the caption: "Make it blue" of something blue."""
    said, asked = (re.findall(r"\w+", text.lower()) for text in (medium.caption or "", suggestion))
    return bool(asked) and asked[-1] in said
