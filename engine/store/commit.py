"""A batch as statements, in the order that the protocol fixes.

Rows of many checkpoints are gathered by table, so a batch of a thousand turns is a handful of
``executemany``. What one checkpoint of the batch opens and a later one closes is never written.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from perdure.engine.errors import Refused
from perdure.engine.instance import Instance, Status
from perdure.engine.store import entities, places, purge, schedules, subscriptions
from perdure.engine.store import statements as s
from perdure.engine.store.auditing import write_audit
from perdure.engine.store.records import from_instance, from_tags
from perdure.engine.store.repeats import write_requests
from perdure.engine.store.rows import (
    Batch,
    Checkpoint,
    HistoryRow,
    PayloadRow,
    SubscriptionRow,
    TaskRow,
    TimerRow,
    kept_values,
)
from perdure.engine.store.transaction import Transaction

Key = tuple[str, int]

Change = tuple[Instance, str, Status]
"""An instance's new state, and the execution and status that its row must have."""

_NOT_THERE = "consumed message is not in the inbox"
_CHANGED = "instance is not as it was"

_by_id = attrgetter("id")
_by_request = attrgetter("route", "target", "key")
_by_payload = attrgetter("instance", "key")
_by_history = attrgetter("instance", "generation", "first_seq")
_by_seq = attrgetter("execution", "seq")


class _Rows:
    """The rows of a batch by table, in the order of its turns."""

    def __init__(self, batch: Batch) -> None:
        self.new: list[Instance] = []
        self.replaced = {turn.id for turn in batch.checkpoints if turn.replaces and turn.before is None}
        # A turn of this batch finds what was parked, or freed, before it.
        self.changed: list[Change] = [
            (row.instance, row.instance.execution, row.before) for row in batch.parkings
        ]
        self.payloads: list[PayloadRow] = []
        self.payloads_dropped: list[tuple[str, str]] = []
        self.history: list[HistoryRow] = []
        self.forgotten: list[tuple[str, int]] = []
        self.rewritten: list[tuple[str, int]] = []
        self.consumed: list[tuple[str]] = []
        self.timers: list[TimerRow] = []
        self.timers_closed: list[Key] = []
        self.tasks: list[TaskRow] = []
        self.tasks_closed: list[Key] = []
        self.subscriptions: list[SubscriptionRow] = []
        self.subscriptions_closed: list[Key] = []
        self.unsubscribed: list[str] = []
        for turn in batch.checkpoints:
            self._add(turn)

    def _add(self, turn: Checkpoint) -> None:
        self.history += turn.history
        for row in turn.history:
            if row.values:
                self.payloads += kept_values(row)
        for id_ in turn.consumed:
            self.consumed.append((id_,))
        self.payloads += turn.payloads
        for key in turn.payloads_dropped:
            self.payloads_dropped.append((turn.id, key))
        self.timers += turn.timers
        self.timers_closed += turn.timers_closed
        self.tasks += turn.tasks
        self.tasks_closed += turn.tasks_closed
        self.subscriptions += turn.subscriptions
        self.subscriptions_closed += turn.subscriptions_closed
        if turn.unsubscribes:
            self.unsubscribed.append(turn.execution)
        if turn.rewrites and turn.instance is not None:
            self.rewritten.append((turn.id, turn.instance.generation))
        if turn.forget_before is not None:
            self.forgotten.append((turn.id, turn.forget_before))
        if turn.instance is not None:
            if turn.before is None:
                self.new.append(turn.instance)
            else:
                self.changed.append((turn.instance, turn.execution, turn.before))


