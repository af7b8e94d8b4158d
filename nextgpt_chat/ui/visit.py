"""Who asks, and under which address: all that a handler takes from a request. And how its errors become sentences."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import gradio as gr

from nextgpt_chat.conversation import Media
from nextgpt_chat.errors import UserError
from nextgpt_chat.languages.translate import say
from nextgpt_chat.ui.render import View
from nextgpt_chat.web.visitor import Visitors

log = logging.getLogger(__name__)

Updates = dict[Any, Any]
"""Component -> what becomes of it."""
GENERAL = "Something went wrong; it is in the log. Reload the page and try again."


@dataclass(frozen=True)
class Visit:
    """One request of one visitor."""

    user: str
    base: str
    """Address of the app as the browser has it, without a slash at the end."""
    view: View


def visit(request: gr.Request, visitors: Visitors) -> Visit:
    """Raises `NotFoundError` for a request without a valid cookie."""
    user = visitors.required(request.cookies)
    base = f"{visitors.origin(request.headers)}{visitors.root_path}"

    @cache  # a link that is signed anew is another address, which the browser would load again
    def link(medium: Media) -> str:
        return f"{base}/media/{visitors.media_token(user, medium.sha256)}"

    return Visit(user, base, View(link, say(request.headers.get("accept-language", ""))))


def guarded(handler: Callable[[Visit], Iterator[Updates]], request: gr.Request, visitors: Visitors) -> Iterator[Updates]:
    """What the handler yields; where it fails, a sentence is shown and the page stays as it is, with what the person typed."""
    try:
        yield from handler(visit(request, visitors))
    except UserError as error:
        _warn(str(error), request)
        yield gr.skip()
    except Exception:
        log.exception("a handler of the page failed")
        _warn(GENERAL, request)
        yield gr.skip()


def _warn(sentence: str, request: gr.Request) -> None:
    words = say(request.headers.get("accept-language", ""))
    gr.Warning(words(sentence), title=words("That did not work"))
