"""What every store must do where several workers have slots of one hub."""

from __future__ import annotations

from collections import Counter

import pytest

from perdure.engine import audit
from perdure.engine.errors import FenceLost, Refused
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import AuditQuery
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import ALL, LEASE, Hub, batch, first_turn, message, task, worker

ODD = range(1, 256, 2)
EVEN = range(0, 256, 2)


class SlotConformance(Fixtures):
    """Slots are taken one by one, and given back."""

    @pytest.fixture
    def shared(self, empty: Store) -> Store:
        """A store with two owners: ``w1`` has the even slots, ``w2`` the odd ones."""
        for id_, slots in (("w1", EVEN), ("w2", ODD)):
            empty.join(worker(id_), LEASE)
            assert empty.take_slots(id_, slots) == frozenset(slots)
        return empty

    def test_slots_have_several_owners(self, shared: Store) -> None:
        """Each is known, and how many each has."""
        assert shared.slot_owners() == {slot: "w2" if slot % 2 else "w1" for slot in ALL}
        assert shared.owned_slots() == {"w1": 128, "w2": 128}

    def test_only_free_slots_are_taken(self, shared: Store) -> None:
        """What another has, it keeps; the answer is all that one has."""
        assert shared.take_slots("w1", [0, 1, 3]) == frozenset(EVEN)
        assert shared.take_slots("w1") == frozenset(EVEN)
        assert shared.slot_owners()[1] == "w2"

    def test_a_slot_that_is_given_back_is_free(self, shared: Store) -> None:
        """For anybody, and no other slot is."""
        shared.release_slots("w1", [4, 2], [])
        assert Counter(shared.slot_owners().values()) == {"w1": 126, "w2": 128}
        assert shared.take_slots("w2", [0, 2, 4]) == frozenset(ODD) | {2, 4}

    def test_what_runs_still_is_claimed_by_who_gives_the_slot(self, shared: Store) -> None:
        """Its row is there before anybody else can have the slot, and nobody can claim it."""
        shared.commit(batch(first_turn(open=1)))
        running = task(1, deliveries=1)
        shared.release_slots("w1", [0], [running, task(2, deliveries=1)])
        assert sorted(shared.claimed("w1")) == [("i1-e1", 1), ("i1-e1", 2)]
        assert shared.claim("w2", ["mail"], [], 5, 5) == []
        shared.leave("w1")
        assert [row.deliveries for row in shared.claim("w2", ["mail"], [], 5, 5)] == [2, 2]

    def test_nothing_is_given_back_that_one_does_not_have(self, shared: Store) -> None:
        """All of them, or none; and no row is written."""
        with pytest.raises(Refused):
            shared.release_slots("w1", [0, 1], [task(1)])
        assert shared.owned_slots() == {"w1": 128, "w2": 128}
        assert shared.claimed("w1") == frozenset()

    def test_a_task_that_has_a_row_is_not_written_again(self, shared: Store) -> None:
        """Memory and database disagree, so nothing is done."""
        shared.commit(batch(first_turn(tasks=(task(1),))))
        with pytest.raises(Refused):
            shared.release_slots("w1", [0], [task(1)])
        assert shared.owned_slots() == {"w1": 128, "w2": 128}

    def test_slots_are_given_back_by_the_living(self, shared: Store) -> None:
        """Who is dead has none."""
        shared.leave("w1")
        with pytest.raises(FenceLost):
            shared.release_slots("w1", [], [])
        with pytest.raises(FenceLost):
            shared.take_slots("w1", [0])

    def test_a_death_frees_the_slots_of_the_dead(self, hub: Hub, shared: Store) -> None:
        """And counts for those alone."""
        assert hub.take_over(shared, "w2", "w1")
        assert shared.slot_owners() == dict.fromkeys(ODD, "w2")
        assert shared.take_slots("w2", ALL) == frozenset(ALL)
        assert shared.crashes("w2") == dict.fromkeys(EVEN, 1)

    def test_joining_again_passes_on_what_one_had(self, shared: Store) -> None:
        """And nothing of what others have."""
        assert shared.rejoin(["w1"], worker("w3"), LEASE) == frozenset(EVEN)
        assert shared.owned_slots() == {"w2": 128, "w3": 128}

    def test_each_reads_the_inbox_of_its_slots(self, shared: Store) -> None:
        """What lies there for others is theirs."""
        shared.commit(batch(first_turn(), messages=(message("m1", slot=4), message("m2", slot=5))))
        assert [each.id for each in shared.inbox(EVEN, 9)] == ["m1"]
        assert [each.id for each in shared.inbox(ODD, 9)] == ["m2"]

    def test_a_worker_is_asked_to_leave(self, shared: Store) -> None:
        """It goes on until it does."""
        assert shared.drain("w1", audit.entry("me", "worker.drain", "w1"))
        assert {each.id: each.draining for each in shared.workers()} == {"w1": True, "w2": False}
        assert [each.action for each in shared.audit(AuditQuery())] == ["worker.drain"]
        shared.commit(batch(first_turn()))
        assert shared.owned_slots() == {"w1": 128, "w2": 128}

    def test_who_is_not_there_is_not_asked(self, shared: Store) -> None:
        """Nobody did anything then."""
        shared.leave("w1")
        assert not shared.drain("w1", audit.entry("me", "worker.drain", "w1"))
        assert not shared.drain("nobody")
        assert shared.audit(AuditQuery()) == []
