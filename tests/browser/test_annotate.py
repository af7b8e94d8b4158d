"""Two annotators at one campaign in a real Chromium: blind, by keyboard, through a lost connection; and the admin who watches."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, Route

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.application import App
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.made import Made
from nextgpt_chat.media.provenance import signer
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.accounts import Role
from nextgpt_chat.store.tables import new_id
from tests.annotating import plan, rows_of
from tests.browser.test_chat import PATIENCE, SIZES, browser, pytestmark
from tests.conftest import open_again, scripted
from tests.web.test_server import DESCRIPTION, free_port

__all__ = ["browser", "pytestmark"]
SECRETS = ("hiddenmodel", "hiddensystem", "hiddenrevision", "hiddencaption", "987654")
"""Model, system, revision, caption and seed: nothing of that may reach an annotator."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("scripted")
    (folder / "nextgpt.json").write_text("{}")  # of which its revision is made
    described = DESCRIPTION.model_copy(update={"folder": folder})
    app = App(Settings(data=tmp_path_factory.mktemp("data"), port=free_port()), [(described, scripted)])
    app.launch()
    yield app
    app.close()


def campaign_of(app: App, folder: Path, count: int = 3, **given: Any) -> str:
    """A campaign of pictures, sounds and clips that two systems made; their files say who they are by."""
    random, kept = np.random.default_rng(0), {}
    for number, system in enumerate(("hiddensystem-a", "hiddensystem-b")):
        made = Made(ContentStore(folder / "made"), "hiddenmodel", "hiddenrevision", signer(folder))
        wave = 0.4 * np.sin(np.arange(16_000) / (5 + 3 * number))
        arrays = {
            "image": random.integers(0, 255, (32, 32, 3), np.uint8),
            "audio": wave,
            "video": random.integers(0, 255, (8, 32, 32, 3), np.uint8),
        }
        parts: list[dict[str, Any]] = [{"kind": "text", "text": f"Answer {'xy'[number]}."}]
        for kind, array in arrays.items():
            medium = made.keep(kind, array, "hiddencaption", 987654, {"steps": 5}, 8.0)
            name = f"hiddenmodel-{number}-{kind}{medium.path.suffix}"
            (folder / name).write_bytes(medium.path.read_bytes())
            parts.append({"kind": kind, "file": name, "caption": "hiddencaption", "seed": 987654})
        kept[system] = parts
    answers = [
        {"system": system, "model": "hiddenmodel", "revision": "hiddenrevision", "seed": 987654, "parts": parts}
        for system, parts in kept.items()
    ]
    items = [{"prompt": f"Show me number {n}.", "answers": answers} for n in range(count)]
    described = plan() | {"name": f"hiddenmodel {new_id()}", "title": "Little things", "items": items, "overlap": 2, **given}
    return Campaigns(app.store, app.settings).create(checked(described), folder)


def annotator(
    app: App, browser: Browser, seen: list[Response], size: str = "desktop", role: Role = Role.ANNOTATOR
) -> tuple[BrowserContext, Page]:  # noqa: F811
    """A browser of its own with an account in it, signed in; `seen` collects all answers to its page."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    user, name = new_id(), f"p{new_id()[:10]}"
    app.store.accounts.create(user, name, "seven small birds")
    app.store.accounts.set_role(name, role)
    base = f"http://127.0.0.1:{app.settings.port}"
    context.add_cookies([{"name": "nextgpt_visitor", "value": app.visitors.cookie(user), "url": base}])
    page.on("response", lambda response: seen.append(response))
    return context, page


def opened(app: App, page: Page) -> None:
    """The desk, with the terms accepted and the first campaign's first item on it."""
    page.goto(f"http://127.0.0.1:{app.settings.port}/annotate")
    page.get_by_role("button", name="I agree").click()
    page.get_by_role("button", name="Go on").first.click()
    read_guidelines(page)


