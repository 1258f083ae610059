"""What must hold after each write, and at the end. Each check has the number of ``docs/reliability.md``.

They look at the database from outside, so they see what is committed and nothing else.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from perdure.engine.addresses import is_entity
from perdure.engine.codec import decode_events
from perdure.engine.events import (
    ContinueAsNew,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityUnlockSent,
    ExecutionCompleted,
    ExecutionTerminated,
    InstanceStarted,
    SubOrchestrationCanceled,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCanceled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
    is_answer,
)
from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import OUTSIDE, WAITING, Batch, HistoryRow
from tests.sim.hubs import Hub

COMPARED_EVERY = 64
"""Writes between two looks at everything."""
PURGING = frozenset(["start", "purge", "purge_ended", "groom"])
"""Writes that may delete instances."""
ENDS = (ContinueAsNew, ExecutionCompleted, ExecutionTerminated)
"""What the history of a generation ends with."""
PASSING = frozenset(["leave", "rejoin", "take_over"])
"""Writes that pass on what somebody had."""


class Checks:
    """The promises, watched write by write."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._consumed: set[str] = set()
        self._next: dict[tuple[str, int], tuple[int, int]] = {}
        """Of each generation: the next seq, and the time of its last turn."""
        self._ended: dict[str, tuple[Status, str]] = {}
        self.writes: Counter[str] = Counter()
        self.takeovers = 0
        """How often a worker was declared dead by another."""

    def written(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        """A write was applied."""
        self.writes[name] += 1
        self.takeovers += name == "take_over" and result
        if name == "commit":
            self._commit(arguments[0])
        elif name in PURGING:
            self._purged()
        count = self.writes.total()
        if count % COMPARED_EVERY == 0:
            self._hub.compare()
        if name in PASSING or count % COMPARED_EVERY == 0:
            check_claimable(self._hub)

    def _commit(self, batch: Batch) -> None:
        state = self._hub.state_of(batch.worker)
        assert state == "live", f"C2: {batch.worker} is {state}, and has committed"
        for checkpoint in batch.checkpoints:
            owner = self._hub.owner_of(checkpoint.slot)
            assert owner == batch.worker, f"C2: {batch.worker} writes a slot of {owner}"
            for message in checkpoint.consumed:
                assert message not in self._consumed, f"C3: {message} was consumed twice"
                self._consumed.add(message)
            if checkpoint.replaces:
                # With all that it had started.
                self._replaced(checkpoint.id)
                self._purged()
            if checkpoint.rewrites:
                row = checkpoint.history[0]
                del self._next[row.instance, row.generation]
            for row in checkpoint.history:
                self._history(row)
            if not is_entity(checkpoint.id):
                if checkpoint.payloads_dropped:
                    # Somebody has ordered it to go on.
                    del self._ended[checkpoint.id]
                self._final(checkpoint.id)
        for parking in batch.parkings:
            self._final(parking.instance.id)

    def _purged(self) -> None:
        """Some may be gone, and others may have their ids."""
        for instance_id, (_, execution) in [*self._ended.items()]:
            row = self._hub.look().instance(instance_id)
            if row is None or (row.execution != execution and row.generation == 1):
                self._replaced(instance_id)

    def _replaced(self, instance_id: str) -> None:
        """Another instance has its id now; the one before it had ended, or the store would have refused."""
        self._ended.pop(instance_id, None)
        for generation in [each for each in self._next if each[0] == instance_id]:
            del self._next[generation]

    def _history(self, row: HistoryRow) -> None:
        seq, at = self._next.get((row.instance, row.generation), (0, 0))
        assert row.first_seq == seq, f"C1: {row.instance} goes on at {row.first_seq}, not {seq}"
        assert row.at >= at, f"C1: time goes back in {row.instance}"
        events = decode_events(row.events)
        assert row.first_seq + len(events) == row.next_seq, f"C1: {row.instance} miscounts its events"
        self._next[row.instance, row.generation] = row.next_seq, row.at

    def _final(self, instance_id: str) -> None:
        row = self._hub.look().instance(instance_id)
        assert row is not None, f"{instance_id} has a turn and no row"
        before = self._ended.get(instance_id)
        if before is not None:
            assert before == (row.status, row.execution), f"C10: {instance_id} was {before}, is {row.status}"
        if row.status.ended:
            self._ended[instance_id] = row.status, row.execution


def check_events(store: Store, instance_id: str, generation: int) -> None:
    """C4, C5, C7 and C10: everything scheduled ends once, no timer is early, all locks are given back.

    And nothing happens any more after the end.
    """
    end: str | None = None
    scheduled: dict[int, TaskScheduled] = {}
    timers: dict[int, int] = {}
    children: set[int] = set()
    asked: set[int] = set()
    locks: set[int] = set()
    closed: set[int] = set()
    for row in store.history(instance_id, generation, 0, 1_000_000):
        for seq, event in enumerate(decode_events(row.events), row.first_seq):
            assert end is None, f"C10: after {end} {instance_id} hears {type(event).__name__}"
            if isinstance(event, ENDS):
                end = type(event).__name__
            match event:
                case TaskScheduled():
                    scheduled[seq] = event
                case TimerCreated(fire_at=fire_at):
                    timers[seq] = fire_at
                case SubOrchestrationInstanceCreated() | InstanceStarted():
                    children.add(seq)
                case (
                    SubOrchestrationInstanceCompleted()
                    | SubOrchestrationInstanceFailed()
                    | SubOrchestrationCanceled()
                ):
                    assert event.scheduled_seq in children, f"C4: {instance_id} hears of no child"
                    assert event.scheduled_seq not in closed, f"C4: a child of {instance_id} ends twice"
                    closed.add(event.scheduled_seq)
                case TaskCompleted() | TaskFailed() | TaskCanceled():
                    assert event.scheduled_seq in scheduled, f"C4: {instance_id} hears of no task"
                    assert event.scheduled_seq not in closed, f"C4: a task of {instance_id} ends twice"
                    closed.add(event.scheduled_seq)
                case TimerFired() | TimerCanceled():
                    assert event.scheduled_seq in timers, f"C5: {instance_id} hears of no timer"
                    assert event.scheduled_seq not in closed, f"C5: a timer of {instance_id} ends twice"
                    closed.add(event.scheduled_seq)
                    if isinstance(event, TimerFired):
                        early = timers[event.scheduled_seq] - row.at
                        assert early <= 0, f"C5: a timer of {instance_id} fires {early} us early"
                case EntityOperationCalled() | EntityLockRequested():
                    asked.add(seq)
                    if isinstance(event, EntityLockRequested):
                        locks.add(seq)
                case EntityOperationCompleted() | EntityOperationFailed() | EntityLockGranted():
                    assert event.scheduled_seq in asked, f"C4: {instance_id} hears of no operation"
                    assert event.scheduled_seq not in closed, f"C4: {instance_id} is answered twice"
                    closed.add(event.scheduled_seq)
                case EntityUnlockSent(scheduled_seq=locked):
                    locks.remove(locked)
                case ExecutionCompleted() | ContinueAsNew():
                    assert not locks, f"C7: {instance_id} ends and holds {locks}"
                case _:
                    assert not is_answer(event), f"an answer that nobody checks: {event}"


def check_claimable(hub: Hub) -> None:
    """C9: nothing waits for somebody who is not there, or for a place that is free."""
    live = {row["id"] for row in hub.rows("workers") if row["state"] == "live"}
    instances = {row["id"]: row for row in hub.rows("instances")}
    inbox = {row["id"]: row for row in hub.rows("inbox")}
    begun = {(row["instance"], row["generation"]) for row in hub.rows("history")}
    for row in hub.rows("slots"):
        assert row["owner"] in {None, *live}, f"C9: slot {row['id']} belongs to {row['owner']}, who is gone"
    for row in hub.rows("tasks"):
        assert row["worker"] in {None, OUTSIDE, *live}, f"C9: {row} is held by somebody who is gone"
    for row in instances.values():
        ended = Status(row["status"]).ended
        assert ended == (row["ended_at"] is not None), f"C9: {row} has no end, or one too many"
        start = inbox.get(f"{row['execution']}/start")
        if not ended and (row["id"], row["generation"]) not in begun:
            assert start is not None, f"C9: {row} has not begun, and nothing begins it"
        if start is not None and not row["waits"]:
            assert start["due"] < WAITING, f"C9: {row} has a place, and its start waits"
    for key in {row["concurrency_key"] for row in instances.values()} - {None}:
        rows = [
            row for row in instances.values() if row["concurrency_key"] == key and row["ended_at"] is None
        ]
        waiting = [row for row in rows if row["waits"]]
        if waiting:
            first = min(waiting, key=lambda row: (row["created_at"], row["id"]))
            taken = len(rows) - len(waiting)
            assert taken >= first["concurrency_limit"], f"C9: {first} waits, and there is a place"
