"""The chat page.

Every handler takes the visitor from the signed cookie and checks ownership through the store: the browser sends a conversation's
id and a new message, never history. A reply is followed from its event log, so leaving, reloading or a second tab loses nothing.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from nextgpt_chat.conversation import Part
from nextgpt_chat.engine.models import Models
from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.export.archive import literal
from nextgpt_chat.export.bring_back import bring_back
from nextgpt_chat.media.names import NOUNS
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.store import Store
from nextgpt_chat.ui.api import Api
from nextgpt_chat.ui.i18n import shown
from nextgpt_chat.ui.message_box import EMPTY, message_box, places, written
from nextgpt_chat.ui.reply_panel import Given, ReplyPanel
from nextgpt_chat.ui.scripts import CHOOSE, DESCRIBE, LIGHTBOX, OPEN_SIDEBAR, SHOW_ADDRESS
from nextgpt_chat.ui.sidebar import Sidebar
from nextgpt_chat.ui.until_loaded import UntilLoaded
from nextgpt_chat.ui.visit import Updates, Visit, guarded
from nextgpt_chat.ui.watching import Seen, Watching
from nextgpt_chat.web.visitor import Visitors

UPLOADS = (600, 3600)
"""Files that were picked and never sent: every ten minutes those are deleted that came more than an hour ago."""


class ChatPage:
    """Builds the page and holds its handlers."""

    def __init__(self, settings: Settings, models: Models, store: Store, visitors: Visitors) -> None:
        self.settings, self.models, self.visitors = settings, models, visitors
        self.conversations, self.library, self.jobs, self.ratings = store.conversations, store.library, store.jobs, store.ratings
        self.side = Sidebar(store, visitors)
        self.panel = ReplyPanel(models, settings.steps)
        self.api = Api(settings, models, store, visitors, self.panel)
        self.watching = Watching(models, store.conversations, store.jobs)

    def build(self) -> gr.Blocks:
        """Lays out the page and wires it."""
        with gr.Blocks(
            title=f"NExT-GPT Chat · {self.models.default.title}", analytics_enabled=False, fill_height=True, delete_cache=UPLOADS
        ) as page:
            self.current = gr.Textbox("", visible="hidden", elem_id="current")
            self.changing = gr.Textbox("", visible="hidden", elem_id="changing")
            self.attached = gr.Textbox("", visible="hidden", elem_id="attached")
            self.side.build(self.panel.build_numbers)
            self.panel.build_title()
            self.chat = gr.Chatbot(
                show_label=False,
                elem_id="chat",
                render_markdown=False,
                buttons=["copy"],
                allow_file_downloads=False,  # its button saves the first of several media only; each has a link of its own
                examples=[{"text": text} for text in self.models.default.examples],
                placeholder=shown("Ask for a picture, or send one and ask about it."),
                autoscroll=True,
            )
            with gr.Row(elem_id="actions"):
                self.panel.build_kinds()
                self.status = gr.Markdown("", elem_id="status")
                self.keep = gr.Button(shown("Cancel"), size="sm", visible=False, elem_id="keep")
                self.retry = gr.Button(shown("Retry"), size="sm", visible=False, elem_id="retry")
            self.box = message_box(self.models)
            self.chosen = gr.HTML("", visible="hidden", js_on_load=CHOOSE + LIGHTBOX + DESCRIBE)
            self.api.build(self.box)
            UntilLoaded(self.watching, self.visitors).build(page, self.status)
            self._wire(page)
        return page

    def _wire(self, page: gr.Blocks) -> None:
        side, how = self.side, {self.current, *self.panel.inputs}
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        own = [self.chat, self.box, self.current, self.changing, self.attached, self.status, self.keep, self.retry]
        view = [*own, *side.outputs]
        following: list[Any] = [
            page.load(self.on_load, None, view, **quiet),
            self.box.submit(self.on_send, {self.box, self.changing, self.attached, *how}, view, **quiet),
            self.retry.click(self.on_retry, how, view, **quiet),
            self.chat.example_select(self.on_offered, how, view, **quiet),
            self.chat.option_select(self.on_offered, how, view, **quiet),
            self.chosen.select(self.on_act, [self.current, self.attached], view, **quiet),
        ]
        picked = side.earlier.input(self.on_pick, [side.earlier], view, cancels=following, **quiet)
        leaving: dict[str, Any] = {"cancels": [*following, picked], **quiet}
        side.fresh.click(self.on_new, None, view, **leaving)
        side.delete.click(self.on_delete, [self.current], view, **leaving)
        side.restore.click(self.on_restore, [side.gone], view, **leaving)
        side.yes.click(self.on_erase, None, view, **leaving)
        side.saved.upload(self.on_bring, [side.saved], view, concurrency_limit=2, **leaving)
        side.wire(self.current)
        self.panel.wire(page)
        self.keep.click(self.on_keep, [self.changing], own, **quiet)
        self.box.stop(self.on_stop, [self.current], None, queue=False, **quiet)
        self.current.change(None, [self.current], None, js=SHOW_ADDRESS)
        page.load(None, None, None, js=OPEN_SIDEBAR)

    def _shown(self, visit: Visit, seen: Iterator[Seen], box: Any = None, deleted: str = "") -> Iterator[Updates]:
        """What becomes of the page when a conversation is seen; `box` is what then stands in the message box, if not what did."""
        for number, now in enumerate(seen):
            if now.more:
                yield {self.chat: now.chat, self.status: now.status}
                continue
            if not number:  # alone: the last that a handler yields is sent again when it ends, over what a person has typed by then
                yield self.side.texts(visit, now.conversation)
            yield {
                self.chat: now.chat,
                self.box: gr.update(submit_btn=not now.running, stop_btn=now.running, **({} if box is None else {"value": box})),
                self.current: now.conversation,
                self.changing: "",
                self.attached: "",
                self.status: now.status,
                self.keep: gr.update(visible=False),
                self.retry: gr.update(visible=now.retry),
                **self.side.opened(visit, now.conversation, now.running, deleted),
            }
            box = None

    def _open(self, visit: Visit, conversation: str) -> Iterator[Updates]:
        yield from self._shown(visit, self.watching.open(visit, conversation))

    def _empty(self, visit: Visit, deleted: str = "") -> Iterator[Updates]:
        yield from self._shown(visit, iter([Seen("", [])]), EMPTY, deleted)

    def _follow(self, visit: Visit, conversation: str, job: str, box: Any = None) -> Iterator[Updates]:
        self.models.notify()
        yield from self._shown(visit, self.watching.follow(visit, conversation, job), box)

    def on_load(self, request: gr.Request) -> Iterator[Updates]:
        """The page opens: the conversation of the address, or a new one."""
        yield from guarded(lambda visit: self._open(visit, request.query_params.get("c", "")), request, self.visitors)

    def on_pick(self, conversation: str, request: gr.Request) -> Iterator[Updates]:
        """An earlier conversation is chosen; the list stays as it is, for whoever looks through what a search has found."""

        def pick(visit: Visit) -> Iterator[Updates]:
            for updates in self._open(visit, conversation):
                if rest := {one: update for one, update in updates.items() if one not in (self.side.search, self.side.earlier)}:
                    yield rest

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

    def on_bring(self, file: str, request: gr.Request) -> Iterator[Updates]:
        """Conversations that were saved come back; the last one of them is opened."""

        def bring(visit: Visit) -> Iterator[Updates]:
            told = bring_back(Path(file), self.conversations.content, self.settings)
            brought = [self.conversations.bring(visit.user, turns) for turns in told]
            yield from self._open(visit, brought[-1])

        yield from guarded(bring, request, self.visitors)

    def on_send(self, given: Given, request: gr.Request) -> Iterator[Updates]:
        """A message is checked, stored with a job and answered; it takes the place of the message that is being changed, if one is."""

        def send(visit: Visit) -> Iterator[Updates]:
            user, changing = visit.user, given[self.changing]
            said = self.conversations.said(user, changing).media if changing else ()
            kept = [*said, *(self.conversations.medium(user, *place) for place in places(given[self.attached]))]
            yield from self._send(visit, given, given[self.box], kept, changing)

        yield from guarded(send, request, self.visitors)

    def on_offered(self, given: Given, chosen: gr.SelectData, request: gr.Request) -> Iterator[Updates]:
        """An example, or one of the messages that fit now, is sent as if it had been typed."""
        text = chosen.value.get("text", "") if isinstance(chosen.value, dict) else chosen.value
        message = {"text": str(text), "files": []}
        yield from guarded(lambda visit: self._send(visit, given, message), request, self.visitors)

    def _send(
        self, visit: Visit, given: Given, message: dict[str, Any], kept: Sequence[Part] = (), changing: str = ""
    ) -> Iterator[Updates]:
        model, settings = self.panel.chosen(given)
        turn = written(message, kept, self.settings, self.conversations.content, model.inputs)
        started = given[self.current] or self.conversations.start(visit.user)
        job = self.conversations.post(visit.user, started, turn, model.name, settings, changing or None)
        for file in message.get("files") or []:
            Path(file).unlink(missing_ok=True)
        yield from self._follow(visit, started, job, box=EMPTY)

    def on_retry(self, given: Given, request: gr.Request) -> Iterator[Updates]:
        """The last reply is made again."""

        def retry(visit: Visit) -> Iterator[Updates]:
            conversation = given[self.current]
            messages = self.conversations.messages(visit.user, conversation)
            if not messages:
                raise NotFoundError("There is no reply to make again.")
            model, settings = self.panel.chosen(given)
            job = self.conversations.retry(visit.user, messages[-1].id, model.name, settings)
            yield from self._follow(visit, conversation, job)

        yield from guarded(retry, request, self.visitors)

    def on_act(self, conversation: str, attached: str, chosen: gr.SelectData, request: gr.Request) -> Iterator[Updates]:
        """A button in a message was pressed; `chosen` has what it asks for, and the message."""

        def act(visit: Visit) -> Iterator[Updates]:
            message = str(chosen.value)
            verb, *how = str(chosen.index).split(":")
            match verb, how:
                case "again", [medium]:
                    job = self.conversations.remake(visit.user, message, int(medium), self.models.names, ReplySettings())
                    yield from self._follow(visit, conversation, job)
                    return
                case "edit", []:
                    yield self._editing(visit, message)
                    return
                case "use", [medium]:
                    yield self._attaching(visit, f"{attached} {message}:{int(medium)}")
                    return
                case "version", [step]:
                    self.conversations.choose(visit.user, message, int(step))
                case "rate", [medium, value]:
                    self.ratings.rate(visit.user, message, int(medium), int(value))
                case "reason", [medium, reason]:
                    self.ratings.reason(visit.user, message, int(medium), reason)
                case _:
                    raise NotFoundError("There is no such button.")
            yield from self._open(visit, conversation)

        yield from guarded(act, request, self.visitors)

    def _editing(self, visit: Visit, message: str) -> Updates:
        """The box with a message that is said otherwise."""
        said, say = self.conversations.said(visit.user, message), visit.view.say
        kinds = ", ".join(say(NOUNS[medium.kind]) for medium in said.media)
        stays = f" {say('Its media stay with it: {}.').format(kinds)}" if kinds else ""
        return {
            self.box: {"text": said.text, "files": []},
            self.changing: message,
            self.status: say("You are changing an earlier message. What came after it is kept as another version.") + stays,
            self.keep: gr.update(visible=True),
        }

    def _attaching(self, visit: Visit, attached: str) -> Updates:
        """The page with media of earlier messages that go with the next one."""
        media = [self.conversations.medium(visit.user, *place) for place in places(attached)]
        names = ", ".join(visit.view.say(NOUNS[one.kind]) + (f" ({one.caption})" if one.caption else "") for one in media)
        return {
            self.attached: attached,
            self.status: visit.view.say("Goes with your next message: {}").format(literal(names)),
            self.keep: gr.update(visible=True),
        }

    def on_keep(self, changing: str) -> Updates:
        """An earlier message is left as it was, and no earlier medium goes with the next one."""
        box = {self.box: EMPTY} if changing else {}
        return {self.changing: "", self.attached: "", self.status: "", self.keep: gr.update(visible=False), **box}

    def on_stop(self, conversation: str, request: gr.Request) -> None:
        """Stops what is being made; its log then ends, and with it whoever follows."""
        user = self.visitors.required(request.cookies)
        for message in self.conversations.messages(user, conversation):
            if message.running and message.job:
                self.jobs.cancel(user, message.job)
