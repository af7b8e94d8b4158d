from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from nextgpt_chat.errors import SetupError
from nextgpt_chat.store.database import open_database
from nextgpt_chat.store.tables import Base


def test_migrations_make_exactly_the_tables(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'new' / 'a.db'}")
    inspector = inspect(database.engine)
    for name, table in Base.metadata.tables.items():
        assert {column["name"] for column in inspector.get_columns(name)} == set(table.columns.keys())
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
    from nextgpt_chat.store.tables import UserRow

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
