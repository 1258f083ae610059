"""What every store must do with tasks that wait: which comes first, and which has to wait."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from perdure.engine.codec import decode_received
from perdure.engine.errors import FenceLost
from perdure.engine.events import TaskFailed
from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import WAITING, AuditEntry, AuditQuery, Beat, Message, QueueRow, TaskRow
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    SECOND,
    Hub,
    batch,
    first_turn,
    instance,
    message,
    payload,
    result,
    row,
    task,
    turn,
    worker,
)

MANY = 40


def keyed(key: str, limit: int, *seqs: int, **more: Any) -> list[TaskRow]:
    """Tasks of a concurrency key."""
    return [task(seq, concurrency_key=key, concurrency_limit=limit, **more) for seq in seqs]


def fair(key: str, *seqs: int, **more: Any) -> list[TaskRow]:
    """Tasks of a fairness key."""
    return [task(seq, fairness_key=key, **more) for seq in seqs]


def write(store: Store, *tasks: TaskRow) -> None:
    """Give tasks to the table."""
    store.commit(batch(first_turn(tasks=tasks)))


def first_message(name: str, due: int = 0) -> Message:
    """The start of an instance that waits for a place."""
    return message(f"{name}-e1/start", name, due=due + WAITING)


def begin(store: Store, name: str, *, due: int = 0, **more: Any) -> None:
    """Start an instance of the key ``k``, of which one goes on at a time."""
    fields = {"concurrency_key": "k", "concurrency_limit": 1, "waits": True, "status": Status.PENDING, **more}
    started = instance(name, **fields)
    first = first_message(name, due) if started.waits else message(f"{name}-e1/start", name)
    store.start(started, payload(of=name), first, None)


def begun(store: Store) -> list[str]:
    """The instances whose starts are handed out."""
    return sorted(one.instance for one in store.inbox(ALL, 99))


def end(store: Store, name: str) -> None:
    """End an instance; if it has begun, its start is consumed."""
    present = store.instance(name)
    assert present is not None
    consumed = () if present.waits else (f"{name}-e1/start",)
    ended = msgspec.structs.replace(present, status=Status.COMPLETED, ended_at=BEGIN)
    store.commit(batch(turn(name, row(name), before=present.status, instance=ended, consumed=consumed)))


def sign(seq: int, **more: Any) -> Beat:
    """A sign of life of a task."""
    return Beat(instance="i1", execution="i1-e1", seq=seq, path="step", **more)


def claim(store: Store, limit: int = 9, **more: Any) -> list[int]:
    """The ``seq`` of what is handed out to ``w1``."""
    return [one.seq for one in store.claim("w1", ["mail", "pay"], [], limit, 5, **more)]


class ClaimConformance(Fixtures):
    """The order of claims, and their limits."""

    # -- queues -----------------------------------------------------------------------------------

    def test_a_named_queue_is_served_by_those_who_name_it(self, store: Store) -> None:
        """For their activities; the default queue is everybody's."""
        write(store, task(1), task(2, queue="q"), task(3, queue="q", name="sms"), task(4, queue="r"))
        assert claim(store) == [1]
        assert claim(store, queues=["q"]) == [2]
        assert [one.seq for one in store.waiting_tasks("i1")] == [3, 4]

    def test_a_private_queue_is_served_whatever_the_names(self, store: Store) -> None:
        """Also of activities that its worker does not have: it has to say so."""
        write(store, task(1, queue="@i1"), task(2, queue="@i1", name="sms"), task(3, queue="@i2"))
        assert [one.seq for one in store.claim("w1", [], ["@i1"], 9, 5)] == [1, 2]

    # -- priority ---------------------------------------------------------------------------------

    def test_a_lower_rank_goes_first(self, store: Store) -> None:
        """Whatever its age, its name and its queue."""
        write(
            store,
            task(1),
            task(2, rank=-1),
            task(3, rank=5),
            task(4, rank=-2, name="pay"),
            task(5, rank=-1, queue="q"),
        )
        assert claim(store, 3, queues=["q"]) == [4, 2, 5]
        assert claim(store, 3) == [1, 3]

    def test_a_long_line_hides_no_lower_rank(self, store: Store) -> None:
        """More tasks than places, of many ranks."""
        write(store, *(task(seq, rank=seq % 4) for seq in range(1, MANY)))
        assert claim(store, 5) == [4, 8, 12, 16, 20]
        assert claim(store, 6) == [24, 28, 32, 36, 1, 5]

    # -- fairness ---------------------------------------------------------------------------------

    def test_keys_take_turns(self, store: Store) -> None:
        """One with many tasks does not starve one with few."""
        write(store, *fair("a", *range(1, MANY)), *fair("b", 50, 51), *fair("c", 60))
        assert claim(store, 6) == [1, 50, 60, 2, 51, 3]

    def test_the_key_served_last_is_last(self, store: Store) -> None:
        """So that a worker with one place serves all."""
        write(store, *fair("a", 1, 2), *fair("b", 3, 4), *fair("", 5, 6))
        assert claim(store, 1, after="a") == [3]
        assert claim(store, 1, after="b") == [5]
        assert claim(store, 1, after="") == [1]

    def test_a_key_is_one_in_all_queues(self, store: Store) -> None:
        """And for all activities: whoever spreads work over them gets no more turns."""
        write(store, *fair("a", 1, 2, 3), *fair("a", 4, 5, 6, name="pay"), *fair("b", 7, 8, queue="q"))
        assert claim(store, 4, queues=["q"]) == [1, 7, 2, 8]

    def test_turns_are_taken_within_a_rank(self, store: Store) -> None:
        """A key with a lower rank does not wait for the others."""
        write(store, *fair("a", 1, 2, 3, rank=-1), *fair("b", 4))
        assert claim(store, 4) == [1, 2, 3, 4]

    # -- concurrency ------------------------------------------------------------------------------

    def test_a_key_gets_no_more_than_its_limit(self, store: Store) -> None:
        """Over several claims and names, until one of its tasks is gone."""
        write(store, *keyed("k", 2, 1, 2, 3, 4), *keyed("k", 2, 5, name="pay"))
        assert claim(store) == [1, 2]
        assert store.claimed_count("k") == 2
        assert claim(store) == []
        store.commit(batch(turn("i1", row(first_seq=2), tasks_closed=(("i1-e1", 1),))))
        assert claim(store) == [3]

    def test_full_keys_hide_no_other_work(self, store: Store) -> None:
        """However many of their tasks wait in front of it."""
        write(store, *keyed("k", 1, *range(1, MANY)), *keyed("m", 1, 50, 51), task(60), task(61, rank=1))
        assert claim(store, 4) == [1, 50, 60, 61]
        assert claim(store, 4) == []

    def test_tasks_of_one_key_keep_their_order(self, store: Store) -> None:
        """One with a lower limit holds up those behind it, which would be let through."""
        write(store, *keyed("k", 3, 1, 2), *keyed("k", 2, 3), *keyed("k", 9, 4))
        assert claim(store) == [1, 2]
        assert claim(store) == []

    def test_a_workers_death_frees_its_share(self, hub: Hub, store: Store) -> None:
        """Nothing is stored that could stay behind."""
        write(store, *keyed("k", 1, 1, 2))
        other = hub.connect()
        other.join(worker("w2"), 10 * SECOND)
        assert [one.seq for one in other.claim("w2", ["mail"], [], 9, 5)] == [1]
        assert claim(store) == []
        hub.take_over(store, "w1", "w2")
        assert claim(store) == [1]

    def test_a_suspect_is_counted_too(self, store: Store) -> None:
        """What was handed out often waits for its key like all others."""
        write(store, *keyed("k", 1, 1, 2, deliveries=2))
        assert claim(store, suspects=2) == [1]
        assert claim(store, suspects=2) == []

    # -- rates ------------------------------------------------------------------------------------

    def test_a_queue_has_a_rate(self, hub: Hub, store: Store) -> None:
        """A burst at once, then one an interval; other queues are not slowed."""
        store.set_queue("q", QueueRow(name="q", interval=SECOND, burst=2))
        store.set_queue("r", QueueRow(name="r", interval=SECOND, burst=2))
        write(store, *(task(seq, queue="q") for seq in range(1, 9)), task(9))
        assert claim(store, queues=["q"]) == [1, 2, 9]
        assert claim(store, queues=["q"]) == []
        hub.clock.now += SECOND
        assert claim(store, queues=["q"]) == [3]
        hub.clock.now += 60 * SECOND
        assert claim(store, queues=["q"]) == [4, 5]

    def test_a_rate_is_the_hubs(self, hub: Hub, store: Store) -> None:
        """However many workers serve the queue."""
        store.set_queue("q", QueueRow(name="q", interval=SECOND, burst=1))
        other = hub.connect()
        other.join(worker("w2"), 10 * SECOND)
        write(store, *(task(seq, queue="q") for seq in range(1, 4)))
        assert claim(store, queues=["q"]) == [1]
        assert other.claim("w2", ["mail"], [], 9, 5, queues=["q"]) == []

    def test_settings_are_kept_until_they_are_taken_away(self, hub: Hub, store: Store) -> None:
        """And seen by everybody."""
        settings = QueueRow(name="q", interval=5, burst=1)
        store.set_queue("q", settings)
        store.set_queue("a", QueueRow(name="a", interval=7, burst=3))
        store.set_queue("a", QueueRow(name="a", interval=8, burst=3))
        assert hub.connect().queues() == [QueueRow(name="a", interval=8, burst=3), settings]
        act = AuditEntry(actor="ann", action="queue.set", target="q", details="{}")
        store.set_queue("q", None, act)
        assert [each.actor for each in store.audit(AuditQuery())] == ["ann"]
        assert [each.name for each in store.queues()] == ["a"]

    # -- heartbeats -------------------------------------------------------------------------------

    def test_a_claim_begins_the_time_of_a_heartbeat(self, store: Store) -> None:
        """Of tasks that have one."""
        write(store, task(1, heartbeat=SECOND), task(2))
        claimed = store.claim("w1", ["mail"], [], 9, 5)
        assert [one.silent_at for one in claimed] == [BEGIN + SECOND, None]

    def test_who_is_silent_fails(self, hub: Hub, store: Store) -> None:
        """With a message in the place of the task; whoever reports has time again."""
        write(store, task(1, heartbeat=SECOND), task(2, heartbeat=SECOND), task(3, heartbeat=SECOND), task(4))
        assert claim(store, 2) == [1, 2]
        hub.clock.now += SECOND // 2
        assert store.beat("w1", [sign(1)]) == {("i1-e1", 1)}
        hub.clock.now += SECOND // 2
        assert [store.fail_silent("w1", 9) for _ in range(2)] == [1, 0]
        assert store.claimed("w1") == {("i1-e1", 1)}
        assert [one.seq for one in store.waiting_tasks("i1")] == [3, 4]
        (message,) = store.inbox(ALL, 9)
        assert (message.id, message.execution) == ("i1-e1/2/result", "i1-e1")
        failed = decode_received(message.event)
        assert isinstance(failed, TaskFailed)
        assert (failed.scheduled_seq, failed.error, failed.retryable) == (2, "perdure.Timeout", True)

    def test_failing_the_silent_is_fenced(self, hub: Hub, store: Store) -> None:
        """A stalled owner does not do it."""
        write(store, task(1, heartbeat=SECOND))
        claim(store)
        hub.clock.now += SECOND
        store.rejoin(["w1"], worker("w2"), 10 * SECOND)
        with pytest.raises(FenceLost):
            store.fail_silent("w1", 9)
        assert store.fail_silent("w2", 9) == 1

    def test_only_who_holds_a_task_reports(self, store: Store) -> None:
        """Neither its time nor its details are written for anybody else."""
        write(store, task(1, heartbeat=SECOND), task(2, heartbeat=SECOND))
        assert claim(store, 1) == [1]
        signs = [sign(1, details="1"), sign(2, details="2"), sign(3, details="3")]
        assert store.beat("w2", signs) == frozenset()
        assert store.heartbeat_details("i1", "i1-e1", "step") is None
        assert store.beat("w1", signs) == {("i1-e1", 1)}
        assert store.heartbeat_details("i1", "i1-e1", "step") == "1"

    def test_details_stay_until_they_are_replaced_or_forgotten(self, store: Store) -> None:
        """For whoever gets the step next; those of other steps and executions are others."""
        write(store, task(1, heartbeat=SECOND))
        claim(store)
        store.beat("w1", [sign(1, details="1")])
        store.beat("w1", [sign(1)])
        assert store.heartbeat_details("i1", "i1-e1", "step") == "1"
        assert store.heartbeat_details("i1", "i1-e2", "step") is None
        store.beat("w1", [sign(1, details="2")])
        assert store.heartbeat_details("i1", "i1-e1", "step") == "2"
        store.beat("w1", [sign(1, forget=True)])
        assert store.heartbeat_details("i1", "i1-e1", "step") is None

    # -- places of instances ----------------------------------------------------------------------

    def test_instances_of_a_key_begin_in_order(self, hub: Hub, store: Store) -> None:
        """As many as the limit says; the end of one lets the next begin."""
        for number, name in enumerate("cab"):
            begin(store, name, created_at=BEGIN + number)
        begin(store, "other", concurrency_key="m")
        begin(store, "free", concurrency_key=None, waits=False)
        assert begun(store) == ["c", "free", "other"]
        end(store, "c")
        assert begun(store) == ["a", "free", "other"]
        assert [store.instance(name).waits for name in "cab"] == [False, False, True]  # type: ignore[union-attr]
        end(store, "a")
        assert begun(store) == ["b", "free", "other"]

    def test_an_instance_that_ends_before_it_begins_takes_no_place(self, store: Store) -> None:
        """Its start is handed out, for whoever owns it to throw away."""
        for name in "abc":
            begin(store, name)
        end(store, "b")
        assert begun(store) == ["a", "b"]
        end(store, "a")
        assert begun(store) == ["b", "c"]

    def test_the_limit_is_that_of_who_waits(self, store: Store) -> None:
        """And nobody overtakes."""
        begin(store, "a", concurrency_limit=2)
        begin(store, "b", concurrency_limit=1, created_at=BEGIN + 1)
        begin(store, "c", concurrency_limit=9, created_at=BEGIN + 2)
        assert begun(store) == ["a"]
        end(store, "a")
        assert begun(store) == ["b", "c"]

    def test_a_batch_may_begin_and_end_instances(self, store: Store) -> None:
        """What an owner writes is counted as what clients write is."""
        begin(store, "a")
        row_b = instance("b", concurrency_key="k", concurrency_limit=1, waits=True, status=Status.PENDING)
        ended = instance("a", status=Status.COMPLETED, ended_at=BEGIN, concurrency_key="k")
        over = turn("a", row("a"), before=Status.PENDING, instance=ended, consumed=("a-e1/start",))
        store.commit(batch(over, turn("b", instance=row_b), messages=(first_message("b"),)))
        assert begun(store) == ["b"]

    def test_a_delayed_start_stays_delayed(self, hub: Hub, store: Store) -> None:
        """It has its place from the first moment it could have."""
        begin(store, "a", due=BEGIN + SECOND)
        assert begun(store) == []
        hub.clock.now += SECOND
        assert begun(store) == ["a"]

    # -- tokens -----------------------------------------------------------------------------------

    def test_a_task_that_is_handed_over_waits_for_its_answer(self, hub: Hub, store: Store) -> None:
        """Neither time nor the death of its worker hands it out again, and it counts for its key."""
        write(store, *keyed("k", 1, 1, 2, heartbeat=SECOND))
        assert claim(store) == [1]
        assert store.hand_over("w2", [("i1-e1", 1)]) == frozenset()
        assert store.hand_over("w1", [("i1-e1", 1), ("i1-e1", 2), ("i1-e1", 9)]) == {("i1-e1", 1)}
        hub.clock.now += 9 * SECOND
        assert store.fail_silent("w1", 9) == 0
        store.leave("w1")
        store.join(worker("w2"), 10 * SECOND)
        assert store.claim("w2", ["mail"], [], 9, 5) == []
        assert store.claimed_count("k") == 1

    def test_an_answer_takes_the_place_of_the_task(self, store: Store) -> None:
        """Once: the first one stays."""
        write(store, task(1), task(2))
        assert store.answer(result(1), ("i1-e1", 1)) is None
        assert [one.seq for one in store.waiting_tasks("i1")] == [2]
        other = msgspec.structs.replace(result(1), event="{}")
        assert store.answer(other, ("i1-e1", 1)) == result(1)
        assert store.inbox(ALL, 9) == [result(1)]

    def test_the_key_of_tokens_stays(self, hub: Hub, store: Store) -> None:
        """Everybody finds the same."""
        assert len(store.token_key()) >= 32
        assert hub.connect().token_key() == store.token_key()

    @pytest.mark.parametrize("limit", [1, 3, 100])
    def test_all_work_is_done_in_the_end(self, store: Store, limit: int) -> None:
        """Of every mixture of keys, each task is handed out once."""
        write(
            store,
            *(
                task(
                    seq,
                    rank=seq % 3,
                    fairness_key="abc"[seq % 2 : seq % 3],
                    concurrency_key=("", "k", "m")[seq % 3],
                    concurrency_limit=1 + seq % 2,
                )
                for seq in range(1, MANY)
            ),
        )
        done: list[int] = []
        while found := claim(store, limit):
            store.record([], [("i1-e1", seq) for seq in found])
            done += found
        assert sorted(done) == list(range(1, MANY))
