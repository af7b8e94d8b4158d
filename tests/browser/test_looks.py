"""How the page looks in other languages and in the dark, at desktop and at phone width."""

import threading
from pathlib import Path

import pytest
from PIL import Image as Picture
from playwright.sync_api import Browser

from nextgpt_chat.application import App
from nextgpt_chat.events import Model
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from tests.browser.test_chat import PATIENCE, SIZES, Server, browser, finished, open_sidebar, pytestmark, send, server, show
from tests.browser.test_proxy import address, proxied
from tests.browser.test_working import press
from tests.conftest import scripted
from tests.web.test_server import DESCRIPTION, free_port

__all__ = ["address", "proxied", "browser", "pytestmark", "server"]

CONTRAST = """name => {
    const light = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const element = document.querySelector(name);
    let behind = element;
    while (behind && /, 0\\)$|transparent/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    const [a, b] = [getComputedStyle(element).color, getComputedStyle(behind ?? document.body).backgroundColor].map(light);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""
"""WCAG's contrast of a text against what is behind it."""


@pytest.mark.parametrize(
    ("locale", "new", "settings", "chip", "said", "camera", "account"),
    [
        ("de-DE", "Neuer Chat", "Einstellungen", "Bild", "KI-erzeugt: Bild, Seed 5", "Bild aufnehmen", "Konto"),
        ("zh-CN", "新对话", "设置", "图片", "AI 生成的图片，种子 5", "拍照", "账户"),
    ],
)
def test_the_page_speaks_the_browsers_language(
    address: str,  # noqa: F811
    browser: Browser,  # noqa: F811
    locale: str,
    new: str,
    settings: str,
    chip: str,
    said: str,
    camera: str,
    account: str,
) -> None:
    for width, height in SIZES.values():
        context = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
        page = context.new_page()
        show(page, f"{address}/chat/")
        page.locator("#wanted").get_by_text(chip, exact=True).wait_for(timeout=PATIENCE)
        send(page, "hello")
        finished(page, 1)
        assert said in page.locator("#chat").inner_text()
        buttons = page.locator("#chat .icon-button-wrapper button:visible")
        assert {str(buttons.nth(i).get_attribute("title")) for i in range(buttons.count())} <= {"Copy message"}
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        open_sidebar(page)
        page.locator("#new").filter(has_text=new).wait_for(timeout=PATIENCE)
        page.locator("#settings").get_by_text(settings).wait_for(timeout=PATIENCE)
        page.get_by_role("button", name=camera).wait_for(timeout=PATIENCE)
        assert "__i18n__" not in page.content().split("window.gradio_config")[0]
        page.locator("#who a").click()
        page.get_by_role("heading", name=account, exact=True).wait_for(timeout=PATIENCE)
        assert page.locator("html").get_attribute("lang") == locale.removesuffix("-DE")
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_in_the_light_and_in_the_dark(address: str, browser: Browser, scheme: str) -> None:  # noqa: F811
    for width, height in SIZES.values():
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        page = context.new_page()
        show(page, f"{address}/chat/")
        send(page, "hello")
        finished(page, 1)
        assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
        open_sidebar(page)
        texts = [
            "#title p",
            "#chat [data-testid=user]",
            "#chat [data-testid=bot]",
            "#chat .about a",
            "#box textarea",
            "#wanted label",
        ]
        for name in [*texts, "#new", "#who a", "#earlier label span"]:
            assert page.evaluate(CONTRAST, name) >= 4.5, name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        context.close()


def test_a_judgement_that_was_given_stands_out_in_the_dark(server: Server, browser: Browser) -> None:  # noqa: F811
    page = browser.new_context(color_scheme="dark").new_page()
    show(page, server.url)
    send(page, "hello there")
    finished(page, 1)
    press(page, "rate:-1:-1")
    page.locator("#chat .about .act.on").wait_for(timeout=PATIENCE)
    assert page.evaluate(CONTRAST, "#chat .about .act.on") >= 4.5
    page.context.close()


def test_by_touch_an_attached_file_is_taken_away_by_its_cross_alone(address: str, browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    Picture.new("RGB", (80, 80), "red").save(tmp_path / "a.png")
    width, height = SIZES["phone"]
    page = browser.new_context(viewport={"width": width, "height": height}, has_touch=True, is_mobile=True).new_page()
    show(page, f"{address}/chat/")
    page.locator("#box input[type=file]").first.set_input_files(tmp_path / "a.png")
    small, cross = page.locator("#box .thumbnail-item").first, page.get_by_role("button", name="Remove file")
    small.wait_for(timeout=PATIENCE)
    small.tap(position={"x": 8, "y": 28})
    assert cross.evaluate("button => getComputedStyle(button).opacity") == "1"
    cross.tap()
    small.wait_for(state="detached", timeout=PATIENCE)
    page.context.close()


def test_whoever_comes_while_the_model_is_loading_is_told_when_it_is_there(browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    loaded = threading.Event()

    def load(content: ContentStore) -> Model:
        loaded.wait()
        return scripted(content)

    app = App(Settings(data=tmp_path, port=free_port()), [(DESCRIPTION, load)])
    try:
        page = browser.new_page()
        show(page, app.launch())
        page.locator("#status", has_text="The model is loading").wait_for(timeout=PATIENCE)
        loaded.set()
        page.locator("#status p").wait_for(state="detached", timeout=PATIENCE)
        page.close()
    finally:
        loaded.set()
        app.close()


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_is_shown_large_by_mouse_and_by_keyboard(address: str, browser: Browser, size: str) -> None:  # noqa: F811
    width, height = SIZES[size]
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    show(page, f"{address}/chat/")
    send(page, "hello")
    finished(page, 1)
    box, picture = page.locator("#lightbox"), page.locator("#chat .image-container > button")
    assert picture.locator("img").get_attribute("alt") == "AI-generated picture: a plain picture"
    picture.click()
    large = box.locator("img").bounding_box()
    assert large is not None
    assert (large["width"], large["height"]) == (width, height)
    page.keyboard.press("Escape")
    assert not box.is_visible()
    assert picture.evaluate("button => button === document.activeElement")
    page.keyboard.press("Enter")
    assert page.get_by_role("dialog", name="AI-generated picture: a plain picture").is_visible()
    box.get_by_role("button").click()
    assert not box.is_visible()
    page.context.close()
