"""The server is killed at random moments while people talk, and started again; nobody helps it.

`NEXTGPT_KILLS=200 pytest tests/web/test_killed.py -s --timeout 7200` does it more often and says what it saw.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import text as sql

from nextgpt_chat.settings import Settings
from nextgpt_chat.store.quota import OPEN
from nextgpt_chat.store.store import open_store
from nextgpt_chat.web.visitor import Visitors, signing_key
from tests.conftest import ROOT, open_again
from tests.web.test_server import free_port

KILLS = int(os.environ.get("NEXTGPT_KILLS", "3"))
TALKERS = 4
SERVER = """
import json, random, sys, time
from nextgpt_chat.application import App
from nextgpt_chat.events import *
from nextgpt_chat.settings import Settings
from tests.conftest import picture, scripted
from tests.web.test_server import DESCRIPTION

def load(content):
    def say(conversation, settings, cancelled):
        yield TextDelta("Here it is. ")
        for number in range(2):
            yield MediaStarted(number, "image", "a plain picture")
            time.sleep(random.random() / 8)
            yield MediaReady(number, picture(content, random.randrange(256)))
        yield Done(Stats("scripted", seed=5))
    return scripted(content, say)

App(Settings(**json.loads(sys.argv[1])), [(DESCRIPTION, load)]).launch()
time.sleep(3600)
"""


@dataclass
class Seen:
    """What the server told those who talked."""

    said: dict[str, str] = field(default_factory=dict)
    """Job -> what was said, of messages that were acknowledged."""
    media: set[tuple[str, str]] = field(default_factory=set)
    """Jobs with content hashes of media that were ready."""


def call(client: httpx.Client, endpoint: str, *data: object) -> list[str]:
    """The lines that an endpoint answers with."""
    event = client.post(f"/gradio_api/call/{endpoint}", json={"data": data}).json()["event_id"]
    with client.stream("GET", f"/gradio_api/call/{endpoint}/{event}") as answer:
        lines = []
        with suppress(httpx.HTTPError):  # what came before the end counts
            lines += (line for line in answer.iter_lines() if line.startswith("data: ["))
        return lines


def talk(client: httpx.Client, seen: Seen, ended: threading.Event, name: int) -> None:
    """Says one thing after the other, and follows what comes; goes on when the server is back."""
    number = 0
    while not ended.is_set():
        number += 1
        words = f"message {number} of talker {name}"
        try:
            for line in call(client, "turn", {"text": words, "files": []}, "", {}):
                job = json.loads(line.removeprefix("data: "))[0]["job"]
                seen.said[job] = words
                for told in call(client, "events", job, 0):
                    for event in json.loads(told.removeprefix("data: "))[0]:
                        if event["event"] == "media_ready":
                            seen.media.add((job, event["part"]["sha256"]))
        except (httpx.HTTPError, KeyError, TypeError, ValueError):
            time.sleep(0.1)


def started(settings: Settings) -> subprocess.Popen[bytes]:
    """The server, once it answers."""
    given = settings.model_dump_json(exclude={"checkpoints"})
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, given], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        with suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{settings.port}/readyz").status_code == 200:
                return process
        assert process.poll() is None, "the server did not start again by itself"
        time.sleep(0.1)
    raise TimeoutError("the server did not become ready")


def test_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    many = 10**6
    settings = Settings(
        data=tmp_path / "data", port=free_port(), max_replies_per_minute=many, max_requests_per_minute=many, max_conversations=many
    )
    visitors = Visitors(signing_key(settings.data), open_store(settings).accounts, 60)
    seen, ended, rng = Seen(), threading.Event(), random.Random(1)
    users = [f"{name:032x}" for name in range(TALKERS)]
    clients = [
        httpx.Client(
            base_url=f"http://127.0.0.1:{settings.port}",
            cookies={"nextgpt_visitor": visitors.cookie(user)},
            timeout=httpx.Timeout(30),
        )
        for user in users
    ]
    talkers = [threading.Thread(target=talk, args=(client, seen, ended, name)) for name, client in enumerate(clients)]
    server = started(settings)
    for talker in talkers:
        talker.start()
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.2, 3))
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        server = started(settings)
    time.sleep(2)
    ended.set()
    for talker in talkers:
        talker.join()
    store = open_again(settings)
    for _ in range(600):
        with store.database.reading() as session:
            left = session.scalar(sql("SELECT count(*) FROM jobs WHERE status IN ('queued', 'running')"))
        if not left:
            break
        time.sleep(0.1)
    server.send_signal(signal.SIGKILL)
    server.wait()
    with store.database.reading() as session:
        assert session.scalar(sql("PRAGMA integrity_check")) == "ok"
        assert session.execute(sql("PRAGMA foreign_key_check")).all() == []
        owners = dict(
            session.execute(sql("SELECT j.id, c.user_id FROM jobs j JOIN conversations c ON c.id = j.conversation_id")).all()
        )
        places = dict(session.execute(sql("SELECT id, conversation_id FROM jobs")).all())
    for job, words in seen.said.items():
        asked, reply = store.conversations.messages(owners[job], places[job])
        assert asked.turn.text == words
        assert store.jobs.status(owners[job], job) not in OPEN
        kept = {medium.sha256 for medium in reply.turn.media}
        assert {sha256 for one, sha256 in seen.media if one == job} <= kept
        assert all(medium.path.is_file() for medium in reply.turn.media)
    store.close()
    sys.stdout.write(f"{KILLS} kills: {len(seen.said)} acknowledged messages and {len(seen.media)} media, all there\n")
    assert len(seen.said) >= KILLS
    assert len(seen.media) >= KILLS
