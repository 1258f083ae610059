"""Schedules in memory: the model of ``store.schedules``."""

from __future__ import annotations

from collections.abc import Iterable

from perdure.engine.errors import Refused
from perdure.engine.store.memory_tables import MemoryTables
from perdure.engine.store.rows import AuditEntry, ScheduleRow, ScheduleWrite


class MemorySchedules(MemoryTables):
    """The methods of a store."""

    def _write_schedule(self, write: ScheduleWrite) -> None:
        present = self._schedules.get(write.id)
        if (None if present is None else present.revision) != write.before:
            raise Refused(f"The schedule {write.id!r} is not as it was.")
        if write.row is None:
            self._delete(self._schedules, write.id)
        else:
            self._put(self._schedules, write.id, write.row)

    def schedules(self) -> list[ScheduleRow]:
        with self._read():
            return sorted(self._schedules.values(), key=lambda row: row.id)

    def schedule(self, schedule_id: str) -> ScheduleRow | None:
        with self._read():
            return self._schedules.get(schedule_id)

    def due_schedules(self, slots: Iterable[int], limit: int) -> list[ScheduleRow]:
        mine, now = frozenset(slots), self.time()
        with self._read():
            rows = [row for row in self._schedules.values() if row.due is not None and row.due <= now]
        return sorted((row for row in rows if row.slot in mine), key=lambda row: (row.due, row.id))[:limit]

    def active_workflows(self) -> list[tuple[str, str, str, int]]:
        with self._read():
            return [
                (each.name, each.version, each.program, max(each.created_at, each.activated_at))
                for each in self._definitions.values()
                if each.active and each.kind == "workflow"
            ]

    def change_schedule(self, write: ScheduleWrite, audit: AuditEntry) -> None:
        with self._write():
            self._write_schedule(write)
            self._note(audit, self.time())
