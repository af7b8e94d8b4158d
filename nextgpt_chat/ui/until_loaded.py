"""Whoever opens the page while the model is loading is told when it is there."""

from collections.abc import Iterator

import gradio as gr

from nextgpt_chat.ui.visit import Updates, guarded
from nextgpt_chat.ui.watching import Watching
from nextgpt_chat.web.visitor import Visitors

EVERY = 2.0
"""Seconds between two looks."""


class UntilLoaded:
    """A timer that runs until then."""

    def __init__(self, watching: Watching, visitors: Visitors) -> None:
        self.watching, self.visitors = watching, visitors

    def build(self, page: gr.Blocks, status: gr.Markdown) -> None:
        """Adds the timer; `status` is the line that says that the model is loading."""
        self.timer, self.status = gr.Timer(EVERY, active=False), status
        page.load(self.on_load, None, self.timer, show_progress="hidden", api_visibility="private")
        self.timer.tick(self.on_tick, None, [status, self.timer], show_progress="hidden", api_visibility="private")

    @property
    def _loading(self) -> bool:
        return self.watching.models.state == "loading"

    def on_load(self) -> gr.Timer:
        """The page opens."""
        return gr.Timer(active=self._loading)

    def on_tick(self, request: gr.Request) -> Iterator[Updates]:
        """Nothing more is said of the model, or why it could not be loaded."""
        if self._loading:
            yield gr.skip()
            return
        told = {self.timer: gr.Timer(active=False)}
        yield from guarded(lambda visit: iter([told | {self.status: self.watching.state(visit)}]), request, self.visitors)