def write(tx: Transaction, batch: Batch) -> None:
    """Write a batch in a transaction that has passed the fence. Raises ``Refused`` when a guard fails.

    The order is that of locks on PostgreSQL: the worker's own row, concurrency keys, then tables as here,
    each sorted by key. Messages alone keep the order they came in, which is the order of their sender;
    their keys are new, so nobody waits for them.
    """
    rows = _Rows(batch)
    ended = [instance for instance, _, _ in rows.changed if instance.status.ended]
    places.lock(tx, [*rows.new, *ended])
    write_requests(tx, sorted(batch.requests, key=_by_request))
    purge.replace(tx, rows.replaced)
    _insert(tx, rows.new)
    _update(tx, rows.changed)
    tx.tuples(s.SUSPECT_TRUST, [(id_,) for id_ in sorted(batch.trusted)])
    entities.write(tx, batch.entities)
    tx.tuples(s.PAYLOAD_DELETE, sorted(rows.payloads_dropped))
    tx.structs(s.PAYLOAD_PUT, sorted(rows.payloads, key=_by_payload))
    tx.tuples(s.HISTORY_DROP, sorted(rows.rewritten))
    tx.structs(s.HISTORY_INSERT, sorted(rows.history, key=_by_history))
    tx.tuples(s.HISTORY_FORGET, sorted(rows.forgotten))
    tx.tuples(s.PAYLOAD_FORGET, sorted(rows.forgotten))
    _expect(len(rows.consumed), tx.tuples(s.INBOX_DELETE, sorted(rows.consumed)), _NOT_THERE)
    tx.tuples(s.INBOX_DELETE, sorted((id_,) for id_ in batch.discard))
    opened, closed = _net(rows.timers, rows.timers_closed)
    _expect(len(closed), tx.tuples(s.TIMER_DELETE, sorted(closed)), "timer to be closed is not there")
    tx.structs(s.TIMER_INSERT, sorted(opened, key=_by_seq))
    opened, closed = _net(rows.tasks, rows.tasks_closed)
    tx.tuples(s.TASK_DELETE, sorted(closed))
    tx.structs(s.TASK_INSERT, sorted([*opened, *batch.adopt], key=_by_seq))
    subscriptions.write(tx, rows.subscriptions, rows.subscriptions_closed, rows.unsubscribed)
    # A chunk may end in this batch: its turn finds its rows, and then they go.
    purge.forget_chunks(tx, sorted(rows.forgotten))
    tx.structs(s.INBOX_INSERT, batch.messages)
    places.fill(tx, rows.new, ended)
    tx.tuples(s.INBOX_HOLD, [(id_,) for id_ in batch.hold])
    tx.tuples(s.INBOX_UNHOLD, batch.unhold)
    tx.structs(s.DEAD_LETTER_INSERT, batch.dead_letters)
    schedules.write_schedules(tx, batch.schedules)
    write_audit(tx, batch.audit)
    tx.tuples(s.REQUEST_ANSWER, [(each.answer, *_by_request(each)) for each in batch.replies])


def _insert(tx: Transaction, new: list[Instance]) -> None:
    new.sort(key=_by_id)
    tx.mappings(s.INSTANCE_INSERT, [from_instance(instance) for instance in new])
    tx.mappings(s.TAGS_INSERT, from_tags(new))


def _update(tx: Transaction, changed: list[Change]) -> None:
    """Several changes of one instance stay in order; its tags are those of the last."""
    changed.sort(key=lambda change: change[0].id)
    _expect(len(changed), tx.mappings(s.INSTANCE_UPDATE, [_columns(*change) for change in changed]), _CHANGED)
    last = {instance.id: instance for instance, _, _ in changed}
    tx.tuples(s.TAGS_DELETE, [(id_,) for id_ in last])
    tx.mappings(s.TAGS_INSERT, from_tags(last.values()))


def _columns(instance: Instance, execution: str, before: Status) -> dict[str, Any]:
    columns = from_instance(instance)
    return {**columns, "the_id": instance.id, "the_execution": execution, "the_status": before.value}


def _net(opened: list[Any], closed: list[Key]) -> tuple[list[Any], list[Key]]:
    """What remains of both when what is opened and closed in one batch cancels out."""
    if not opened or not closed:
        return opened, closed
    keys = {_by_seq(row) for row in opened}.intersection(closed)
    if not keys:
        return opened, closed
    return [row for row in opened if _by_seq(row) not in keys], [key for key in closed if key not in keys]


def _expect(wanted: int, hit: int, what: str) -> None:
    if hit != wanted:
        raise Refused(f"In a batch, {wanted - hit} of {wanted} guards failed: the {what}.")
