"""The chat page.

Every handler takes the visitor from the signed cookie and checks ownership through the store: the browser sends a conversation's
id and a new message, never history. A reply is followed from its event log, so leaving, reloading or a second tab loses nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.engine.follow import follow
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.media.names import NOUNS
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.conversations import Message
from nextgpt_chat.store.store import Store
from nextgpt_chat.ui.message_box import EMPTY, message_box, written
from nextgpt_chat.ui.render import GrowingRemake, GrowingReply, Link, chat_message
from nextgpt_chat.ui.scripts import CHOOSE, OPEN_SIDEBAR, SHOW_ADDRESS
from nextgpt_chat.ui.sidebar import Sidebar
from nextgpt_chat.ui.visit import Updates, Visit, guarded
from nextgpt_chat.web.visitor import Visitors

UPLOADS = (600, 3600)
"""Files that were picked and never sent: every ten minutes those are deleted that came more than an hour ago."""


class ChatPage:
    """Builds the page and holds its handlers."""

    def __init__(self, settings: Settings, checkpoint: Checkpoint, store: Store, worker: Worker, visitors: Visitors) -> None:
        self.settings, self.checkpoint = settings, checkpoint
        self.conversations, self.library, self.jobs = store.conversations, store.library, store.jobs
        self.ratings, self.worker, self.visitors = store.ratings, worker, visitors
        self.side = Sidebar(store.library, store.shares, visitors)

    def build(self) -> gr.Blocks:
        """Lays out the page and wires it."""
        with gr.Blocks(
            title=f"NExT-GPT Chat · {self.checkpoint.title}", analytics_enabled=False, fill_height=True, delete_cache=UPLOADS
        ) as page:
            self.current = gr.Textbox("", visible="hidden", elem_id="current")
            self.changing = gr.Textbox("", visible="hidden", elem_id="changing")
            self.side.build()
            gr.Markdown(
                f"# NExT-GPT Chat\n\nYou are talking to **{self.checkpoint.title}**. {self.checkpoint.knows}", elem_id="title"
            )
            self.chat = gr.Chatbot(
                show_label=False,
                elem_id="chat",
                render_markdown=False,
                buttons=["copy"],
                allow_file_downloads=False,  # its button saves the first of several media only; each has a link of its own
                examples=[{"text": text} for text in self.checkpoint.examples],
                placeholder="Ask for a picture, or send one and ask about it.",
                autoscroll=True,
            )
            with gr.Row(elem_id="actions"):
                self.status = gr.Markdown("", elem_id="status")
                self.keep = gr.Button("Leave it as it was", size="sm", visible=False, elem_id="keep")
                self.retry = gr.Button("Retry", size="sm", visible=False, elem_id="retry")
            self.box = message_box(self.checkpoint)
            self.chosen = gr.HTML("", visible="hidden", js_on_load=CHOOSE)
            self._wire(page)
        return page

    def _wire(self, page: gr.Blocks) -> None:
        side = self.side
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        own = [self.chat, self.box, self.current, self.changing, self.status, self.keep, self.retry]
        view = [*own, *side.outputs]
        following: list[Any] = [
            page.load(self.on_load, None, view, **quiet),
            self.box.submit(self.on_send, [self.box, self.current, self.changing], view, **quiet),
            self.retry.click(self.on_retry, [self.current], view, **quiet),
            self.chat.example_select(self.on_example, [self.current], view, **quiet),
            self.chosen.select(self.on_act, [self.current], view, **quiet),
        ]
        picked = side.earlier.input(self.on_pick, [side.earlier], view, cancels=following, **quiet)
        leaving: dict[str, Any] = {"cancels": [*following, picked], **quiet}
        side.fresh.click(self.on_new, None, view, **leaving)
        side.delete.click(self.on_delete, [self.current], view, **leaving)
        side.restore.click(self.on_restore, [side.gone], view, **leaving)
        side.yes.click(self.on_erase, None, view, **leaving)
        side.wire(self.current)
        self.keep.click(self.on_keep, None, [self.box, self.changing, self.status, self.keep], **quiet)
        self.box.stop(self.on_stop, [self.current], None, queue=False, **quiet)
        self.current.change(None, [self.current], None, js=SHOW_ADDRESS)
        page.load(None, None, None, js=OPEN_SIDEBAR)

    def _view(
        self,
        visit: Visit,
        conversation: str,
        chat: list[dict[str, Any]],
        running: bool,
        status: str = "",
        box: Any = None,
        retry: bool = False,
        deleted: str = "",
    ) -> Updates:
        """The whole page."""
        return {
            self.chat: chat,
            self.box: gr.update(submit_btn=not running, stop_btn=running, **({} if box is None else {"value": box})),
            self.current: conversation,
            self.changing: "",
            self.status: status,
            self.keep: gr.update(visible=False),
            self.retry: gr.update(visible=retry and not running),
            **self.side.opened(visit, conversation, running, deleted),
        }

    def on_load(self, request: gr.Request) -> Iterator[Updates]:
        """The page opens: the conversation of the address, or a new one."""
        yield from guarded(lambda visit: self._open(visit, request.query_params.get("c", "")), request, self.visitors)

    def on_pick(self, conversation: str, request: gr.Request) -> Iterator[Updates]:
        """An earlier conversation is chosen; the list stays as it is, for whoever looks through what a search has found."""
        kept = (self.side.search, self.side.earlier)

        def pick(visit: Visit) -> Iterator[Updates]:
            for updates in self._open(visit, conversation):
                yield {component: update for component, update in updates.items() if component not in kept}

        yield from guarded(pick, request, self.visitors)

    def on_new(self, request: gr.Request) -> Iterator[Updates]:
        """A new, empty conversation; it is stored with its first message."""
        yield from guarded(lambda visit: self._empty(visit), request, self.visitors)

    def on_delete(self, conversation: str, request: gr.Request) -> Iterator[Updates]:
        """Takes the conversation out of sight; it can be brought back."""

        def delete(visit: Visit) -> Iterator[Updates]:
            self.library.delete(visit.user, conversation)
            yield from self._empty(visit, conversation)

        yield from guarded(delete, request, self.visitors)

    def on_restore(self, conversation: str, request: gr.Request) -> Iterator[Updates]:
        """Brings the deleted conversation back."""

        def restore(visit: Visit) -> Iterator[Updates]:
            self.library.restore(visit.user, conversation)
            yield from self._open(visit, conversation)

        yield from guarded(restore, request, self.visitors)

    def on_erase(self, request: gr.Request) -> Iterator[Updates]:
        """Deletes everything that is kept of the visitor."""

        def erase(visit: Visit) -> Iterator[Updates]:
            count = self.library.erase(visit.user)
            gr.Info(f"{count} {'chat was' if count == 1 else 'chats were'} deleted for good.")
            yield from self._empty(visit)

        yield from guarded(erase, request, self.visitors)

    def on_send(self, message: dict[str, Any], conversation: str, changing: str, request: gr.Request) -> Iterator[Updates]:
        """A message is checked, stored with a job and answered; it stands in for the message `changing`, whose media stay, if that is named."""

        def send(visit: Visit) -> Iterator[Updates]:
            said = self.conversations.said(visit.user, changing).parts if changing else ()
            kept = [part for part in said if not isinstance(part, Text)]
            turn = written(message, kept, self.settings, self.conversations.content, self.checkpoint.inputs)
            started = conversation or self.conversations.start(visit.user)
            settings = ReplySettings(steps=self.settings.steps)
            job = self.conversations.post(visit.user, started, turn, self.checkpoint.name, settings, changing or None)
            self.worker.notify()
            for file in message.get("files") or []:
                Path(file).unlink(missing_ok=True)
            yield from self._follow(visit, started, job, box=EMPTY)

        yield from guarded(send, request, self.visitors)

    def on_example(self, conversation: str, chosen: gr.SelectData, request: gr.Request) -> Iterator[Updates]:
        """An example is sent as if it had been typed."""
        yield from self.on_send({"text": str(chosen.value.get("text", "")), "files": []}, conversation, "", request)

    def on_retry(self, conversation: str, request: gr.Request) -> Iterator[Updates]:
        """The last reply is made again."""

        def retry(visit: Visit) -> Iterator[Updates]:
            messages = self.conversations.messages(visit.user, conversation)
            if not messages:
                raise NotFoundError("There is no reply to make again.")
            settings = ReplySettings(steps=self.settings.steps)
            job = self.conversations.retry(visit.user, messages[-1].id, self.checkpoint.name, settings)
            self.worker.notify()
            yield from self._follow(visit, conversation, job)

        yield from guarded(retry, request, self.visitors)

    def on_act(self, conversation: str, chosen: gr.SelectData, request: gr.Request) -> Iterator[Updates]:
        """A button in a message was pressed; `chosen` has what it asks for, and the message."""

        def act(visit: Visit) -> Iterator[Updates]:
            message = str(chosen.value)
            verb, *how = str(chosen.index).split(":")
            match verb, how:
                case "again", [medium]:
                    job = self.conversations.remake(visit.user, message, int(medium), self.checkpoint.name, ReplySettings())
                    self.worker.notify()
                    yield from self._follow(visit, conversation, job)
                    return
                case "edit", []:
                    yield self._editing(message, self.conversations.said(visit.user, message))
                    return
                case "version", [role, step]:
                    self.conversations.choose(visit.user, message, role, int(step))
                case "rate", [medium, value]:
                    self.ratings.rate(visit.user, message, int(medium), int(value))
                case "reason", [medium, reason]:
                    self.ratings.reason(visit.user, message, int(medium), reason)
                case _:
                    raise NotFoundError("There is no such button.")
            yield from self._open(visit, conversation)

        yield from guarded(act, request, self.visitors)

    def _editing(self, message: str, said: Turn) -> Updates:
        """The box with a message that is said otherwise."""
        kinds = [NOUNS[medium.kind] for medium in said.media]
        stays = f" Its {' and '.join(kinds)} stay{'s' if len(kinds) == 1 else ''} with it." if kinds else ""
        return {
            self.box: {"text": said.text, "files": []},
            self.changing: message,
            self.status: f"You are changing an earlier message.{stays} What came after it is kept as another version.",
            self.keep: gr.update(visible=True),
        }

    def on_keep(self) -> Updates:
        """An earlier message is left as it was."""
        return {self.box: EMPTY, self.changing: "", self.status: "", self.keep: gr.update(visible=False)}

    def on_stop(self, conversation: str, request: gr.Request) -> None:
        """Stops what is being made; its log then ends, and with it whoever follows."""
        user = self.visitors.required(request.cookies)
        for message in self.conversations.messages(user, conversation):
            if message.running and message.job:
                self.jobs.cancel(user, message.job)

    def _empty(self, visit: Visit, deleted: str = "") -> Iterator[Updates]:
        yield self._view(visit, "", [], running=False, box=EMPTY, deleted=deleted)

    def _open(self, visit: Visit, conversation: str) -> Iterator[Updates]:
        """Shows a conversation and joins its reply if one is being made."""
        try:
            messages = self.conversations.messages(visit.user, conversation) if conversation else []
        except NotFoundError:
            conversation, messages = "", []
        job = next((message.job for message in messages if message.running), None)
        if job:
            yield from self._follow(visit, conversation, job)
        else:
            chat = self._chat(messages, visit.link)
            yield self._view(visit, conversation, chat, running=False, status=self._state(), retry=_can_retry(messages))

    def _follow(self, visit: Visit, conversation: str, job: str, box: Any = None) -> Iterator[Updates]:
        """Shows a reply while it grows, or one medium while it is made again, then the stored conversation."""
        messages = self.conversations.messages(visit.user, conversation)
        chat = [chat_message(message, visit.link) for message in messages]
        place = next(i for i, message in enumerate(messages) if message.job == job)
        growing = GrowingRemake(messages[place], visit.link) if messages[place].remake else GrowingReply(visit.link)
        chat[place] = growing.message()
        yield self._view(visit, conversation, chat, running=True, status=self._waiting(visit.user, job), box=box)
        for events in follow(self.jobs, visit.user, job, poll=0.08):
            growing.add(event for _, event in events)
            chat[place] = growing.message()
            yield {self.chat: chat, self.status: self._waiting(visit.user, job)}
        messages = self.conversations.messages(visit.user, conversation)
        chat = self._chat(messages, visit.link)
        chat[place]["content"] += [note for note in growing.notes if note.startswith("ℹ")]
        yield self._view(visit, conversation, chat, running=False, retry=True)

    def _chat(self, messages: list[Message], link: Link) -> list[dict[str, Any]]:
        """A conversation in which nothing is being made: its messages have their buttons."""
        kinds = self.checkpoint.outputs
        return [
            chat_message(message, link, kinds if message.model == self.checkpoint.name else (), buttons=True)
            for message in messages
        ]

    def _state(self) -> str:
        return {"loading": "The model is loading…", "failed": f"⚠ {self.worker.problem}"}.get(self.worker.state, "")

    def _waiting(self, user: str, job: str) -> str:
        ahead = self.jobs.position(user, job)
        return self._state() or (f"Waiting: {ahead} before you." if ahead else "")


def _can_retry(messages: list[Message]) -> bool:
    return bool(messages) and messages[-1].role == "assistant"
