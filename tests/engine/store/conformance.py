"""What every store must do, whatever it is made of: the promises of ``protocol`` one by one.

A store's own test file inherits ``StoreConformance`` and gives it a fixture ``hub``.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from perdure.engine.codec import decode_received
from perdure.engine.errors import Conflict, Ended, FenceLost, NotFound, Refused, StoreError
from perdure.engine.events import TaskFailed
from perdure.engine.instance import Status, slot_of
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Checkpoint, InstanceQuery, Parking
from tests.engine.store.conformance_entities import Entities
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    LEASE,
    SECOND,
    Hub,
    batch,
    dead_letter,
    definition,
    first_turn,
    instance,
    message,
    payload,
    request,
    result,
    row,
    task,
    timer,
    turn,
    worker,
)


class Fixtures:
    """A store without a member, and one with an owner."""

    @pytest.fixture
    def empty(self, hub: Hub) -> Store:
        """A store that nobody has joined."""
        return hub.connect()

    @pytest.fixture
    def store(self, empty: Store) -> Store:
        """A store whose owner is the worker ``w1``."""
        empty.join(worker("w1"), LEASE)
        empty.take_slots("w1")
        return empty


class Membership(Fixtures):
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


class Commits(Fixtures):
    """A batch is written wholly or not at all."""

    def test_a_first_turn_inserts_the_instance(self, store: Store) -> None:
        """The row is read back as it was given."""
        full = instance(
            tags={"team": "a"},
            custom_status='{"at":1}',
            reason="why",
            parent_id="p1",
            started_at=BEGIN,
            ended_at=BEGIN + 1,
            generation=3,
            status=Status.SUSPENDED,
        )
        store.commit(batch(first_turn(instance=full)))
        assert store.instance("i1") == full

    def test_history_is_appended(self, store: Store) -> None:
        """One row a turn, as it was given."""
        store.commit(batch(first_turn(open=2)))
        store.commit(batch(turn("i1", row(first_seq=2))))
        assert store.history("i1", 1, 0, 10) == [row(open=2), row(first_seq=2)]

    def test_payloads_are_kept_apart(self, store: Store) -> None:
        """Each under its key; a later one replaces it."""
        store.commit(batch(first_turn(payloads=(payload("1"), payload("2", key="output")))))
        store.commit(batch(turn("i1", row(first_seq=2), payloads=(payload("3"),))))
        assert store.payloads("i1") == {"input": "3", "output": "2"}
        found = store.with_payloads(["i1", "nobody"])
        assert found == {"i1": (store.instance("i1"), {"input": "3", "output": "2"})}
        assert store.with_payloads([]) == {}

    def test_an_id_that_exists_is_refused(self, store: Store) -> None:
        """A second insert of an instance fails its batch."""
        store.commit(batch(first_turn()))
        with pytest.raises(Refused):
            store.commit(batch(turn("i1", row(first_seq=2), instance=instance())))

    def test_a_refused_batch_leaves_nothing(self, store: Store) -> None:
        """So halves of it can be tried: the innocent half is as new."""
        store.commit(batch(first_turn("i1")))
        innocent = first_turn(
            "i2", payloads=(payload(of="i2"),), timers=(timer(of="i2"),), tasks=(task(of="i2"),)
        )
        with pytest.raises(Refused):
            store.commit(
                batch(innocent, first_turn("i1"), messages=(message(),), requests=(request(),), lease=1)
            )
        assert store.instance("i2") is None
        assert store.workers()[0].lease_until == BEGIN + LEASE
        store.commit(batch(innocent, messages=(message(),), requests=(request(),)))
        assert store.history("i2", 1, 0, 10) == [row("i2")]

    def test_a_turn_changes_the_status(self, store: Store) -> None:
        """Where the row was as expected, it is as the turn says."""
        store.commit(batch(first_turn()))
        done = instance(status=Status.COMPLETED, ended_at=BEGIN + 5, updated_at=BEGIN + 5)
        store.commit(batch(turn("i1", row(first_seq=2), before=Status.RUNNING, instance=done)))
        assert store.instance("i1") == done

    @pytest.mark.parametrize(
        "guard",
        [{"before": Status.PENDING}, {"execution": "another"}],
        ids=["status", "execution"],
    )
    def test_an_instance_that_is_not_as_expected_is_not_changed(
        self, store: Store, guard: dict[str, Any]
    ) -> None:
        """Status and execution must be those that the turn found."""
        store.commit(batch(first_turn()))
        done = instance(status=Status.COMPLETED)
        with pytest.raises(Refused):
            store.commit(
                batch(turn("i1", row(first_seq=2), **{"before": Status.RUNNING, "instance": done, **guard}))
            )
        assert store.instance("i1") == instance()

    def test_an_instance_that_is_not_there_is_not_changed(self, store: Store) -> None:
        """A purge in between fails the batch."""
        with pytest.raises(Refused):
            store.commit(batch(first_turn(before=Status.RUNNING)))

    def test_name_and_birth_never_change(self, store: Store) -> None:
        """An update leaves slot, name, creation and parent as they were."""
        store.commit(batch(first_turn()))
        other = instance(name="other", created_at=1, parent_id="p", slot=1, version="2")
        store.commit(batch(turn("i1", row(first_seq=2), before=Status.RUNNING, instance=other)))
        assert store.instance("i1") == instance(version="2")

    def test_the_history_key_is_a_second_guard(self, store: Store) -> None:
        """Two turns at one place of a history: the second is refused."""
        store.commit(batch(first_turn()))
        with pytest.raises(Refused):
            store.commit(batch(turn("i1", row(next_seq=9))))
        assert store.history("i1", 1, 0, 10) == [row()]

    def test_a_consumed_message_is_gone(self, store: Store) -> None:
        """Exactly the named ones are deleted."""
        store.commit(batch(first_turn(), messages=(message("m1"), message("m2"))))
        store.commit(batch(turn("i1", row(first_seq=2), consumed=("m1",))))
        assert store.inbox(ALL, 10) == [message("m2")]

    def test_a_message_is_consumed_once(self, store: Store) -> None:
        """The count of deleted rows must be right, or nothing is written."""
        store.commit(batch(first_turn(), messages=(message("m1"),)))
        with pytest.raises(Refused):
            store.commit(batch(turn("i1", row(first_seq=2), consumed=("m1", "m2"))))
        assert store.inbox(ALL, 10) == [message("m1")]
        assert len(store.history("i1", 1, 0, 10)) == 1

    def test_two_turns_do_not_consume_one_message(self, store: Store) -> None:
        """Not even in one batch."""
        store.commit(batch(first_turn("i1"), first_turn("i2"), messages=(message("m1"),)))
        with pytest.raises(Refused):
            store.commit(
                batch(
                    turn("i1", row("i1", first_seq=2), consumed=("m1",)),
                    turn("i2", row("i2", first_seq=2), consumed=("m1",)),
                )
            )

    def test_a_request_is_carried_out_once(self, store: Store) -> None:
        """A second effect under the same key fails its batch."""
        store.commit(batch(first_turn("i1"), requests=(request(),)))
        with pytest.raises(Refused):
            store.commit(batch(first_turn("i2"), requests=(request(answer="a2"),)))
        assert store.look_up([], [], [("start", "i1", "k1")]).requests == {("start", "i1", "k1"): request()}

    def test_timers_are_opened_and_closed(self, store: Store) -> None:
        """By execution and seq."""
        store.commit(batch(first_turn(timers=(timer(1), timer(2)))))
        store.commit(batch(turn("i1", row(first_seq=2), timers_closed=(("i1-e1", 1),))))
        assert store.timers(ALL, BEGIN, 10) == [timer(2)]

    def test_a_timer_is_closed_once(self, store: Store) -> None:
        """Firing what is canceled fails the batch."""
        store.commit(batch(first_turn()))
        with pytest.raises(Refused):
            store.commit(batch(turn("i1", row(first_seq=2), timers_closed=(("i1-e1", 1),))))

    def test_what_one_batch_opens_and_closes_is_not_there(self, store: Store) -> None:
        """Several turns of one instance may share a batch."""
        opening = first_turn(timers=(timer(1), timer(2)), tasks=(task(3), task(4)))
        closing = turn("i1", row(first_seq=2), timers_closed=(("i1-e1", 1),), tasks_closed=(("i1-e1", 3),))
        store.commit(batch(opening, closing))
        assert store.timers(ALL, BEGIN, 10) == [timer(2)]
        assert store.waiting_tasks("i1") == [task(4)]

    def test_one_batch_may_begin_and_end_an_instance(self, store: Store) -> None:
        """Its turns are applied in order."""
        done = instance(status=Status.COMPLETED)
        store.commit(batch(first_turn(), turn("i1", row(first_seq=2), before=Status.RUNNING, instance=done)))
        assert store.instance("i1") == done

    def test_a_closed_task_need_not_be_there(self, store: Store) -> None:
        """Whoever recorded its result may have been first."""
        store.commit(batch(first_turn(tasks=(task(1),))))
        store.commit(batch(turn("i1", row(first_seq=2), tasks_closed=(("i1-e1", 1), ("i1-e1", 7)))))
        assert store.waiting_tasks("i1") == []

    def test_a_task_is_opened_once(self, store: Store) -> None:
        """Its key is execution and seq."""
        store.commit(batch(first_turn(tasks=(task(1),))))
        with pytest.raises(Refused):
            store.commit(batch(adopt=(task(1),)))

    def test_adopted_tasks_are_written(self, store: Store) -> None:
        """With the deliveries that they had."""
        store.commit(batch(first_turn(), adopt=(task(1, deliveries=1),)))
        assert store.waiting_tasks("i1") == [task(1, deliveries=1)]

    def test_messages_keep_their_order(self, store: Store) -> None:
        """That of the batch, whatever their ids."""
        sent = [message("z"), message("a"), message("m")]
        store.commit(batch(messages=tuple(sent)))
        assert store.inbox(ALL, 10) == sent

    def test_a_message_is_sent_once(self, store: Store) -> None:
        """An id that lies in the inbox is refused."""
        store.commit(batch(messages=(message("m1"),)))
        with pytest.raises(Refused):
            store.commit(batch(messages=(message("m2"), message("m1"))))
        assert store.inbox(ALL, 10) == [message("m1")]

    @pytest.mark.parametrize("how", [{}, {"held": True}, {"due": BEGIN + SECOND}])
    def test_whether_a_message_waits(self, store: Store, how: dict[str, Any]) -> None:
        """However it does, until it is taken."""
        store.commit(batch(messages=(message("m1", **how),)))
        assert (store.in_inbox("m1"), store.in_inbox("m2")) == (True, False)
        store.commit(batch(discard=("m1",)))
        assert not store.in_inbox("m1")

    def test_a_held_message_is_set_aside(self, store: Store) -> None:
        """It is in the inbox, but not handed out; an unknown id is nothing."""
        store.commit(batch(first_turn(), messages=(message("m1"), message("m2"))))
        store.commit(batch(hold=("m1", "unknown")))
        assert store.inbox(ALL, 10) == [message("m2")]
        assert store.load(["i1"])[0].held == 1

    def test_held_messages_come_back_oldest_first(self, store: Store) -> None:
        """As many as are asked for, in the place that they had."""
        ids = ("m1", "m2", "m3", "m4")
        store.commit(batch(first_turn(), messages=tuple(message(id_) for id_ in ids)))
        store.commit(batch(hold=("m3", "m1", "m2")))
        store.commit(batch(unhold=(("i1", 2), ("i2", 1))))
        assert [one.id for one in store.inbox(ALL, 10)] == ["m1", "m2", "m4"]

    def test_a_message_may_arrive_held(self, store: Store) -> None:
        """Its sender's batch knows that the receiver cannot take it."""
        store.commit(batch(first_turn(), messages=(message("m1", held=True),)))
        assert store.inbox(ALL, 10) == []
        assert store.load(["i1"])[0].held == 1

    @pytest.mark.parametrize("how", [{}, {"held": True}, {"due": BEGIN + SECOND}])
    def test_the_first_message_of_a_generation_is_found(self, store: Store, how: dict[str, Any]) -> None:
        """However it waits, until the generation has begun."""
        pending = instance(status=Status.PENDING)
        first = message("i1-e1/start", **how)
        store.commit(
            batch(Checkpoint(id="i1", slot=pending.slot, execution="i1-e1", instance=pending, history=()))
        )
        assert store.load(["i1"])[0].first is None
        store.commit(batch(messages=(first,)))
        (loaded,) = store.load(["i1"])
        assert loaded.first == msgspec.structs.replace(first, held=False)

    def test_a_held_message_can_be_consumed(self, store: Store) -> None:
        """By its id, as any other."""
        store.commit(batch(first_turn(), messages=(message("m1", held=True),)))
        store.commit(batch(turn("i1", row(first_seq=2), consumed=("m1",))))
        assert store.load(["i1"])[0].held == 0

    def test_discarded_messages_become_dead_letters(self, store: Store) -> None:
        """A discarded id need not be there: it may have been in memory only."""
        store.commit(batch(messages=(message("m1"),)))
        store.commit(batch(discard=("m1", "m2"), dead_letters=(dead_letter("m1"),)))
        assert store.inbox(ALL, 10) == []
        assert store.dead_letters() == [dead_letter("m1", ord=1)]

    def test_dead_letters_are_listed_newest_first(self, store: Store) -> None:
        """Of all instances or one, up to a limit; the same id may die twice."""
        letters = [dead_letter("m2"), dead_letter("m1"), dead_letter("m3", of="i2"), dead_letter("m1")]
        store.commit(batch(dead_letters=tuple(letters)))
        assert [one.ord for one in store.dead_letters(limit=2)] == [4, 3]
        assert [one.ord for one in store.dead_letters(limit=2, before=3)] == [2, 1]
        assert [one.id for one in store.dead_letters("i1")] == ["m1", "m1", "m2"]

    def test_parking_changes_the_row_alone(self, store: Store) -> None:
        """There is no turn, so no history."""
        store.commit(batch(first_turn()))
        parked = instance(status=Status.SUSPENDED, reason="non_determinism: x")
        store.commit(batch(parkings=(Parking(instance=parked, before=Status.RUNNING),)))
        assert store.instance("i1") == parked
        assert len(store.history("i1", 1, 0, 10)) == 1

    def test_parking_is_guarded(self, store: Store) -> None:
        """As every other change of a row."""
        store.commit(batch(first_turn()))
        parked = instance(status=Status.SUSPENDED)
        with pytest.raises(Refused):
            store.commit(batch(parkings=(Parking(instance=parked, before=Status.PENDING),)))

    def test_a_turn_follows_a_parking_of_its_batch(self, store: Store) -> None:
        """What is parked may end in the same transaction."""
        store.commit(batch(first_turn()))
        parked = instance(status=Status.SUSPENDED, reason="non_determinism: x")
        ended = instance(status=Status.TERMINATED)
        last = turn("i1", row(first_seq=2), before=Status.SUSPENDED, instance=ended)
        store.commit(batch(last, parkings=(Parking(instance=parked, before=Status.RUNNING),)))
        assert store.instance("i1") == ended

    def test_a_turn_may_begin_the_next_generation(self, store: Store) -> None:
        """One row in the old one, the first of the new, and a new execution."""
        store.commit(batch(first_turn()))
        store.commit(batch(_continued()))
        loaded = store.load(["i1"])[0]
        assert (loaded.instance.execution, loaded.instance.generation) == ("i1-e2", 2)
        assert loaded.history == (row(generation=2),)
        assert len(store.history("i1", 1, 0, 10)) == 2

    def test_earlier_generations_are_forgotten_on_request(self, store: Store) -> None:
        """Of this instance only, before the given one."""
        store.commit(batch(first_turn("i1"), first_turn("i2")))
        store.commit(batch(_continued(forget_before=2)))
        assert store.history("i1", 1, 0, 10) == []
        assert len(store.history("i1", 2, 0, 10)) == 1
        assert len(store.history("i2", 1, 0, 10)) == 1

    def test_a_commit_tells_the_time(self, hub: Hub, store: Store) -> None:
        """The store's, which never goes back."""
        hub.clock.now += SECOND
        assert store.commit(batch()) == BEGIN + SECOND
        hub.clock.now -= 5 * SECOND
        assert store.commit(batch()) == BEGIN + SECOND
        assert store.time() == BEGIN + SECOND

    def test_time_is_told_alike_to_another_process(self, hub: Hub, store: Store) -> None:
        """When a lease was renewed, nobody who joins or commits later hears an earlier time."""
        other = hub.connect()
        other.join(worker("w2"), LEASE)
        hub.clock.now += SECOND
        store.commit(batch(lease=LEASE))
        hub.clock.now -= 5 * SECOND
        assert other.commit(batch(worker="w2")) == BEGIN + SECOND

    @pytest.mark.parametrize("text", ["a\0b", "\U0001f600", "\ufeff\u202e", "\ud7ff\ue000", "'\"\\;--"])
    def test_any_text_is_kept_as_it_is(self, store: Store, text: str) -> None:
        """All of Unicode but halves of surrogate pairs."""
        store.commit(batch(first_turn(payloads=(payload(text),)), messages=(message("m1", event=text),)))
        assert store.payloads("i1") == {"input": text}
        assert store.inbox(ALL, 10)[0].event == text

    @pytest.mark.parametrize(
        "more",
        [
            {"payloads": (payload("\ud800"),)},
            {"instance": instance(custom_status="\udfff")},
            {"instance": instance(tags={"\ud800": "x"})},
            {"tasks": (task(body="x\ud800"),)},
            {"timers": (timer(due=2**63),)},
        ],
        ids=["payload", "status", "tag", "task", "number"],
    )
    def test_what_no_database_takes_is_refused(self, store: Store, more: dict[str, Any]) -> None:
        """Half a surrogate pair, or a number beyond 64 bits; nothing is written."""
        with pytest.raises(Refused):
            store.commit(batch(first_turn("i2"), first_turn(**more)))
        assert store.load(["i1", "i2"]) == []

    def test_the_store_works_after_a_refusal(self, store: Store) -> None:
        """The failed transaction is over."""
        with pytest.raises(Refused):
            store.commit(batch(first_turn(before=Status.RUNNING)))
        store.commit(batch(first_turn()))
        assert store.instance("i1") == instance()


