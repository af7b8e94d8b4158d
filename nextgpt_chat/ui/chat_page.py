"""The chat page.

Every handler takes the visitor from the signed cookie and checks ownership through the store: the browser sends a conversation's
id and a new message, never history. A reply is followed from its event log, so leaving, reloading or a second tab loses nothing.
"""

import logging
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.conversation import Media, Part, Text, Turn
from nextgpt_chat.engine.follow import follow
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import InputError, NotFoundError, UserError
from nextgpt_chat.media.upload import accept_upload
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.conversations import Conversations, Message
from nextgpt_chat.store.jobs import Jobs
from nextgpt_chat.ui.message_box import message_box
from nextgpt_chat.ui.render import GrowingRemake, GrowingReply, Link, chat_message
from nextgpt_chat.ui.scripts import CHOOSE_MEDIUM, CONFIRM_DELETE, OPEN_SIDEBAR, SHOW_ADDRESS
from nextgpt_chat.web.visitor import Visitors

log = logging.getLogger(__name__)

UNCHANGED = tuple(gr.skip() for _ in range(7))
"""What a handler returns when the page stays as it is; returning nothing would empty it."""
GENERAL = "Something went wrong; it is in the log. Reload the page and try again."


class ChatPage:
    """Builds the page and holds its handlers."""

    def __init__(
        self,
        settings: Settings,
        checkpoint: Checkpoint,
        conversations: Conversations,
        jobs: Jobs,
        worker: Worker,
        visitors: Visitors,
    ) -> None:
        self.settings, self.checkpoint = settings, checkpoint
        self.conversations, self.jobs, self.worker, self.visitors = conversations, jobs, worker, visitors

    def build(self) -> gr.Blocks:
        """Lays out the page and wires it."""
        with gr.Blocks(title=f"NExT-GPT Chat · {self.checkpoint.title}", analytics_enabled=False, fill_height=True) as page:
            current = gr.Textbox("", visible="hidden", elem_id="current")
            with gr.Sidebar(width=280, open=False, elem_id="side"):
                fresh = gr.Button("New chat", variant="primary", elem_id="new")
                earlier = gr.Radio([], show_label=False, container=False, elem_id="earlier")
            gr.Markdown(
                f"# NExT-GPT Chat\n\nYou are talking to **{self.checkpoint.title}**. {self.checkpoint.knows}", elem_id="title"
            )
            chat = gr.Chatbot(
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
                status = gr.Markdown("", elem_id="status")
                retry = gr.Button("Retry", size="sm", visible=False, elem_id="retry")
                delete = gr.Button("Delete chat", size="sm", visible=False, elem_id="delete")
            box = message_box(self.checkpoint)
            chosen = gr.HTML("", visible="hidden", js_on_load=CHOOSE_MEDIUM)
            view = [chat, box, current, earlier, status, retry, delete]
            following: list[Any] = []
            loaded = page.load(self.on_load, None, view, show_progress="hidden", api_visibility="private")
            sent = box.submit(self.on_send, [box, current], view, show_progress="hidden", api_visibility="private")
            again = retry.click(self.on_retry, [current], view, show_progress="hidden", api_visibility="private")
            picked_example = chat.example_select(self.on_example, [current], view, show_progress="hidden", api_visibility="private")
            remade = chosen.select(self.on_again, [current], view, show_progress="hidden", api_visibility="private")
            following += [loaded, sent, again, picked_example, remade]
            picked = earlier.input(
                self.on_pick, [earlier], view, cancels=following, show_progress="hidden", api_visibility="private"
            )
            fresh.click(self.on_new, None, view, cancels=[*following, picked], show_progress="hidden", api_visibility="private")
            delete.click(
                self.on_delete,
                [current],
                view,
                js=CONFIRM_DELETE,
                cancels=[*following, picked],
                show_progress="hidden",
                api_visibility="private",
            )
            box.stop(self.on_stop, [current], None, show_progress="hidden", queue=False, api_visibility="private")
            current.change(None, [current], None, js=SHOW_ADDRESS)
            page.load(None, None, None, js=OPEN_SIDEBAR)
        return page

    # What the handlers return, in the order of `view`.

    def _view(
        self,
        user: str,
        conversation: str,
        chat: list[dict[str, Any]],
        running: bool,
        status: str = "",
        box: Any = None,
        retry: bool = False,
    ) -> tuple[Any, ...]:
        known = [(summary.title, summary.id) for summary in self.conversations.recent(user)]
        ids = {identity for _, identity in known}
        return (
            chat,
            gr.update(submit_btn=not running, stop_btn=running, **({} if box is None else {"value": box})),
            conversation,
            gr.update(choices=known, value=conversation if conversation in ids else None),
            status,
            gr.update(visible=retry and not running),
            gr.update(visible=conversation in ids and not running),
        )

    def on_load(self, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """The page opens: the conversation of the address, or a new one."""
        yield from self._guarded(
            lambda: self._open(self._user(request), request.query_params.get("c", ""), self._link(request)), request
        )

    def on_pick(self, conversation: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """An earlier conversation is chosen."""
        yield from self._guarded(lambda: self._open(self._user(request), conversation, self._link(request)), request)

    def on_new(self, request: gr.Request) -> tuple[Any, ...]:
        """A new, empty conversation; it is stored with its first message."""
        return self._view(self._user(request), "", [], running=False, box={"text": "", "files": []})

    def on_delete(self, conversation: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Deletes the conversation; an empty id means that the person did not confirm."""

        def delete() -> Iterator[tuple[Any, ...]]:
            user = self._user(request)
            if conversation:
                self.conversations.delete(user, conversation)
                yield self._view(user, "", [], running=False)
            else:
                yield UNCHANGED

        yield from self._guarded(delete, request)

    def on_send(self, message: dict[str, Any], conversation: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """A message is sent: it is checked, stored with a job, and its reply is followed."""

        def send() -> Iterator[tuple[Any, ...]]:
            user = self._user(request)
            turn = self._turn(message)
            started = conversation or self.conversations.start(user)
            job = self.conversations.post(user, started, turn, self.checkpoint.name, ReplySettings(steps=self.settings.steps))
            self.worker.notify()
            for file in message.get("files") or []:
                Path(file).unlink(missing_ok=True)
            yield from self._follow(user, started, job, self._link(request), box={"text": "", "files": []})

        yield from self._guarded(send, request)

    def on_example(self, conversation: str, chosen: gr.SelectData, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """An example is sent as if it had been typed."""
        yield from self.on_send({"text": str(chosen.value.get("text", "")), "files": []}, conversation, request)

    def on_retry(self, conversation: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """The last reply is made again."""

        def retry() -> Iterator[tuple[Any, ...]]:
            user = self._user(request)
            messages = self.conversations.messages(user, conversation)
            if not messages:
                raise NotFoundError("There is no reply to make again.")
            job = self.conversations.retry(user, messages[-1].id, self.checkpoint.name, ReplySettings(steps=self.settings.steps))
            self.worker.notify()
            yield from self._follow(user, conversation, job, self._link(request))

        yield from self._guarded(retry, request)

    def on_again(self, conversation: str, chosen: gr.SelectData, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """One medium of a reply is made again, with another seed; `chosen` names the reply and the number of the medium in it."""

        def remake() -> Iterator[tuple[Any, ...]]:
            user = self._user(request)
            job = self.conversations.remake(user, str(chosen.value), int(chosen.index), self.checkpoint.name, ReplySettings())
            self.worker.notify()
            yield from self._follow(user, conversation, job, self._link(request))

        yield from self._guarded(remake, request)

    def on_stop(self, conversation: str, request: gr.Request) -> None:
        """Stops what is being made; its log then ends, and with it whoever follows."""
        user = self._user(request)
        for message in self.conversations.messages(user, conversation):
            if message.running and message.job:
                self.jobs.cancel(user, message.job)

    def _open(self, user: str, conversation: str, link: Link) -> Iterator[tuple[Any, ...]]:
        """Shows a conversation and joins its reply if one is being made."""
        try:
            messages = self.conversations.messages(user, conversation) if conversation else []
        except NotFoundError:
            conversation, messages = "", []
        job = next((message.job for message in messages if message.running), None)
        if job:
            yield from self._follow(user, conversation, job, link)
        else:
            chat = self._chat(messages, link)
            yield self._view(user, conversation, chat, running=False, status=self._state(), retry=_can_retry(messages))

    def _follow(self, user: str, conversation: str, job: str, link: Link, box: Any = None) -> Iterator[tuple[Any, ...]]:
        """Shows a reply while it grows, or one medium while it is made again, then the stored conversation."""
        messages = self.conversations.messages(user, conversation)
        chat = [chat_message(message, link) for message in messages]
        place = next(i for i, message in enumerate(messages) if message.job == job)
        growing = GrowingRemake(messages[place], link) if messages[place].remake else GrowingReply(link)
        chat[place] = growing.message()
        yield self._view(user, conversation, chat, running=True, status=self._waiting(user, job), box=box)
        keep = gr.skip()
        for events in follow(self.jobs, user, job, poll=0.08):
            growing.add(event for _, event in events)
            chat[place] = growing.message()
            yield chat, keep, keep, keep, self._waiting(user, job), keep, keep
        messages = self.conversations.messages(user, conversation)
        chat = self._chat(messages, link)
        chat[place]["content"] += [note for note in growing.notes if note.startswith("ℹ")]
        status = "" if messages[place].remake else _timing(messages[place])
        yield self._view(user, conversation, chat, running=False, status=status, retry=True)

    def _chat(self, messages: list[Message], link: Link) -> list[dict[str, Any]]:
        """A conversation in which nothing is being made: what this model made can be made again."""
        kinds = self.checkpoint.outputs
        return [chat_message(message, link, kinds if message.model == self.checkpoint.name else ()) for message in messages]

    def _guarded(self, handler: Callable[[], Iterator[tuple[Any, ...]]], request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Turns errors into sentences; what the person typed stays where it is."""
        try:
            yield from handler()
        except UserError as error:
            gr.Warning(str(error), title="That did not work")
            yield UNCHANGED
        except Exception:
            log.exception("a handler of the page failed")
            gr.Warning(GENERAL, title="That did not work")
            yield UNCHANGED

    def _user(self, request: gr.Request) -> str:
        return self.visitors.required(request.cookies)

    def _link(self, request: gr.Request) -> Link:
        user = self._user(request)
        headers = request.headers
        scheme = headers.get("x-forwarded-proto", "http").split(",")[0]
        host = headers.get("x-forwarded-host", headers.get("host", f"{self.settings.host}:{self.settings.port}"))

        @cache  # a link that is signed anew is another address, which the browser would load again
        def link(medium: Media) -> str:
            return f"{scheme}://{host}/media/{self.visitors.media_token(user, medium.sha256)}"

        return link

    def _turn(self, message: dict[str, Any]) -> Turn:
        """The message as a value; files are checked and taken into the content store."""
        files = [Path(file) for file in message.get("files") or []]
        if len(files) > self.settings.max_files_per_message:
            raise InputError(
                f"The message has {len(files)} files. Accepted are up to {self.settings.max_files_per_message} in one message."
            )
        content, kinds = self.conversations.content, self.checkpoint.inputs
        parts: list[Part] = [accept_upload(file, file.name, self.settings, content, kinds) for file in files]
        if text := (message.get("text") or "").strip():
            parts.append(Text(text))
        return Turn("user", tuple(parts))

    def _state(self) -> str:
        return {"loading": "The model is loading…", "failed": f"⚠ {self.worker.problem}"}.get(self.worker.state, "")

    def _waiting(self, user: str, job: str) -> str:
        ahead = self.jobs.position(user, job)
        return self._state() or (f"Waiting: {ahead} before you." if ahead else "")


def _can_retry(messages: list[Message]) -> bool:
    return bool(messages) and messages[-1].role == "assistant"


def _timing(message: Message) -> str:
    total = message.stats.get("seconds", {}).get("total")
    return f"{total:.1f} s" if total else ""
