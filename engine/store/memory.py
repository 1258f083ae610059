"""The reference model of a store: dictionaries, one lock, no cleverness.

Tests and the simulator run on it, and every other store must give the same answers. Each method is atomic:
what it has written is undone in reverse when a guard fails.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from perdure.engine import reopening
from perdure.engine.codec import is_key, keys_in
from perdure.engine.errors import Ended, FenceLost, NotFound, Refused, StoreError
from perdure.engine.instance import SLOTS, Instance
from perdure.engine.store.claiming import Choice, age, handed_out
from perdure.engine.store.clock import StoreClock
from perdure.engine.store.memory_entities import MemoryEntities
from perdure.engine.store.memory_grooming import MemoryGrooming
from perdure.engine.store.memory_letters import MemoryLetters
from perdure.engine.store.memory_schedules import MemorySchedules
from perdure.engine.store.memory_signs import MemorySigns
from perdure.engine.store.memory_subscriptions import MemorySubscriptions
from perdure.engine.store.poison import SUSPECT, dead_letter, failure, result_key
from perdure.engine.store.reuse import on_start
from perdure.engine.store.rows import (
    NO_VALUES,
    WAITING,
    AuditEntry,
    AuditQuery,
    Batch,
    Checkpoint,
    Definition,
    HistoryRow,
    IfExists,
    InstanceQuery,
    Loaded,
    LookUp,
    Message,
    PayloadRow,
    QueueRow,
    Request,
    Takeover,
    TaskRow,
    TimerRow,
    Worker,
    kept_values,
)
from perdure.engine.store.signs import begun

Key = tuple[str, int]

_replace = msgspec.structs.replace
_MISSING: Any = object()


class MemoryStore(
    MemoryEntities, MemoryGrooming, MemoryLetters, MemorySchedules, MemorySigns, MemorySubscriptions
):
    """A hub that ends with the process. ``clock`` gives microseconds since 1970 UTC.

    Several workers may join one store, as several processes would one database.
    """

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        super().__init__()
        self._clock = StoreClock(clock)
        self._lock = threading.RLock()
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._ord = 0
        self._changed = False
        self._closed = False
        self._killed: set[str] = set()
        self._workers: dict[str, Worker] = {}
        self._slots: dict[int, str | None] = dict.fromkeys(range(SLOTS))
        self._crashes: dict[int, int] = dict.fromkeys(range(SLOTS), 0)
        self._instances: dict[str, Instance] = {}
        self._payloads: dict[tuple[str, str], PayloadRow] = {}
        self._history: dict[tuple[str, int], dict[int, HistoryRow]] = {}
        self._inbox: dict[str, tuple[int, Message]] = {}
        self._timers: dict[Key, TimerRow] = {}
        self._tasks: dict[Key, TaskRow] = {}
        self._queues: dict[str, QueueRow] = {}
        self._requests: dict[tuple[str, str, str], Request] = {}
        self._requests_at: dict[tuple[str, str, str], int] = {}
        self._definitions: dict[tuple[str, str], Definition] = {}
        self._programs: dict[str, str] = {}
        self._audit: dict[int, AuditEntry] = {}

    def kill(self, worker: str) -> None:
        """For tests: the worker's process is over, and ``gone`` may say so."""
        self._killed.add(worker)

    # -- transactions -----------------------------------------------------------------------------

    @contextmanager
    def _read(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise StoreError("The store is closed.")
            yield

    @contextmanager
    def _write(self) -> Iterator[None]:
        with self._read():
            try:
                yield
            except BaseException:
                for table, key, value in reversed(self._undo):
                    if value is _MISSING:
                        del table[key]
                    else:
                        table[key] = value
                self._undo.clear()
                raise
            self._changed = self._changed or bool(self._undo)
            self._undo.clear()

    @contextmanager
    def _fenced(self, worker: str, lease: int | None = None) -> Iterator[int]:
        with self._write():
            member = self._workers.get(worker)
            if member is None or member.state != "live":
                raise FenceLost(f"The worker {worker!r} is not a live member of the hub.")
            now = self._clock.now()
            if lease is not None:
                self._put(self._workers, worker, _replace(member, lease_until=now + lease))
            yield now

    def _put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        _check(key)
        _check(value)
        self._undo.append((table, key, table.get(key, _MISSING)))
        table[key] = value

    def _insert(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        if key in table:
            raise Refused(f"There is a row {key!r} already.")
        self._put(table, key, value)

    def _delete(self, table: dict[Any, Any], key: Any) -> bool:
        if key not in table:
            return False
        self._undo.append((table, key, table.pop(key)))
        return True

    def _next_ord(self) -> int:
        self._ord += 1
        return self._ord

    # -- membership -------------------------------------------------------------------------------

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

    def take_slots(self, worker: str) -> frozenset[int]:
        with self._fenced(worker):
            if set(self._slots.values()) <= {None, worker}:
                for slot in self._slots:
                    self._put(self._slots, slot, worker)
            return self._slots_of(worker)

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

    def owned_slots(self) -> dict[str, int]:
        with self._read():
            owners = [owner for owner in self._slots.values() if owner is not None]
            return {owner: owners.count(owner) for owner in owners}

    # -- turns ------------------------------------------------------------------------------------

    def time(self) -> int:
        return self._clock.now()

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

    def _remember(self, request: Request, now: int) -> None:
        key = (request.route, request.target, request.key)
        self._insert(self._requests, key, request)
        self._put(self._requests_at, key, now)

    def _note(self, entry: AuditEntry | None, now: int) -> None:
        """An entry of the audit, if there is one; numbered on its own, as every table is."""
        if entry is not None:
            ord_ = len(self._audit) + 1
            self._put(self._audit, ord_, _replace(entry, at=now, ord=ord_))

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
            self._forget_chunks(turn.id, turn.forget_before)
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

    def _keep(self, payload: PayloadRow) -> None:
        """Write a value; what is kept for ever stays so, else the latest generation counts."""
        key = payload.instance, payload.key
        present = self._payloads.get(key)
        if present is not None:
            both = (present.generation, payload.generation)
            generation = None if None in both else max(each for each in both if each is not None)
            payload = _replace(payload, generation=generation)
        self._put(self._payloads, key, payload)

    def _values(self, instance: str, text: str) -> dict[str, str]:
        """The values that a text refers to. A chunk has those of its parent too."""
        row = self._instances.get(instance)
        lender = instance if row is None or row.parent_id is None else row.parent_id
        found = {
            key: self._payloads.get((instance, key)) or self._payloads.get((lender, key))
            for key in keys_in(text)
        }
        return {key: row.value for key, row in found.items() if row is not None}

    def _whole(self, row: HistoryRow) -> HistoryRow:
        return _replace(row, values=self._values(row.instance, row.events))

    def _update(self, instance: Instance, execution: str, before: str) -> None:
        """Replace the row but for what never changes (slot, name, creation, parent) or not here (suspect)."""
        row = self._instances.get(instance.id)
        if row is None or row.execution != execution or row.status != before:
            raise Refused(f"The instance {instance.id!r} is not as it was.")
        fixed = ["slot", "name", "created_at", "parent_id", "chunk_of"]
        fixed += ["concurrency_key", "concurrency_limit", "waits"]
        kept = {name: getattr(row, name) for name in fixed}
        self._put(self._instances, instance.id, _replace(instance, suspect=row.suspect, **kept))

    def _fill_places(self, new: Iterable[Instance], ended: Iterable[Instance]) -> None:
        """Give free places to those that wait, as ``store.places`` does."""
        ended = [each for each in ended if each.concurrency_key is not None]
        for each in ended:
            self._release_start(each)
        keys = {each.concurrency_key for each in [*new, *ended] if each.concurrency_key is not None}
        for key in sorted(keys):
            rows = [one for one in self._instances.values() if one.concurrency_key == key]
            rows = [one for one in rows if not one.status.ended]
            waiting = sorted(
                (one for one in rows if one.waits), key=lambda one: (one.created_at, one.id), reverse=True
            )
            taken = len(rows) - len(waiting)
            while waiting and taken < waiting[-1].concurrency_limit:
                first = waiting.pop()
                self._put(self._instances, first.id, _replace(first, waits=False))
                self._release_start(first)
                taken += 1

    def _release_start(self, instance: Instance) -> None:
        id_ = f"{instance.execution}/start"
        if id_ in self._inbox and self._inbox[id_][1].due >= WAITING:
            ord_, message = self._inbox[id_]
            self._put(self._inbox, id_, (ord_, _replace(message, due=message.due - WAITING)))

    def _generation(self, instance: str, generation: int) -> dict[int, HistoryRow]:
        if (instance, generation) not in self._history:
            self._put(self._history, (instance, generation), {})
        return self._history[instance, generation]

    def _receive(self, message: Message) -> None:
        self._insert(self._inbox, message.id, (self._next_ord(), _replace(message, values=NO_VALUES)))

    def _hold(self, id_: str) -> None:
        if id_ in self._inbox:
            ord_, message = self._inbox[id_]
            self._put(self._inbox, id_, (ord_, _replace(message, held=True)))

    def _unhold(self, instance: str, count: int) -> None:
        for ord_, message in self._held(instance)[:count]:
            self._put(self._inbox, message.id, (ord_, _replace(message, held=False)))

    def _held(self, instance: str) -> list[tuple[int, Message]]:
        return [
            (ord_, message)
            for ord_, message in self._oldest()
            if message.held and message.instance == instance
        ]

    def _oldest(self) -> list[tuple[int, Message]]:
        return sorted(self._inbox.values(), key=lambda row: row[0])

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

    def load_open(self, slots: Iterable[int]) -> Takeover:
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

    def _results(self) -> Iterator[Key]:
        for id_, (_, message) in self._inbox.items():
            key = result_key(id_)
            if key is not None and message.kind in {"TaskCompleted", "TaskFailed"}:
                yield key

    def inbox(self, slots: Iterable[int], limit: int) -> list[Message]:
        with self._read():
            mine, now = frozenset(slots), self._clock.now()
            ready = (
                message
                for _, message in self._oldest()
                if message.slot in mine and message.due <= now and not message.held
            )
            return [
                _replace(message, values=self._values(message.instance, message.event))
                for message, _ in zip(ready, range(limit), strict=False)
            ]

    def timers(self, slots: Iterable[int], until: int, limit: int) -> list[TimerRow]:
        with self._read():
            mine = frozenset(slots)
            due = [timer for timer in self._timers.values() if timer.slot in mine and timer.due <= until]
            return sorted(due, key=lambda timer: (timer.due, timer.execution, timer.seq))[:limit]

    def next_timer(self, slots: Iterable[int]) -> int | None:
        with self._read():
            mine = frozenset(slots)
            timers = [timer.due for timer in self._timers.values() if timer.slot in mine]
            messages = [
                message.due
                for _, message in self._inbox.values()
                if message.slot in mine and not message.held and message.due > 0
            ]
            return min(timers + messages, default=None)

    def look_up(
        self,
        ids: Sequence[str],
        definitions: Sequence[tuple[str, str | None]],
        requests: Sequence[tuple[str, str, str]],
    ) -> LookUp:
        with self._read():
            versions = {key: self._definition(*key) for key in definitions}
            return LookUp(
                instances={id_: self._instances[id_] for id_ in ids if id_ in self._instances},
                definitions={key: found for key, found in versions.items() if found is not None},
                requests={key: self._requests[key] for key in requests if key in self._requests},
            )

    def _definition(self, name: str, version: str | None) -> Definition | None:
        if version is not None:
            return self._definitions.get((name, version))
        return next((one for one in self._definitions.values() if one.name == name and one.active), None)

    # -- tasks ------------------------------------------------------------------------------------

    def claim(
        self,
        worker: str,
        names: Sequence[str],
        private: Sequence[str],
        limit: int,
        max_deliveries: int,
        *,
        queues: Sequence[str] = (),
        suspects: int | None = None,
        after: str = "",
    ) -> list[TaskRow]:
        below = max_deliveries if suspects is None else min(SUSPECT, max_deliveries)

        def poison(now: int) -> list[TaskRow]:
            due = self._due(now, names, queues, private)
            due.sort(key=lambda task: (task.rank, *age(task)))
            return [task for task in due if task.deliveries >= max(max_deliveries, 2)][:limit]

        def choose(now: int, limit: int) -> list[TaskRow]:
            rates = {each.name: each.ready(now) for each in self._queues.values()}
            choice = Choice(limit, after, self._claimed, rates)
            due = self._due(now, names, queues, private)
            for rank in sorted({task.rank for task in due}):
                choice.take_in_turns(task for task in due if task.rank == rank and task.deliveries < below)
            again = [task for task in due if below <= task.deliveries < max_deliveries]
            again.sort(key=lambda task: (task.rank, *age(task)))
            for task in again[: min(choice.places, suspects or 0)]:
                choice.take(task)
            return choice.tasks

        with self._read():
            now = self._clock.now()
            if not limit or not (choose(now, 1) or poison(now)):
                return []
        claimed = []
        with self._fenced(worker) as now:
            for task in poison(now):
                self._bury(task, now)
            chosen = choose(now, limit)
            for task in chosen:
                taken = _replace(begun(task, now), worker=worker, deliveries=task.deliveries + 1)
                self._put(self._tasks, (task.execution, task.seq), taken)
                claimed.append(_replace(taken, values=self._values(task.instance, task.body)))
            for each in [*self._queues.values()]:
                if count := handed_out(chosen, each.name):
                    self._put(self._queues, each.name, each.after(now, count))
        return claimed

    def _due(
        self, now: int, names: Sequence[str], queues: Sequence[str], private: Sequence[str]
    ) -> list[TaskRow]:
        named = {"", *queues}
        return [
            task
            for task in self._tasks.values()
            if task.worker is None
            and task.due <= now
            and (task.queue in private or (task.queue in named and task.name in names))
        ]

    def _claimed(self, key: str) -> int:
        return sum(task.worker is not None and task.concurrency_key == key for task in self._tasks.values())

    def claimed_count(self, concurrency_key: str) -> int:
        with self._read():
            return self._claimed(concurrency_key)

    def queues(self) -> list[QueueRow]:
        with self._read():
            return [self._queues[name] for name in sorted(self._queues)]

    def set_queue(self, name: str, settings: QueueRow | None, audit: AuditEntry | None = None) -> None:
        with self._write():
            if settings is None:
                self._delete(self._queues, name)
            else:
                self._put(self._queues, name, settings)
            self._note(audit, self._clock.now())

    def _bury(self, task: TaskRow, now: int) -> None:
        self._delete(self._tasks, (task.execution, task.seq))
        self._answer(failure(task))
        self._add_letter(dead_letter(task, now))

    def _answer(self, message: Message) -> None:
        """A result that lies there already is not put there twice."""
        if message.id not in self._inbox:
            self._receive(message)

    def record(self, results: Sequence[Message], tasks: Sequence[tuple[str, int]]) -> None:
        with self._write():
            for key in tasks:
                self._delete(self._tasks, key)
            for message in results:
                self._answer(message)

    def claimed(self, worker: str) -> frozenset[tuple[str, int]]:
        with self._read():
            return frozenset(key for key, task in self._tasks.items() if task.worker == worker)

    def give_back(self, worker: str, tasks: Sequence[tuple[str, int]]) -> None:
        with self._write():
            for key in tasks:
                task = self._tasks.get(key)
                if task is not None and task.worker == worker:
                    self._put(self._tasks, key, _replace(task, worker=None, deliveries=task.deliveries - 1))

    def waiting_tasks(self, instance: str) -> list[TaskRow]:
        with self._read():
            waiting = [
                task for task in self._tasks.values() if task.instance == instance and task.worker is None
            ]
            return sorted(waiting, key=lambda task: (task.execution, task.seq))

    # -- clients ----------------------------------------------------------------------------------

    def deploy(
        self,
        entries: Sequence[tuple[Definition, str]],
        *,
        activate: bool = True,
        audit: Sequence[AuditEntry] = (),
    ) -> list[Definition | None]:
        with self._write():
            found = [self._definitions.get((each.name, each.version)) for each, _ in entries]
            if any(
                row is not None and row.digest != each.digest
                for row, (each, _) in zip(found, entries, strict=True)
            ):
                return found
            new = set[str]()
            for row, (each, program) in zip(found, entries, strict=True):
                if row is None:
                    self._insert(self._definitions, (each.name, each.version), _replace(each, active=False))
                    self._put(self._programs, each.program, self._programs.get(each.program, program))
                if row is None or not row.active:
                    new.add(f"{each.name}@{each.version}")
                if activate and not (row is not None and row.retired):
                    self._activate(each.name, each.version, new=row is None)
            for entry in audit:
                if entry.target in new:
                    self._note(entry, self._clock.now())
            return found

    def _activate(self, name: str, version: str, *, new: bool) -> None:
        for other in [one for one in self._definitions.values() if one.name == name]:
            active = other.version == version
            again = active and not other.active and not new
            at = self._clock.now() if again else other.activated_at
            changed = _replace(other, active=active, activated_at=at)
            self._put(self._definitions, (name, other.version), changed)

    def activate(self, name: str, version: str, audit: AuditEntry) -> Definition | None:
        with self._write():
            found = self._definitions.get((name, version))
            if found is not None and (found.retired or not found.active):
                self._put(self._definitions, (name, version), _replace(found, retired=False))
                self._activate(name, version, new=False)
                self._note(audit, self._clock.now())
            return found

    def retire(self, name: str, version: str, audit: AuditEntry) -> Definition | None:
        with self._write():
            found = self._definitions.get((name, version))
            if found is not None and not found.retired:
                self._put(self._definitions, (name, version), _replace(found, retired=True, active=False))
                self._note(audit, self._clock.now())
            return found

    def pin(self, digest: str, program: str) -> None:
        with self._write():
            self._put(self._programs, digest, self._programs.get(digest, program))

    def program(self, digest: str) -> str | None:
        with self._read():
            return self._programs.get(digest)

    def definitions(self, name: str | None = None) -> list[Definition]:
        with self._read():
            rows = [one for one in self._definitions.values() if name is None or one.name == name]
        rows.sort(key=lambda one: (one.created_at, one.version), reverse=True)
        return sorted(rows, key=lambda one: one.name)

    def start(
        self,
        instance: Instance,
        payload: PayloadRow,
        message: Message,
        request: Request | None,
        audit: AuditEntry | None = None,
        *,
        if_exists: IfExists = "reject",
        event: Message | None = None,
    ) -> Request | None:
        with self._write():
            if before := self._carried_out(request):
                return before
            present = self._instances.get(instance.id)
            outcome = on_start(instance.id, present, if_exists, tells=event is not None)
            if outcome == "nothing":
                return None
            if outcome == "tell" and event is not None:
                self._receive(event)
                return None
            if outcome == "replace" and present is not None:
                self._remove_family(present)
            self._insert(self._instances, instance.id, instance)
            self._keep(payload)
            for key, value in message.values.items():
                self._keep(PayloadRow(instance=instance.id, key=key, value=value))
            self._receive(message)
            if event is not None:
                self._receive(event)
            self._fill_places([instance], [])
            self._note(audit, self._clock.now())
            return None

    def send(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write():
            if before := self._carried_out(request):
                return before
            instance = self._instances.get(message.instance)
            if instance is None:
                raise NotFound(f"there is no instance {message.instance!r}")
            if instance.status.ended:
                raise Ended(f"instance {message.instance!r} has ended ({instance.status})")
            self._receive(message)
            self._note(audit, self._clock.now())
            return None

    def post(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write():
            if before := self._carried_out(request):
                return before
            self._receive(message)
            self._note(audit, self._clock.now())
            return None

    def forget_request(self, route: str, target: str, key: str) -> None:
        with self._write():
            self._delete(self._requests, (route, target, key))

    def reopen(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write():
            if before := self._carried_out(request):
                return before
            reopening.check(message, self._instances.get(message.instance))
            self._receive(message)
            self._note(audit, self._clock.now())
            return None

    def _carried_out(self, request: Request | None) -> Request | None:
        """The request under this key, if there is one; else the given one is written."""
        if request is None:
            return None
        key = (request.route, request.target, request.key)
        if key not in self._requests:
            self._remember(request, self._clock.now())
            return None
        return self._requests[key]

    def instance(self, instance_id: str) -> Instance | None:
        with self._read():
            return self._instances.get(instance_id)

    def in_inbox(self, message_id: str) -> bool:
        with self._read():
            return message_id in self._inbox

    def payloads(self, instance_id: str) -> dict[str, str]:
        with self._read():
            found = {
                row.key: row.value
                for row in self._payloads.values()
                if row.instance == instance_id and not is_key(row.key)
            }
            return {
                key: self._payloads[instance_id, text].value if is_key(text) else text
                for key, text in found.items()
            }

    def payload(self, instance_id: str, key: str) -> str | None:
        with self._read():
            row = self._payloads.get((instance_id, key))
            return None if row is None else row.value

    def instances(self, query: InstanceQuery) -> list[Instance]:
        with self._read():
            found = [one for one in self._instances.values() if _matches(one, query)]
        return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)[: query.limit]

    def history(self, instance_id: str, generation: int, after: int, limit: int) -> list[HistoryRow]:
        with self._read():
            rows = self._history.get((instance_id, generation), {})
            return [self._whole(rows[seq]) for seq in sorted(rows) if seq >= after][:limit]

    def audit(self, query: AuditQuery) -> list[AuditEntry]:
        with self._read():
            newest = [self._audit[ord_] for ord_ in sorted(self._audit, reverse=True)]
        return [entry for entry in newest if _wanted(entry, query)][: query.limit]

    # -- the store itself -------------------------------------------------------------------------

    def changed(self) -> bool:
        """Whether anything was written since the last call, by whomever."""
        with self._read():
            changed, self._changed = self._changed, False
            return changed

    def close(self) -> None:
        self._closed = True


def _wanted(entry: AuditEntry, query: AuditQuery) -> bool:
    return (
        query.target in (None, entry.target)
        and query.action in (None, entry.action)
        and query.actor in (None, entry.actor)
        and (query.before is None or entry.ord < query.before)
    )


def _matches(instance: Instance, query: InstanceQuery) -> bool:
    return (
        (not query.statuses or instance.status in query.statuses)
        and (query.name is None or instance.name == query.name)
        and (query.chunks or instance.chunk_of is None)
        and all(instance.tags.get(tag) == value for tag, value in query.tags)
        and (query.created_from is None or instance.created_at >= query.created_from)
        and (query.created_to is None or instance.created_at <= query.created_to)
        and (query.after is None or (instance.created_at, instance.id) < query.after)
    )


def _check(value: Any) -> None:
    """Refuse what no database takes. Raises ``Refused``."""
    match value:
        case str():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise Refused("A text is not valid Unicode: it has half of a surrogate pair.") from error
        case int():
            if not -(2**63) <= value < 2**63:
                raise Refused("A number does not fit into 64 bits.")
        case msgspec.Struct():
            for name in value.__struct_fields__:
                _check(getattr(value, name))
        case tuple() | list():
            for item in value:
                _check(item)
        case dict():
            for item in value.items():
                _check(item)
        case _:
            assert value is None, value