def _continued(**more: Any) -> Checkpoint:
    """The turn in which ``i1`` continues as new."""
    renewed = instance(execution="i1-e2", generation=2)
    return turn("i1", row(first_seq=2), row(generation=2), before=Status.RUNNING, instance=renewed, **more)


class Reads(Fixtures):
    """What the owner reads."""

    def test_what_does_not_exist_is_not_loaded(self, store: Store) -> None:
        """The others are, each once."""
        store.commit(batch(first_turn()))
        assert [one.instance.id for one in store.load(["i2", "i1", "i1"])] == ["i1"]

    def test_many_instances_are_loaded_at_once(self, store: Store) -> None:
        """More than a statement has room for variables."""
        ids = [f"i{number}" for number in range(2500)]
        store.commit(batch(*(first_turn(id_) for id_ in ids)))
        loaded = {one.instance.id: one.history for one in store.load(ids)}
        assert loaded == {id_: (row(id_),) for id_ in ids}

    def test_history_is_loaded_in_order(self, store: Store) -> None:
        """By number, not by text or time of writing."""
        store.commit(batch(first_turn(), turn("i1", row(first_seq=10)), turn("i1", row(first_seq=9))))
        assert [one.first_seq for one in store.load(["i1"])[0].history] == [0, 9, 10]

    def test_only_open_instances_are_taken_over(self, store: Store) -> None:
        """Those whose last row keeps something going in memory; the rest wait for a message."""
        store.commit(batch(first_turn("open", open=1), first_turn("calm"), first_turn("was", open=1)))
        store.commit(batch(turn("was", row("was", first_seq=2, open=0))))
        assert [one.instance.id for one in store.load_open(ALL).loaded] == ["open"]

    def test_ended_instances_are_not_taken_over(self, store: Store) -> None:
        """Whatever their last row says."""
        ended = first_turn("i1", open=1, instance=instance("i1", status=Status.FAILED))
        store.commit(batch(ended))
        assert store.load_open(ALL).loaded == ()

    def test_an_earlier_generation_does_not_count(self, store: Store) -> None:
        """What it left open ended with it."""
        store.commit(batch(first_turn(open=1)))
        store.commit(batch(_continued()))
        assert store.load_open(ALL).loaded == ()

    def test_only_taken_slots_are_read(self, store: Store) -> None:
        """Of a subset of the slots."""
        store.commit(batch(first_turn("i1", open=1), first_turn("i2", open=1)))
        assert [one.instance.id for one in store.load_open([slot_of("i2")]).loaded] == ["i2"]

    def test_a_takeover_knows_tasks_and_results(self, store: Store) -> None:
        """One snapshot of histories, tasks table and inbox."""
        opened = first_turn(open=3, tasks=(task(1), task(2, worker="w9")))
        store.commit(batch(opened, messages=(result(3), result(4, held=True), message("m1"))))
        takeover = store.load_open(ALL)
        assert takeover.loaded[0].history == (row(open=3),)
        assert takeover.tasks == {("i1-e1", 1), ("i1-e1", 2)}
        assert takeover.results == {("i1-e1", 3), ("i1-e1", 4)}

    def test_results_of_others_are_not_mixed_in(self, store: Store) -> None:
        """Neither of another execution nor of one whose name begins alike."""
        store.commit(
            batch(first_turn(open=1), messages=(result(1, execution="i1-e0"), result(2, execution="i1-e11")))
        )
        assert store.load_open(ALL).results == frozenset()

    def test_messages_of_other_slots_are_not_read(self, store: Store) -> None:
        """An owner reads what is its own."""
        store.commit(batch(messages=(message("m1", "i1"), message("m2", "i2"))))
        assert [one.id for one in store.inbox([slot_of("i2")], 10)] == ["m2"]

    def test_a_page_of_messages_has_a_limit(self, store: Store) -> None:
        """The oldest come first."""
        store.commit(batch(messages=tuple(message(f"m{number}") for number in range(5))))
        assert [one.id for one in store.inbox(ALL, 2)] == ["m0", "m1"]

    def test_a_message_with_a_time_waits_for_it(self, hub: Hub, store: Store) -> None:
        """By the store's clock."""
        store.commit(batch(messages=(message("m1", due=BEGIN + 1),)))
        assert store.inbox(ALL, 10) == []
        hub.clock.now += 1
        assert store.inbox(ALL, 10) == [message("m1", due=BEGIN + 1)]

    def test_messages_that_are_due_come_in_order_of_arrival(self, store: Store) -> None:
        """With a time or without."""
        due = {"a": 0, "b": BEGIN, "c": 0, "d": BEGIN - 9}
        store.commit(batch(messages=tuple(message(id_, due=at) for id_, at in due.items())))
        assert [one.id for one in store.inbox(ALL, 3)] == ["a", "b", "c"]

    def test_timers_come_earliest_first(self, store: Store) -> None:
        """Up to a time and a limit, in one's slots."""
        rows = (timer(1, BEGIN + 3), timer(2, BEGIN + 1), timer(3, BEGIN + 2), timer(4, BEGIN + 9))
        store.commit(batch(first_turn(timers=rows), first_turn("i2", timers=(timer(1, BEGIN, of="i2"),))))
        mine = [slot_of("i1")]
        assert [one.seq for one in store.timers(mine, BEGIN + 3, 10)] == [2, 3, 1]
        assert [one.seq for one in store.timers(mine, BEGIN + 3, 1)] == [2]

    def test_the_next_wake_is_the_earliest(self, store: Store) -> None:
        """Of timers and of messages with a time; those without one are for the poll."""
        assert store.next_timer(ALL) is None
        store.commit(batch(first_turn(timers=(timer(1, BEGIN + 9),)), messages=(message("m0"),)))
        assert store.next_timer(ALL) == BEGIN + 9
        store.commit(batch(messages=(message("m1", due=BEGIN + 5), message("m2", due=1, held=True))))
        assert store.next_timer(ALL) == BEGIN + 5
        assert store.next_timer([slot_of("i1") ^ 1]) is None

    def test_what_clients_chose_is_looked_up_at_once(self, store: Store) -> None:
        """What is not there is absent from the answer."""
        store.deploy([(definition(), "{}")])
        store.commit(batch(first_turn(), requests=(request(),)))
        found = store.look_up(
            ["i1", "i2"],
            [("order", "1"), ("order", None), ("order", "2"), ("other", None)],
            [("start", "i1", "k1"), ("start", "i1", "k2")],
        )
        assert found.instances == {"i1": instance()}
        assert found.definitions == {("order", "1"): definition(), ("order", None): definition()}
        assert found.requests == {("start", "i1", "k1"): request()}


