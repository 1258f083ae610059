"""Members of a hub in memory, and who owns its slots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from perdure.engine.errors import Refused
from perdure.engine.store.memory_tables import MemoryTables
from perdure.engine.store.rows import AuditEntry, TaskRow, Worker

_replace = msgspec.structs.replace


class MemoryMembers(MemoryTables):
    """The methods of a store."""

    shares_slots = False

    def kill(self, worker: str) -> None:
        """For tests: the worker's process is over, and ``gone`` may say so."""
        self._killed.add(worker)

    def join(self, worker: Worker, lease: int) -> None:
        with self._write():
            self._insert_worker(worker, lease)

    def rejoin(self, old: Sequence[str], worker: Worker, lease: int) -> frozenset[int]:
        with self._write():
            self._insert_worker(worker, lease)
            for id_ in old:
                self._end(id_, "dead")
                self._pass(id_, worker.id)
            return self._slots_of(worker.id)

    def _insert_worker(self, worker: Worker, lease: int) -> None:
        now = self._clock.now()
        row = _replace(worker, state="live", lease_until=now + lease, joined_at=now)
        self._insert(self._workers, worker.id, row)

    def _end(self, worker: str, state: str) -> bool:
        member = self._workers.get(worker)
        if member is None or member.state != "live":
            return False
        self._put(self._workers, worker, _replace(member, state=state))
        return True

    def _pass(self, old: str, new: str | None) -> None:
        """Give the slots and tasks of a worker to another, or to nobody."""
        for slot in self._slots_of(old):
            self._put(self._slots, slot, new)
        for key, task in tuple(self._tasks.items()):
            if task.worker == old:
                self._put(self._tasks, key, _replace(task, worker=new))

    def _slots_of(self, worker: str) -> frozenset[int]:
        return frozenset(slot for slot, owner in self._slots.items() if owner == worker)

    def leave(self, worker: str) -> None:
        with self._write():
            if self._end(worker, "left"):
                self._pass(worker, None)

    def workers(self) -> list[Worker]:
        with self._read():
            live = [member for member in self._workers.values() if member.state == "live"]
            return sorted(live, key=lambda member: (member.joined_at, member.id))

    def gone(self, worker: str) -> list[str]:
        return [other.id for other in self.workers() if other.id != worker and other.id in self._killed]

    def take_over(self, worker: str, victim: str, seen_lease: int | None) -> bool:
        with self._fenced(worker) as now:
            member = self._workers.get(victim)
            if member is None or member.state != "live" or victim == worker:
                return False
            expired = member.lease_until == seen_lease and member.lease_until < now
            if not (victim in self._killed if seen_lease is None else expired):
                return False
            self._end(victim, "dead")
            for slot in self._slots_of(victim):
                self._put(self._crashes, slot, self._crashes[slot] + 1)
            self._pass(victim, None)
            return True

    def take_slots(self, worker: str, slots: Collection[int] | None = None) -> frozenset[int]:
        with self._fenced(worker):
            if slots is None:
                slots = self._slots if set(self._slots.values()) <= {None, worker} else ()
            for slot in slots:
                if self._slots[slot] is None:
                    self._put(self._slots, slot, worker)
            return self._slots_of(worker)

    def release_slots(self, worker: str, slots: Collection[int], tasks: Sequence[TaskRow]) -> None:
        with self._fenced(worker):
            for task in tasks:
                self._insert(self._tasks, (task.execution, task.seq), _replace(task, worker=worker))
            if not set(slots) <= self._slots_of(worker):
                raise Refused(f"The worker {worker!r} does not own all of the slots.")
            for slot in slots:
                self._put(self._slots, slot, None)

    def slot_owners(self) -> dict[int, str]:
        with self._read():
            return {slot: owner for slot, owner in self._slots.items() if owner is not None}

    def drain(self, worker: str, audit: AuditEntry | None = None) -> bool:
        with self._write():
            member = self._workers.get(worker)
            if member is None or member.state != "live":
                return False
            self._put(self._workers, worker, _replace(member, draining=True))
            self._note(audit, self._clock.now())
            return True

    def owned_slots(self) -> dict[str, int]:
        with self._read():
            return dict(Counter(owner for owner in self._slots.values() if owner is not None))

    def crashes(self, worker: str) -> dict[int, int]:
        with self._read():
            return {slot: self._crashes[slot] for slot in self._slots_of(worker) if self._crashes[slot]}

    def calm(self, worker: str) -> None:
        with self._fenced(worker):
            for slot in self.crashes(worker):
                self._put(self._crashes, slot, 0)

    def begin_turn(self, worker: str, instance_id: str) -> int:
        with self._fenced(worker):
            row = self._instances.get(instance_id)
            if row is None:
                return 0
            self._put(self._instances, instance_id, _replace(row, suspect=row.suspect + 1))
            return row.suspect + 1

    def suspected(self) -> dict[str, int]:
        with self._read():
            return {row.id: row.suspect for row in self._instances.values() if row.suspect}
