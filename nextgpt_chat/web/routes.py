"""Our own routes beside Gradio's: files of a conversation, whole conversations to take along, and the state of the server."""

import tempfile
from collections.abc import Callable, Iterator
from typing import IO

from itsdangerous import BadSignature
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from nextgpt_chat.engine.models import Models
from nextgpt_chat.errors import NotFoundError, UserError
from nextgpt_chat.export.archive import write_archive
from nextgpt_chat.export.page import PAGE_POLICY, page
from nextgpt_chat.store.store import Store
from nextgpt_chat.web.visitor import Visitors

MEDIA_HEADERS = {
    "Cache-Control": "private, max-age=3600, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "inline",
}

EXPORT_HEADERS = {"Cache-Control": "private, no-store", "Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
SHARE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"{PAGE_POLICY}; sandbox",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
}


def routes(visitors: Visitors, store: Store, models: Models) -> list[Route]:
    """`/media/{token}`, `/export/{conversation}.zip` and `.html`, `/share/{token}`, `/healthz` and `/readyz`."""
    return [
        Route("/media/{token}", media(visitors, store)),
        Route("/export/{conversation}.{form}", exported(visitors, store)),
        Route("/share/{token}", shared(store)),
        Route("/healthz", lambda _request: PlainTextResponse("ok")),
        Route("/readyz", readiness(models)),
    ]


def media(visitors: Visitors, store: Store) -> Callable[[Request], Response]:
    """A file, for the visitor whose link and whose cookie it is; for everybody else there is no such file."""

    def endpoint(request: Request) -> Response:
        try:
            user, sha256 = visitors.read_media_token(request.path_params["token"])
            if visitors.known(request.cookies) != user:
                raise NotFoundError("There is no such file.")
            path, mime = store.conversations.media(user, sha256)
        except (BadSignature, NotFoundError, ValueError):
            return PlainTextResponse("There is no such file, or the link is too old. Reload the page.", status_code=404)
        if not path.is_file():
            return PlainTextResponse("There is no such file.", status_code=404)
        return FileResponse(path, media_type=mime, headers=MEDIA_HEADERS)

    return endpoint


def exported(visitors: Visitors, store: Store) -> Callable[[Request], Response]:
    """A conversation as an archive (`zip`) or a page (`html`), for the visitor whose it is."""

    def endpoint(request: Request) -> Response:
        conversation, form = request.path_params["conversation"], request.path_params["form"]
        if form not in ("zip", "html"):
            return PlainTextResponse("A conversation can be saved as .zip or .html.", status_code=404)
        try:
            user = visitors.required(request.cookies)
            title, messages = store.library.summary(user, conversation).title, store.conversations.messages(user, conversation)
            name = f'attachment; filename="conversation-{conversation[:8]}.{form}"'
            headers = EXPORT_HEADERS | {"Content-Disposition": name}
            if form == "html":
                return HTMLResponse(page(title, messages), headers=headers)
            file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed when the last piece is sent
            write_archive(title, conversation, messages, file)
            return StreamingResponse(pieces(file), media_type="application/zip", headers=headers)
        except UserError as error:
            return _refused(error)

    return endpoint


def _refused(error: UserError) -> Response:
    """The sentence of an error: what is not there, or is too much."""
    return PlainTextResponse(str(error), status_code=404 if isinstance(error, NotFoundError) else 413)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The file from its beginning, a megabyte at a time."""
    with file:
        file.seek(0)
        yield from iter(lambda: file.read(2**20), b"")


def shared(store: Store) -> Callable[[Request], Response]:
    """A conversation that its owner shares, for whoever has the link; it can be read and nothing else."""

    def endpoint(request: Request) -> Response:
        try:
            return HTMLResponse(page(*store.shares.read(request.path_params["token"])), headers=SHARE_HEADERS)
        except UserError as error:
            return _refused(error)

    return endpoint


def readiness(models: Models) -> Callable[[Request], Response]:
    """200 once every model is loaded, 503 before and when it could not be."""

    def endpoint(_request: Request) -> Response:
        return JSONResponse({"state": models.state, "problem": models.problem}, status_code=200 if models.state == "ready" else 503)

    return endpoint
