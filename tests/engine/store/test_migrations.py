from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from perdure.engine.instance import SLOTS
from perdure.engine.store.migrations import HEAD, versions
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.store.tables import METADATA


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database as the migrations made it."""
    SqliteStore(tmp_path / "hub.db").close()
    connection = sqlite3.connect(tmp_path / "hub.db")
    yield connection
    connection.close()


def test_migrations_make_what_the_statements_expect(database: sqlite3.Connection, tmp_path: Path) -> None:
    """The migrated schema is that of ``tables``, word for word but for white space."""
    engine = create_engine(f"sqlite:///{tmp_path}/tables.db")
    METADATA.create_all(engine)
    engine.dispose()
    expected = sqlite3.connect(tmp_path / "tables.db")
    wanted = _schema(expected)
    expected.close()
    made = _schema(database)
    assert made.pop("alembic_version")
    assert made == wanted


def test_two_hubs_made_at_once_do_not_write_into_each_other(
    tmp_path: Path, database: sqlite3.Connection
) -> None:
    """Threads of one process: the tables of one came to the other's connection, and the process could die."""
    both = threading.Barrier(2)

    def make(name: str) -> None:
        both.wait()
        SqliteStore(tmp_path / name).close()

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(make, "a.db"), threads.submit(make, "b.db")]:
            each.result()
    for name in ("a.db", "b.db"):
        with closing(sqlite3.connect(tmp_path / name)) as made:
            assert _schema(made) == _schema(database), name


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: re.sub(r"\s*([(),])\s*", r"\1", " ".join(sql.split())) for name, sql in rows}


def test_the_newest_migration_is_head() -> None:
    """The number that a plain SELECT compares is that of the last file."""
    (directory,) = versions.__path__
    assert max(file.name[:4] for file in Path(directory).glob("[0-9]*.py")) == HEAD


def test_slots_are_written_once(database: sqlite3.Connection) -> None:
    """All of them, with their number beside."""
    assert database.execute("SELECT count(*) FROM slots WHERE owner IS NULL").fetchone() == (SLOTS,)
    assert database.execute("SELECT value FROM meta WHERE key = 'slots'").fetchone() == (str(SLOTS),)
