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

from nextgpt_chat.application import App
from nextgpt_chat.settings import Settings
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
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
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
    yield f"http://127.0.0.1:{port}"
    proxy.should_exit = True
    thread.join(10)
    app.close()


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
