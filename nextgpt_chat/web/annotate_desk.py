"""The annotators' desk: a page of its own, and the calls that its script makes.

Nothing that goes to an annotator names a model, a seed, a file or a time: a task has a random id, media are asked for by their place in it, and
what is sent is put together here from the parts alone.
"""

import hashlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from nextgpt_chat.annotate.campaigns import Campaign, Campaigns
from nextgpt_chat.annotate.criteria import FLAGS, SKIPS
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.annotate.plain import read_json
from nextgpt_chat.annotate.sheet import LONGEST_COMMENT, SIDES, checked_sheet
from nextgpt_chat.annotate.shown_task import Shown
from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.errors import InputError, NotFoundError, UserError
from nextgpt_chat.media.blind import Blind
from nextgpt_chat.store.accounts import Role
from nextgpt_chat.web.refusal import status_of
from nextgpt_chat.web.visitor import Visitors

LARGEST_CALL = 64_000
"""Most bytes of what the script sends."""
PAGE_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
PAGE_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": PAGE_POLICY, "X-Robots-Tag": "noindex"}
MEDIA_HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "inline",
}
NO_TIME = "Thu, 01 Jan 1970 00:00:00 GMT"
"""In the place of the time at which a file was written."""
NO_ANNOTATOR = "This page is for annotators. Sign in with an annotator's account; an admin gives that role on the account page."
ASSETS = {"desk.js": "text/javascript", "desk.css": "text/css", "admin.js": "text/javascript", "admin.css": "text/css"}

Call = Callable[[str, Request, dict[str, Any]], Any]


class DeskPage:
    """The page and its calls. Every call authorises for itself."""

    def __init__(self, visitors: Visitors, campaigns: Campaigns, desk: Desk, blind: Blind) -> None:
        self.visitors, self.campaigns, self.desk, self.blind = visitors, campaigns, desk, blind
        self.page = (files("nextgpt_chat.web") / "desk.html").read_text(encoding="utf-8")

    def routes(self) -> list[Route]:
        """`/annotate` and what is below it, but for the admins' pages."""
        base = "/annotate/api"
        return [
            Route("/annotate", self.show),
            Route("/annotate/{name}", self.asset),
            Route("/annotate/media/{task}/{side}/{number}", self.medium),
            Route(f"{base}/campaigns", self.call(self.list)),
            Route(f"{base}/agree", self.call(self.agree), methods=["POST"]),
            Route(f"{base}/campaigns/{{campaign}}/next", self.call(self.next), methods=["POST"]),
            Route(f"{base}/campaigns/{{campaign}}/back", self.call(self.back), methods=["POST"]),
            Route(f"{base}/tasks/{{task}}/draft", self.call(self.draft), methods=["POST"]),
            Route(f"{base}/tasks/{{task}}/send", self.call(self.send), methods=["POST"]),
            Route(f"{base}/tasks/{{task}}/skip", self.call(self.skip), methods=["POST"]),
        ]

    def show(self, request: Request) -> Response:
        """The page: the same for everybody, without anything in it."""
        return HTMLResponse(self.page, headers=PAGE_HEADERS)

    def asset(self, request: Request) -> Response:
        """The page's script and style."""
        name = request.path_params["name"]
        if name not in ASSETS:
            return PlainTextResponse("There is no such page.", status_code=404)
        text = (files("nextgpt_chat.web") / name).read_text(encoding="utf-8")
        return Response(text, media_type=ASSETS[name], headers={"Cache-Control": "no-cache"})

    def medium(self, request: Request) -> Response:
        """A file of a task, for the annotator who has it."""
        try:
            user = annotator(self.visitors, request)
            place = f"{request.path_params['side']}/{request.path_params['number']}"
            medium = self.desk.shown(user, request.path_params["task"]).places.get(place)
            if medium is None or not medium.path.is_file():
                raise NotFoundError("There is no such file.")
            file = self.blind.file(medium)
        except UserError as error:
            return PlainTextResponse(str(error), status_code=status_of(error))
        mark = hashlib.sha256(f"{request.path_params['task']} {place}".encode()).hexdigest()[:16]
        return FileResponse(file, media_type=medium.mime, headers=MEDIA_HEADERS | {"ETag": f'"{mark}"', "Last-Modified": NO_TIME})

    def call(self, do: Call) -> Callable[[Request], Any]:
        """An endpoint that takes and gives JSON, and refuses in sentences."""

        async def endpoint(request: Request) -> Response:
            try:
                body = await body_of(request, self.visitors, LARGEST_CALL) if request.method == "POST" else {}
                user = await run_in_threadpool(annotator, self.visitors, request)
                return JSONResponse(await run_in_threadpool(do, user, request, body), headers={"Cache-Control": "no-store"})
            except UserError as error:
                return JSONResponse({"error": str(error)}, status_of(error))

        return endpoint

    def list(self, user: str, request: Request, body: dict[str, Any]) -> Any:
        """The campaigns that are open, and how far the annotator is with each."""
        shown = []
        for campaign in self.campaigns.all():
            progress = self.desk.progress(user, campaign.id)
            if campaign.open or progress.done or progress.left:
                state = {"done": progress.done, "left": progress.left, "open": campaign.open}
                shown.append({"id": campaign.id, "title": campaign.title, "mode": campaign.mode, **state})
        account = self.visitors.accounts.of(user)
        admin = account is not None and account.role == Role.ADMIN
        return {
            "campaigns": shown,
            "me": self.desk.rater(user),
            "agreed": self.desk.agreed(user),
            "admin": admin,
        }

    def agree(self, user: str, request: Request, body: dict[str, Any]) -> Any:
        """The annotator accepts what is kept of their work."""
        self.desk.agree(user)
        return {}

    def next(self, user: str, request: Request, body: dict[str, Any]) -> Any:
        """The task that is open, or another one."""
        campaign = self.campaigns.get(request.path_params["campaign"])
        return self._task(user, campaign, self.desk.next(user, campaign.id))

    def back(self, user: str, request: Request, body: dict[str, Any]) -> Any:
        """The task before."""
        campaign = self.campaigns.get(request.path_params["campaign"])
        before = body.get("before")
        return self._task(user, campaign, self.desk.back(user, campaign.id, before if isinstance(before, str) else None))

    def draft(self, user: str, request: Request, body: dict[str, Any]) -> Any:
        """What is filled in so far is kept; without a sheet the task alone, for its annotator."""
        sheet = body.get("sheet")
        self.desk.save(user, request.path_params["task"], None if sheet is None else checked_sheet(sheet))
        return {}

    def send(self, user: str, request: Request, body: dict[str, Any]) -> Any:
        """The judgement is given."""
        self.desk.send(user, request.path_params["task"], checked_sheet(body.get("sheet")))
        return {}

    def skip(self, user: str, request: Request, body: dict[str, Any]) -> Any:
        """The task is passed over."""
        self.desk.skip(user, request.path_params["task"], str(body.get("reason")), checked_sheet(body.get("sheet")))
        return {}

    def _task(self, user: str, campaign: Campaign, shown: Shown | None) -> dict[str, Any]:
        progress = self.desk.progress(user, campaign.id)
        about = {
            "title": campaign.title,
            "mode": campaign.mode,
            "guidelines": campaign.guidelines,
            "version": campaign.version,
            "done": progress.done,
            "left": progress.left,
            "open": campaign.open,
            "flags": FLAGS,
            "skips": SKIPS,
            "longest_comment": LONGEST_COMMENT,
        }
        return {"campaign": about, "me": self.desk.rater(user), "task": shown and task_view(shown)}


