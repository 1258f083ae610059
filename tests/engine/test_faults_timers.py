"""Timers in numbers: none is hidden by others, fires twice, or is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.instance import slot_of
from perdure.engine.store.rows import Batch, Checkpoint, TimerRow
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker
from tests.engine.driver import SECOND, VirtualClock, compiled
from tests.engine.facts import WAIT, eventually

HOUR = 3600 * SECOND
PAUSE = compiled("do: [{ w: { wait: 1h } }]").program


@pytest.fixture
def clock() -> VirtualClock:
    """The store's time."""
    return VirtualClock()


@pytest.fixture
def client(tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A worker that reads four rows at a time, and its client."""
    monkeypatch.setattr("perdure.engine.workplace.PAGE", 4)
    store = SqliteStore(tmp_path / "hub.db", clock=clock)
    with Worker(store, Registry(), lease=1000 * HOUR) as worker:
        yield Client(store, worker)
    store.close()


def test_timers_that_nobody_takes_hide_no_others(client: Client, clock: VirtualClock) -> None:
    """Rows of instances that cannot take them, as parked ones, stay; the others are found behind them."""
    assert client.worker is not None
    slot = slot_of("nobody")
    left = tuple(
        TimerRow(execution="x", seq=seq, instance="nobody", slot=slot, due=clock.now) for seq in range(30)
    )
    turn = Checkpoint(id="nobody", slot=slot, execution="x", history=(), timers=left)
    client.store.commit(Batch(worker=client.worker.id, checkpoints=(turn,)))
    client.run(PAUSE, id="i")
    clock.now += HOUR
    assert client.wait("i", WAIT)["status"] == "Completed"


def test_many_timers_of_one_time_all_fire(client: Client, clock: VirtualClock) -> None:
    """However many pages they are."""
    program = compiled(
        "do: [{ f: { fan_out: '${ lists.range(50) }', do: [{ w: { wait: 1h } }] } },"
        " { return: '${ f.succeeded }' }]"
    ).program
    client.run(program, id="i")
    clock.now += HOUR
    assert client.wait("i", WAIT)["output"] == 50


def test_a_timer_that_waits_for_its_turn_does_not_fire_again(client: Client, clock: VirtualClock) -> None:
    """It is read again with its page before the turn that deletes its row, and known."""
    assert client.worker is not None
    program = compiled(
        "do: [{ w: { wait: 1h } }, { e: { wait_for_event: Go, timeout: 1h, on_timeout: [] } }]"
    )
    ids = client.run_many(program.program, [None] * 40)
    owner = client.worker._duties.owner
    owner._turns = owner._limit = 2
    clock.now += HOUR
    eventually(lambda: all(len(client.store.history(each, 1, 0, 9)) == 2 for each in ids))
    clock.now += HOUR
    assert {client.wait(each, WAIT)["status"] for each in ids} == {"Completed"}
    assert owner.superseded == 0


def test_a_clock_that_goes_back_keeps_no_timer_from_firing(client: Client, clock: VirtualClock) -> None:
    """The store's time stands still until the clock is there again."""
    client.run(PAUSE, id="i")
    clock.now -= 10 * HOUR
    client.run(PAUSE, id="j")
    assert client.instance("j")["created_at"] == client.instance("i")["created_at"]
    clock.now += 11 * HOUR
    assert [client.wait(each, WAIT)["status"] for each in "ij"] == ["Completed"] * 2


def test_a_timer_beyond_the_horizon_fires_after_a_restart(
    client: Client, clock: VirtualClock, tmp_path: Path
) -> None:
    """It is read when its time comes near."""
    client.run(PAUSE, id="i")
    assert client.worker is not None
    client.worker.stop()
    store = SqliteStore(tmp_path / "hub.db", clock=clock)
    with Worker(store, Registry(), lease=1000 * HOUR) as second:
        clock.now += HOUR
        assert Client(store, second).wait("i", WAIT)["status"] == "Completed"
    store.close()
