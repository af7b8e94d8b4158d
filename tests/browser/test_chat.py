"""The page in a real Chromium, on the embedded model, at desktop and at phone width."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import httpx
import numpy as np
import pytest
from PIL import Image as Picture
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.conftest import CHECKPOINT, ROOT, png_header

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
    pytest.mark.skipif(not CHECKPOINT.is_dir(), reason="the embedded checkpoint is missing"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--use-fake-device-for-media-stream",  # a camera that films a test picture
    "--use-fake-ui-for-media-stream",
]
SIZES = {"desktop": (1280, 800), "phone": (390, 800)}
PATIENCE = 60_000
"""Milliseconds to wait for something that a busy machine may take long for."""


@dataclass
class Server:
    """The app as `python app.py` runs it."""

    data: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        env = {**os.environ, "NEXTGPT_DATA": str(self.data), "NEXTGPT_PORT": str(self.port), "NEXTGPT_STEPS": "50"}
        self.process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(600):
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise TimeoutError("the app did not become ready")

    def end(self, how: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = Server(tmp_path_factory.mktemp("data"), port)
    running.start()
    yield running
    running.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(params=list(SIZES))
def page(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Page]:
    """A new visitor's page; it must ask nobody else for anything and report no errors."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    opened = context.new_page()
    foreign: list[str] = []
    opened.on("request", lambda asked: None if asked.url.startswith((server.url, "data:", "blob:")) else foreign.append(asked.url))
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    show(opened, server.url)
    yield opened
    context.close()
    assert foreign == []
    assert failures == []


STREAMS: WeakKeyDictionary[Page, set[Request]] = WeakKeyDictionary()
"""Of each page, the streams on which answers to what was done there are still to come."""


def watch(page: Page) -> None:
    """Keeps `STREAMS` of a page."""
    STREAMS[page] = streams = set[Request]()
    page.on("request", lambda asked: streams.add(asked) if "/queue/data" in asked.url else None)
    page.on("requestfinished", lambda ended: streams.discard(ended))
    page.on("requestfailed", lambda ended: streams.discard(ended))


def quiet(page: Page) -> None:
    """Waits until the page has all answers. Gradio sends the last one again when a handler has ended, over what was done since, and on a busy machine
    that is later than people's fingers but not than these tests."""
    until = time.monotonic() + PATIENCE / 1000
    while STREAMS.get(page):
        assert time.monotonic() < until, "an answer never ends"
        page.wait_for_timeout(50)
    page.wait_for_timeout(100)


def show(page: Page, url: str) -> None:
    if page not in STREAMS:
        watch(page)
    STREAMS[page].clear()  # which end with the page that was there
    page.goto(url)
    page.wait_for_selector("#box textarea", timeout=PATIENCE)
    page.wait_for_function("!document.querySelector('#chat .pending')", timeout=PATIENCE)
    page.wait_for_timeout(800)


def send(page: Page, text: str, *files: Path) -> None:
    quiet(page)
    if files:
        page.set_input_files("#box input[type=file]", [str(file) for file in files])
        page.wait_for_selector(".thumbnail-item", timeout=PATIENCE)
    page.fill("#box textarea", text)
    page.keyboard.press("Enter")


def finished(page: Page, replies: int) -> None:
    """Waits until that many replies stand there and nothing is being made."""
    page.wait_for_function(
        "n => document.querySelectorAll('#chat [data-testid=bot] .tools').length >= n", arg=replies, timeout=PATIENCE
    )
    page.wait_for_selector("#retry", state="visible", timeout=PATIENCE)
    quiet(page)


def painted(page: Page, pictures: int) -> None:
    """Waits until as many pictures of the chat are loaded and visible: a reply that ends draws its messages anew."""
    loaded = "[...document.querySelectorAll('#chat img')].filter(i => i.naturalWidth > 0 && i.getBoundingClientRect().width > 40)"
    page.wait_for_function(f"n => {loaded}.length === n", arg=pictures, timeout=PATIENCE)


def bot(page: Page) -> str:
    """All that stands in the chat's replies."""
    return "\n".join(page.locator("#chat [data-testid=bot]").all_inner_texts())


def test_a_picture_is_asked_for_seen_and_still_there_after_a_reload(page: Page) -> None:
    send(page, "Draw a big red bird on the left at night")
    finished(page, 1)
    painted(page, 1)
    assert "red bird" in page.locator("#chat").inner_text()
    assert "/media/" in str(page.locator("#chat img").first.get_attribute("src"))
    assert "AI-generated picture, seed" in page.locator("#chat").inner_text()
    assert "?c=" in page.url
    show(page, page.url)
    page.wait_for_function("document.querySelector('#chat img')?.naturalWidth > 0", timeout=PATIENCE)
    assert "red bird" in page.locator("#chat").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_picture_is_uploaded_and_talked_about(page: Page, tmp_path: Path) -> None:
    Picture.fromarray(np.full((80, 80, 3), (180, 220, 255), np.uint8)).save(tmp_path / "sky.png")
    send(page, "what do you see?", tmp_path / "sky.png")
    finished(page, 1)
    painted(page, 1)
    assert page.locator("#chat [data-testid=bot]").first.inner_text().strip()


