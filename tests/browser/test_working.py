"""Working on a conversation in a real Chromium: say it otherwise, go between versions, judge, find, rename, share, save, delete and bring back."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
from PIL import Image as Picture
from playwright.sync_api import Browser, Page

from tests.browser.test_chat import PATIENCE, browser, finished, open_sidebar, page, pytestmark, quiet, send, server, show

__all__ = ["browser", "page", "pytestmark", "server"]


def holds(page: Page, text: str, name: str = "#chat") -> None:
    """Waits until a part of the page has that text."""
    script = "([name, text]) => document.querySelector(name)?.innerText.includes(text)"
    page.wait_for_function(script, arg=[name, text], timeout=PATIENCE)


def press(page: Page, name: str) -> None:
    """Presses the newest button of that kind in the chat."""
    quiet(page)
    page.locator(f'#chat [name="{name}"]').last.click()


def this_chat(page: Page) -> None:
    open_sidebar(page)
    if not page.locator("#pin").is_visible():
        page.locator("#this button").first.click()
    page.locator("#pin").wait_for(timeout=PATIENCE)


def test_a_message_is_said_otherwise_with_its_picture_and_both_versions_stay(page: Page, tmp_path: Path) -> None:
    Picture.fromarray(np.full((80, 80, 3), (180, 220, 255), np.uint8)).save(tmp_path / "sky.png")
    send(page, "what do you see?", tmp_path / "sky.png")
    finished(page, 1)
    press(page, "edit")
    holds(page, "Its media stay with it: picture", "#status")
    assert page.input_value("#box textarea") == "what do you see?"
    page.locator("#keep").click()
    page.wait_for_function("document.querySelector('#box textarea').value === ''", timeout=PATIENCE)
    press(page, "edit")
    holds(page, "Its media stay with it: picture", "#status")
    send(page, "what colour is it?")
    holds(page, "2 / 2")
    finished(page, 1)
    asked = page.locator("#chat [data-testid=user]")
    assert "what colour is it?" in "".join(asked.all_inner_texts())
    assert page.locator("#chat [data-testid=user] img").count() == 1
    press(page, "version:-1")
    holds(page, "1 / 2")
    assert "what do you see?" in "".join(asked.all_inner_texts())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_earlier_medium_goes_with_the_next_message(page: Page) -> None:
    send(page, "Draw a big red bird")
    finished(page, 1)
    press(page, "use:0")
    holds(page, "Goes with your next message: picture (", "#status")
    for name in ("#keep", "#compose"):
        box = page.locator(name).bounding_box()
        assert box is not None
        assert page.viewport_size is not None
        assert box["x"] + box["width"] <= page.viewport_size["width"]
        assert box["y"] + box["height"] <= page.viewport_size["height"]
    page.locator("#keep").click()
    page.wait_for_function("!document.querySelector('#status').innerText.trim()", timeout=PATIENCE)
    press(page, "use:0")
    holds(page, "Goes with your next message: picture (", "#status")
    send(page, "what do you see?")
    finished(page, 2)
    assert page.locator("#chat [data-testid=user] img").count() == 1
    assert "I see a big red bird" in page.locator("#chat").inner_text()


def test_the_kinds_of_media_and_numbers_are_chosen(page: Page) -> None:
    open_sidebar(page)
    page.locator("#settings button").first.click()
    page.wait_for_timeout(500)  # it opens, and nobody writes before
    page.fill("#seed input", "7")
    page.fill("#steps input[type=number]", "3")
    if page.viewport_size and page.viewport_size["width"] < 1240:
        page.locator("#side .toggle-button").click()
        page.wait_for_timeout(500)
    page.locator("#wanted label", has_text="Picture").click()
    send(page, "hello")
    finished(page, 1)
    page.wait_for_function("document.querySelector('#chat img')?.naturalWidth > 0", timeout=PATIENCE)
    page.locator("#chat .about:not(.tools) summary").click()
    assert "seed 7" in page.locator("#chat .about:not(.tools)").inner_text()
    assert "3 steps" in page.locator("#chat .about:not(.tools)").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_fits_now_is_said_by_one_press(page: Page) -> None:
    send(page, "Draw a big red bird")
    finished(page, 1)
    page.get_by_role("button", name="Make it blue").click()
    finished(page, 2)
    assert "Make it blue" in "".join(page.locator("#chat [data-testid=user]").all_inner_texts())
    holds(page, "a big blue bird")
    assert page.get_by_role("button", name="Animate it").count() == 1
    assert page.get_by_role("button", name="Make it blue").count() == 0  # it is blue now
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_reply_is_judged_with_reasons(page: Page) -> None:
    send(page, "hello")
    finished(page, 1)
    press(page, "rate:-1:-1")
    page.wait_for_selector('#chat [name="reason:-1:quality"]', timeout=PATIENCE)
    press(page, "reason:-1:quality")
    page.wait_for_selector('#chat .on[name="reason:-1:quality"]', timeout=PATIENCE)
    assert "(chosen)" in page.locator('#chat .on[name="rate:-1:-1"]').inner_text()
    press(page, "rate:-1:1")
    page.wait_for_selector('#chat .on[name="rate:-1:1"]', timeout=PATIENCE)
    assert page.locator('#chat [name^="reason"]').count() == 0


def test_a_conversation_is_renamed_pinned_and_found(page: Page) -> None:
    send(page, "hello there, first")
    finished(page, 1)
    this_chat(page)
    page.fill("#rename textarea, #rename input", "A morning")
    page.keyboard.press("Enter")
    page.locator("#earlier label", has_text="A morning").wait_for(timeout=PATIENCE)
    quiet(page)
    page.locator("#pin").click()
    page.locator("#earlier label", has_text="★ A morning").wait_for(timeout=PATIENCE)
    quiet(page)
    for search, found in (("HELLO", 1), ("nothing like it", 0), ("", 1)):
        page.fill("#search textarea, #search input", search)
        page.wait_for_function("n => document.querySelectorAll('#earlier label').length === n", arg=found, timeout=PATIENCE)


def test_a_conversation_is_saved_and_shared(page: Page, browser: Browser, tmp_path: Path) -> None:
    send(page, "Draw a big red bird")
    finished(page, 1)
    this_chat(page)
    for form in ("zip", "html"):
        with page.expect_download() as saved:
            page.locator(f'#take a[href$="{form}"]').click()
        saved.value.save_as(tmp_path / f"saved.{form}")
    assert any(name.startswith("media/") for name in ZipFile(tmp_path / "saved.zip").namelist())
    other = browser.new_context()
    stranger = other.new_page()
    stranger.goto((tmp_path / "saved.html").as_uri())
    assert stranger.evaluate("document.querySelector('img').naturalWidth") > 0
    page.locator("#shared input").check()
    page.wait_for_selector("#share-link", state="visible", timeout=PATIENCE)
    link = page.locator("#share-link textarea, #share-link input").first.input_value()
    stranger.goto(link)
    assert "red bird" in stranger.locator("body").inner_text()
    assert stranger.evaluate("document.querySelector('img').naturalWidth") > 0
    page.locator("#shared input").uncheck()
    page.wait_for_selector("#share-link", state="hidden", timeout=PATIENCE)
    gone = stranger.goto(link)
    assert gone is not None
    assert gone.status == 404
    show(stranger, page.url.split("?")[0])
    open_sidebar(stranger)
    stranger.locator("#mine button").first.click()
    stranger.locator("#mine input[type=file]").set_input_files(tmp_path / "saved.zip")
    holds(stranger, "a big red bird")
    stranger.wait_for_function("document.querySelector('#chat img')?.naturalWidth > 0", timeout=PATIENCE)
    assert stranger.locator("#earlier label").count() == 1
    other.close()


def test_a_deleted_conversation_can_be_brought_back_and_everything_erased(page: Page) -> None:
    send(page, "hello there")
    finished(page, 1)
    this_chat(page)
    page.locator("#delete").click()
    page.wait_for_function("!location.search.includes('c=')", timeout=PATIENCE)
    assert page.locator("#earlier label").count() == 0
    open_sidebar(page)
    page.locator("#restore").wait_for(timeout=PATIENCE)
    assert not page.locator("#gone").is_visible()  # the id that is brought back is no matter of the person's
    page.locator("#restore").click()
    holds(page, "hello there")
    open_sidebar(page)
    page.locator("#mine button").first.click()
    page.locator("#erase").click()
    page.locator("#erase-no").click()
    page.locator("#erase-yes").wait_for(state="hidden", timeout=PATIENCE)
    page.locator("#erase").click()
    page.locator("#erase-yes").click()
    page.locator(".toast-body", has_text="1 chat was deleted for good").wait_for(timeout=PATIENCE)
    page.wait_for_function("!location.search.includes('c=')", timeout=PATIENCE)
    assert page.locator("#chat [data-testid=user]").count() == 0
