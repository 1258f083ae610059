"""What an owner reads."""

from __future__ import annotations

import msgspec

from perdure.engine.instance import Status, slot_of
from perdure.engine.store.protocol import Store
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    Hub,
    batch,
    continued,
    definition,
    first_turn,
    instance,
    message,
    request,
    result,
    row,
    task,
    timer,
    turn,
)


class ReadConformance(Fixtures):
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
        store.commit(batch(continued()))
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

    def test_a_timer_of_who_is_suspended_is_not_next(self, store: Store) -> None:
        """It waits for somebody, and is late by no fault of a worker."""
        suspended = msgspec.structs.replace(instance("i1"), status=Status.SUSPENDED)
        store.commit(batch(first_turn(instance=suspended, timers=(timer(1, BEGIN),))))
        assert store.next_timer(ALL) is None
        store.commit(batch(first_turn("i2", timers=(timer(1, BEGIN + 3, of="i2"),))))
        assert store.next_timer(ALL) == BEGIN + 3

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
