"""What the simulator does to a database is what happens to one, and it sees what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, cast

import pytest

from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.protocol import Store
from tests.engine.store.factory import LEASE, batch, first_turn, message, task, worker
from tests.sim.calls import READS, SENDS, WRITES
from tests.sim.checks import check_claimable
from tests.sim.hubs import HUBS, Hub, MemoryHub, SqliteHub, Torn
from tests.sim.plan import KINDS, USUAL
from tests.sim.world import START


@pytest.fixture(params=sorted(HUBS))
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    """One of each kind, with a member that owns all slots."""
    made = HUBS[request.param](lambda: START)
    store = made.outside()
    store.join(worker(), LEASE)
    store.take_slots("w1")
    yield made
    made.close()


def commit(store: Store, id: str = "i1") -> int:
    """A turn that writes to several tables."""
    turn = first_turn(id, tasks=(task(1, id), task(2, id)))
    return store.commit(batch(turn, messages=(message(f"m of {id}", "other"),)))


def test_a_torn_transaction_leaves_nothing(hub: Hub) -> None:
    """Wherever in it the process dies; with enough statements it lives."""
    before, torn = hub.dump(), 0
    for statements in range(40):
        store = hub.connect()
        try:
            with hub.torn_after(store, statements):
                commit(store)
        except Torn:
            torn += 1
            assert hub.dump() == before, f"something has remained after {statements} statements"
        else:
            break
    assert torn > 4, "a commit is more than that"
    assert hub.rows("history") != before["history"]


def test_a_store_that_does_not_undo_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the one before."""
    hub = MemoryHub(lambda: START)
    store = cast("Any", hub.connect())
    store.join(worker(), LEASE)
    store.take_slots("w1")
    before = hub.dump()
    monkeypatch.setattr(store, "_undo", Forgetful())
    with pytest.raises(Torn), hub.torn_after(store, 4):
        commit(store)
    assert hub.dump() != before


class Forgetful(list[Any]):
    """Keeps nothing."""

    def append(self, _each: Any) -> None:
        """Forget it."""


def test_what_was_acknowledged_outlives_a_power_cut(hub: Hub) -> None:
    """What was being committed is there as a whole, or not at all; both happen."""
    outcomes = set[bool]()
    for seed in range(12):
        store = hub.connect()
        member = f"w{seed + 2}"
        for row in hub.rows("workers"):
            store.leave(row["id"])
        store.join(worker(member), LEASE)
        store.take_slots(member)
        before = hub.dump()
        turn = first_turn(f"i{seed}", tasks=(task(1, f"i{seed}"),))
        whole = hub.without_power(store, lambda: store.commit(batch(turn, worker=member)), Random(seed))  # noqa: B023
        assert (hub.dump() == before) is not whole
        assert whole is (f"i{seed}" in {row["id"] for row in hub.rows("instances")})
        hub.compare()
        outcomes.add(whole)
    assert outcomes == {True, False}


def test_a_file_that_is_not_what_the_model_has_is_seen() -> None:
    """C12: a row that nobody has told the model of."""
    hub = SqliteHub(lambda: START)
    store = hub.outside()
    store.join(worker(), LEASE)
    hub.compare()
    hub._connection.execute("UPDATE workers SET lease_until = lease_until + 1")
    with pytest.raises(AssertionError, match="C12: workers"):
        hub.compare()
    hub.close()


def test_work_that_nobody_can_claim_is_seen(hub: Hub) -> None:
    """C9: a task that is held by somebody who is gone, without whom nothing is wrong."""
    store = hub.outside()
    commit(store)
    store.record([], [("i1-e1", 2)])
    store.claim("w1", ["mail"], [], 1, 5)
    check_claimable(hub)
    if isinstance(hub, SqliteHub):
        hub._connection.execute("UPDATE workers SET state = 'dead'")
        hub._connection.execute("UPDATE slots SET owner = NULL")
    else:
        assert isinstance(store, MemoryStore)
        store._workers.clear()
        store._slots = dict.fromkeys(store._slots)
    with pytest.raises(AssertionError, match="held by somebody who is gone"):
        check_claimable(hub)


def test_another_hub_that_has_changed_is_seen(hub: Hub) -> None:
    """C11: whatever is written to it."""
    before = hub.image()
    assert hub.image() == before
    hub.outside().pin("sha256:1", "{}")
    assert hub.image() != before


def test_every_method_of_a_store_is_known() -> None:
    """What is not known to read is taken to write, so that it may be torn; nobody is forgotten."""
    methods = {name for name in dir(Store) if not name.startswith("_")}
    assert methods >= READS
    assert methods == WRITES | READS
    assert WRITES >= SENDS
    assert set(KINDS) == set(USUAL)