def read_guidelines(page: Page) -> None:
    """They open before the first item."""
    dialog = page.get_by_role("dialog", name="Guidelines")
    dialog.get_by_text("Judge well.").wait_for(timeout=PATIENCE)
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden", timeout=PATIENCE)


def play_all(page: Page) -> None:
    """Plays every sound and clip to its end, by the space bar."""
    for number in range(4):
        page.keyboard.press("Space")
        page.wait_for_function(
            "n => [...document.querySelectorAll('figure.unplayed')].length <= n && players().every((one) => one.paused || one.ended)",
            arg=3 - number, timeout=PATIENCE,
        )  # fmt: skip


def words(page: Page) -> str:
    return page.locator(".prompt .text").inner_text()


def test_two_annotators_work_blind_at_the_same_time_and_one_loses_the_connection(
    app: App, browser: Browser, tmp_path: Path
) -> None:  # noqa: F811
    campaign = campaign_of(app, tmp_path, criteria=["overall", "fidelity"])
    seen: list[Response] = []
    (ada_context, ada), (eva_context, eva) = annotator(app, browser, seen), annotator(app, browser, seen, "phone")
    errors: list[str] = []
    for page in (ada, eva):
        page.on("pageerror", lambda error: errors.append(str(error)))
        opened(app, page)
    assert words(ada) != "" != words(eva)
    for page in (ada, eva):
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.get_by_role("button", name="Send").is_disabled()
        assert "4 sounds or clips have to be played" in page.locator("#wait").inner_text()

    # Ada's connection goes in the middle of an item. She goes on, sends, and even closes the window.
    play_all(ada)
    first = words(ada)
    ada.keyboard.press("a")
    ada.get_by_text("Saved").wait_for(timeout=PATIENCE)
    ada_context.set_offline(True)
    ada.keyboard.press("t")
    ada.get_by_text("No connection").wait_for(timeout=PATIENCE)
    ada.keyboard.press("c")
    ada.keyboard.type("written without a connection")
    ada.keyboard.press("Escape")
    assert ada.get_by_role("button", name="Send").is_enabled()
    ada.keyboard.press("Enter")
    ada.get_by_text("is sent as soon as there is one").wait_for(timeout=PATIENCE)

    # Meanwhile Eva goes on without noticing.
    play_all(eva)
    eva.keyboard.press("b")
    eva.keyboard.press("n")
    eva.keyboard.press("Enter")
    eva.get_by_text("1 done").wait_for(timeout=PATIENCE)

    ada_context.set_offline(False)
    ada.get_by_text("1 done").wait_for(timeout=PATIENCE)
    ada.locator("#questions").wait_for(timeout=PATIENCE)
    assert words(ada) != first
    with_comment = [row for row in rows_of(open_again(app.settings), campaign) if row.text]
    assert [row.text for row in with_comment] == ["written without a connection"]

    # Reloaded in the middle, with what was filled in; then back, and another opinion.
    play_all(ada)
    ada.keyboard.press("n")
    ada.get_by_text("Saved").wait_for(timeout=PATIENCE)
    ada.reload()
    ada.locator("#questions").wait_for(timeout=PATIENCE)
    assert ada.locator("input[value=bad]:checked").count() == 1
    assert ada.locator("figure.unplayed").count() == 0
    ada.keyboard.press("z")
    ada.get_by_text("You have judged this before").wait_for(timeout=PATIENCE)
    assert words(ada) == first
    ada.keyboard.press("b")
    ada.keyboard.press("Enter")
    ada.get_by_text("You have judged this before").wait_for(state="detached", timeout=PATIENCE)
    ada.keyboard.press("s")
    ada.get_by_role("button", name="I cannot judge this").click()
    ada.get_by_text("1 done").wait_for(timeout=PATIENCE)
    store = open_again(app.settings)
    rows = [row for row in rows_of(store, campaign) if row.criterion == "overall"]
    store.close()
    assert sorted(row.revision for row in rows) == [1, 2]
    assert len({row.rater for row in rows}) == 2
    assert errors == []

    # Nothing that reached them says who answered.
    checked_bodies = 0
    for response in seen:
        if "/annotate" not in response.url:
            continue
        said = json.dumps([response.url, response.headers])
        try:
            body = response.body()
        except Exception:  # noqa: BLE001 - a range of a medium that the player gave up
            body = b""
        checked_bodies += bool(body)
        for secret in SECRETS:
            assert secret not in said
            assert secret.encode() not in body
    assert checked_bodies > 10
    for page in (ada, eva):
        for secret in SECRETS:
            assert secret not in page.content()
        media = page.evaluate("[...document.querySelectorAll('#main img, #main audio, #main video')].map((one) => one.src)")
        assert all(re.fullmatch(r".*/annotate/media/[0-9a-f]{32}/(left|right)/\d", address) for address in media)
    for context in (ada_context, eva_context):
        context.close()


