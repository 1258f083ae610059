"""The engine suite runs twice: with a warm memory, and with every turn replayed from the database.

A part of it runs a third time among the slow tests, on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from perdure.engine import machine
from perdure.engine.store.rows import InstanceQuery
from tests.engine.driver import Hub, VirtualClock

if TYPE_CHECKING:
    from tests.postgres import Server

ON_POSTGRES = {
    "test_call",
    "test_dead_letters",
    "test_entity_locks",
    "test_reuse",
    "test_rewind",
}
"""Together they write and read every table."""


@pytest.fixture
def few_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless computation ends soon: with ``usefixtures``, so that it holds for the hub's last check."""
    monkeypatch.setattr(machine, "MAX_INSTRUCTIONS", 50_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what need not be run on PostgreSQL."""
    items[:] = [item for item in items if not _on_postgres(item) or item.path.stem in ON_POSTGRES]


def _on_postgres(item: pytest.Item) -> bool:
    called = getattr(item, "callspec", None)
    return called is not None and called.params.get("hub") == "postgres"


@pytest.fixture(params=["warm", "cold", pytest.param("postgres", marks=pytest.mark.slow)])
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    """A hub with virtual time; at the end every prefix of every history must replay."""
    if request.param == "postgres":
        hub = _hub_on_postgres(request.getfixturevalue("postgres"))
    else:
        hub = Hub(memory=64 << 20 if request.param == "warm" else 0)
    yield hub
    for instance in hub.store.instances(InstanceQuery(limit=1000)):
        if not (instance.status == "Suspended" and instance.reason and "non_determinism" in instance.reason):
            hub.check(instance.id)
    hub.store.close()


def _hub_on_postgres(server: Server) -> Hub:
    from perdure.engine.store.postgres import PostgresStore

    class PostgresHub(Hub):
        """There a process that is over has a lease that has ended."""

        def _bury(self, worker: str) -> None:
            with server.connect() as sql:
                sql.execute("UPDATE workers SET lease_until = 0 WHERE id = %s", [worker])
            assert self.store.take_over(self.worker, worker, 0)

    clock = VirtualClock()
    return PostgresHub(PostgresStore(server.new_hub(), clock=clock), clock=clock)
