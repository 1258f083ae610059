"""Events that were set aside when their instance ends: they become dead letters, and reach no next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from perdure.engine.events import ExecutionRestarted, ExecutionTerminated
from tests.engine.driver import Hub

COLLECTS = "do: [ { some: { wait_for_event: Go, count: 12, timeout: never } }, { return: '${ some }' } ]"
SENT = 20


@contextmanager
def late_inbox(hub: Hub) -> Iterator[None]:
    """Rows that are there are not read for a while."""
    read = hub.store.inbox
    hub.store.inbox = lambda slots, limit: []  # type: ignore[method-assign]
    yield
    hub.store.inbox = read  # type: ignore[method-assign]


@pytest.fixture
def full(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub whose instance has heard some of its events; some are on their way back, some are set aside."""
    monkeypatch.setattr("perdure.engine.residents.MAX_BUFFER", 4)
    monkeypatch.setattr("perdure.engine.residents.MAX_PENDING", 4)
    hub.start(COLLECTS)
    hub.suspend()
    for number in range(SENT):
        hub.raise_event("Go", number)
    hub.run()
    hub.resume()
    while not hub.owner._of("i").released:
        assert hub.round()
    assert hub.owner._of("i").held > hub.owner._of("i").released
    with late_inbox(hub):
        hub.say(ExecutionTerminated())
        hub.round()
    assert hub.status() == "Terminated"
    return hub


def test_what_was_set_aside_when_an_instance_ends_becomes_dead_letters(full: Hub) -> None:
    """Though some of it is on its way back at that moment."""
    full.run()
    heard = full.kinds().count("EventRaised")
    letters = full.store.dead_letters(limit=SENT)
    assert [each.reason for each in letters] == ["ended"] * (SENT - heard)
    assert 0 < heard < SENT


def test_a_restart_hears_nothing_of_what_was_set_aside_before(full: Hub) -> None:
    """The next generation begins when it is out of the way."""
    row = full.instance()
    full.reopen(ExecutionRestarted(version=row.version, digest=row.digest, input=None))
    full.run()
    assert (full.status(), full.instance().generation) == ("Running", 2)
    assert "EventRaised" not in full.kinds()
    heard = [type(each).__name__ for each in full.events(generation=1)].count("EventRaised")
    assert len(full.store.dead_letters(limit=SENT)) == SENT - heard
    for number in range(12):
        full.raise_event("Go", number)
    full.run()
    assert full.output() == list(range(12))
