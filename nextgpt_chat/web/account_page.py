"""The account page: plain forms that need no script, so that password managers and screen readers know what to do with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from nextgpt_chat.errors import InputError, NotFoundError, UserError
from nextgpt_chat.languages.translate import language, say
from nextgpt_chat.store.accounts import PASSWORD, Account, Accounts, Role
from nextgpt_chat.store.tables import new_id
from nextgpt_chat.web.refusal import status_of
from nextgpt_chat.web.visitor import Visitors

LARGEST_FORM = 4096
"""Most bytes of a form."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
}
FOREIGN = "This form was not sent from this site. Open the account page here and try again."
CHANGED = "The password is changed."

Form = Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What a form led to: who the browser is from now on, if somebody else than before; where it goes, or what is said."""

    user: str | None = None
    done: str = ""
    """Said on the account page; empty leads to the chat page."""


class AccountPage:
    """Shows the page and does what its forms ask for. Every action authorises for itself."""

    def __init__(self, visitors: Visitors, accounts: Accounts, may_create: bool, service: str = "") -> None:
        """`service` is the name of the service that signs in as well; empty if there is none."""
        self.visitors, self.accounts, self.may_create, self.service = visitors, accounts, may_create, service
        templates = Environment(loader=PackageLoader("nextgpt_chat.web", ""), autoescape=True, undefined=StrictUndefined)
        self.template = templates.get_template("account.html")
        self.actions: dict[str, Callable[[str | None, Form], Outcome]] = {
            "sign-in": self.sign_in,
            "create": self.create,
            "sign-out": self.sign_out,
            "sign-out-everywhere": self.sign_out_everywhere,
            "password": self.password,
            "role": self.role,
        }

    def routes(self) -> list[Route]:
        """`/account` and what its forms are sent to."""
        return [Route("/account", self.show), Route("/account/{action}", self.act, methods=["POST"])]

    def show(self, request: Request) -> Response:
        """The page as it is for who asks."""
        return self._page(request)

    async def act(self, request: Request) -> Response:
        """A form was sent."""
        action = self.actions.get(request.path_params["action"])
        length = request.headers.get("content-length", "")
        form: dict[str, str] = {}
        try:
            if action is None:
                raise NotFoundError("There is no such form.")
            if request.headers.get("origin") != self.visitors.origin(request.headers):
                raise InputError(FOREIGN)
            if not length.isdecimal() or int(length) > LARGEST_FORM:
                raise InputError(f"The form is too long. Accepted are {LARGEST_FORM:,} bytes in all.")
            async with request.form(max_files=0, max_fields=8) as fields:
                form = {key: value for key, value in fields.items() if isinstance(value, str)}
            user = await run_in_threadpool(self.visitors.known, request.cookies)
            outcome = await run_in_threadpool(action, user, form)
        except UserError as error:
            return await run_in_threadpool(self._page, request, form.get("name", ""), error)
        return await run_in_threadpool(self._answer, request, outcome)

    def _answer(self, request: Request, outcome: Outcome) -> Response:
        if outcome.done:
            answer = self._page(request, done=outcome.done, user=outcome.user)
        else:
            answer = RedirectResponse(f"{self.visitors.root_path}/", status_code=303)
        if outcome.user:
            answer.headers.append("set-cookie", self.visitors.set_cookie(outcome.user, request.headers))
        return answer

    def _page(
        self, request: Request, name: str = "", error: UserError | None = None, done: str = "", user: str | None = None
    ) -> Response:
        user = user or self.visitors.known(request.cookies)
        account = self.accounts.of(user) if user else None
        accepted = request.headers.get("accept-language", "")
        words = say(accepted)
        shown: dict[str, Any] = {
            "home": f"{self.visitors.root_path}/",
            "account": account,
            "people": self.accounts.all() if account and account.role == Role.ADMIN else [],
            "roles": list(Role),
            "problem": words(str(error or "")),
            "done": words(done),
            "say": words,
            "language": language(accepted),
            "name": name,
            "may_create": self.may_create,
            "service": self.service,
            "framed": request.headers.get("sec-fetch-dest") == "iframe",
            "least": PASSWORD[0],
            "most": PASSWORD[1],
        }
        return HTMLResponse(self.template.render(shown), status_of(error), HEADERS)

    def sign_in(self, user: str | None, form: Form) -> Outcome:
        """By name and password; the chats of the visitor come along if they say so."""
        account = self.accounts.sign_in(form.get("name", ""), form.get("password", ""))
        if user and form.get("along") == "yes":
            self.accounts.take_along(user, account)
        return Outcome(account.user)

    def create(self, user: str | None, form: Form) -> Outcome:
        """An account with a name and a password, which has what the visitor had."""
        if not self.may_create:
            raise InputError("New accounts cannot be made here. Talk without one, or ask the host.")
        return Outcome(self.accounts.create(user or new_id(), form.get("name", ""), form.get("password", "")).user)

    def sign_out(self, user: str | None, form: Form) -> Outcome:
        """The browser is a new visitor's."""
        return Outcome(new_id())

    def sign_out_everywhere(self, user: str | None, form: Form) -> Outcome:
        """So are all others in which the account is signed in."""
        self.accounts.sign_out_everywhere(self._account(user).user)
        return Outcome(new_id())

    def password(self, user: str | None, form: Form) -> Outcome:
        """Another password; this browser stays signed in."""
        account = self.accounts.change_password(self._account(user).user, form.get("old", ""), form.get("password", ""))
        return Outcome(account.user, CHANGED)

    def role(self, user: str | None, form: Form) -> Outcome:
        """An admin says what somebody may do."""
        admin = self._account(user)
        if admin.role != Role.ADMIN:
            raise NotFoundError("There is no such form.")
        name, role = form.get("name", ""), form.get("role", "")
        if role not in list(Role):
            raise InputError(f"The roles are {', '.join(Role)}.")
        if name == admin.name:
            raise InputError("Your own role stays as it is, so that there is always an admin. Another admin can change it.")
        return Outcome(done=f"{name} is {self.accounts.set_role(name, Role(role)).role} now.")

    def _account(self, user: str | None) -> Account:
        account = self.accounts.of(user) if user else None
        if account is None:
            raise NotFoundError("You are not signed in.")
        return account