class Claims(Fixtures):
    """What workers that run activities do."""

    def test_a_claim_counts_the_delivery(self, store: Store) -> None:
        """Before the work, so that a crash counts."""
        store.commit(batch(first_turn(tasks=(task(),))))
        assert store.claim("w1", ["mail"], [], 9, 5) == [task(worker="w1", deliveries=1)]
        assert store.claimed("w1") == {("i1-e1", 1)}

    def test_a_task_is_handed_out_once(self, store: Store) -> None:
        """Until its claimer is declared dead."""
        store.join(worker("w2"), LEASE)
        store.commit(batch(first_turn(tasks=(task(),))))
        store.claim("w1", ["mail"], [], 9, 5)
        assert store.claim("w2", ["mail"], [], 9, 5) == []

    def test_a_worker_gets_what_it_has_code_for(self, store: Store) -> None:
        """By name in the default queue; all of a private queue."""
        rows = (task(1), task(2, name="pay"), task(3, queue="q1"), task(4, queue="q2", name="pay"))
        store.commit(batch(first_turn(tasks=rows)))
        assert [one.seq for one in store.claim("w1", ["mail"], ["q2"], 9, 5)] == [1, 4]

    def test_tasks_are_handed_out_in_order(self, store: Store) -> None:
        """By time, then execution and number, over all names, up to the limit."""
        rows = (task(1, due=3), task(10, due=1), task(9, due=1, name="pay"), task(2, due=2, name="pay"))
        store.commit(batch(first_turn(tasks=rows)))
        assert [one.seq for one in store.claim("w1", ["mail", "pay"], [], 3, 5)] == [9, 10, 2]
        assert [one.seq for one in store.claim("w1", ["mail", "pay"], [], 3, 5)] == [1]

    def test_a_task_is_not_handed_out_early(self, hub: Hub, store: Store) -> None:
        """Its time is the store's."""
        store.commit(batch(first_turn(tasks=(task(due=BEGIN + 1),))))
        assert store.claim("w1", ["mail"], [], 9, 5) == []
        hub.clock.now += 1
        assert len(store.claim("w1", ["mail"], [], 9, 5)) == 1

    def test_a_task_that_is_given_back_was_not_delivered(self, store: Store) -> None:
        """Anybody may have it again, and its count is what it was; only its holder can give it back."""
        store.commit(batch(first_turn(tasks=(task(),))))
        store.claim("w1", ["mail"], [], 9, 5)
        store.join(worker("w2"), LEASE)
        store.give_back("w2", [("i1-e1", 1)])
        assert store.claimed("w1") == {("i1-e1", 1)}
        store.give_back("w1", [("i1-e1", 1), ("i1-e1", 99)])
        assert store.claim("w2", ["mail"], [], 9, 5) == [task(worker="w2", deliveries=1)]

    def test_suspects_are_handed_out_as_many_as_one_says(self, store: Store) -> None:
        """Tasks that were handed out twice without an answer, behind those that were not."""
        store.commit(batch(first_turn(tasks=tuple(task(seq, deliveries=2) for seq in range(1, 5)))))
        store.commit(batch(turn("i1", row(first_seq=2), tasks=(task(9), task(10, deliveries=5)))))
        assert [one.seq for one in store.claim("w1", ["mail"], [], 9, 5, suspects=0)] == [9]
        assert [one.id for one in store.dead_letters()] == ["i1-e1/10/result"]
        assert [one.seq for one in store.claim("w1", ["mail"], [], 9, 5, suspects=1)] == [1]
        assert [one.seq for one in store.claim("w1", ["mail"], [], 2, 5, suspects=9)] == [2, 3]
        assert [one.seq for one in store.claim("w1", ["mail"], [], 9, 5)] == [4]

    def test_claiming_is_fenced(self, store: Store) -> None:
        """A dead worker gets no work."""
        store.commit(batch(first_turn(tasks=(task(),))))
        store.leave("w1")
        with pytest.raises(FenceLost):
            store.claim("w1", ["mail"], [], 9, 5)

    def test_poison_is_not_handed_out(self, store: Store) -> None:
        """Its instance hears of it, and the task stays as a dead letter."""
        store.commit(batch(first_turn(tasks=(task(deliveries=5, body='{"n":1}'),))))
        assert store.claim("w1", ["mail"], [], 9, 5) == []
        (told,) = store.inbox(ALL, 10)
        event = decode_received(told.event)
        assert (told.id, told.instance, told.execution) == ("i1-e1/1/result", "i1", "i1-e1")
        assert isinstance(event, TaskFailed)
        assert (event.scheduled_seq, event.error, event.retryable) == (1, "perdure.Poison", False)
        (letter,) = store.dead_letters("i1")
        assert (letter.id, letter.event, letter.at) == ("i1-e1/1/result", '{"n":1}', BEGIN)
        assert store.waiting_tasks("i1") == []

    def test_poison_takes_nobodys_place(self, store: Store) -> None:
        """The claim goes on behind it."""
        rows = (*(task(seq, deliveries=5) for seq in range(1, 6)), task(6), task(7))
        store.commit(batch(first_turn(tasks=rows)))
        assert [one.seq for one in store.claim("w1", ["mail"], [], 2, 5)] == [6, 7]
        assert [store.claim("w1", ["mail"], [], 2, 5) for _ in range(2)] == [[], []]
        assert len(store.dead_letters()) == 5

    def test_poison_beside_a_result_changes_nothing(self, store: Store) -> None:
        """The result that lies there is the true one."""
        store.commit(batch(first_turn(tasks=(task(deliveries=5),)), messages=(result(1),)))
        store.claim("w1", ["mail"], [], 9, 5)
        assert store.inbox(ALL, 10) == [result(1)]

    def test_recording_moves_a_task_to_the_inbox(self, store: Store) -> None:
        """In one transaction."""
        store.commit(batch(first_turn(tasks=(task(1), task(2)))))
        store.record([result(1)], [("i1-e1", 1)])
        assert store.waiting_tasks("i1") == [task(2)]
        assert store.inbox(ALL, 10) == [result(1)]

    def test_recording_twice_is_recording_once(self, store: Store) -> None:
        """The first result stays."""
        store.record([result(1)], [("i1-e1", 1)])
        store.record([result(1, due=7), result(2)], [("i1-e1", 1), ("i1-e1", 2)])
        assert store.inbox(ALL, 10) == [result(1), result(2)]

    def test_recording_is_not_fenced(self, store: Store) -> None:
        """A late result is true, whoever brings it."""
        store.leave("w1")
        store.record([result(1)], [])
        assert store.inbox(ALL, 10) == [result(1)]

    def test_results_keep_their_order(self, store: Store) -> None:
        """That of recording."""
        store.record([result(9), result(10), result(1)], [])
        assert store.inbox(ALL, 10) == [result(9), result(10), result(1)]

    def test_a_canceled_task_is_not_held_any_more(self, store: Store) -> None:
        """Its claimer sees that when it compares."""
        store.commit(batch(first_turn(tasks=(task(1), task(2)))))
        store.claim("w1", ["mail"], [], 9, 5)
        store.commit(batch(turn("i1", row(first_seq=2), tasks_closed=(("i1-e1", 1),))))
        assert store.claimed("w1") == {("i1-e1", 2)}

    def test_waiting_tasks_are_those_nobody_holds(self, store: Store) -> None:
        """Of this instance, in order."""
        store.commit(
            batch(
                first_turn(tasks=(task(10), task(9), task(1, worker="w1"))),
                first_turn("i2", tasks=(task(of="i2"),)),
            )
        )
        assert store.waiting_tasks("i1") == [task(9), task(10)]


