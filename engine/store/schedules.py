"""Schedules in an SQL database: the part of ``protocol`` that has to do with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from perdure.engine.errors import Refused
from perdure.engine.store import tables as t
from perdure.engine.store.auditing import write_audit
from perdure.engine.store.races import retried
from perdure.engine.store.rows import AuditEntry, ScheduleRow, ScheduleWrite
from perdure.engine.store.statements import by_slot
from perdure.engine.store.transaction import Transaction

_c = t.schedules.c
_IS = (_c.id == bindparam("the_id"), _c.revision == bindparam("the_revision"))

SCHEDULE = select(t.schedules).where(_c.id == bindparam("the_id"))
SCHEDULES = select(t.schedules).order_by(_c.id)
SCHEDULES_DUE = by_slot(
    select(t.schedules).where(_c.due <= bindparam("now")).order_by(_c.due, _c.id).limit(bindparam("limit")),
    _c.slot,
)
NEXT_SCHEDULE = by_slot(select(_c.due).where(_c.due > bindparam("after")).order_by(_c.due).limit(1), _c.slot)
SCHEDULE_INSERT = insert(t.schedules)
SCHEDULE_UPDATE = (
    update(t.schedules)
    .where(*_IS)
    .values({column.name: bindparam(column.name) for column in t.schedules.columns if column.name != "id"})
)
SCHEDULE_DELETE = delete(t.schedules).where(*_IS)
ACTIVE = select(
    t.definitions.c.name,
    t.definitions.c.version,
    t.definitions.c.program,
    t.definitions.c.created_at,
    t.definitions.c.activated_at,
).where(t.definitions.c.active, t.definitions.c.kind == "workflow")

_names = [column.name for column in t.schedules.columns]


def write_schedules(tx: Transaction, writes: Sequence[ScheduleWrite]) -> None:
    """Insert, change and delete. Raises ``Refused`` when a row is not as it was."""
    ordered = sorted(writes, key=lambda each: each.id)
    tx.structs(
        SCHEDULE_INSERT, [each.row for each in ordered if each.row is not None and each.before is None]
    )
    changed = [each for each in ordered if each.before is not None]
    kept = [
        {**msgspec.structs.asdict(each.row), "the_id": each.id, "the_revision": each.before}
        for each in changed
        if each.row is not None
    ]
    hit = tx.mappings(SCHEDULE_UPDATE, kept)
    hit += tx.tuples(SCHEDULE_DELETE, [(each.id, each.before) for each in changed if each.row is None])
    if hit != len(changed):
        raise Refused(f"In a batch, {len(changed) - hit} schedules are not as they were.")


class SqlSchedules(ABC):
    """The methods of a store."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Transaction]: ...
    @abstractmethod
    def _write(self, *, quiet: bool = False) -> AbstractContextManager[Transaction]: ...

    def schedules(self) -> list[ScheduleRow]:
        with self._read() as tx:
            return [_row(row) for row in tx.rows(SCHEDULES)]

    def schedule(self, schedule_id: str) -> ScheduleRow | None:
        with self._read() as tx:
            row = tx.row(SCHEDULE, the_id=schedule_id)
        return None if row is None else _row(row)

    def due_schedules(self, slots: Iterable[int], limit: int) -> list[ScheduleRow]:
        with self._read() as tx:
            rows = tx.rows_of_slots(SCHEDULES_DUE, frozenset(slots), now=tx.now, limit=limit)
        return [_row(row) for row in rows]

    def active_workflows(self) -> list[tuple[str, str, str, int]]:
        with self._read() as tx:
            return [(str(n), str(v), str(p), max(at, again)) for n, v, p, at, again in tx.rows(ACTIVE)]

    @retried
    def change_schedule(self, write: ScheduleWrite, audit: AuditEntry) -> None:
        with self._write() as tx:
            write_schedules(tx, [write])
            write_audit(tx, [audit])


def _row(row: tuple[Any, ...]) -> ScheduleRow:
    values = dict(zip(_names, row, strict=True))
    return ScheduleRow(**{**values, "paused": bool(values["paused"])})
