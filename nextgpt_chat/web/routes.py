"""Our own routes beside Gradio's: files of a conversation, and the state of the server."""

from collections.abc import Callable

from itsdangerous import BadSignature
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.web.visitor import Visitors

MEDIA_HEADERS = {
    "Cache-Control": "private, max-age=3600, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "inline",
}


def routes(visitors: Visitors, worker: Worker) -> list[Route]:
    """`/media/{token}`, `/healthz` and `/readyz`."""
    return [
        Route("/media/{token}", media(visitors)),
        Route("/healthz", lambda _request: PlainTextResponse("ok")),
        Route("/readyz", readiness(worker)),
    ]


def media(visitors: Visitors) -> Callable[[Request], Response]:
    """A file, for the visitor whose link and whose cookie it is; for everybody else there is no such file."""

    def endpoint(request: Request) -> Response:
        try:
            user, sha256 = visitors.read_media_token(request.path_params["token"])
            if visitors.known(request.cookies) != user:
                raise NotFoundError("There is no such file.")
            path, mime = visitors.conversations.media(user, sha256)
        except (BadSignature, NotFoundError, ValueError):
            return PlainTextResponse("There is no such file, or the link is too old. Reload the page.", status_code=404)
        if not path.is_file():
            return PlainTextResponse("There is no such file.", status_code=404)
        return FileResponse(path, media_type=mime, headers=MEDIA_HEADERS)

    return endpoint


def readiness(worker: Worker) -> Callable[[Request], Response]:
    """200 once the model is loaded, 503 before and when it could not be."""

    def endpoint(_request: Request) -> Response:
        return JSONResponse({"state": worker.state, "problem": worker.problem}, status_code=200 if worker.state == "ready" else 503)

    return endpoint