class Clients(Fixtures):
    """What clients beside the owner do."""

    def test_a_new_definition_is_active(self, empty: Store) -> None:
        """With its Program."""
        assert empty.deploy([(definition(), '{"p":1}')]) == [None]
        assert empty.definitions() == [definition()]
        assert empty.program("p1") == '{"p":1}'

    def test_deploying_the_same_again_says_what_is_there(self, empty: Store) -> None:
        """Nothing changes."""
        empty.deploy([(definition(), "{}")])
        assert empty.deploy([(definition(created_at=BEGIN + 1, source="x"), "{}")]) == [definition()]
        assert empty.definitions() == [definition()]

    def test_a_version_never_changes(self, empty: Store) -> None:
        """Other content under the same version is not stored, and activates nothing."""
        empty.deploy([(definition("1"), "{}")])
        empty.deploy([(definition("2"), "{}")])
        assert empty.deploy([(definition("1", digest="other"), "{}")]) == [definition("1", active=False)]
        assert empty.look_up([], [("order", None)], []).definitions == {("order", None): definition("2")}

    def test_the_version_deployed_last_is_active(self, empty: Store) -> None:
        """An old one can become so again."""
        empty.deploy([(definition("1"), "{}")])
        empty.deploy([(definition("2"), "{}")])
        assert empty.deploy([(definition("1"), "{}")]) == [definition("1", active=False)]
        assert [(one.version, one.active) for one in empty.definitions()] == [("2", False), ("1", True)]

    def test_definitions_are_listed_newest_first(self, empty: Store) -> None:
        """Within a name; of all names or one."""
        for version, name, at in (("1", "b", 1), ("2", "b", 3), ("9", "b", 2), ("1", "a", 0)):
            empty.deploy([(definition(version, name, created_at=at), "{}")])
        listed = [(one.name, one.version) for one in empty.definitions()]
        assert listed == [("a", "1"), ("b", "2"), ("b", "9"), ("b", "1")]
        assert [one.version for one in empty.definitions("b")] == ["2", "9", "1"]

    def test_activating_leaves_other_names_alone(self, empty: Store) -> None:
        """Each name has its active version."""
        empty.deploy([(definition("1", "a"), "{}")])
        empty.deploy([(definition("1", "b"), "{}")])
        assert [one.active for one in empty.definitions()] == [True, True]

    def test_a_file_is_deployed_whole_or_not_at_all(self, empty: Store) -> None:
        """When one version has other content already, its neighbours are not stored either."""
        empty.deploy([(definition("1", "a"), "{}")])
        entries = [(definition("1", "b"), "{}"), (definition("1", "a", digest="other"), "{}")]
        assert empty.deploy(entries) == [None, definition("1", "a")]
        assert [one.name for one in empty.definitions()] == ["a"]

    def test_a_program_is_pinned_once(self, empty: Store) -> None:
        """The digest says what it is."""
        empty.pin("p9", "first")
        empty.pin("p9", "second")
        assert (empty.program("p9"), empty.program("p8")) == ("first", None)

    def test_a_start_is_a_row_an_input_and_a_message(self, empty: Store) -> None:
        """All in one transaction."""
        pending = instance(status=Status.PENDING, tags={"a": "1"})
        assert empty.start(pending, payload(), message(), None) is None
        assert empty.instance("i1") == pending
        assert empty.payloads("i1") == {"input": '"in"'}
        assert empty.inbox(ALL, 10) == [message()]

    def test_an_id_is_started_once(self, empty: Store) -> None:
        """The second start changes nothing, and its request was not carried out."""
        empty.start(instance(), payload(), message(), None)
        with pytest.raises(Conflict):
            empty.start(instance(name="other"), payload("2"), message("m2"), request())
        assert empty.look_up([], [], [("start", "i1", "k1")]).requests == {}
        assert empty.inbox(ALL, 10) == [message()]

    def test_a_repeated_start_gives_the_first_answer(self, empty: Store) -> None:
        """Under one key there is one effect."""
        assert empty.start(instance(), payload(), message(), request()) is None
        again = empty.start(instance("i2"), payload(of="i2"), message("m2", "i2"), request(answer="a2"))
        assert again == request()
        assert empty.instance("i2") is None

    def test_a_start_with_a_used_message_id_leaves_nothing(self, empty: Store) -> None:
        """Refused as a whole."""
        empty.start(instance(), payload(), message(), None)
        with pytest.raises(Refused):
            empty.start(instance("i2"), payload(of="i2"), message(to="i2"), None)
        assert (empty.instance("i2"), empty.payloads("i2")) == (None, {})

    def test_a_sent_message_is_in_the_inbox(self, empty: Store) -> None:
        """Behind those before it."""
        empty.start(instance(), payload(), message("z"), None)
        assert empty.send(message("a"), None) is None
        assert [one.id for one in empty.inbox(ALL, 10)] == ["z", "a"]

    def test_nothing_is_sent_to_nobody(self, empty: Store) -> None:
        """Nor is the request recorded."""
        with pytest.raises(NotFound):
            empty.send(message(), request())
        assert empty.look_up([], [], [("start", "i1", "k1")]).requests == {}

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.TERMINATED])
    def test_nothing_is_sent_to_what_has_ended(self, empty: Store, status: Status) -> None:
        """However it ended."""
        empty.start(instance(status=status), payload(), message(), None)
        with pytest.raises(Ended):
            empty.send(message("m2"), None)

    def test_a_repeated_send_gives_the_first_answer(self, store: Store) -> None:
        """Even when the instance has ended since."""
        store.commit(batch(first_turn()))
        assert store.send(message(), request()) is None
        done = instance(status=Status.COMPLETED)
        store.commit(
            batch(turn("i1", row(first_seq=2), consumed=("m1",), before=Status.RUNNING, instance=done))
        )
        assert store.send(message(), request(answer="a2")) == request()
        assert store.inbox(ALL, 10) == []

    def test_keys_belong_to_a_route_and_a_target(self, empty: Store) -> None:
        """The same key elsewhere is another request."""
        empty.start(instance(), payload(), message(), request())
        assert empty.send(message("m2"), request(route="send")) is None
        assert empty.send(message("m3"), request(target="i2")) is None

    def test_what_is_not_there_is_none(self, empty: Store) -> None:
        """An unknown instance has no row, no payloads and no history."""
        assert (empty.instance("i1"), empty.payloads("i1"), empty.history("i1", 1, 0, 9)) == (None, {}, [])

    def test_instances_are_listed_newest_first(self, store: Store) -> None:
        """By creation, then by id."""
        store.commit(batch(*_several()))
        assert _ids(store, InstanceQuery()) == ["d", "c", "b", "a"]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (InstanceQuery(statuses=(Status.FAILED,)), ["c"]),
            (InstanceQuery(statuses=(Status.FAILED, Status.RUNNING)), ["d", "c", "a"]),
            (InstanceQuery(name="pay"), ["d", "b"]),
            (InstanceQuery(name="pay", statuses=(Status.RUNNING,)), ["d"]),
            (InstanceQuery(tags=(("team", "x"),)), ["c", "a"]),
            (InstanceQuery(tags=(("team", "x"), ("tier", "1"))), ["a"]),
            (InstanceQuery(tags=(("team", "1"),)), []),
            (InstanceQuery(created_from=BEGIN + 1), ["d", "c", "b"]),
            (InstanceQuery(created_to=BEGIN + 1), ["c", "b", "a"]),
            (InstanceQuery(created_from=BEGIN + 1, created_to=BEGIN + 1), ["c", "b"]),
            (InstanceQuery(id_prefix="b"), ["b"]),
            (InstanceQuery(id_prefix="ba"), []),
            (InstanceQuery(limit=2), ["d", "c"]),
            (InstanceQuery(after=(BEGIN + 1, "c")), ["b", "a"]),
            (InstanceQuery(after=(BEGIN, "a")), []),
        ],
    )
    def test_instances_are_filtered(self, store: Store, query: InstanceQuery, expected: list[str]) -> None:
        """All conditions hold together; both ends of a range belong to it."""
        store.commit(batch(*_several()))
        assert _ids(store, query) == expected

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_pages_neither_overlap_nor_leave_gaps(self, store: Store, size: int) -> None:
        """Walked with the last row of each page, while newer instances come."""
        store.commit(batch(*_several()))
        seen: list[str] = []
        after = None
        while page := store.instances(InstanceQuery(after=after, limit=size)):
            seen += [one.id for one in page]
            after = (page[-1].created_at, page[-1].id)
            new = f"new{len(seen)}"
            store.commit(batch(first_turn(new, instance=instance(new, created_at=BEGIN + 99))))
        assert seen == ["d", "c", "b", "a"]

    def test_changed_tags_are_found(self, store: Store) -> None:
        """And those that were are not."""
        store.commit(batch(first_turn(instance=instance(tags={"team": "x", "tier": "1"}))))
        changed = instance(tags={"team": "y"})
        store.commit(batch(turn("i1", row(first_seq=2), before=Status.RUNNING, instance=changed)))
        found = [
            _ids(store, InstanceQuery(tags=(tag,))) for tag in (("team", "x"), ("tier", "1"), ("team", "y"))
        ]
        assert found == [[], [], ["i1"]]

    def test_history_is_read_in_pages(self, store: Store) -> None:
        """From a number on, up to a limit."""
        store.commit(batch(first_turn(), *(turn("i1", row(first_seq=seq)) for seq in (2, 4, 10))))
        assert [one.first_seq for one in store.history("i1", 1, 2, 2)] == [2, 4]
        assert [one.first_seq for one in store.history("i1", 1, 5, 2)] == [10]

    def test_a_client_sees_what_another_wrote(self, hub: Hub, store: Store) -> None:
        """As soon as it is committed."""
        other = hub.connect()
        store.commit(batch(first_turn()))
        assert other.instance("i1") == instance()

    def test_a_message_of_a_client_is_news(self, hub: Hub, store: Store) -> None:
        """The hint comes once."""
        store.commit(batch(first_turn()))
        store.changed()
        hub.connect().send(message(), None)
        assert [store.changed(), store.changed()] == [True, False]

    def test_a_closed_store_says_so(self, empty: Store) -> None:
        """To whoever reads or writes; closing twice is closing."""
        empty.close()
        empty.close()
        with pytest.raises(StoreError):
            empty.instance("i1")
        with pytest.raises(StoreError):
            empty.pin("p", "{}")


def _several() -> list[Checkpoint]:
    """Four instances, of which two were created in the same microsecond."""
    rows = [
        instance("a", tags={"team": "x", "tier": "1"}),
        instance("b", created_at=BEGIN + 1, name="pay", status=Status.COMPLETED),
        instance("c", created_at=BEGIN + 1, tags={"team": "x"}, status=Status.FAILED),
        instance("d", created_at=BEGIN + 2, name="pay"),
    ]
    return [first_turn(one.id, instance=one) for one in rows]


def _ids(store: Store, query: InstanceQuery) -> list[str]:
    return [one.id for one in store.instances(query)]


class StoreConformance(Membership, Commits, Reads, Claims, Clients, Entities):
    """All of it."""
