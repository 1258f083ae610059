"""Tasks: who claims them, and what comes of them."""

from __future__ import annotations

import pytest

from perdure.engine.codec import decode_received
from perdure.engine.errors import FenceLost
from perdure.engine.events import TaskFailed
from perdure.engine.store.protocol import Store
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    LEASE,
    Hub,
    batch,
    first_turn,
    result,
    row,
    task,
    turn,
    worker,
)


class TaskConformance(Fixtures):
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
