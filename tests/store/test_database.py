from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from nextgpt_chat.errors import SetupError
from nextgpt_chat.store.database import migrate, open_database
from nextgpt_chat.store.tables import Base, ConversationRow, JobEventRow, JobRow, UserRow


def test_migrations_make_exactly_the_tables(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'new' / 'a.db'}")
    inspector = inspect(database.engine)
    for name, table in Base.metadata.tables.items():
        assert {column["name"] for column in inspector.get_columns(name)} == set(table.columns.keys())
        assert {str(index["name"]) for index in inspector.get_indexes(name)} == {str(index.name) for index in table.indexes}
    with database.session() as session:
        assert session.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert session.execute(text("PRAGMA foreign_keys")).scalar() == 1
    database.close()


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_database(url).close()
    open_database(url).close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("no database " * 100)
    with pytest.raises(SetupError, match="cannot be used"):
        open_database(f"sqlite:///{tmp_path / 'a.db'}")


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'a.db'}")

    def fail() -> None:
        with database.session() as session:
            session.add(UserRow(id="x"))
            session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with database.session() as session:
        assert session.get(UserRow, "x") is None
    database.close()


def test_a_filled_database_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    engine = create_engine(url)
    migrate(engine, "m001")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO users VALUES ('somebody', '2026-01-01 00:00:00.000000')"))
    engine.dispose()
    database = open_database(url)
    assert "messages_of_parent" in {index["name"] for index in inspect(database.engine).get_indexes("messages")}
    with database.reading() as session:
        assert session.get(UserRow, "somebody") is not None
    database.close()


def test_jobs_and_their_events_outlive_the_change_that_lets_media_be_made_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    engine = create_engine(url)
    migrate(engine, "m002")
    when = "2026-01-01 00:00:00.000000"
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO users VALUES ('u', '{when}')"))
        connection.execute(text(f"INSERT INTO conversations VALUES ('c', 'u', 'hello', '{when}', '{when}')"))
        connection.execute(
            text(f"INSERT INTO messages VALUES (1, 'm', 'c', NULL, 'assistant', 'complete', 'tinyland', NULL, '{{}}', '{when}')")
        )
        connection.execute(text(f"INSERT INTO jobs VALUES (1, 'j', 'c', 'm', 'tinyland', '{{}}', 'done', 0, NULL, '{when}')"))
        connection.execute(text("""INSERT INTO job_events VALUES ('j', 1, 'text', '{"text": "Hello!"}')"""))
    engine.dispose()
    database = open_database(url)
    with database.session() as session:
        assert [(job.id, job.reply_id, job.medium) for job in session.query(JobRow)] == [("j", "m", None)]
        assert [event.body for event in session.query(JobEventRow)] == [{"text": "Hello!"}]
        session.add(
            JobRow(id="k", conversation_id="c", reply_id="m", medium=0, model="tinyland", settings={}, status="done", cancel=False)
        )
        session.flush()
        session.execute(text("DELETE FROM jobs"))
        assert session.query(JobEventRow).count() == 0  # events still go with their job
    database.close()


def test_a_database_of_a_newer_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    database = open_database(url)
    with database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'm999'"))
    database.close()
    with pytest.raises(SetupError, match="newer version"):
        open_database(url)


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no SQLAlchemy address"):
        open_database(str(tmp_path / "a.db"))


def test_readers_and_the_writer_do_not_wait_for_each_other(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    with database.session() as writer:
        writer.add(UserRow(id="new"))
        writer.flush()
        with database.reading() as reader:
            assert reader.get(UserRow, "new") is None
    with database.reading() as reader:
        assert reader.get(UserRow, "new") is not None
        with database.session() as writer:
            writer.add(UserRow(id="newer"))
        assert reader.get(UserRow, "newer") is None
    database.close()


def test_conversations_go_on_where_they_were_when_branches_can_be_chosen(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    engine = create_engine(url)
    migrate(engine, "m003")
    when = "2026-01-01 00:00:00.000000"
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO users VALUES ('u', '{when}')"))
        for conversation in ("c", "empty"):
            values = f"('{conversation}', 'u', 'title', '{when}', '{when}')"
            connection.execute(text(f"INSERT INTO conversations (id, user_id, title, created, updated) VALUES {values}"))
        for message, parent in (("a", "NULL"), ("b", "'a'"), ("other b", "'a'")):
            values = f"('{message}', 'c', {parent}, 'user', 'complete', '{{}}', '{when}')"
            connection.execute(
                text(f"INSERT INTO messages (id, conversation_id, parent_id, role, status, stats, created) VALUES {values}")
            )
    engine.dispose()
    database = open_database(url)
    with database.reading() as session:
        rows = {row.id: (row.leaf_id, row.pinned, row.deleted) for row in session.query(ConversationRow)}
    assert rows == {"c": ("other b", False, None), "empty": (None, False, None)}
    database.close()
