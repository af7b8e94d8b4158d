"""An account in a real Chromium, behind a proxy that shows the app under a path: made in one browser, found again in another."""

from playwright.sync_api import Browser, Page

from tests.browser.test_chat import PATIENCE, SIZES, browser, finished, open_sidebar, pytestmark, send, show
from tests.browser.test_proxy import address, proxied

__all__ = ["address", "browser", "proxied", "pytestmark"]
SECRET = "seven small birds"


def opened(browser: Browser, size: str, address: str) -> Page:  # noqa: F811
    width, height = SIZES[size]
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    show(page, f"{address}/chat/")
    return page


def account(page: Page, name: str) -> None:
    """Goes to the account page by the link in the sidebar, which says that."""
    open_sidebar(page)
    link = page.locator("#who a")
    link.filter(has_text=name).wait_for(timeout=PATIENCE)
    link.click()
    page.wait_for_url("**/chat/account", timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_account_is_made_in_one_browser_and_found_in_another(address: str, browser: Browser) -> None:  # noqa: F811
    desk = opened(browser, "desktop", address)
    send(desk, "hello from the desk")
    finished(desk, 1)
    account(desk, "Sign in")
    make = desk.locator("form[action$=create]")
    make.get_by_label("Name").fill("ada")
    make.get_by_label("Password").fill(SECRET)
    make.get_by_role("button").click()
    desk.wait_for_url("**/chat/", timeout=PATIENCE)
    show(desk, desk.url)
    open_sidebar(desk)
    desk.get_by_label("hello from the desk").wait_for(timeout=PATIENCE)

    phone = opened(browser, "phone", address)
    account(phone, "Sign in")
    enter = phone.locator("form[action$=sign-in]")
    enter.get_by_label("Name").fill("Ada")
    enter.get_by_label("Password").fill("a wrong password")
    enter.get_by_role("button").click()
    phone.get_by_role("alert").filter(has_text="There is no account with this name").wait_for(timeout=PATIENCE)
    assert enter.get_by_label("Name").input_value() == "Ada"
    enter.get_by_label("Password").fill(SECRET)
    enter.get_by_role("button").click()
    phone.wait_for_url("**/chat/", timeout=PATIENCE)
    show(phone, phone.url)
    open_sidebar(phone)
    phone.get_by_label("hello from the desk").wait_for(timeout=PATIENCE)
    account(phone, "ada")
    phone.get_by_role("button", name="Sign out", exact=True).click()
    phone.wait_for_url("**/chat/", timeout=PATIENCE)
    show(phone, phone.url)
    open_sidebar(phone)
    phone.locator("#who a").filter(has_text="Sign in").wait_for(timeout=PATIENCE)
    assert phone.get_by_label("hello from the desk").count() == 0
    for page in (desk, phone):
        page.context.close()
