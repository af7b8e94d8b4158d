import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from nextgpt_chat.web import rate_limit
from nextgpt_chat.web.rate_limit import RateLimit, address_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def limited(clock: Clock, most: int = 3, proxies: int = 1) -> TestClient:
    app = Starlette(routes=[Route("/", lambda _request: PlainTextResponse("ok"), methods=["GET", "POST"])])
    return TestClient(RateLimit(app, most, proxies, clock))


def post(client: TestClient, address: str) -> int:
    return client.post("/", headers={"x-forwarded-for": address}).status_code


def test_who_asks_too_often_hears_when_to_come_back_and_others_notice_nothing() -> None:
    clock = Clock()
    client = limited(clock)
    assert [post(client, "1.1.1.1") for _ in range(4)] == [200, 200, 200, 429]
    clock.now += 20
    refused = client.post("/", headers={"x-forwarded-for": "1.1.1.1"})
    assert refused.json()["error"] == "Your network sent more than 3 requests within a minute. Try again in 40 seconds."
    assert refused.headers["retry-after"] == "40"
    assert post(client, "2.2.2.2") == 200
    assert client.get("/", headers={"x-forwarded-for": "1.1.1.1"}).status_code == 200
    clock.now += 40
    assert post(client, "1.1.1.1") == 200


def test_an_address_that_the_caller_wrote_counts_for_nothing() -> None:
    client = limited(Clock())
    assert [post(client, f"9.9.9.{i}, 1.1.1.1") for i in range(4)] == [200, 200, 200, 429]
    bare = limited(Clock(), proxies=0)
    assert [post(bare, f"9.9.9.{i}") for i in range(4)] == [200, 200, 200, 429]


@pytest.mark.parametrize(("proxies", "seen"), [(0, "host"), (1, "c"), (2, "b"), (3, "a"), (4, "host")])
def test_the_address_is_what_the_outermost_own_proxy_saw(proxies: int, seen: str) -> None:
    scope = {"type": "http", "client": ("host", 1), "headers": [(b"x-forwarded-for", b"a, b,c")]}
    assert address_of(scope, proxies) == seen


def test_the_memory_for_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MOST_ADDRESSES", 2)
    client = limited(Clock())
    assert [post(client, name) for name in ("a", "b", "c", "d", "e", "f", "a")] == [200, 200, 200, 200, 200, 429, 200]
