import io
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

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

DESCRIPTION = Checkpoint.model_construct(  # what makes its pictures is in no folder, so it has no bounds
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
    app = App(Settings(data=tmp_path_factory.mktemp("data"), port=free_port()), [(DESCRIPTION, scripted)])
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
    conversation = app.store.conversations.start(user)
    job = app.store.conversations.post(user, conversation, Turn("user", (Text("hello"),)), "scripted", ReplySettings())
    app.models.notify()
    for _ in follow(app.store.jobs, user, job):
        pass
    return f"/media/{app.visitors.media_token(user, picture(app.store.content).sha256)}"


def conversation_of(app: App, client: httpx.Client) -> str:
    """A conversation of the client's user with a reply and a picture in it."""
    media_link(app, client)
    return app.store.library.recent(app.visitors.required(dict(client.cookies)))[0].id


def test_a_conversation_is_saved_by_its_owner_alone(app: App) -> None:
    with visitor(app) as owner, visitor(app) as other, httpx.Client(base_url=owner.base_url) as nobody:
        conversation = conversation_of(app, owner)
        archive, page = owner.get(f"/export/{conversation}.zip"), owner.get(f"/export/{conversation}.html")
        assert archive.headers["content-type"] == "application/zip"
        assert ZipFile(io.BytesIO(archive.content)).testzip() is None
        assert "Here it is." in page.text
        for saved in (archive, page):
            assert "attachment" in saved.headers["content-disposition"]
            assert saved.headers["cache-control"] == "private, no-store"
        for form in ("zip", "html"):
            assert [stranger.get(f"/export/{conversation}.{form}").status_code for stranger in (other, nobody)] == [404, 404]
        assert owner.get(f"/export/{conversation}.exe").status_code == 404


def test_a_shared_conversation_can_be_read_and_nothing_else(app: App) -> None:
    with visitor(app) as owner, visitor(app) as other, httpx.Client(base_url=owner.base_url) as nobody:
        conversation = conversation_of(app, owner)
        user = app.visitors.required(dict(owner.cookies))
        token = app.store.shares.share(user, conversation)
        for reader in (other, nobody):
            read = reader.get(f"/share/{token}")
            assert (read.status_code, "Here it is." in read.text) == (200, True)
            assert "default-src 'none'" in read.headers["content-security-policy"]
            assert "<script" not in read.text
            assert user not in read.text
            assert conversation not in read.text
            assert reader.get(f"/export/{conversation}.zip").status_code == 404
        app.store.shares.revoke(user, conversation)
        assert nobody.get(f"/share/{token}").status_code == 404


def call(app: App, client: httpx.Client, handler: str, event: object = None, **given: object) -> str:
    """What the page's own event answers to whoever calls it past the page; `given` are values by the ids of their components."""
    number, fn = next((number, fn) for number, fn in app.blocks.fns.items() if fn.name == handler)
    assert given.keys() <= {component.elem_id for component in fn.inputs}
    data = [given.get(component.elem_id, component.value) for component in fn.inputs]
    body = {"fn_index": number, "data": data, "event_data": event, "session_hash": "attack", "trigger_id": None}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "attack"}, timeout=30) as answer:
        lines = ""
        for line in answer.iter_lines():
            lines += line
            if "process_completed" in line or "close_stream" in line:
                break
        return lines


def test_what_a_person_may_be_writing_is_not_sent_again_when_a_handler_ends(app: App) -> None:
    """A new title would be gone before it was sent."""
    with visitor(app) as owner:
        conversation = conversation_of(app, owner)
        user = app.visitors.required(dict(owner.cookies))
        app.store.library.rename(user, conversation, "the only title")
        app.store.library.delete(user, conversation)
        sent = call(app, owner, "on_restore", gone=conversation)
        outputs = [component.elem_id for fn in app.blocks.fns.values() if fn.name == "on_restore" for component in fn.outputs]
        first, *_, last = (json.loads(message)["output"]["data"] for message in sent.split("data: ") if '"output"' in message)
        assert first[outputs.index("rename")] == "the only title"
        assert last[outputs.index("rename")] == {"__type__": "update"}
        assert "Here it is." in json.dumps(last[outputs.index("chat")])


def test_a_conversation_that_is_gone_by_now_is_seen_as_a_new_one(app: App) -> None:
    with visitor(app) as owner:
        conversation = conversation_of(app, owner)
        call(app, owner, "on_search", search="", current="")  # it stands in the list
        app.store.library.delete(app.visitors.required(dict(owner.cookies)), conversation)
        sent = call(app, owner, "on_pick", earlier=conversation)
        assert '"success": true' in sent.replace('"success":true', '"success": true').split("process_completed")[-1]
        assert "Here it is." not in sent


def test_events_called_past_the_page_give_a_stranger_nothing(app: App) -> None:
    with visitor(app) as owner, visitor(app) as other, httpx.Client(base_url=owner.base_url) as nobody:
        conversation = conversation_of(app, owner)
        user = app.visitors.required(dict(owner.cookies))
        before = app.store.conversations.messages(user, conversation)
        asked, reply = (message.id for message in before)
        app.store.library.rename(user, conversation, "the secret title")
        token = app.store.shares.share(user, conversation)
        assert "secret title" in call(app, owner, "on_search", search="secret", current=conversation)
        assert "You are changing an earlier" in call(app, owner, "on_act", {"index": "edit", "value": asked}, current=conversation)
        here: dict[str, object] = {"current": conversation}
        text = {"text": "more", "files": []}
        attacks: list[tuple[str, object, dict[str, object]]] = [
            ("on_pick", None, {"earlier": conversation}),
            ("on_search", None, {"search": "secret", **here}),
            ("on_rename", None, {"rename": "mine now", **here}),
            ("on_pin", None, here),
            ("on_share", None, {"shared": False, **here}),
            ("on_share", None, {"shared": True, **here}),
            ("on_delete", None, here),
            ("on_restore", None, {"gone": conversation}),
            ("on_retry", None, here),
            ("on_stop", None, here),
            ("on_erase", None, {}),
            ("on_send", None, {"box": text, **here}),
            ("on_send", None, {"box": text, "changing": asked, **here}),
            ("on_send", None, {"box": text, "changing": asked}),
            ("on_send", None, {"box": text, "attached": f"{reply}:0"}),
            *(("on_act", {"index": verb, "value": asked}, here) for verb in ("edit", "version:0")),
            *(
                ("on_act", {"index": verb, "value": reply}, here)
                for verb in ("again:0", "use:0", "rate:-1:1", "reason:-1:harm", "version:0")
            ),
        ]
        for handler, event, given in attacks:
            for stranger in (other, nobody):
                answer = call(app, stranger, handler, event, **given)
                assert "Here it is." not in answer, handler
                assert "a plain picture" not in answer, handler
                assert "secret title" not in answer, handler
                assert token not in answer, handler
        assert app.store.conversations.messages(user, conversation) == before
        assert app.store.library.summary(user, conversation).title == "the secret title"
        assert app.store.shares.token(user, conversation) == token


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
        assert other.get(f"/media/{app.visitors.media_token(user, picture(app.store.content).sha256)}").status_code == 404


def test_links_expire(app: App) -> None:
    old = Visitors(signing_key(app.settings.data), app.store.accounts, media_seconds=-1)
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
