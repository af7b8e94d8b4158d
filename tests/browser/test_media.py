"""What can be done with a picture in a real Chromium: see how it was made, save it, make it again with another seed, and take one."""

import io

import pytest
from PIL import Image as Picture
from playwright.sync_api import Page

from tests.browser.test_chat import PATIENCE, browser, finished, page, painted, pytestmark, send, server, show

__all__ = ["browser", "page", "pytestmark", "server"]

WATCH = """() => {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.tracks = [];
    navigator.mediaDevices.getUserMedia = async wanted => {
        const stream = await real(wanted);
        window.tracks.push(...stream.getTracks());
        return stream;
    };
}"""
LIVE = "window.tracks.filter(track => track.readyState === 'live').length"


def drawn(page: Page) -> None:
    send(page, "Draw a big red bird on the left at night")
    finished(page, 1)
    page.wait_for_function("document.querySelector('#chat img')?.naturalWidth > 0", timeout=PATIENCE)


def seed(page: Page) -> str:
    return page.locator("#chat .about:not(.tools) summary").inner_text()


def press_again(page: Page) -> None:
    """With the keyboard alone, and waits until something is drawn."""
    page.locator("#chat [name^=again]").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#chat .about')?.innerText.includes('step')", timeout=PATIENCE)


def done(page: Page) -> None:
    page.wait_for_selector("#chat [name^=again]", timeout=PATIENCE)
    page.wait_for_function("document.querySelector('#chat img')?.naturalWidth > 0", timeout=PATIENCE)


def pixels(page: Page) -> bytes:
    return page.request.get(str(page.locator("#chat img").first.get_attribute("src"))).body()


def test_another_seed_puts_another_picture_in_the_same_place(page: Page) -> None:
    drawn(page)
    said = page.locator("#chat .message-content").all_inner_texts()[:2]
    before = seed(page), pixels(page)
    assert "for this picture" in page.locator("#chat [name^=again]").inner_text()
    press_again(page)
    assert page.locator("#chat [name^=again]").count() == 0
    painted(page, 1)
    done(page)
    after = seed(page), pixels(page)
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert page.locator("#chat .message-content").all_inner_texts()[:2] == said
    show(page, page.url)
    done(page)
    assert (seed(page), pixels(page)) == after
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_picture_on_its_way_is_stopped_or_found_again_after_a_reload(page: Page) -> None:
    drawn(page)
    before = seed(page), pixels(page)
    press_again(page)
    page.locator("#box .stop-button").click()
    done(page)
    assert (seed(page), pixels(page)) == before
    press_again(page)
    page.reload()
    page.wait_for_selector("#box textarea", timeout=PATIENCE)
    done(page)
    assert seed(page) != before[0]
    assert pixels(page) != before[1]


def test_a_picture_says_how_it_was_made_and_can_be_saved(page: Page) -> None:
    drawn(page)
    details = page.locator("#chat .about:not(.tools) details")
    assert "50 steps" not in details.inner_text()
    details.locator("summary").press("Enter")
    assert "red bird" in details.inner_text()
    assert "50 steps, guidance 2.5" in details.inner_text()
    page.wait_for_timeout(500)  # a link that is drawn anew while it is pressed is not followed
    with page.expect_download() as saved:
        page.locator("#chat a", has_text="Download").click()
    assert saved.value.suggested_filename.endswith(f"-{seed(page).split(', ')[1].replace(' ', '-')}.png")
    assert saved.value.path().read_bytes() == pixels(page)


@pytest.mark.parametrize(
    ("error", "sentence"), [("NotAllowedError", "may not use the camera"), ("NotReadableError", "another program")]
)
def test_a_camera_that_cannot_be_used_says_why(page: Page, error: str, sentence: str) -> None:
    page.evaluate("name => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); }; }", error)
    page.locator("#camera .open").click()
    page.locator("#camera [role=alert]", has_text=sentence).wait_for(timeout=PATIENCE)
    assert not page.locator("#camera .take").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert not page.locator("#camera .panel").is_visible()


def test_a_picture_is_taken_and_sent(page: Page) -> None:
    page.evaluate(WATCH)
    page.fill("#box textarea", "what do you see?")
    page.locator("#camera .open").click()
    page.locator("#camera .take").wait_for(timeout=PATIENCE)
    assert page.evaluate(LIVE) == 1
    for _ in range(3):  # closed, opened, and closed before the browser has answered
        page.evaluate("document.querySelector('#camera .open').click()")
    page.wait_for_function(f"window.tracks.length === 2 && {LIVE} === 0", timeout=PATIENCE)
    page.locator("#camera .open").click()
    page.locator("#camera .take").wait_for(timeout=PATIENCE)
    page.keyboard.press("Enter")  # the button has the focus
    page.wait_for_selector("#box .thumbnail-item", timeout=PATIENCE)
    assert page.evaluate(LIVE) == 0
    assert not page.locator("#camera .panel").is_visible()
    assert page.input_value("#box textarea") == "what do you see?"
    page.keyboard.press("Enter")
    finished(page, 1)
    assert page.locator("#chat [data-testid=user] img").count() == 1
    with Picture.open(io.BytesIO(pixels(page))) as taken:
        red, green, blue = taken.convert("RGB").getpixel((5, 5))
    assert green > 100 > max(red, blue)
