"""How often one address may ask for something: cookies can be thrown away, so limits per visitor alone hold nobody back."""

import math
import time
from collections import Counter
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

WINDOW = 60.0
"""Seconds in which requests are counted together."""
MOST_ADDRESSES = 50_000
"""Addresses that are told apart within one window; further ones are counted as one."""


class RateLimit:
    """Refuses requests that change or upload something beyond `most` a minute from one address, with a sentence that says when to come back."""

    def __init__(self, app: ASGIApp, most: int, proxies: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`proxies` is how many proxies of the host's own stand before the server; each adds the address that it sees to a header."""
        self.app, self.most, self.proxies, self.clock = app, most, proxies, clock
        self._began = -math.inf
        self._counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what is within the limit; pages, files and streams of events are not counted."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        now = self.clock()
        if now - self._began >= WINDOW:
            self._began = now
            self._counts.clear()
        address = address_of(scope, self.proxies)
        key = address if address in self._counts or len(self._counts) < MOST_ADDRESSES else ""
        self._counts[key] += 1
        if self._counts[key] <= self.most:
            await self.app(scope, receive, send)
            return
        seconds = max(1, math.ceil(self._began + WINDOW - now))
        sentence = f"Your network sent more than {self.most:,} requests within a minute. Try again in {seconds} seconds."
        refusal = JSONResponse({"error": sentence, "detail": sentence}, 429, {"Retry-After": str(seconds)})
        await refusal(scope, receive, send)


def address_of(scope: Scope, proxies: int) -> str:
    """Who asks: the address at the other end, or what the outermost of the host's own proxies saw. What stands before that in the header
    is whatever the caller wrote."""
    client = scope.get("client")
    seen = [part.strip() for part in Headers(scope=scope).get("x-forwarded-for", "").split(",") if part.strip()]
    if proxies and len(seen) >= proxies:
        return seen[-proxies]
    return client[0] if client else ""
