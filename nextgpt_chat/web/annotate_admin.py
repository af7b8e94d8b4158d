"""The admins' pages of the desk: campaigns are made, watched, opened and closed here, and their results taken away."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.charts import CHARTS, chart
from nextgpt_chat.annotate.criteria import STANDARD
from nextgpt_chat.annotate.dataset import export_dataset
from nextgpt_chat.annotate.label_studio import bring_in
from nextgpt_chat.annotate.material import CHAT
from nextgpt_chat.annotate.plain import read_json
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.annotate.plan_file import plan_in
from nextgpt_chat.annotate.report import Reports
from nextgpt_chat.annotate.report_text import Table, as_markdown, sections, summary
from nextgpt_chat.errors import InputError, NotFoundError, UserError
from nextgpt_chat.store.accounts import Role
from nextgpt_chat.web.annotate_form import NUMBERS, SYSTEMS, on_disk, plan_of_form
from nextgpt_chat.web.refusal import status_of
from nextgpt_chat.web.routes import pieces
from nextgpt_chat.web.visitor import Visitors

LARGEST_FORM_MB = 300
"""Most megabytes of a form with its file."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
}


class AdminPages:
    """Shows the pages and does what their forms ask for. Every action authorises for itself."""

    def __init__(self, visitors: Visitors, campaigns: Campaigns, models: Sequence[str]) -> None:
        self.visitors, self.campaigns, self.models = visitors, campaigns, models
        self.reports = Reports(campaigns)
        environment = Environment(loader=PackageLoader("nextgpt_chat.web", ""), autoescape=True, undefined=StrictUndefined)
        self.list_page, self.one_page = environment.get_template("campaigns.html"), environment.get_template("campaign.html")
        self.actions: dict[str, Callable[[str, FormData], str]] = {
            "open": lambda one, _form: self._set_open(one, True),
            "close": lambda one, _form: self._set_open(one, False),
            "again": self._again,
            "guidelines": self._guidelines,
            "import": self._import,
        }

    def routes(self) -> list[Route]:
        """`/annotate/admin` and below."""
        base = "/annotate/admin"
        return [
            Route(base, self.guarded(self.show_all)),
            Route(f"{base}/create", self.create, methods=["POST"]),
            Route(f"{base}/{CHAT}/dataset.zip", self.guarded(self.dataset)),
            Route(f"{base}/{{campaign}}", self.guarded(self.show)),
            Route(f"{base}/{{campaign}}/dataset.zip", self.guarded(self.dataset)),
            Route(f"{base}/{{campaign}}/report.{{form}}", self.guarded(self.report)),
            Route(f"{base}/{{campaign}}/{{name}}.png", self.guarded(self.chart)),
            Route(f"{base}/{{campaign}}/{{action}}", self.act, methods=["POST"]),
        ]

    def guarded(self, show: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """For admins alone; refusals are sentences."""

        def endpoint(request: Request) -> Response:
            try:
                self._admin(request)
                return show(request)
            except UserError as error:
                return PlainTextResponse(str(error), status_of(error))

        return endpoint

    def show_all(self, request: Request, error: UserError | None = None, given: Mapping[str, Any] | None = None) -> Response:
        """All campaigns, and the form for another one."""
        listed = [(one, self.campaigns.counts(one.id)) for one in self.campaigns.all()]
        shown = {
            "home": self.visitors.root_path,
            "campaigns": listed,
            "models": self.models,
            "criteria": list(STANDARD.values()),
            "numbers": NUMBERS,
            "systems": range(1, SYSTEMS + 1),
            "problem": str(error or ""),
            "given": given or {},
        }
        return HTMLResponse(self.list_page.render(shown), status_of(error), HEADERS)

    def show(
        self, request: Request, error: UserError | None = None, done: str = "", given: Mapping[str, Any] | None = None
    ) -> Response:
        """One campaign: how far it is, and what it says so far."""
        campaign = self.campaigns.get(request.path_params["campaign"])
        report = self.reports.of(campaign.id)
        charts = [name for name in CHARTS if report.measures and (name == "means" or campaign.mode == "pairwise")]
        shown = {
            "home": self.visitors.root_path,
            "campaign": campaign,
            "counts": report.counts,
            "summary": summary(report),
            "sections": sections(report),
            "is_table": lambda block: isinstance(block, Table),
            "charts": charts,
            "state": report.judgements,
            "problem": str(error or ""),
            "given": given or {},
            "done": done,
        }
        return HTMLResponse(self.one_page.render(shown), status_of(error), HEADERS)

    def report(self, request: Request) -> Response:
        """The report as JSON or as Markdown."""
        report = self.reports.of(request.path_params["campaign"])
        if request.path_params["form"] == "json":
            return JSONResponse(report.as_json(), headers={"Cache-Control": "no-store"})
        return PlainTextResponse(as_markdown(report), media_type="text/markdown", headers={"Cache-Control": "no-store"})

    def chart(self, request: Request) -> Response:
        """One of the report's pictures."""
        name = request.path_params["name"]
        drawn = chart(self.reports.of(request.path_params["campaign"]), name) if name in CHARTS else None
        if drawn is None:
            raise NotFoundError("There is no such picture.")
        return Response(drawn, media_type="image/png", headers={"Cache-Control": "no-store"})

    def dataset(self, request: Request) -> Response:
        """The data set as a ZIP file."""
        name = request.path_params.get("campaign", CHAT)
        packed = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed when the last piece is sent
        with tempfile.TemporaryDirectory() as folder:
            export_dataset(self.reports, name, Path(folder))
            with ZipFile(packed, "w", ZIP_STORED) as archive:
                for path in sorted(Path(folder).rglob("*")):
                    archive.write(path, path.relative_to(folder).as_posix())
        headers = {"Content-Disposition": f'attachment; filename="judgements-{name[:8]}.zip"', "Cache-Control": "private, no-store"}

        return StreamingResponse(pieces(packed), media_type="application/zip", headers=headers)

    async def create(self, request: Request) -> Response:
        """The form for a campaign was sent, or a file."""

        def make(form: FormData) -> Response:
            return RedirectResponse(f"{self.visitors.root_path}/annotate/admin/{self._create(form)}", 303)

        return await self._sent(request, make, self.show_all)

    async def act(self, request: Request) -> Response:
        """A form of a campaign's page was sent."""
        campaign, action = request.path_params["campaign"], self.actions.get(request.path_params["action"])

        def do(form: FormData) -> Response:
            if action is None:
                raise NotFoundError("There is no such form.")
            return self.show(request, done=action(campaign, form))

        return await self._sent(request, do, self.show)

    async def _sent(self, request: Request, do: Callable[[FormData], Response], page: Callable[..., Response]) -> Response:
        """Does what a form asks for; what is wrong with it stands on the page from which it came."""
        form = FormData()
        try:
            await run_in_threadpool(self._admin, request)
        except UserError as error:
            return PlainTextResponse(str(error), status_of(error))
        try:
            async with await self._form(request) as form:
                return await run_in_threadpool(do, form)
        except UserError as error:
            given = {
                name: form.getlist(name) if name == "criteria" else value for name, value in form.items() if isinstance(value, str)
            }
            return await run_in_threadpool(self.guarded(partial(page, error=error, given=given)), request)

    async def _form(self, request: Request) -> Any:
        length = request.headers.get("content-length", "")
        if request.headers.get("origin") != self.visitors.origin(request.headers):
            raise InputError("This form was not sent from this site. Open the page here and try again.")
        if not length.isdecimal() or int(length) > LARGEST_FORM_MB * 10**6:
            raise InputError(
                f"The form is too long. Accepted are {LARGEST_FORM_MB} MB in all; `nextgpt-chat annotate create` takes larger files."
            )
        return request.form(max_files=1, max_fields=80, max_part_size=4 * 10**6)

    def _create(self, form: FormData) -> str:
        upload = form.get("file")
        if isinstance(upload, UploadFile) and upload.filename:
            with on_disk(upload) as file, plan_in(file) as (plan, folder):
                return self.campaigns.create(plan, folder)
        return self.campaigns.create(checked(plan_of_form(form)))

    def _set_open(self, campaign: str, is_open: bool) -> str:
        self.campaigns.set_open(campaign, is_open)
        return "The campaign is open." if is_open else "The campaign is closed. What is on screens can still be sent."

    def _again(self, campaign: str, form: FormData) -> str:
        return f"{self.campaigns.try_again(campaign)} answers are made once more."

    def _guidelines(self, campaign: str, form: FormData) -> str:
        version = self.campaigns.set_guidelines(campaign, str(form.get("guidelines", "")))
        return f"Annotators read version {version} from now on."

    def _import(self, campaign: str, form: FormData) -> str:
        upload = form.get("file")
        if not isinstance(upload, UploadFile) or not upload.filename:
            raise InputError("Choose the JSON file that Label Studio exported.")
        exported = read_json(upload.file.read(), "The file")
        with self.campaigns.store.database.session() as session:
            return str(bring_in(session, self.campaigns.store.content, campaign, exported))

    def _admin(self, request: Request) -> str:
        user = self.visitors.known(request.cookies)
        if user is None or self.visitors.accounts.role(user) != Role.ADMIN:
            raise NotFoundError("This page is for admins. Sign in with an admin's account.")
        return user
