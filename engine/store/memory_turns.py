"""Turns in memory: what a batch writes, and what an owner reads. The model of ``store.commit``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from perdure.engine.errors import Refused
from perdure.engine.instance import Instance
from perdure.engine.store.memory_entities import MemoryEntities
from perdure.engine.store.memory_grooming import MemoryGrooming
from perdure.engine.store.memory_letters import MemoryLetters
from perdure.engine.store.memory_places import MemoryPlaces
from perdure.engine.store.memory_schedules import MemorySchedules
from perdure.engine.store.memory_subscriptions import MemorySubscriptions
from perdure.engine.store.rows import (
    NO_VALUES,
    Batch,
    Checkpoint,
    HistoryRow,
    Loaded,
    Takeover,
    kept_values,
)

_replace = msgspec.structs.replace


class MemoryTurns(
    MemoryEntities, MemoryGrooming, MemoryLetters, MemoryPlaces, MemorySchedules, MemorySubscriptions
):
    """The methods of a store."""

    def commit(self, batch: Batch) -> int:
        with self._fenced(batch.worker, batch.lease) as now:
            for request in batch.requests:
                self._remember(request, now)
            self._replace_ended(
                {turn.id for turn in batch.checkpoints if turn.replaces and turn.before is None}
            )
            for parking in batch.parkings:
                self._update(parking.instance, parking.instance.execution, parking.before)
            for entity in batch.entities:
                self._write_entity(entity)
            for turn in batch.checkpoints:
                self._checkpoint(turn)
            for turn in batch.checkpoints:
                if turn.forget_before is not None:
                    self._forget_chunks(turn.id, turn.forget_before)
            for id_ in batch.discard:
                self._delete(self._inbox, id_)
            for task in batch.adopt:
                self._insert(self._tasks, (task.execution, task.seq), task)
            for message in batch.messages:
                self._receive(message)
            rows = [turn.instance for turn in batch.checkpoints if turn.instance is not None]
            rows += [parking.instance for parking in batch.parkings]
            new = [turn.instance for turn in batch.checkpoints if turn.before is None and turn.instance]
            self._fill_places(new, [row for row in rows if row.status.ended])
            for id_ in batch.hold:
                self._hold(id_)
            for instance, count in batch.unhold:
                self._unhold(instance, count)
            for letter in batch.dead_letters:
                self._add_letter(letter)
            for schedule in batch.schedules:
                self._write_schedule(schedule)
            for entry in batch.audit:
                self._note(entry, now)
            for id_ in batch.trusted:
                if id_ in self._instances:
                    self._put(self._instances, id_, _replace(self._instances[id_], suspect=0))
            for reply in batch.replies:
                key = (reply.route, reply.target, reply.key)
                if key in self._requests:
                    self._put(self._requests, key, _replace(self._requests[key], answer=reply.answer))
            return now

    def _checkpoint(self, turn: Checkpoint) -> None:
        if turn.instance is not None and turn.before is None:
            self._insert(self._instances, turn.instance.id, turn.instance)
        elif turn.instance is not None and turn.before is not None:
            self._update(turn.instance, turn.execution, turn.before)
        for name in turn.payloads_dropped:
            self._delete(self._payloads, (turn.id, name))
        for payload in turn.payloads:
            self._keep(payload)
        if turn.rewrites and turn.instance is not None:
            self._delete(self._history, (turn.id, turn.instance.generation))
        for row in turn.history:
            for value in kept_values(row):
                self._keep(value)
            without = _replace(row, values=NO_VALUES)
            self._insert(self._generation(row.instance, row.generation), row.first_seq, without)
        if turn.forget_before is not None:
            for kept in tuple(self._payloads.values()):
                last = kept.generation
                if kept.instance == turn.id and last is not None and last < turn.forget_before:
                    self._delete(self._payloads, (kept.instance, kept.key))
            for instance, generation in tuple(self._history):
                if instance == turn.id and generation < turn.forget_before:
                    self._delete(self._history, (instance, generation))
        for id_ in turn.consumed:
            if not self._delete(self._inbox, id_):
                raise Refused(f"The consumed message {id_!r} is not in the inbox.")
        for key in turn.timers_closed:
            if not self._delete(self._timers, key):
                raise Refused(f"The timer {key} to be closed is not there.")
        for timer in turn.timers:
            self._insert(self._timers, (timer.execution, timer.seq), timer)
        for key in turn.tasks_closed:
            self._delete(self._tasks, key)
        for task in turn.tasks:
            self._insert(self._tasks, (task.execution, task.seq), task)
        self._subscribe(turn)

    def _update(self, instance: Instance, execution: str, before: str) -> None:
        """Replace the row but for what never changes (slot, name, creation, parent) or not here (suspect)."""
        row = self._instances.get(instance.id)
        if row is None or row.execution != execution or row.status != before:
            raise Refused(f"The instance {instance.id!r} is not as it was.")
        fixed = ["slot", "name", "created_at", "parent_id", "chunk_of"]
        fixed += ["concurrency_key", "concurrency_limit", "waits"]
        kept = {name: getattr(row, name) for name in fixed}
        self._put(self._instances, instance.id, _replace(instance, suspect=row.suspect, **kept))

    def _generation(self, instance: str, generation: int) -> dict[int, HistoryRow]:
        if (instance, generation) not in self._history:
            self._put(self._history, (instance, generation), {})
        return self._history[instance, generation]

    def load(self, ids: Sequence[str]) -> list[Loaded]:
        with self._read():
            return [
                self._loaded(self._instances[id_]) for id_ in dict.fromkeys(ids) if id_ in self._instances
            ]

    def _loaded(self, instance: Instance) -> Loaded:
        rows = self._history.get((instance.id, instance.generation), {})
        found = Loaded(
            instance=instance,
            history=tuple(self._whole(rows[seq]) for seq in sorted(rows)),
            held=len(self._held(instance.id)),
        )
        first = None if found.begun else self._inbox.get(f"{instance.execution}/start")
        if first is None:
            return found
        read = _replace(first[1], held=False, values=self._values(instance.id, first[1].event))
        return _replace(found, first=read)

    def load_open(self, slots: Iterable[int], between: Callable[[], None] | None = None) -> Takeover:
        with self._read():
            mine = frozenset(slots)
            ids = sorted(
                one.id for one in self._instances.values() if one.slot in mine and not one.status.ended
            )
            found = [self._loaded(self._instances[id_]) for id_ in ids]
            loaded = tuple(one for one in found if one.history and one.history[-1].open > 0)
            executions = {one.instance.execution for one in loaded}
            return Takeover(
                loaded=loaded,
                tasks=frozenset(key for key in self._tasks if key[0] in executions),
                results=frozenset(key for key in self._results() if key[0] in executions),
            )
