"""Who is a member of a hub, and who owns which slot."""

from __future__ import annotations

import pytest

from perdure.engine.errors import FenceLost, Refused
from perdure.engine.store.protocol import Store
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    LEASE,
    SECOND,
    Hub,
    batch,
    first_turn,
    task,
    worker,
)


class MembershipConformance(Fixtures):
    """Who is a member, and who serves which slot."""

    def test_a_joined_worker_is_live_until_its_lease_ends(self, empty: Store) -> None:
        """The store's time dates the membership and its lease."""
        empty.join(worker("w1", activities=("mail",), reserve=True, turns=False), LEASE)
        expected = worker(
            "w1", activities=("mail",), reserve=True, turns=False, joined_at=BEGIN, lease_until=BEGIN + LEASE
        )
        assert empty.workers() == [expected]

    def test_workers_are_listed_oldest_first(self, hub: Hub, empty: Store) -> None:
        """The order is that of joining, not of names."""
        for id_ in ("z", "a"):
            empty.join(worker(id_), LEASE)
            hub.clock.now += SECOND
        assert [member.id for member in empty.workers()] == ["z", "a"]

    def test_a_live_id_cannot_join_again(self, store: Store) -> None:
        """An id names one membership."""
        with pytest.raises(Refused):
            store.join(worker("w1"), LEASE)

    def test_a_dead_id_never_comes_back(self, hub: Hub, store: Store) -> None:
        """Who was declared dead joins under a new id."""
        hub.connect().join(worker("w2"), LEASE)
        hub.take_over(store, "w1", "w2")
        with pytest.raises(Refused):
            store.join(worker("w2"), LEASE)

    def test_an_id_that_left_never_comes_back(self, store: Store) -> None:
        """Leaving ends an id too."""
        store.leave("w1")
        with pytest.raises(Refused):
            store.join(worker("w1"), LEASE)

    def test_leaving_frees_slots(self, store: Store) -> None:
        """Nobody owns what a worker that left did own."""
        store.leave("w1")
        assert store.owned_slots() == {}

    def test_leaving_frees_claimed_tasks(self, store: Store) -> None:
        """What it had claimed can be claimed by others."""
        store.commit(batch(first_turn(tasks=(task(),))))
        store.claim("w1", ["mail"], [], 1, 5)
        store.leave("w1")
        assert [one.worker for one in store.waiting_tasks("i1")] == [None]

    def test_who_left_is_not_listed(self, store: Store) -> None:
        """Only live workers are."""
        store.leave("w1")
        assert store.workers() == []

    def test_leaving_twice_is_leaving(self, store: Store) -> None:
        """A second leave changes nothing, not even what the next owner has."""
        store.leave("w1")
        store.join(worker("w2"), LEASE)
        store.take_slots("w2")
        store.leave("w1")
        assert store.owned_slots() == {"w2": 256}

    def test_the_first_to_ask_takes_all_slots(self, empty: Store) -> None:
        """One worker owns all of them."""
        empty.join(worker("w1"), LEASE)
        assert empty.take_slots("w1") == frozenset(ALL)

    def test_taking_slots_again_keeps_them(self, store: Store) -> None:
        """The answer is what one owns, not what is new."""
        assert store.take_slots("w1") == frozenset(ALL)

    def test_there_is_one_owner(self, store: Store) -> None:
        """Beside a live owner others own nothing."""
        store.join(worker("w2"), LEASE)
        assert (store.take_slots("w2"), store.owned_slots()) == (frozenset(), {"w1": 256})

    def test_freed_slots_can_be_taken(self, store: Store) -> None:
        """After the owner left, the next one gets all."""
        store.join(worker("w2"), LEASE)
        store.leave("w1")
        assert store.take_slots("w2") == frozenset(ALL)

    def test_taking_slots_is_fenced(self, store: Store) -> None:
        """A worker that left cannot take any."""
        store.leave("w1")
        with pytest.raises(FenceLost):
            store.take_slots("w1")

    def test_nobody_is_gone_while_all_live(self, hub: Hub, store: Store) -> None:
        """A live process holds its lock."""
        hub.connect().join(worker("w2"), LEASE)
        assert store.gone("w1") == []

    def test_a_killed_worker_is_gone_at_once(self, hub: Hub, store: Store) -> None:
        """No lease has to expire first."""
        hub.connect().join(worker("w2"), LEASE)
        hub.kill("w2")
        assert store.gone("w1") == ["w2"]

    def test_one_is_never_gone_oneself(self, hub: Hub, store: Store) -> None:
        """Who asks lives."""
        hub.kill("w1")
        assert store.gone("w1") == []

    def test_a_dead_worker_is_not_gone_but_dead(self, hub: Hub, store: Store) -> None:
        """Only live rows are looked at."""
        store.join(worker("w2"), LEASE)
        hub.take_over(store, "w1", "w2")
        assert store.gone("w1") == []

    def test_taking_over_frees_the_victims_slots(self, hub: Hub, store: Store) -> None:
        """They can be taken then."""
        store.join(worker("w2"), LEASE)
        assert hub.take_over(store, "w2", "w1")
        assert store.owned_slots() == {}

    def test_taking_over_frees_the_victims_tasks(self, hub: Hub, store: Store) -> None:
        """Their deliveries stay counted."""
        store.commit(batch(first_turn(tasks=(task(),))))
        store.claim("w1", ["mail"], [], 1, 5)
        store.join(worker("w2"), LEASE)
        hub.take_over(store, "w2", "w1")
        assert [(one.worker, one.deliveries) for one in store.waiting_tasks("i1")] == [(None, 1)]

    def test_a_living_process_is_not_taken_over(self, hub: Hub, store: Store) -> None:
        """Without a lease to look at, the process must be over."""
        hub.connect().join(worker("w2"), LEASE)
        assert not store.take_over("w1", "w2", None)
        assert len(store.workers()) == 2

    def test_an_expired_lease_is_taken_over(self, hub: Hub, store: Store) -> None:
        """A process that hangs loses its slots."""
        store.join(worker("w2"), LEASE)
        hub.clock.now += LEASE + 1
        assert store.take_over("w2", "w1", BEGIN + LEASE)

    def test_a_lease_that_runs_is_respected(self, hub: Hub, store: Store) -> None:
        """At its very end it has not expired."""
        store.join(worker("w2"), LEASE)
        hub.clock.now += LEASE
        assert not store.take_over("w2", "w1", BEGIN + LEASE)

    def test_a_renewed_lease_is_respected(self, hub: Hub, store: Store) -> None:
        """Whoever renewed after one looked is alive, even when that lease has expired as well."""
        store.join(worker("w2"), LEASE)
        hub.clock.now += SECOND
        store.commit(batch(lease=LEASE))
        hub.clock.now += 2 * LEASE
        assert not store.take_over("w2", "w1", BEGIN + LEASE)

    @pytest.mark.parametrize("victim", ["w1", "nobody"])
    def test_only_another_live_worker_is_taken_over(self, hub: Hub, store: Store, victim: str) -> None:
        """Neither oneself nor an unknown id."""
        hub.kill("w1")
        hub.clock.now += 2 * LEASE
        assert not store.take_over("w1", victim, BEGIN + LEASE)

    def test_a_worker_is_taken_over_once(self, hub: Hub, store: Store) -> None:
        """The second to try hears that it is done."""
        store.join(worker("w2"), LEASE)
        assert hub.take_over(store, "w1", "w2")
        assert not store.take_over("w1", "w2", None)
        assert not store.take_over("w1", "w2", BEGIN + LEASE)

    def test_the_dead_take_nobody_over(self, hub: Hub, store: Store) -> None:
        """Of two that suspect each other, one wins."""
        store.join(worker("w2"), LEASE)
        hub.clock.now += LEASE + 1
        store.take_over("w2", "w1", BEGIN + LEASE)
        with pytest.raises(FenceLost):
            store.take_over("w1", "w2", BEGIN + LEASE)

    def test_a_zombie_writes_nothing(self, hub: Hub, store: Store) -> None:
        """A commit after one's takeover is refused as a whole, whatever any clock says."""
        store.join(worker("w2"), LEASE)
        hub.clock.now += LEASE + 1
        store.take_over("w2", "w1", BEGIN + LEASE)
        hub.clock.now = BEGIN
        with pytest.raises(FenceLost):
            store.commit(batch(first_turn(), lease=LEASE))
        assert store.instance("i1") is None

    def test_an_unknown_worker_writes_nothing(self, empty: Store) -> None:
        """A missing row is as dead."""
        with pytest.raises(FenceLost):
            empty.commit(batch(first_turn()))

    def test_rejoining_passes_slots(self, store: Store) -> None:
        """A worker that takes itself over goes on under its new id."""
        assert store.rejoin(["w1"], worker("w2"), LEASE) == frozenset(ALL)

    def test_rejoining_passes_claimed_tasks(self, store: Store) -> None:
        """What it runs it still holds."""
        store.commit(batch(first_turn(tasks=(task(),))))
        store.claim("w1", ["mail"], [], 1, 5)
        store.rejoin(["w1"], worker("w2"), LEASE)
        assert [sorted(store.claimed(id_)) for id_ in ("w1", "w2")] == [[], [("i1-e1", 1)]]

    def test_rejoining_ends_the_old_id(self, store: Store) -> None:
        """A commit of the old id that is still on its way is refused."""
        store.rejoin(["w1"], worker("w2"), LEASE)
        with pytest.raises(FenceLost):
            store.commit(batch(first_turn()))

    def test_rejoining_after_a_takeover_finds_the_slots_gone(self, hub: Hub, store: Store) -> None:
        """They are somebody else's then."""
        store.join(worker("w2"), LEASE)
        hub.clock.now += LEASE + 1
        store.take_over("w2", "w1", BEGIN + LEASE)
        store.take_slots("w2")
        assert store.rejoin(["w1"], worker("w3"), LEASE) == frozenset()

    def test_rejoining_under_a_used_id_changes_nothing(self, store: Store) -> None:
        """The old id stays live and keeps its slots."""
        store.join(worker("w2"), LEASE)
        store.leave("w2")
        with pytest.raises(Refused):
            store.rejoin(["w1"], worker("w2"), LEASE)
        assert store.owned_slots() == {"w1": 256}
        assert [member.id for member in store.workers()] == ["w1"]

    def test_a_commit_renews_the_lease(self, hub: Hub, store: Store) -> None:
        """From the commit's time on."""
        hub.clock.now += SECOND
        store.commit(batch(lease=LEASE))
        assert store.workers()[0].lease_until == BEGIN + SECOND + LEASE

    def test_a_commit_without_a_lease_renews_nothing(self, hub: Hub, store: Store) -> None:
        """Renewal is the turn loop's request."""
        hub.clock.now += SECOND
        store.commit(batch(first_turn()))
        assert store.workers()[0].lease_until == BEGIN + LEASE
