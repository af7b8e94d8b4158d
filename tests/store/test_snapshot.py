import threading
from pathlib import Path

import pytest

from nextgpt_chat.application import App
from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.errors import SetupError
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.snapshot import Snapshot
from nextgpt_chat.store.tables import new_id
from nextgpt_chat.web.visitor import Visitors, signing_key
from tests.conftest import open_again, picture, scripted
from tests.web.test_server import DESCRIPTION, free_port


def app(folder: Path, kept: Path) -> App:
    return App(Settings(data=folder, port=free_port(), snapshot=kept), [(DESCRIPTION, scripted)])


def test_what_was_said_is_there_on_a_new_disk(tmp_path: Path) -> None:
    first, user = app(tmp_path / "first", tmp_path / "kept"), new_id()
    first.launch()
    shown = picture(first.store.content)
    conversation = first.store.conversations.bring(user, [Turn("user", (shown,)), Turn("assistant", (Text("A picture."),))])
    cookie = first.visitors.cookie(user)
    first.close()
    second = app(tmp_path / "second", tmp_path / "kept")
    assert [message.turn.text for message in second.store.conversations.messages(user, conversation)] == ["", "A picture."]
    path, _ = second.store.conversations.media(user, shown.sha256)
    assert path.is_relative_to(tmp_path / "second")
    assert path.read_bytes() == shown.path.read_bytes()
    assert second.visitors.known({"nextgpt_visitor": cookie}) == user
    assert (tmp_path / "second" / "signing.key").stat().st_mode & 0o077 == 0
    second.store.close()


def test_a_data_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    snapshot = Snapshot(settings, tmp_path / "kept")
    assert not snapshot.restore()
    store, user = open_again(settings), new_id()
    store.post(user, "before")
    snapshot.write()
    store.post(user, "after")
    assert not snapshot.restore()
    assert {one.title for one in store.library.recent(user)} == {"before", "after"}
    store.close()


def test_what_is_erased_leaves_the_next_copy(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    snapshot, store, user = Snapshot(settings, tmp_path / "kept"), open_again(settings), new_id()
    store.conversations.bring(user, [Turn("user", (picture(store.content),))])
    snapshot.write()
    kept = ContentStore(tmp_path / "kept" / "media")
    assert len(list(kept.files())) == 1
    store.library.erase(user)
    snapshot.write()
    assert not list(kept.files())
    store.close()


def test_a_copy_that_is_taken_while_people_write_is_whole(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    snapshot, store, user = Snapshot(settings, tmp_path / "kept"), open_again(settings), new_id()
    done = threading.Event()

    def write() -> None:
        for shade in range(60):
            store.conversations.bring(user, [Turn("user", (picture(store.content, shade),)), Turn("assistant", (Text("ok"),))])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    rounds = 0
    while not done.is_set() or rounds < 2:
        snapshot.write()
        other = Settings(data=tmp_path / f"other{rounds}")
        assert Snapshot(other, tmp_path / "kept").restore()
        opened = open_again(other)
        for one in opened.library.recent(user):
            messages = opened.conversations.messages(user, one.id)
            assert len(messages) == 2
            assert messages[0].turn.media[0].path.is_file()
        opened.close()
        rounds += 1
    writer.join()
    store.close()


def test_another_database_has_backups_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="NEXTGPT_SNAPSHOT copies an SQLite file"):
        Snapshot(Settings(data=tmp_path, database="postgresql+psycopg://user@host/name"), tmp_path / "kept")


def test_the_key_of_the_copy_signs_the_same_cookies(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    key, store = signing_key(settings.data), open_again(settings)
    Snapshot(settings, tmp_path / "kept").write()
    before, after = (Visitors(one, store.accounts, 60) for one in (key, signing_key(tmp_path / "kept")))
    assert before.known({"nextgpt_visitor": after.cookie("me")}) == "me"
    store.close()
