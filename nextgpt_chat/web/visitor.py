"""Who is asking: visitors, told apart by a signed cookie.

The cookie holds a user id, and of an account the generation of its cookies besides. Every handler takes the user from here and from nowhere else.
"""

import os
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from itsdangerous import BadSignature, URLSafeSerializer, URLSafeTimedSerializer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.store.accounts import Accounts
from nextgpt_chat.store.tables import new_id

COOKIE = "nextgpt_visitor"
COOKIE_SECONDS = 365 * 24 * 3600


def signing_key(folder: Path) -> str:
    """The server's secret, made once and readable by its owner alone."""
    path = folder / "signing.key"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8")
    with os.fdopen(file, "w", encoding="utf-8") as handle:
        key = secrets.token_urlsafe(48)
        handle.write(key)
    return key


class Visitors:
    """Signs and reads visitor cookies and media links."""

    def __init__(self, key: str, accounts: Accounts, media_seconds: int, root_path: str = "") -> None:
        """`root_path` is where a proxy shows the app; the cookie goes there alone."""
        self.accounts, self.media_seconds, self.root_path = accounts, media_seconds, root_path
        self._cookie = URLSafeSerializer(key, salt="visitor")
        self._media = URLSafeTimedSerializer(key, salt="media")

    def known(self, cookies: Mapping[str, str]) -> str | None:
        """The user whose cookie this is, or None. A cookie of the time before the account was made, or of an earlier generation, is none."""
        try:
            match self._cookie.loads(cookies.get(COOKIE, "")):
                case str(user):
                    generation = None
                case [str(user), int(generation)]:
                    pass
                case _:
                    return None
        except BadSignature:
            return None
        account = self.accounts.of(user)
        return user if generation == (account and account.generation) else None

    def required(self, cookies: Mapping[str, str]) -> str:
        """The user whose cookie this is; raises `NotFoundError` without one."""
        user = self.known(cookies)
        if user is None:
            raise NotFoundError(
                "Your browser sent no valid cookie: it keeps none, or you are signed out. Allow cookies for this page and reload it."
            )
        return user

    def cookie(self, user: str) -> str:
        """The cookie's value for a user."""
        account = self.accounts.of(user)
        return str(self._cookie.dumps(user if account is None else [user, account.generation]))

    def set_cookie(self, user: str, headers: Mapping[str, str]) -> str:
        """The header with which the browser that sent `headers` is known as a user from now on."""
        # Inside the frame of a hosting site the cookie is a third party's: it must say so, which only encrypted pages may.
        secure = headers.get("x-forwarded-proto", "") == "https"
        site = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Lax"
        return f"{COOKIE}={self.cookie(user)}; Path={self.root_path or '/'}; Max-Age={COOKIE_SECONDS}; HttpOnly; {site}"

    def origin(self, headers: Mapping[str, str]) -> str:
        """Scheme and host of the app as the browser has them that sent `headers`; the root path comes behind them."""
        scheme = headers.get("x-forwarded-proto", "http").split(",")[0]
        return f"{scheme}://{headers.get('x-forwarded-host', headers.get('host', ''))}"

    def media_token(self, user: str, sha256: str) -> str:
        """A token for one file of one user, good for `media_seconds`."""
        return str(self._media.dumps([user, sha256]))

    def read_media_token(self, token: str) -> tuple[str, str]:
        """User and content hash of a token. Raises `itsdangerous.BadSignature` if it is forged or too old."""
        user, sha256 = self._media.loads(token, max_age=self.media_seconds)
        return user, sha256


class VisitorMiddleware:
    """Gives every browser that opens the page a cookie of its own."""

    def __init__(self, app: ASGIApp, visitors: Visitors) -> None:
        self.app, self.visitors = app, visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Only the page itself makes new visitors: a request for anything else without a cookie stays anonymous."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        cookie = await run_in_threadpool(self._new_cookie, Headers(scope=scope))

        async def send_with_cookie(message: Message) -> None:
            if cookie and message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", cookie)
            await send(message)

        await self.app(scope, receive, send_with_cookie)

    def _new_cookie(self, headers: Headers) -> str:
        return "" if self.visitors.known(cookies_of(headers)) else self.visitors.set_cookie(new_id(), headers)


def cookies_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The cookies of a request."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}
