"""The engine suite runs twice: with a warm memory, and with every turn replayed from the database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perdure.engine import machine
from perdure.engine.store.rows import InstanceQuery
from tests.engine.driver import Hub


@pytest.fixture
def few_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless computation ends soon: with ``usefixtures``, so that it holds for the hub's last check."""
    monkeypatch.setattr(machine, "MAX_INSTRUCTIONS", 50_000)


@pytest.fixture(params=["warm", "cold"])
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    """A hub with virtual time; at the end every prefix of every history must replay."""
    hub = Hub(memory=64 << 20 if request.param == "warm" else 0)
    yield hub
    for instance in hub.store.instances(InstanceQuery(limit=1000)):
        if not (instance.status == "Suspended" and instance.reason and "non_determinism" in instance.reason):
            hub.check(instance.id)
