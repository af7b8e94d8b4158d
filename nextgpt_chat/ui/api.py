"""The page's way to talk, for programs: a turn, the events of its reply, and the end of it. `docs/API.md` shows how they are called.

They are Gradio's named endpoints, so `gradio_client` and curl reach them, with files through Gradio's upload. Who calls is told by the same
signed cookie as on the page, and has the same rights, limits and sentences.
"""

import logging
from collections.abc import Iterator
from typing import Any

import gradio as gr

from nextgpt_chat.engine.follow import follow
from nextgpt_chat.engine.models import Models
from nextgpt_chat.errors import InputError, UserError
from nextgpt_chat.events import Event, MediaReady
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.codec import event_to_json
from nextgpt_chat.store.store import Store
from nextgpt_chat.ui.message_box import written
from nextgpt_chat.ui.reply_panel import ReplyPanel
from nextgpt_chat.ui.visit import GENERAL, Visit, visit
from nextgpt_chat.web.visitor import Visitors

log = logging.getLogger(__name__)

SETTINGS = {"model", "seed", "temperature", "steps", "guidance", "frames", "seconds", "kinds"}
"""What a caller may choose about a reply."""


class Api:
    """The endpoints `/turn`, `/events` and `/stop`."""

    def __init__(self, settings: Settings, models: Models, store: Store, visitors: Visitors, panel: ReplyPanel) -> None:
        self.settings, self.models, self.store, self.visitors, self.panel = settings, models, store, visitors, panel

    def build(self, box: gr.MultimodalTextbox) -> None:
        """Adds the endpoints to the page that is being built; `box` is its message box, in whose form a message comes."""
        with gr.Row(visible=False):
            conversation, job, after = gr.Textbox(""), gr.Textbox(), gr.Number(0, precision=0)
            settings, answer = gr.JSON({}), gr.JSON()
        gr.on([], self.turn, [box, conversation, settings], answer, api_name="turn")
        gr.on([], self.events, [job, after], answer, api_name="events")
        gr.on([], self.stop, [job], answer, api_name="stop", queue=False)

    def turn(
        self, message: dict[str, Any], conversation: str, settings: dict[str, Any] | None, request: gr.Request
    ) -> dict[str, str]:
        """Says `message` ({"text": ..., "files": [...]}) in `conversation`, or in a new one if that is empty.

        `settings` may have `model`, `seed`, `temperature`, `steps`, `guidance`, `frames`, `seconds` and `kinds`, within the model's bounds. Returns the ids of
        `conversation` and `job`; the reply is made whether or not somebody follows it with `/events`.
        """
        with _Sentences(request, self.visitors) as caller:
            given = settings or {}
            if not isinstance(given, dict) or not given.keys() <= SETTINGS:
                raise InputError(f"The settings are {given}. Accepted is an object with any of: {', '.join(sorted(SETTINGS))}.")
            model, chosen = self.panel.settings(**given)
            conversations = self.store.conversations
            turn = written(message, (), self.settings, conversations.content, model.inputs)
            started = conversation or conversations.start(caller.user)
            job = conversations.post(caller.user, started, turn, model.name, chosen)
            self.models.notify()
            return {"conversation": started, "job": job}

    def events(self, job: str, after: float, request: gr.Request) -> Iterator[list[dict[str, Any]]]:
        """Yields lists of events of `job` that come after the event number `after`, as they happen, until `done` or `failed`.

        Each has its `number` and its name as `event`; `media_ready` has the address of the file as `url`, for the same visitor.
        An empty list says that nothing has happened for a second, or that `after` was the last event.
        """
        with _Sentences(request, self.visitors) as caller:
            told = None
            for events in follow(self.store.jobs, caller.user, job, after=int(after or 0)):
                told = [{"number": number, **_told(event, caller)} for number, event in events]
                yield told
            if told is None:
                yield []  # whoever has seen all: Gradio's clients take no answer at all for None

    def stop(self, job: str, request: gr.Request) -> dict[str, str]:
        """Stops a reply; what is finished of it stays, and its events end with `done`."""
        with _Sentences(request, self.visitors) as caller:
            self.store.jobs.cancel(caller.user, job)
            return {"job": job}


class _Sentences:
    """Who calls; and an error as the sentence that Gradio passes on to its callers, anything unforeseen in the log alone."""

    def __init__(self, request: gr.Request, visitors: Visitors) -> None:
        self.request, self.visitors = request, visitors

    def __enter__(self) -> Visit:
        try:
            return visit(self.request, self.visitors)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UserError):
            raise gr.Error(str(error), print_exception=False) from error
        if isinstance(error, Exception):
            log.error("an endpoint failed", exc_info=error)
            raise gr.Error(GENERAL, print_exception=False) from error


def _told(event: Event, caller: Visit) -> dict[str, Any]:
    """An event as it stands in the log, and with a file its address."""
    name, body = event_to_json(event)
    return {"event": name, **body} | ({"url": caller.view.link(event.part)} if isinstance(event, MediaReady) else {})
