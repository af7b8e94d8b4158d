"""The sidebar: earlier conversations and their search, and what can be done with the one that is open."""

import html
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from nextgpt_chat.languages.translate import Say
from nextgpt_chat.store.accounts import Account
from nextgpt_chat.store.library import SEARCH, TITLE
from nextgpt_chat.store.store import Store
from nextgpt_chat.ui.i18n import shown
from nextgpt_chat.ui.visit import Updates, Visit, guarded
from nextgpt_chat.web.visitor import Visitors


class Sidebar:
    """Its components, what they show of the store, and the handlers that change nothing but the sidebar."""

    def __init__(self, store: Store, visitors: Visitors) -> None:
        self.library, self.shares, self.accounts, self.visitors = store.library, store.shares, store.accounts, visitors
        self.consents = store.consents

    def build(self, below: Callable[[], None]) -> None:
        """Lays the sidebar out; `below` adds what belongs to others."""
        with gr.Sidebar(width=280, open=False, elem_id="side"):
            self.fresh = gr.Button(shown("New chat"), variant="primary", elem_id="new")
            self.search = gr.Textbox(
                show_label=False, container=False, placeholder=shown("Search"), max_lines=1, max_length=SEARCH, elem_id="search"
            )
            self.earlier = gr.Radio([], show_label=False, container=False, elem_id="earlier")
            self.gone = gr.Textbox("", visible="hidden", elem_id="gone")  # in the row it would be shown with it
            with gr.Row(visible=False, elem_id="deleted") as self.notice:
                self.restore = gr.Button(shown("Chat deleted. Undo"), size="sm", elem_id="restore")
            with gr.Accordion(shown("This chat"), open=False, visible=False, elem_id="this") as self.this:
                self.title = gr.Textbox(label=shown("Title"), max_lines=1, max_length=TITLE, submit_btn="Rename", elem_id="rename")
                self.shared = gr.Checkbox(label=shown("Anybody who has the link can read it"), elem_id="shared")
                self.address = gr.Textbox(
                    label=shown("Link"), interactive=False, buttons=["copy"], visible=False, max_lines=1, elem_id="share-link"
                )
                self.take = gr.HTML("", elem_id="take")
                with gr.Row():
                    self.pin = gr.Button(shown("Pin"), size="sm", elem_id="pin")
                    self.delete = gr.Button(shown("Delete"), size="sm", elem_id="delete")
            below()
            with gr.Accordion(shown("My data"), open=False, elem_id="mine"):
                self.saved = gr.UploadButton(
                    shown("Bring a saved chat back"), size="sm", file_types=[".zip", ".jsonl"], elem_id="bring"
                )
                self.judged = gr.Checkbox(
                    label=shown("Annotators may judge my chats"),
                    info=shown(
                        "Some of them are copied and shown to annotators, without your name, and your thumbs go into data sets. Untick it, and the copies are deleted."
                    ),
                    elem_id="judged",
                )
                gr.Markdown(
                    shown("Removes all your chats with their media from this server, for good, and your account if you have one.")
                )
                self.erase = gr.Button(shown("Delete everything"), size="sm", elem_id="erase")
                with gr.Row(visible=False) as self.sure:
                    self.yes = gr.Button(shown("Yes, delete"), size="sm", variant="stop", elem_id="erase-yes")
                    self.no = gr.Button(shown("No"), size="sm", elem_id="erase-no")
            self.who = gr.HTML("", padding=False, elem_id="who")

    @property
    def outputs(self) -> list[Any]:
        """All components that change."""
        return [self.search, self.title, self.notice, self.gone, self.sure, self.delete, self.judged, self.who, *self.managed]

    @property
    def managed(self) -> list[Any]:
        """The list, and what is said about the open conversation."""
        return [self.earlier, self.this, self.shared, self.address, self.take, self.pin]

    def wire(self, current: gr.Textbox) -> None:
        """Connects what changes nothing but the sidebar; `current` has the id of the open conversation."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.search.change(self.on_search, [self.search, current], [self.earlier], trigger_mode="always_last", **quiet)
        self.title.submit(self.on_rename, [self.title, current], self.managed, **quiet)
        self.pin.click(self.on_pin, [current], self.managed, **quiet)
        self.shared.input(self.on_share, [self.shared, current], self.managed, **quiet)
        self.judged.input(self.on_judged, [self.judged], [self.judged], **quiet)
        self.erase.click(lambda: gr.update(visible=True), None, self.sure, **quiet)
        self.no.click(lambda: gr.update(visible=False), None, self.sure, **quiet)

    def list(self, user: str, conversation: str, search: str = "") -> Updates:
        """The list, or what of it fits the search, with the open conversation marked."""
        known = [(f"★ {one.title}" if one.pinned else one.title, one.id) for one in self.library.recent(user, search)]
        marked = conversation if conversation in {identity for _, identity in known} else None
        return {self.earlier: gr.update(choices=known, value=marked)}

    def texts(self, visit: Visit, conversation: str) -> Updates:
        """What stands where a person may write, when a conversation is opened."""
        title = {self.title: self.library.summary(visit.user, conversation).title} if conversation else {}
        return {self.search: "", **title}

    def opened(self, visit: Visit, conversation: str, running: bool, deleted: str = "") -> Updates:
        """The rest of the sidebar for an open conversation, or a new one; `deleted` is one that may be brought back."""
        return {
            self.notice: gr.update(visible=bool(deleted)),
            self.gone: deleted,
            self.sure: gr.update(visible=False),
            self.delete: gr.update(interactive=not running),
            self.judged: self.consents.given(visit.user),
            self.who: account_link(self.accounts.of(visit.user), visit.view.say),
            **self.about(visit, conversation),
        }

    def about(self, visit: Visit, conversation: str) -> Updates:
        """The list, and what can be done with the open conversation."""
        updates = self.list(visit.user, conversation) | {self.this: gr.update(visible=bool(conversation))}
        if conversation:
            one, token = self.library.summary(visit.user, conversation), self.shares.token(visit.user, conversation)
            updates |= {
                self.shared: token is not None,
                self.address: gr.update(value=f"{visit.base}/share/{token}", visible=token is not None),
                self.take: taking_along(conversation, visit.view.say),
                self.pin: visit.view.say("Unpin" if one.pinned else "Pin"),
            }
        return updates

    def on_search(self, search: str, conversation: str, request: gr.Request) -> Iterator[Updates]:
        """The list shows what fits."""
        yield from guarded(lambda visit: iter([self.list(visit.user, conversation, search)]), request, self.visitors)

    def on_rename(self, title: str, conversation: str, request: gr.Request) -> Iterator[Updates]:
        """The conversation gets another title."""
        yield from self._changed(lambda user: self.library.rename(user, conversation, title), conversation, request)

    def on_pin(self, conversation: str, request: gr.Request) -> Iterator[Updates]:
        """The conversation goes to the top of the list, or back to its place."""
        yield from self._changed(lambda user: self.library.pin(user, conversation), conversation, request)

    def on_share(self, shared: bool, conversation: str, request: gr.Request) -> Iterator[Updates]:
        """The conversation gets a link, or loses it."""
        change = self.shares.share if shared else self.shares.revoke
        yield from self._changed(lambda user: change(user, conversation), conversation, request)

    def on_judged(self, judged: bool, request: gr.Request) -> Iterator[Updates]:
        """The visitor's conversations may be judged by annotators, or no longer."""

        def decided(visit: Visit) -> Iterator[Updates]:
            (self.consents.give if judged else self.consents.take_back)(visit.user)
            yield {self.judged: self.consents.given(visit.user)}

        yield from guarded(decided, request, self.visitors)

    def _changed(self, change: Callable[[str], object], conversation: str, request: gr.Request) -> Iterator[Updates]:
        def changed(visit: Visit) -> Iterator[Updates]:
            change(visit.user)
            yield self.about(visit, conversation)

        yield from guarded(changed, request, self.visitors)


def taking_along(conversation: str, say: Say) -> str:
    """Links that save the conversation."""
    links = (
        f'<a href="export/{html.escape(conversation)}.{form}" download>{name}</a>'
        for form, name in (("zip", "ZIP"), ("html", say("web page")))
    )
    return f"{say('Save as')} " + f" {say('or')} ".join(links)


def account_link(account: Account | None, say: Say) -> str:
    """The way to the account page, with the name of who is signed in."""
    return f'<a href="account">{html.escape(account.name) if account else say("Sign in")}</a>'