def open_sidebar(page: Page) -> None:
    """On a phone the list is behind a button; on a desk it stands beside the chat from the start."""
    if not page.locator("#side.open").count():
        assert page.viewport_size is not None
        assert page.viewport_size["width"] < 1240
        page.locator("#side .toggle-button").click()
        page.wait_for_timeout(500)  # it slides in


def test_the_open_list_covers_nothing(page: Page) -> None:
    page.wait_for_timeout(1000)
    side, title = (page.locator(name).bounding_box() for name in ("#side", "#title"))
    assert side is not None
    assert title is not None
    assert title["x"] >= side["x"] + side["width"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_earlier_conversations_can_be_gone_back_to(page: Page) -> None:
    send(page, "hello there, first")
    finished(page, 1)
    open_sidebar(page)
    page.locator("#new").click()
    page.wait_for_function("!location.search.includes('c=')", timeout=PATIENCE)
    page.wait_for_timeout(500)
    send(page, "hello again, second")
    finished(page, 1)
    page.wait_for_function("document.querySelectorAll('#earlier label').length == 2", timeout=PATIENCE)
    open_sidebar(page)
    page.locator("#earlier label", has_text="first").click()
    page.wait_for_function("document.querySelector('#chat').innerText.includes('first')", timeout=PATIENCE)
    assert "second" not in page.locator("#chat").inner_text()


def test_refusals_are_sentences_and_the_conversation_goes_on(page: Page, tmp_path: Path) -> None:
    (tmp_path / "fake.png").write_text("just words")
    (tmp_path / "huge.png").write_bytes(png_header(20_000, 20_000))
    for name, sentence in (("fake.png", "is not a picture"), ("huge.png", "million")):
        send(page, "look", tmp_path / name)
        page.locator(".toast-body", has_text=sentence).wait_for(timeout=PATIENCE)
        # By script, since a toast may leave by itself before a slow machine gets to click on it.
        page.evaluate("document.querySelectorAll('.toast-close').forEach(button => button.click())")
        page.locator("#box .delete-button, #box button[aria-label*='emove']").first.click()
    page.fill("#box textarea", "word " * 20_000)
    page.keyboard.press("Enter")
    page.locator(".toast-body", has_text="characters").wait_for(timeout=PATIENCE)
    send(page, "hello")
    finished(page, 1)
    assert "Hello" in bot(page)


def test_nothing_that_is_typed_becomes_part_of_the_page(page: Page) -> None:
    send(page, "<img src=x onerror=alert(1)> **bold** <script>alert(2)</script> ![x](http://example.com/x.png)")
    finished(page, 1)
    assert (
        page.evaluate(
            "document.querySelectorAll('#chat [data-testid=user] img, #chat [data-testid=user] script, #chat strong').length"
        )
        == 0
    )
    assert "<img src=x onerror=alert(1)>" in page.locator("#chat [data-testid=user]").first.inner_text()


def test_stop_keeps_what_is_there_and_frees_the_model(page: Page) -> None:
    send(page, "Draw three small green boats in the middle by day")
    page.wait_for_function("document.querySelector('#chat')?.innerText.includes('Drawing')", timeout=PATIENCE)
    page.locator("#box .stop-button").click()
    page.wait_for_function("document.querySelector('#chat').innerText.includes('Stopped')", timeout=PATIENCE)
    assert "boats" in page.locator("#chat").inner_text()
    finished(page, 1)
    send(page, "hello")
    finished(page, 2)


def test_another_visitor_sees_nothing(page: Page, browser: Browser, server: Server) -> None:
    send(page, "Draw a big blue bird")
    finished(page, 1)
    page.wait_for_function("document.querySelector('#chat img')?.naturalWidth > 0", timeout=PATIENCE)
    link = str(page.locator("#chat img").first.get_attribute("src"))
    assert "/media/" in link
    other = browser.new_context()
    stranger = other.new_page()
    show(stranger, page.url)
    assert "bird" not in stranger.locator("#chat [data-testid=bot]").all_inner_texts()
    assert stranger.locator("#chat [data-testid=user]").count() == 0
    assert stranger.locator("#earlier label").count() == 0
    assert stranger.request.get(link).status == 404
    assert page.request.get(link).status == 200
    other.close()


def test_a_killed_server_marks_the_reply_and_retry_makes_it(browser: Browser, server: Server) -> None:
    context = browser.new_context()
    page = context.new_page()
    show(page, server.url)
    send(page, "Draw two big purple clouds on the right at night")
    page.wait_for_function("document.querySelector('#chat')?.innerText.includes('Drawing')", timeout=PATIENCE)
    server.end(signal.SIGKILL)
    server.start()
    # The page asks for the server every two seconds and reloads itself; going to its address here would race with that.
    page.wait_for_function("document.querySelector('#chat')?.innerText.includes('interrupted')", timeout=PATIENCE)
    assert "clouds" in page.locator("#chat [data-testid=bot]").first.inner_text()
    page.locator("#retry").click()
    page.wait_for_function("document.querySelector('#chat img')?.naturalWidth > 0", timeout=PATIENCE)
    assert "interrupted" not in page.locator("#chat").inner_text()
    context.close()
