"""The connection to the database, always at the newest schema."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from nextgpt_chat.errors import SetupError

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
READ_ONLY = "nextgpt_read_only"
"""Execution option of connections that only read."""


class Database:
    """Sessions on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # SQLite lets one write at a time and gives the turn to whoever asks at the right moment, so among many threads some never get it.
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()
        self.readers = engine.execution_options(**{READ_ONLY: True})

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on any error."""
        with self._turn, Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent look at the database, for reading alone: it waits for no writer, and no writer waits for it."""
        with Session(self.readers, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Connects and migrates to the newest schema. Raises `SetupError` if the database cannot be used."""
    try:
        parsed = make_url(url)
    except SQLAlchemyError as error:
        raise SetupError("NEXTGPT_DATABASE is no SQLAlchemy address. An example: sqlite:////home/me/nextgpt.db") from error
    sqlite = parsed.get_backend_name() == "sqlite"
    try:
        if sqlite and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url)
        if sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_immediate)
        migrate(engine)
    except CommandError as error:
        raise SetupError(
            f"The database {parsed.render_as_string()} was written by a newer version of this app ({error}). Update the app, or name another database."
        ) from error
    except (SQLAlchemyError, OSError, ImportError) as error:
        log.exception("the database %s cannot be opened", parsed.render_as_string())
        raise SetupError(
            f"The database {parsed.render_as_string()} cannot be used: {str(error).splitlines()[0]}. Check the folder or the address, and its rights."
        ) from error
    return Database(engine)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Brings the schema to `revision`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN is used, see _begin_immediate
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows the letters of English alone


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _begin_immediate(connection: Any) -> None:
    """Takes the write lock at once: two writers wait for each other instead of failing when a reader turns into a writer."""
    reading = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
