"""What tests share: settings on a temporary folder, a store in it, small pictures, and a scripted model for tests of the engine."""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from nextgpt_chat.conversation import Conversation, Image, Text, Turn
from nextgpt_chat.events import Done, Event, MediaProgress, MediaReady, MediaStarted, Remake, Reply, Stats, TextDelta
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import encode_png
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.store import Store, open_store
from nextgpt_chat.store.tables import new_id

ROOT = Path(__file__).parent.parent
CHECKPOINT = ROOT / "checkpoints" / "tinyland"


SERVER = os.environ.get("NEXTGPT_TEST_DATABASE", "")
"""SQLAlchemy URL of a database server on which the tests make databases of their own; empty means SQLite files."""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    if not SERVER:
        yield Settings(data=tmp_path / "data")
        return
    name = f"nextgpt_test_{new_id()}"
    server = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield Settings(data=tmp_path / "data", database=server.url.set(database=name).render_as_string(hide_password=False))
    with server.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    server.dispose()


@dataclass(frozen=True)
class Opened(Store):
    """A store with a way to say something in it."""

    def post(self, user: str, text: str = "hello", conversation: str | None = None, model: str = "scripted") -> tuple[str, str]:
        """Sends a message; returns conversation and job."""
        conversation = conversation or self.conversations.start(user)
        return conversation, self.conversations.post(user, conversation, Turn("user", (Text(text),)), model, ReplySettings())


def open_again(settings: Settings) -> Opened:
    return Opened(**vars(open_store(settings)))


@pytest.fixture
def store(settings: Settings) -> Iterator[Opened]:
    opened = open_again(settings)
    yield opened
    opened.close()


def picture(content: ContentStore, shade: int = 200) -> Image:
    """A small plain picture in the content store."""
    sha256, path = content.put(encode_png(np.full((8, 8, 3), shade, np.uint8), {}), "image/png")
    return Image(sha256, path, "image/png", "a plain picture", 5, {"steps": 2}, width=8, height=8)


@dataclass
class Scripted:
    """A model that does what a test says."""

    reply: Reply
    remake: Remake


def scripted(content: ContentStore, reply: Reply | None = None, remake: Remake | None = None) -> Scripted:
    """Replies with text, a picture and text again, and makes a darker picture in the place of that one."""

    def say(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta("Here ")
        yield TextDelta("it is.")
        yield MediaStarted(0, "image", "a plain picture")
        yield MediaProgress(0, 1, 2)
        yield MediaProgress(0, 2, 2)
        yield MediaReady(0, picture(content))
        yield TextDelta("Done.")
        yield Done(Stats("scripted", seed=5))

    def draw(conversation: Conversation, medium: int, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield MediaStarted(medium, "image", "a plain picture")
        yield MediaProgress(medium, 1, 1)
        yield MediaReady(medium, replace(picture(content, 100), seed=6))
        yield Done(Stats("scripted", seed=6))

    return Scripted(reply or say, remake or draw)


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG file that claims a size; its pixels are missing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
    )
