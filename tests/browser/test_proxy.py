"""The app behind a proxy that shows it under a path of its own, as nginx does with `location /chat/ { proxy_pass http://app/; }`."""

import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.application import App
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.accounts import Role
from nextgpt_chat.store.tables import new_id
from nextgpt_chat.web.visitor import COOKIE
from tests.annotating import plan
from tests.browser.test_chat import PATIENCE, browser, finished, pytestmark, send, show
from tests.conftest import scripted
from tests.web.test_server import DESCRIPTION, free_port

__all__ = ["browser", "pytestmark"]
HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "keep-alive"}


def proxy_to(address: str) -> Starlette:
    """Passes on what is asked for below `/chat/`, and has nothing else."""
    client = httpx.AsyncClient(base_url=address, timeout=None)

    async def passed_on(request: Request) -> Response:
        target = f"/{request.path_params['path']}?{request.url.query}"
        headers = {**request.headers, "x-forwarded-host": request.headers["host"], "x-forwarded-proto": "http"}
        asked = client.build_request(request.method, target, headers=headers, content=await request.body())
        answer = await client.send(asked, stream=True)

        async def body() -> AsyncIterator[bytes]:
            async for piece in answer.aiter_raw():
                yield piece

        reply = StreamingResponse(body(), answer.status_code, background=BackgroundTask(answer.aclose))
        reply.raw_headers = [(name, value) for name, value in answer.headers.raw if name.decode().lower() not in HOP_BY_HOP]
        return reply

    return Starlette(routes=[Route("/chat/{path:path}", passed_on, methods=["GET", "HEAD", "POST"])])


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, str]]:
    app = App(Settings(data=tmp_path_factory.mktemp("data"), port=free_port(), root_path="/chat"), [(DESCRIPTION, scripted)])
    app.launch()
    port = free_port()
    proxy = uvicorn.Server(
        uvicorn.Config(
            proxy_to(f"http://127.0.0.1:{app.settings.port}"), port=port, log_level="warning", timeout_graceful_shutdown=1
        )
    )
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    yield app, f"http://127.0.0.1:{port}"
    proxy.should_exit = True
    thread.join(10)
    app.close()


@pytest.fixture
def address(proxied: tuple[App, str]) -> str:
    return proxied[1]


def test_the_page_works_under_a_path_and_asks_for_nothing_outside_of_it(address: str, browser: Browser) -> None:  # noqa: F811
    page = browser.new_page()
    outside: list[str] = []
    page.on(
        "request",
        lambda asked: None if asked.url.startswith((f"{address}/chat/", "data:", "blob:")) else outside.append(asked.url),
    )
    show(page, f"{address}/chat/")
    send(page, "hello")
    finished(page, 1)
    page.wait_for_function("document.querySelector('#chat img')?.naturalWidth > 0", timeout=PATIENCE)
    assert page.url.startswith(f"{address}/chat/?c=")
    (cookie,) = (one for one in page.context.cookies() if one["name"] == "nextgpt_visitor")
    assert cookie["path"] == "/chat"
    page.reload()
    finished(page, 1)
    assert outside == []
    page.close()


def test_the_annotators_desk_works_under_a_path(proxied: tuple[App, str], browser: Browser) -> None:  # noqa: F811
    app, address = proxied
    Campaigns(app.store, app.settings).create(checked(plan(2)))
    user = new_id()
    app.store.accounts.create(user, "boss", "seven small birds")
    app.store.accounts.set_role("boss", Role.ADMIN)
    context = browser.new_context()
    context.add_cookies([{"name": COOKIE, "value": app.visitors.cookie(user), "url": f"{address}/chat/"}])
    page, outside = context.new_page(), list[str]()
    page.on("request", lambda asked: None if asked.url.startswith(f"{address}/chat/") else outside.append(asked.url))
    page.goto(f"{address}/chat/annotate")
    page.get_by_role("button", name="I agree").click()
    page.get_by_role("button", name="Go on").click()
    guidelines = page.get_by_role("dialog", name="Guidelines")
    guidelines.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(500)  # it opens, and nobody has read it before
    page.keyboard.press("Escape")
    guidelines.wait_for(state="hidden", timeout=PATIENCE)
    page.keyboard.press("t")
    page.get_by_text("Saved").wait_for(timeout=PATIENCE)
    page.keyboard.press("Enter")
    page.get_by_text("1 done").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="All campaigns").click()
    page.get_by_role("link", name="Campaigns and statistics").click()
    page.get_by_role("link", name="the campaign").click()
    page.get_by_role("img", name="Averages").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Close the campaign").click()
    page.get_by_text("The campaign is closed").wait_for(timeout=PATIENCE)
    page.get_by_role("link", name="← Campaigns").click()
    page.get_by_label("Name", exact=True).fill("another")
    page.get_by_label("Guidelines").fill("Judge well.")
    page.get_by_label("Requests, one a line").fill("hello")
    page.locator("[name=mode]").select_option("absolute")
    page.get_by_role("button", name="Make the campaign").click()
    page.get_by_role("heading", name="another").wait_for(timeout=PATIENCE)
    assert outside == []
    context.close()
