"""A batch as statements, in the order that the protocol fixes.

Rows of many checkpoints are gathered by table, so a batch of a thousand turns is a handful of
``executemany``. What one checkpoint of the batch opens and a later one closes is never written.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from perdure.engine.errors import Refused
from perdure.engine.instance import Instance
from perdure.engine.store import statements as s
from perdure.engine.store.records import from_instance, from_tags
from perdure.engine.store.rows import Batch, Checkpoint, TaskRow, TimerRow
from perdure.engine.store.transaction import Transaction

Key = tuple[str, int]

_by_id = attrgetter("id")
_by_request = attrgetter("route", "target", "key")
_by_payload = attrgetter("instance", "key")
_by_history = attrgetter("instance", "generation", "first_seq")
_by_seq = attrgetter("execution", "seq")


def write(tx: Transaction, batch: Batch) -> None:
    """Write a batch in a transaction that has passed the fence. Raises ``Refused`` when a guard fails.

    The order is that of locks on PostgreSQL: the worker's own row, then tables as here, each sorted by
    key. Messages alone keep the order they came in, which is the order of their sender; their keys are
    new, so nobody waits for them.
    """
    turns = batch.checkpoints
    tx.structs(s.REQUEST_INSERT, sorted(batch.requests, key=_by_request))
    _instances(tx, batch)
    tx.structs(s.PAYLOAD_PUT, sorted((row for turn in turns for row in turn.payloads), key=_by_payload))
    tx.structs(s.HISTORY_INSERT, sorted((row for turn in turns for row in turn.history), key=_by_history))
    _forget(tx, turns)
    _consume(tx, batch)
    _timers(tx, turns)
    _tasks(tx, batch)
    tx.structs(s.INBOX_INSERT, batch.messages)
    tx.tuples(s.INBOX_HOLD, [(id_,) for id_ in batch.hold])
    tx.tuples(s.INBOX_UNHOLD, batch.unhold)
    tx.structs(s.DEAD_LETTER_INSERT, batch.dead_letters)


def _instances(tx: Transaction, batch: Batch) -> None:
    new, changed = _split(batch.checkpoints)
    changed += [(row.instance, row.instance.execution, row.before) for row in batch.parkings]
    if new:
        new.sort(key=_by_id)
        tx.mappings(s.INSTANCE_INSERT, map(from_instance, new))
        tx.mappings(s.TAGS_INSERT, from_tags(new))
    if changed:
        changed.sort(key=lambda change: change[0].id)
        updated = tx.mappings(s.INSTANCE_UPDATE, map(_update, changed))
        _expect(len(changed), updated, "instance is not as it was")
        tx.tuples(s.TAGS_DELETE, [(instance.id,) for instance, _, _ in changed])
        tx.mappings(s.TAGS_INSERT, from_tags({change[0].id: change[0] for change in changed}.values()))


def _split(turns: Iterable[Checkpoint]) -> tuple[list[Instance], list[tuple[Instance, str, str]]]:
    new: list[Instance] = []
    changed: list[tuple[Instance, str, str]] = []
    for turn in turns:
        if turn.instance is None:
            continue
        if turn.before is None:
            new.append(turn.instance)
        else:
            changed.append((turn.instance, turn.execution, turn.before))
    return new, changed


def _update(change: tuple[Instance, str, str]) -> dict[str, Any]:
    instance, execution, before = change
    columns = from_instance(instance)
    return {**columns, "the_id": instance.id, "the_execution": execution, "the_status": str(before)}


def _forget(tx: Transaction, turns: Iterable[Checkpoint]) -> None:
    old = [(turn.id, turn.forget_before) for turn in turns if turn.forget_before is not None]
    tx.tuples(s.HISTORY_FORGET, sorted(old))


def _consume(tx: Transaction, batch: Batch) -> None:
    consumed = sorted((id_,) for turn in batch.checkpoints for id_ in turn.consumed)
    _expect(len(consumed), tx.tuples(s.INBOX_DELETE, consumed), "consumed message is not in the inbox")
    tx.tuples(s.INBOX_DELETE, sorted((id_,) for id_ in batch.discard))


def _timers(tx: Transaction, turns: Iterable[Checkpoint]) -> None:
    opened: list[TimerRow] = [row for turn in turns for row in turn.timers]
    closed = [key for turn in turns for key in turn.timers_closed]
    opened, closed = _net(opened, closed)
    _expect(len(closed), tx.tuples(s.TIMER_DELETE, sorted(closed)), "timer to be closed is not there")
    tx.structs(s.TIMER_INSERT, sorted(opened, key=_by_seq))


def _tasks(tx: Transaction, batch: Batch) -> None:
    opened: list[TaskRow] = [row for turn in batch.checkpoints for row in turn.tasks]
    closed = [key for turn in batch.checkpoints for key in turn.tasks_closed]
    opened, closed = _net(opened, closed)
    tx.tuples(s.TASK_DELETE, sorted(closed))
    tx.structs(s.TASK_INSERT, sorted([*opened, *batch.adopt], key=_by_seq))


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
