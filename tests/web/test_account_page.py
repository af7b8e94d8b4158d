from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from nextgpt_chat.application import App
from nextgpt_chat.store.accounts import TRIES, Role
from nextgpt_chat.web.visitor import COOKIE
from tests.web.test_server import app, conversation_of, visitor

__all__ = ["app"]
SECRET = "seven small birds"


@contextmanager
def person(app: App, name: str) -> Iterator[httpx.Client]:
    """A browser with an account that was just made in it."""
    with visitor(app) as client:
        assert send(client, "create", name=name, password=SECRET).headers["location"] == "/"
        yield client


def send(client: httpx.Client, action: str, origin: str | None = None, **form: str) -> httpx.Response:
    """Sends a form as the page does."""
    here = str(client.base_url).rstrip("/")
    return client.post(f"/account/{action}", data=form, headers={"origin": here if origin is None else origin})


def user(app: App, client: httpx.Client) -> str:
    return app.visitors.required(dict(client.cookies))


def test_what_was_said_before_and_elsewhere_is_there_after_signing_in(app: App) -> None:
    with visitor(app) as here, visitor(app) as there:
        first, before = conversation_of(app, here), here.cookies[COOKIE]
        assert send(here, "create", name="ada", password=SECRET).status_code == 303
        assert "ada" in here.get("/account").text
        second = conversation_of(app, there)
        assert send(there, "sign-in", name="Ada", password=SECRET, along="yes").status_code == 303
        assert user(app, here) == user(app, there)
        for client in (here, there):
            for conversation in (first, second):
                assert client.get(f"/export/{conversation}.zip").status_code == 200
        # The cookie of the time before the account counts no longer: the password would protect nothing.
        assert app.visitors.known({COOKIE: before}) is None
        send(there, "sign-out")
        assert there.get(f"/export/{first}.zip").status_code == 404
        assert here.get(f"/export/{first}.zip").status_code == 200


def test_whoever_does_not_want_it_leaves_the_chats_behind(app: App) -> None:
    with person(app, "nora"), visitor(app) as other:
        conversation, before = conversation_of(app, other), user(app, other)
        send(other, "sign-in", name="nora", password=SECRET)
        assert other.get(f"/export/{conversation}.zip").status_code == 404
        assert app.store.library.summary(before, conversation)


def test_signing_out_everywhere_and_another_password_end_the_other_browsers(app: App) -> None:
    with person(app, "eva") as here, visitor(app) as there:
        send(there, "sign-in", name="eva", password=SECRET)
        old = there.cookies[COOKIE]
        changed = send(here, "password", old=SECRET, password="eight small birds")
        assert (changed.status_code, "The password is changed." in changed.text) == (200, True)
        assert app.visitors.known({COOKIE: old}) is None
        assert "You are signed in" in here.get("/account").text
        kept = here.cookies[COOKIE]
        assert send(here, "sign-out-everywhere").status_code == 303
        assert app.visitors.known({COOKIE: kept}) is None


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", ""])
def test_forms_of_other_sites_are_refused(app: App, origin: str) -> None:
    with visitor(app) as client:
        before = client.cookies[COOKIE]
        for action in ("create", "sign-in", "sign-out"):
            answer = send(client, action, origin, name="mallory", password=SECRET)
            assert (answer.status_code, "was not sent from this site" in answer.text) == (400, True)
        assert client.cookies[COOKIE] == before
        assert "mallory" not in [one.name for one in app.store.accounts.all()]


def test_wrong_passwords_get_a_sentence_and_then_a_pause(app: App) -> None:
    with person(app, "tom"), visitor(app) as other:
        for _ in range(TRIES):
            answer = send(other, "sign-in", name="tom", password="wrong password")
            assert (answer.status_code, "There is no account with this name and this password." in answer.text) == (400, True)
            assert 'value="tom"' in answer.text
        answer = send(other, "sign-in", name="tom", password=SECRET)
        assert (answer.status_code, "Try again in 15 minutes." in answer.text) == (429, True)


def test_names_are_shown_as_text(app: App) -> None:
    with visitor(app) as client:
        answer = send(client, "create", name='"><script>alert(1)</script>', password=SECRET)
        assert answer.status_code == 400
        assert "<script" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


def test_long_and_unmeasured_forms_are_refused(app: App) -> None:
    with visitor(app) as client:
        assert "too long" in send(client, "sign-in", name="x" * 5000, password=SECRET).text
        headers = {"origin": str(client.base_url).rstrip("/"), "content-type": "application/x-www-form-urlencoded"}
        assert client.post("/account/sign-in", content=iter([b"name=x"]), headers=headers).status_code == 400
        assert send(client, "nothing").status_code == 404
        assert client.get("/account/sign-in").status_code in (404, 405)


def test_an_admin_gives_roles_and_nobody_else_does(app: App) -> None:
    with person(app, "root") as admin, person(app, "ann") as other, visitor(app) as nobody:
        app.store.accounts.set_role("root", Role.ADMIN)
        assert "People" in admin.get("/account").text
        for stranger in (other, nobody):
            assert "People" not in stranger.get("/account").text
            assert ">root<" not in stranger.get("/account").text
            answer = send(stranger, "role", name="ann", role="admin")
            assert answer.status_code == 404
        assert app.store.accounts.role(user(app, other)) == Role.USER
        assert "ann is annotator now." in send(admin, "role", name="ann", role="annotator").text
        assert app.store.accounts.role(user(app, other)) == Role.ANNOTATOR
        assert send(admin, "role", name="ann", role="king").status_code == 400
        assert "stays as it is" in send(admin, "role", name="root", role="user").text
        assert app.store.accounts.role(user(app, admin)) == Role.ADMIN


def test_visitors_without_cookies_can_sign_in_and_out(app: App) -> None:
    with person(app, "kim"), httpx.Client(base_url=f"http://127.0.0.1:{app.settings.port}") as nobody:
        assert "Sign in" in nobody.get("/account").text
        assert send(nobody, "password", old=SECRET, password="eight small birds").status_code == 404
        assert send(nobody, "sign-out-everywhere").status_code == 404
        assert send(nobody, "sign-in", name="kim", password=SECRET).status_code == 303
        assert "You are signed in" in nobody.get("/account").text
