"""Signing in with an OpenID service, such as Hugging Face: the service vouches for who somebody is, and this server keeps no password."""

import logging
from urllib.parse import urlsplit

from authlib.integrations.starlette_client import OAuth
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from nextgpt_chat.store.accounts import Account, Accounts, Role
from nextgpt_chat.store.tables import new_id
from nextgpt_chat.web.visitor import Visitors

log = logging.getLogger(__name__)

MINUTES = 10
"""How long somebody may take at the service."""
FAILED = "Signing in did not work: the service refused it, or it took too long. Go back to the account page and try again."


class OpenID:
    """The way to the service and back; only the identity and the name there are kept."""

    def __init__(
        self, visitors: Visitors, accounts: Accounts, key: str, provider: str, client: tuple[str, str], admins: str = ""
    ) -> None:
        """`client` is this server's id and secret at the service `provider` (its address); `admins` are names there, with commas
        between them, that are admins here."""
        self.visitors, self.accounts, self.key = visitors, accounts, key
        self.provider = provider.rstrip("/")
        self.name = urlsplit(self.provider).hostname or self.provider
        self.admins = {name.strip() for name in admins.split(",") if name.strip()}
        self.client = OAuth().register(
            "service",
            client_id=client[0],
            client_secret=client[1],
            server_metadata_url=f"{self.provider}/.well-known/openid-configuration",
            client_kwargs={"scope": "openid profile", "code_challenge_method": "S256", "timeout": 10},
        )

    def routes(self) -> list[Route]:
        """`/login/service` leads to the service, which leads back to `/login/callback`."""
        # What is remembered on the way lies in a signed cookie of its own, which is gone when the browser is back.
        kept = Middleware(SessionMiddleware, secret_key=self.key, session_cookie="nextgpt_login", max_age=MINUTES * 60)
        return [
            Route("/login/service", self.leave, middleware=[kept]),
            Route("/login/callback", self.come_back, middleware=[kept]),
        ]

    async def leave(self, request: Request) -> Response:
        """To the service."""
        back = f"{self.visitors.origin(request.headers)}{self.visitors.root_path}/login/callback"
        try:
            answer: Response = await self.client.authorize_redirect(request, back)
        except Exception:  # Authlib asks with the HTTP client that is installed, and each has errors of its own
            log.exception("the sign-in service %s does not answer", self.provider)
            return PlainTextResponse(f"{self.name} does not answer just now. Try again later, or talk without an account.", 502)
        return answer

    async def come_back(self, request: Request) -> Response:
        """From the service, with what it says."""
        try:
            token = await self.client.authorize_access_token(request)
        except Exception:
            log.warning("signing in with %s failed", self.provider, exc_info=True)
            return PlainTextResponse(FAILED, 400)
        claims = token.get("userinfo") or {}
        if not claims.get("sub"):
            return PlainTextResponse(FAILED, 400)
        request.session.clear()
        name = str(claims.get("preferred_username") or claims.get("name") or claims["sub"])[:100]
        user = await run_in_threadpool(self._account, self.visitors.known(request.cookies), str(claims["sub"]), name)
        answer = RedirectResponse(f"{self.visitors.root_path}/", status_code=303)
        answer.headers.append("set-cookie", await run_in_threadpool(self.visitors.set_cookie, user.user, request.headers))
        return answer

    def _account(self, visitor: str | None, subject: str, name: str) -> Account:
        known = f"{name}@{self.name}"  # a name with an at sign cannot be chosen with a password
        account = self.accounts.vouched(visitor or new_id(), f"{self.provider}#{subject}", known)
        if name in self.admins and account.role != Role.ADMIN:
            account = self.accounts.set_role(account.name, Role.ADMIN)
        if visitor:
            self.accounts.take_along(visitor, account)
        return account