def test_points_are_given_by_keys_and_a_picture_is_enlarged(app: App, browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    campaign = campaign_of(app, tmp_path, mode="absolute", criteria=["instruction", "alignment"], play=0.0)
    context, page = annotator(app, browser, [])
    opened_at = f"http://127.0.0.1:{app.settings.port}/annotate#{campaign}"
    page.goto(f"http://127.0.0.1:{app.settings.port}/annotate")
    page.get_by_role("button", name="I agree").click()
    page.get_by_role("heading", name="Annotate").wait_for(timeout=PATIENCE)
    page.goto(opened_at)
    page.reload()
    read_guidelines(page)
    assert page.locator("#questions legend").all_inner_texts() == [
        "Instruction following", "Medium 1: Prompt alignment", "Medium 2: Prompt alignment", "Medium 3: Prompt alignment",
    ]  # fmt: skip
    page.locator("button.zoom").click()
    page.locator("#zoom[open] img").wait_for(timeout=PATIENCE)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for(timeout=PATIENCE)
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.get_by_text("Judge well.").wait_for(timeout=PATIENCE)
    page.keyboard.press("Escape")
    page.get_by_text("Judge well.").wait_for(state="hidden", timeout=PATIENCE)
    for points in "5432":
        page.keyboard.press(points)
    page.keyboard.press("Enter")
    page.get_by_text("1 done").wait_for(timeout=PATIENCE)
    store = open_again(app.settings)
    assert [(row.subject, row.kind, row.score) for row in rows_of(store, campaign)] == [
        ("reply", "reply", 5), ("0", "image", 4), ("1", "audio", 3), ("2", "video", 2),
    ]  # fmt: skip
    store.close()
    context.close()


@pytest.mark.parametrize("size", list(SIZES))
def test_an_admin_makes_a_campaign_on_the_page(app: App, browser: Browser, size: str) -> None:  # noqa: F811
    context, page = annotator(app, browser, [], size, Role.ADMIN)
    page.goto(f"http://127.0.0.1:{app.settings.port}/annotate/admin")
    page.get_by_label("Name", exact=True).fill(f"made on a {size}")
    page.get_by_label("Guidelines").fill("Judge well.")
    page.get_by_label("Requests, one a line").fill("hello\nagain")
    page.get_by_role("button", name="Make the campaign").click()
    page.get_by_role("alert").filter(has_text="needs 2").wait_for(timeout=PATIENCE)  # one model was chosen
    assert page.get_by_label("Guidelines").input_value() == "Judge well."
    page.locator("[name=model2]").select_option("scripted")
    page.locator("[name=label2]").fill("other")
    page.get_by_role("button", name="Make the campaign").click()
    page.get_by_role("heading", name=f"made on a {size}").wait_for(timeout=PATIENCE)
    assert page.get_by_text("0 of 4").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Close the campaign").click()
    page.get_by_text("The campaign is closed").wait_for(timeout=PATIENCE)
    context.close()


def test_who_is_no_annotator_reads_what_to_do(app: App, browser: Browser) -> None:  # noqa: F811
    context, page = annotator(app, browser, [], role=Role.USER)
    page.goto(f"http://127.0.0.1:{app.settings.port}/annotate")
    page.get_by_text("This page is for annotators").wait_for(timeout=PATIENCE)
    assert page.get_by_role("link", name="Account").is_visible()
    context.close()


def test_answers_that_come_late_show_nothing_and_send_nothing(app: App, browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    campaign = campaign_of(app, tmp_path, criteria=["overall"], play=0.0)
    context, page = annotator(app, browser, [])
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # A link to a campaign leads whoever has not agreed to the terms.
    page.goto(f"http://127.0.0.1:{app.settings.port}/annotate#{campaign}")
    page.get_by_role("button", name="I agree").click()
    page.get_by_role("button", name="Go on").last.wait_for(timeout=PATIENCE)

    def slowly(route: Route) -> None:
        time.sleep(1.5)
        route.continue_()

    page.goto("about:blank")
    page.goto(f"http://127.0.0.1:{app.settings.port}/annotate#{campaign}")
    read_guidelines(page)
    page.keyboard.press("a")
    page.get_by_text("Saved").wait_for(timeout=PATIENCE)
    page.route("**/next", slowly)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="All campaigns").click()
    page.get_by_role("heading", name="Annotate").wait_for(timeout=PATIENCE)
    page.wait_for_timeout(2_500)  # the item comes, and is not wanted any more
    assert page.locator("#questions").count() == 0
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.unroute("**/next")
    page.reload()
    page.get_by_role("heading", name="Annotate").wait_for(timeout=PATIENCE)
    store = open_again(app.settings)
    assert [row.revision for row in rows_of(store, campaign)] == [1]
    store.close()
    assert errors == []
    context.close()


def test_what_was_played_counts_for_its_own_item_alone_and_a_sent_form_is_closed(
    app: App, browser: Browser, tmp_path: Path
) -> None:  # noqa: F811
    campaign_of(app, tmp_path, criteria=["overall"], play=0.5)
    context, page = annotator(app, browser, [])
    opened(app, page)
    play_all(page)
    page.get_by_text("Saved").wait_for(timeout=PATIENCE)
    page.evaluate("localStorage.clear()")  # what was played is known to the server as well
    page.reload()
    read_guidelines(page)
    assert page.locator("figure.unplayed").count() == 0
    page.keyboard.press("a")
    page.get_by_text("Saved").wait_for(timeout=PATIENCE)
    page.locator(".answer audio").last.evaluate("(one) => { one.currentTime = 0; return one.play(); }")
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")
    page.get_by_text("1 done").wait_for(timeout=PATIENCE)
    page.get_by_text("4 sounds or clips have to be played").wait_for(timeout=PATIENCE)
    page.wait_for_timeout(500)
    assert page.locator("figure.unplayed").count() == 4
    play_all(page)
    page.keyboard.press("t")
    context.set_offline(True)
    page.keyboard.press("Enter")
    page.get_by_text("is sent as soon as there is one").wait_for(timeout=PATIENCE)
    assert page.locator("#questions[inert]").count() == 1
    page.keyboard.press("b")  # too late
    assert page.locator("input[value=tie]:checked").count() == 1
    context.set_offline(False)
    page.get_by_text("2 done").wait_for(timeout=PATIENCE)
    context.close()


def test_somebody_else_who_answers_takes_no_judgement(app: App, browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    campaign = campaign_of(app, tmp_path, criteria=["overall"], play=0.0)
    context, page = annotator(app, browser, [])
    opened(app, page)
    page.route(
        "**/tasks/**", lambda route: route.fulfill(status=200, content_type="text/html", body="<h1>Sign in to this network</h1>")
    )
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.get_by_text("is sent as soon as there is one").wait_for(timeout=PATIENCE)
    page.reload()  # and the judgement waits here
    page.locator("#questions[inert]").wait_for(timeout=PATIENCE)
    page.unroute("**/tasks/**")
    page.get_by_text("1 done").wait_for(timeout=PATIENCE)
    store = open_again(app.settings)
    assert len(rows_of(store, campaign)) == 1
    store.close()
    context.close()
