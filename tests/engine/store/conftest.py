"""What the tests of PostgreSQL's own ways have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from perdure.engine.store import postgres
from perdure.engine.store.postgres import PostgresStore
from tests.postgres import Server


@pytest.fixture
def url(postgres: Server) -> str:
    """A new hub in PostgreSQL."""
    return postgres.new_hub()


@pytest.fixture
def connect(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., PostgresStore]]:
    """Opens it, or what is behind another URL, as another process would."""
    opened: list[PostgresStore] = []
    # On a busy machine a test may take longer to let go of a lock than a client is ready to wait for it.
    monkeypatch.setattr(postgres, "TIMEOUT", 60.0)

    def opening(url: str = url) -> PostgresStore:
        opened.append(PostgresStore(url))
        return opened[-1]

    yield opening
    for store in opened:
        store.close()


@pytest.fixture
def sql(postgres: Server, url: str) -> Iterator[psycopg.Connection]:
    """A connection to look with, and to get in the way."""
    with postgres.connect() as connection:
        yield connection


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """Runs what waits."""
    with ThreadPoolExecutor() as executor:
        yield executor