def task_view(shown: Shown) -> dict[str, Any]:
    """A task as the page gets it."""
    return {
        "id": shown.assignment,
        "prompt": _turns_view("prompt", shown.prompt),
        "answers": [
            {"side": side, "parts": _turns_view(side, [turn])[0]["parts"]} for side, turn in zip(SIDES, shown.answers, strict=False)
        ],
        "questions": [
            {"key": one.key, "title": one.title, "question": one.criterion.comparison if len(shown.answers) > 1 else one.criterion.question, "anchors": one.criterion.anchors, "subject": one.subject}
            for one in shown.questions
        ],
        "timed": shown.timed,
        "play": shown.play,
        "sheet": shown.sheet,
        "sent": shown.sent,
    }  # fmt: skip


def _turns_view(side: str, turns: "tuple[Turn, ...] | list[Turn]") -> list[dict[str, Any]]:
    """Turns with their media numbered through, as they are asked for."""
    number = 0
    shown = []
    for turn in turns:
        parts: list[dict[str, Any]] = []
        for part in turn.parts:
            if isinstance(part, Text):
                if part.text.strip():
                    parts.append({"kind": "text", "text": part.text})
            else:
                parts.append({"kind": part.kind, "place": f"{side}/{number}"})
                number += 1
        shown.append({"role": turn.role, "parts": parts})
    return shown


def annotator(visitors: Visitors, request: Request) -> str:
    """The user who asks, if they may judge. Raises `NotFoundError` otherwise."""
    user = visitors.known(request.cookies)
    if user is None or visitors.accounts.role(user) == Role.USER:
        raise NotFoundError(NO_ANNOTATOR)
    return user


async def body_of(request: Request, visitors: Visitors, most: int) -> dict[str, Any]:
    """The JSON object that this site's own script sent. Raises `InputError` for anything else."""
    if request.headers.get("origin") != visitors.origin(request.headers):
        raise InputError("This was not sent from this site. Open the page here and try again.")
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > most:
            raise InputError(f"This is too long. Accepted are {most:,} bytes.")
    body = read_json(bytes(data) or b"{}", "What was sent")
    if not isinstance(body, dict):
        raise InputError("This is not a JSON object. Reload the page.")
    return body
