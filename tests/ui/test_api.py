"""The endpoints for programs: called as the guide calls them, and past it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from nextgpt_chat.application import App
from nextgpt_chat.media.image_file import read_image
from nextgpt_chat.settings import Settings
from tests.conftest import ROOT, scripted
from tests.web.test_server import DESCRIPTION, free_port

HELLO: dict[str, Any] = {"text": "hello", "files": []}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(Settings(data=tmp_path_factory.mktemp("data"), port=free_port(), max_upload_mb=1), [(DESCRIPTION, scripted)])
    app.launch()
    yield app
    app.close()


def address(app: App) -> str:
    return f"http://127.0.0.1:{app.settings.port}"


def caller(app: App, known: bool = True) -> Client:
    cookies = dict(httpx.get(address(app)).cookies) if known else {}
    return Client(address(app), httpx_kwargs={"cookies": cookies}, verbose=False)


def events(client: Client, job: str, after: int = 0) -> list[dict[str, Any]]:
    following = client.submit(job, after, api_name="/events")
    told = [event for some in following for event in some]
    following.result()  # raises what ended it
    return told


def example(app: App, language: str) -> str:
    """The guide's example, with the address of the app."""
    guide = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")
    (code,) = re.findall(rf"```{language}\n(.*?)```", guide, re.DOTALL)
    return str(code).replace("http://localhost:7860", address(app))


def test_the_guides_python_draws_a_picture_and_asks_about_it(app: App, tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", example(app, "python")], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("Here it is.Done.")
    assert "'event': 'done'" in run.stdout
    assert read_image(tmp_path / "reply.png").shape == (8, 8, 3)


def test_the_guides_shell_follows_a_reply(app: App, tmp_path: Path) -> None:
    run = subprocess.run(["bash", "-c", example(app, "bash")], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "event: complete" in run.stdout
    for name in ("text", "media_started", "media_progress", "media_ready", "done"):
        assert f'"event": "{name}"' in run.stdout, run.stdout


def test_a_conversation_goes_on_with_files_and_stands_on_the_page(app: App, tmp_path: Path) -> None:
    client = caller(app)
    turn = client.predict(HELLO, "", {}, api_name="/turn")
    made = events(client, turn["job"])
    assert [event["number"] for event in made] == list(range(1, len(made) + 1))
    assert events(client, turn["job"], made[-2]["number"]) == made[-1:]
    assert events(client, turn["job"], made[-1]["number"]) == []
    (ready,) = (event for event in made if event["event"] == "media_ready")
    assert "path" not in ready["part"]
    (tmp_path / "again.png").write_bytes(httpx.get(ready["url"], cookies=client.cookies).content)
    message = {"text": "and this?", "files": [handle_file(str(tmp_path / "again.png"))]}
    events(client, client.predict(message, turn["conversation"], {"kinds": ["image"]}, api_name="/turn")["job"])
    user = app.visitors.required(client.cookies)
    messages = app.store.conversations.messages(user, turn["conversation"])
    assert [(message.role, message.turn.text) for message in messages] == [
        ("user", "hello"),
        ("assistant", "Here it is.Done."),
        ("user", "and this?"),
        ("assistant", "Here it is.Done."),
    ]
    assert len(messages[2].turn.media) == 1


def test_strangers_hear_that_there_is_nothing(app: App) -> None:
    owner, other, nobody = caller(app), caller(app), caller(app, known=False)
    turn = owner.predict(HELLO, "", {}, api_name="/turn")
    (ready,) = (event for event in events(owner, turn["job"]) if event["event"] == "media_ready")
    for stranger in (other, nobody):
        sentence = "no valid cookie" if stranger is nobody else "There is no such"
        with pytest.raises(AppError, match=sentence):
            stranger.predict(HELLO, turn["conversation"], {}, api_name="/turn")
        with pytest.raises(AppError, match=sentence):
            events(stranger, turn["job"])
        with pytest.raises(AppError, match=sentence):
            stranger.predict(turn["job"], api_name="/stop")
        assert httpx.get(ready["url"], cookies=stranger.cookies).status_code == 404


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"temperature": 9}, "The temperature is 9. Accepted are values from 0 to 1.5"),
        ({"seed": None}, "The seed is None"),
        ({"kinds": ["video"]}, "Accepted is a list of: image"),
        ({"model": "other"}, "There is no model called 'other' here. The models are: scripted."),
        ({"size": 9}, "Accepted is an object with any of: frames, guidance, kinds, model, seconds, seed, steps, temperature"),
        ({"model": 9}, "The model is 9. Accepted is a name."),
        (["seed"], "Accepted is an object"),
    ],
)
def test_settings_that_are_no_settings_get_a_sentence(app: App, settings: object, sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        caller(app).predict(HELLO, "", settings, api_name="/turn")


def test_what_is_no_message_gets_a_sentence(app: App, tmp_path: Path) -> None:
    client = caller(app)
    with pytest.raises(AppError, match="The message is empty"):
        client.predict({"text": " ", "files": []}, "", {}, api_name="/turn")
    (tmp_path / "not.png").write_bytes(b"no picture")
    with pytest.raises(AppError, match=r"not\.png"):
        client.predict({"text": "", "files": [handle_file(str(tmp_path / "not.png"))]}, "", {}, api_name="/turn")


def test_a_file_of_the_server_is_not_taken_for_an_upload(app: App) -> None:
    key = str((app.settings.data / "signing.key").resolve())
    for meta in ({}, {"meta": {"_type": "gradio.FileData"}}):
        body = {"data": [{"text": "look", "files": [{"path": key, **meta}]}, "", {}]}
        with httpx.Client(base_url=address(app)) as client:
            client.get("/")
            event = client.post("/gradio_api/call/turn", json=body).json()["event_id"]
            answer = client.get(f"/gradio_api/call/turn/{event}", timeout=30).text
        assert "event: error" in answer
        assert "job" not in answer


def test_only_the_endpoints_of_the_guide_are_shown(app: App) -> None:
    assert set(app.blocks.get_api_info()["named_endpoints"]) == {"/turn", "/events", "/stop"}
