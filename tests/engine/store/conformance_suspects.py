"""What every store must do to find the turn that kills: count deaths by slot, and turns by suspect."""

from __future__ import annotations

import pytest

from perdure.engine.errors import FenceLost, Refused
from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    ALL,
    LEASE,
    Hub,
    batch,
    first_turn,
    instance,
    row,
    turn,
    worker,
)


class SuspectsConformance(Fixtures):
    """A count that a crash leaves behind, and a commit forgets."""

    def die(self, hub: Hub, store: Store, victim: str, heir: str) -> None:
        """One worker's process ends, and another takes its slots."""
        store.join(worker(heir), LEASE)
        assert hub.take_over(store, heir, victim)
        store.take_slots(heir)

    def test_a_takeover_is_a_death_in_each_slot(self, hub: Hub, store: Store) -> None:
        """Of those that the dead owned; leaving is no death."""
        self.die(hub, store, "w1", "w2")
        self.die(hub, store, "w2", "w3")
        store.join(worker("w4"), LEASE)
        store.leave("w3")
        store.take_slots("w4")
        assert store.crashes("w4") == dict.fromkeys(ALL, 2)
        assert store.crashes("w3") == {}

    def test_calm_forgets_deaths(self, hub: Hub, store: Store) -> None:
        """In one's own slots, and only for a live owner."""
        self.die(hub, store, "w1", "w2")
        with pytest.raises(FenceLost):
            store.calm("w1")
        assert len(store.crashes("w2")) == len(ALL)
        store.calm("w2")
        assert store.crashes("w2") == {}

    def test_turns_of_a_suspect_are_counted(self, store: Store) -> None:
        """Each of them, this one included."""
        store.commit(batch(first_turn("i1"), first_turn("i2")))
        assert [store.begin_turn("w1", "i1") for _ in range(3)] == [1, 2, 3]
        assert store.suspected() == {"i1": 3}

    def test_nobody_is_not_counted(self, store: Store) -> None:
        """There is no row to count in."""
        assert store.begin_turn("w1", "i1") == 0

    def test_counting_is_fenced(self, store: Store) -> None:
        """A dead worker takes no turn."""
        store.commit(batch(first_turn()))
        store.leave("w1")
        with pytest.raises(FenceLost):
            store.begin_turn("w1", "i1")
        assert store.suspected() == {}

    def test_a_commit_trusts_a_suspect(self, store: Store) -> None:
        """With its turn or without one; who is unknown need not be there."""
        store.commit(batch(first_turn("i1"), first_turn("i2")))
        for name in ("i1", "i2"):
            store.begin_turn("w1", name)
        store.commit(batch(turn("i1", row(first_seq=2)), trusted=("i1", "unknown")))
        assert store.suspected() == {"i2": 1}
        store.commit(batch(trusted=("i2",)))
        assert store.suspected() == {}

    def test_a_refused_commit_trusts_nobody(self, store: Store) -> None:
        """The turn did not end."""
        store.commit(batch(first_turn()))
        store.begin_turn("w1", "i1")
        with pytest.raises(Refused):
            store.commit(batch(turn("i1", row(first_seq=2), consumed=("unknown",)), trusted=("i1",)))
        assert store.suspected() == {"i1": 1}

    def test_a_change_of_the_row_leaves_the_count(self, store: Store) -> None:
        """Whatever the owner remembers of it."""
        store.commit(batch(first_turn()))
        store.begin_turn("w1", "i1")
        changed = instance(status=Status.SUSPENDED)
        store.commit(batch(turn("i1", row(first_seq=2), before=Status.RUNNING, instance=changed)))
        found = store.instance("i1")
        assert found is not None
        assert (found.status, found.suspect) == (Status.SUSPENDED, 1)
