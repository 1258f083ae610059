"""Keys while the database does not do what is asked of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from perdure.engine.client import Client
from perdure.engine.store import sqlite
from perdure.engine.store.sqlite import SqliteStore


def test_a_key_counts_while_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it is used is noted another time: whoever looks for what is wrong must be let in."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.01)
    path = tmp_path / "hub.db"
    with closing(SqliteStore(path)) as store:
        client = Client(store)
        made = client.create_key("ops", "viewer")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            found = client.authenticate(made["secret"])
            assert found is not None
            assert (found.name, client.keys()[0]["used_at"]) == ("ops", None)
            other.execute("ROLLBACK")
        client.authenticate(made["secret"])
        assert client.keys()[0]["used_at"] is not None
