import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from nextgpt_chat.application import App, check_port
from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.engine.follow import follow
from nextgpt_chat.errors import SetupError
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.web.visitor import COOKIE, Visitors, signing_key
from tests.conftest import picture, scripted

DESCRIPTION = Checkpoint(
    format=1, name="scripted", title="Scripted", knows="It says one thing.", inputs=("text", "image"), outputs=("text", "image"),
    input_tokens={"image": 1}, context=64, signals={}, projection={}, decoding={},
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(Settings(data=tmp_path_factory.mktemp("data"), port=free_port()), DESCRIPTION, scripted)
    app.launch()
    yield app
    app.close()


@contextmanager
def visitor(app: App) -> Iterator[httpx.Client]:
    """A browser that has opened the page."""
    with httpx.Client(base_url=f"http://127.0.0.1:{app.settings.port}") as client:
        assert client.get("/").status_code == 200
        yield client


def media_link(app: App, client: httpx.Client) -> str:
    """Lets the client's user have a reply with a picture, and returns the picture's link."""
    user = app.visitors.required(dict(client.cookies))
    conversation = app.conversations.start(user)
    job = app.conversations.post(user, conversation, Turn("user", (Text("hello"),)), "scripted", ReplySettings())
    app.worker.notify()
    for _ in follow(app.jobs, user, job):
        pass
    return f"/media/{app.visitors.media_token(user, picture(app.content).sha256)}"


def test_the_page_gives_each_browser_its_own_cookie(app: App) -> None:
    with visitor(app) as first, visitor(app) as second:
        assert first.cookies[COOKIE] != second.cookies[COOKIE]
        assert "set-cookie" not in first.get("/").headers


def test_a_picture_is_only_for_its_owner(app: App) -> None:
    with visitor(app) as owner, visitor(app) as other, httpx.Client(base_url=owner.base_url) as nobody:
        link = media_link(app, owner)
        own = owner.get(link)
        assert (own.status_code, own.headers["content-type"], own.headers["x-content-type-options"]) == (
            200,
            "image/png",
            "nosniff",
        )
        assert "private" in own.headers["cache-control"]
        assert other.get(link).status_code == 404
        assert nobody.get(link).status_code == 404
        assert owner.get(link[:-2] + "xx").status_code == 404


def test_a_link_made_by_its_owner_for_a_foreign_file_leads_nowhere(app: App) -> None:
    with visitor(app) as owner, visitor(app) as other:
        media_link(app, owner)
        user = app.visitors.required(dict(other.cookies))
        assert other.get(f"/media/{app.visitors.media_token(user, picture(app.content).sha256)}").status_code == 404


def test_links_expire(app: App) -> None:
    old = Visitors(signing_key(app.settings.data), app.conversations, media_seconds=-1)
    with visitor(app) as owner:
        token = media_link(app, owner).removeprefix("/media/")
        with pytest.raises(Exception, match="age"):
            old.read_media_token(token)


def test_health_and_headers(app: App) -> None:
    with visitor(app) as client:
        assert client.get("/healthz").text == "ok"
        assert client.get("/readyz").json()["state"] == "ready"
        headers = client.get("/").headers
        assert "frame-ancestors" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_busy_port_is_named(app: App) -> None:
    with pytest.raises(SetupError, match=f"Port {app.settings.port} on 127.0.0.1 cannot be used"):
        check_port("127.0.0.1", app.settings.port)


def test_the_signing_key_is_made_once_and_private(tmp_path: Path) -> None:
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(signing_key(tmp_path / "d"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert signing_key(tmp_path / "d") in keys
    assert (tmp_path / "d" / "signing.key").stat().st_mode & 0o077 == 0
