"""A schema of PostgreSQL does what the reference does, where it can know what the reference knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perdure.engine.store.postgres import PostgresStore
from perdure.engine.store.postgres_sessions import Session
from perdure.engine.store.sql import SqlStore
from tests.differential import draw, stores
from tests.differential.campaign import run
from tests.engine.store.factory import Clock, Hub
from tests.postgres import Server
from tests.shares import in_turn

pytestmark = pytest.mark.slow  # a server is started


class Told(PostgresStore):
    """Is told which processes are over, and has the connections of all workers of its hub.

    White-box: the reference has one object for all, and may ask it for any worker.
    """

    def __init__(self, url: str, clock: Clock, members: dict[str, Session], killed: set[str]) -> None:
        super().__init__(url, clock=clock)
        self._members = members
        self._killed = killed

    def gone(self, worker: str) -> list[str]:
        # It looks, which PostgreSQL's own does not: there nobody is told.
        return SqlStore.gone(self, worker)

    def _surely_over(self, worker: str) -> bool:
        return worker in self._killed

    def close(self) -> None:
        self._members = {}
        super().close()


class ToldHub(Hub):
    """Its workers' connections stay when a store is closed and opened again."""

    members: dict[str, Session]

    def close(self) -> None:
        super().close()
        for session in self.members.values():
            session.close()


@pytest.fixture
def compared(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name under which it is compared. No text has U+0000, which PostgreSQL does not take."""

    def hub(_directory: Path) -> Hub:
        url, clock, killed = postgres.new_hub(), Clock(), set[str]()
        members: dict[str, Session] = {}
        made = ToldHub(lambda: Told(url, clock, members, killed), killed.add, clock)
        made.members = members
        return made

    monkeypatch.setattr(draw, "TEXTS", tuple(text for text in draw.TEXTS if "\0" not in text))
    registry: Any = stores.STORES
    monkeypatch.setitem(registry, "postgres", hub)
    return "postgres"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", in_turn([1, 2, 3]))
def test_postgres_answers_as_the_reference_does(compared: str, seed: int) -> None:
    """Random calls, equal answers, equal rows."""
    report = run(4000, seed, (compared,))
    assert report.calls >= 4000
