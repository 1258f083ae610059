"""What the SQL stores share: every promise of ``protocol`` as Core statements in a transaction.

A dialect adds how a transaction begins and ends, what time it is, and how one knows that another worker's
process is over.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec

from perdure.engine import reopening
from perdure.engine.errors import Ended, FenceLost, NotFound, Refused
from perdure.engine.instance import MAX_ID, Instance
from perdure.engine.store import commit, listing, places, purge, values
from perdure.engine.store import statements as s
from perdure.engine.store.api_keys import SqlApiKeys
from perdure.engine.store.auditing import write_audit
from perdure.engine.store.counting import SqlCounting
from perdure.engine.store.entities import SqlEntities
from perdure.engine.store.grooming import SqlGrooming
from perdure.engine.store.lanes import NEVER, again, choose, claimed_count, lanes_of, waiting
from perdure.engine.store.letters import SqlLetters
from perdure.engine.store.moving import SqlMoving
from perdure.engine.store.notices import Untold
from perdure.engine.store.poison import SUSPECT, dead_letter, failure, result_key
from perdure.engine.store.races import retried
from perdure.engine.store.records import (
    from_instance,
    from_tags,
    from_worker,
    to_audit,
    to_definition,
    to_history,
    to_instance,
    to_message,
    to_queue,
    to_task,
    to_timer,
    to_worker,
)
from perdure.engine.store.repeats import carried_out, find_requests
from perdure.engine.store.reuse import on_start
from perdure.engine.store.rows import (
    AuditEntry,
    AuditQuery,
    Batch,
    Definition,
    HistoryRow,
    IfExists,
    InstanceQuery,
    Key,
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
)
from perdure.engine.store.schedules import NEXT_SCHEDULE, SqlSchedules
from perdure.engine.store.signs import SqlSigns, begun
from perdure.engine.store.subscriptions import SqlSubscriptions
from perdure.engine.store.transaction import Transaction

INSTANCES_AT_ONCE = 20_000
"""That one statement looks at, of very many: all of them would take longer than a lease."""
LAST_ID = chr(0x10FFFF) * MAX_ID
FORGET_WORKERS_AFTER = 24 * 3600 * 1_000_000
"""Rows of dead workers are kept this long (microseconds), so that one can see what happened."""


class SqlStore(
    SqlApiKeys,
    SqlCounting,
    SqlEntities,
    SqlGrooming,
    SqlLetters,
    SqlMoving,
    SqlSchedules,
    SqlSigns,
    SqlSubscriptions,
    Untold,
    ABC,
):
    """A hub in an SQL database."""

    # -- what a dialect adds ----------------------------------------------------------------------

    @abstractmethod
    def time(self) -> int:
        """The store's time."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Transaction]:
        """A transaction that reads one snapshot."""

    @abstractmethod
    def _write(
        self, *, quiet: bool = False, member: str | None = None
    ) -> AbstractContextManager[Transaction]:
        """A transaction that is committed at the end of the block and undone by an exception.

        ``quiet`` if it is nothing that ``changed`` should tell. ``member`` is the worker whose membership the
        transaction begins or rests on.
        """

    @abstractmethod
    def _fence(self, tx: Transaction, worker: str, lease: int | None) -> int | None:
        """The store's time, if the worker is live, which it stays until the end of the transaction.

        ``lease`` (microseconds) renews its membership.
        """

    @abstractmethod
    def _joining_time(self, tx: Transaction) -> int:
        """The store's time, which a membership begins with."""

    @abstractmethod
    def _enter(self, worker: str, lease: int) -> None:
        """Make it visible that the worker's process lives; before its row is written."""

    @abstractmethod
    def _exit(self, worker: str) -> None:
        """Remove what ``_enter`` left, of a worker that is not live any more."""

    @abstractmethod
    def _surely_over(self, worker: str) -> bool:
        """Whether the worker's process is certainly over."""

    # -- membership -------------------------------------------------------------------------------

    @contextmanager
    def _fenced(self, worker: str, lease: int | None = None) -> Iterator[Transaction]:
        with self._write(quiet=True, member=worker) as tx:
            now = self._fence(tx, worker, lease)
            if now is None:
                raise FenceLost(f"The worker {worker!r} is not a live member of the hub.")
            tx.now = now
            yield tx

    def join(self, worker: Worker, lease: int) -> None:
        with self._entering(worker.id, lease), self._write(member=worker.id) as tx:
            self._insert_worker(tx, worker, lease)

    def rejoin(self, old: Sequence[str], worker: Worker, lease: int) -> frozenset[int]:
        with self._entering(worker.id, lease), self._write(member=worker.id) as tx:
            self._insert_worker(tx, worker, lease)
            for id_ in old:
                tx.run(s.WORKER_STATE, the_id=id_, state="dead")
                tx.run(s.SLOTS_PASS, the_owner=id_, owner=worker.id)
                tx.run(s.TASKS_PASS, the_worker=id_, worker=worker.id)
            slots = _slots_of(tx, worker.id)
        for id_ in old:
            self._exit(id_)
        return slots

    @contextmanager
    def _entering(self, worker: str, lease: int) -> Iterator[None]:
        self._enter(worker, lease)
        try:
            yield
        except BaseException:
            self._exit(worker)
            raise

    def _insert_worker(self, tx: Transaction, worker: Worker, lease: int) -> None:
        now = self._joining_time(tx)
        row = msgspec.structs.replace(worker, state="live", lease_until=now + lease, joined_at=now)
        tx.run(s.WORKER_FORGET, before=now - FORGET_WORKERS_AFTER)
        tx.mappings(s.WORKER_INSERT, [from_worker(row)])

    def leave(self, worker: str) -> None:
        with self._write() as tx:
            if tx.run(s.WORKER_STATE, the_id=worker, state="left"):
                tx.run(s.SLOTS_FREE, the_owner=worker)
                tx.run(s.TASKS_FREE, the_worker=worker)
        self._exit(worker)

    def workers(self) -> list[Worker]:
        with self._read() as tx:
            return [to_worker(row) for row in tx.rows(s.WORKERS)]

    def gone(self, worker: str) -> list[str]:
        return [other.id for other in self.workers() if other.id != worker and self._surely_over(other.id)]

    def take_over(self, worker: str, victim: str, seen_lease: int | None) -> bool:
        with self._fenced(worker) as tx:
            leases: dict[str, int] = dict(tx.rows(s.RIVALS, worker=worker, victim=victim))
            if len(leases) < 2:
                return False
            expired = leases[victim] == seen_lease and leases[victim] < tx.now
            if not (self._surely_over(victim) if seen_lease is None else expired):
                return False
            tx.run(s.WORKER_STATE, the_id=victim, state="dead")
            tx.run(s.SLOTS_CRASHED, the_owner=victim)
            tx.run(s.TASKS_FREE, the_worker=victim)
        self._exit(victim)
        return True

    def take_slots(self, worker: str, slots: Collection[int] | None = None) -> frozenset[int]:
        with self._fenced(worker) as tx:
            tx.lock("slots")
            if slots is None:
                tx.run(s.SLOTS_TAKE_ALL, owner=worker)
            else:
                tx.run(s.SLOTS_TAKE, owner=worker, slots=sorted(slots))
            return _slots_of(tx, worker)

    def release_slots(self, worker: str, slots: Collection[int], tasks: Sequence[TaskRow]) -> None:
        with self._fenced(worker) as tx:
            rows = sorted(tasks, key=lambda task: (task.execution, task.seq))
            tx.structs(s.TASK_INSERT, [msgspec.structs.replace(task, worker=worker) for task in rows])
            given = sorted(set(slots))
            if tx.run(s.SLOTS_RELEASE, the_owner=worker, slots=given) != len(given):
                raise Refused(f"The worker {worker!r} does not own all of the slots.")

    def slot_owners(self) -> dict[int, str]:
        with self._read() as tx:
            return dict(tx.rows(s.SLOT_OWNERS))

    @retried
    def drain(self, worker: str, audit: AuditEntry | None = None) -> bool:
        with self._write() as tx:
            found = tx.run(s.WORKER_DRAIN, the_id=worker) > 0
            write_audit(tx, [audit] if found else [])
            return found

    def crashes(self, worker: str) -> dict[int, int]:
        with self._read() as tx:
            return dict(tx.rows(s.SLOTS_CRASHES, the_owner=worker))

    def calm(self, worker: str) -> None:
        with self._fenced(worker) as tx:
            tx.run(s.SLOTS_CALM, the_owner=worker)

    def begin_turn(self, worker: str, instance_id: str) -> int:
        with self._fenced(worker) as tx:
            tx.run(s.SUSPECT_BEGIN, the_id=instance_id)
            row = tx.row(s.SUSPECT, the_id=instance_id)
            return 0 if row is None else int(row[0])

    def suspected(self) -> dict[str, int]:
        with self._read() as tx:
            return dict(tx.rows(s.SUSPECTED))

    def owned_slots(self) -> dict[str, int]:
        with self._read() as tx:
            return dict(tx.rows(s.SLOTS_OWNED))

    # -- turns ------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> int:
        with self._fenced(batch.worker, batch.lease) as tx:
            commit.write(tx, batch)
            return tx.now

    def load(self, ids: Sequence[str]) -> list[Loaded]:
        with self._read() as tx:
            found = tx.rows_each(s.INSTANCE, [{"the_id": id_} for id_ in dict.fromkeys(ids)])
            return _loaded(tx, [to_instance(row) for rows in found for row in rows])

    def load_open(self, slots: Iterable[int], between: Callable[[], None] | None = None) -> Takeover:
        mine, after = frozenset(slots), ""
        loaded: list[Loaded] = []
        tasks, results = set[Key](), set[Key]()
        while after != LAST_ID:
            with self._read() as tx:
                row = tx.row(s.INSTANCE_FURTHER_ON, after=after, by=INSTANCES_AT_ONCE)
                last = LAST_ID if row is None else str(row[0])
                rows = tx.rows_of_slots(s.INSTANCES_OPEN, mine, after=after, last=last)
                some = _loaded(tx, [to_instance(row) for row in rows])
                executions = [one.instance.execution for one in some]
                loaded += some
                tasks |= _task_keys(tx, executions)
                results |= _result_keys(tx, executions)
            after = last
            if between is not None and after != LAST_ID:
                between()
        return Takeover(loaded=tuple(loaded), tasks=frozenset(tasks), results=frozenset(results))

    def inbox(self, slots: Iterable[int], limit: int) -> list[Message]:
        with self._read() as tx:
            mine = frozenset(slots)
            rows = tx.rows_of_slots(s.INBOX_READY, mine, limit=limit)
            timed = tx.rows_of_slots(s.INBOX_TIMED, mine, limit=limit, now=tx.now)
            if timed:
                rows = sorted(rows + timed)[:limit]
            return values.of_messages(tx, [to_message(row[1:]) for row in rows])

    def timers(self, slots: Iterable[int], until: int, limit: int) -> list[TimerRow]:
        with self._read() as tx:
            rows = tx.rows_of_slots(s.TIMERS_DUE, frozenset(slots), until=until, limit=limit)
            return [to_timer(row) for row in rows]

    def next_timer(self, slots: Iterable[int]) -> int | None:
        with self._read() as tx:
            mine = frozenset(slots)
            rows = tx.rows_of_slots(s.NEXT_TIMER, mine) + tx.rows_of_slots(s.NEXT_MESSAGE, mine)
            return min((due for (due,) in rows), default=None)

    def next_delayed(self, slots: Iterable[int], after: int) -> int | None:
        with self._read() as tx:
            mine = frozenset(slots)
            rows = tx.rows_of_slots(s.NEXT_DELAYED, mine, after=after)
            rows += tx.rows_of_slots(NEXT_SCHEDULE, mine, after=after)
            return min((due for (due,) in rows), default=None)

    def look_up(
        self,
        ids: Sequence[str],
        definitions: Sequence[tuple[str, str | None]],
        requests: Sequence[tuple[str, str, str]],
    ) -> LookUp:
        with self._read() as tx:
            rows = tx.rows_each(s.INSTANCE, [{"the_id": id_} for id_ in ids])
            versions = {key: _definition(tx, *key) for key in definitions}
            answers = find_requests(tx, requests)
        return LookUp(
            instances={id_: to_instance(row) for id_, found in zip(ids, rows, strict=True) for row in found},
            definitions={key: found for key, found in versions.items() if found is not None},
            requests=answers,
        )

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
        with self._read() as tx:
            # Most looks find nothing: they must not queue with those who write, nor look into each lane.
            if not limit or tx.row(s.ANY_WAITING) is None:
                return []
            lanes = lanes_of(tx, names, queues, private)
            if not waiting(tx, lanes, after, below, max_deliveries, suspects or 0):
                return []
        with self._fenced(worker) as tx:
            lanes = lanes_of(tx, names, queues, private)
            _poison(tx, again(tx, lanes, limit, max_deliveries, NEVER))
            claimed = choose(tx, lanes, limit, after, below, max_deliveries, suspects or 0)
            claimed = [begun(task, tx.now) for task in claimed]
            tx.tuples(s.TASK_CLAIM, [(worker, task.silent_at, task.execution, task.seq) for task in claimed])
            claimed = values.of_tasks(tx, claimed)
        return [
            msgspec.structs.replace(task, worker=worker, deliveries=task.deliveries + 1) for task in claimed
        ]

    def claimed_count(self, concurrency_key: str) -> int:
        with self._read() as tx:
            return claimed_count(tx, concurrency_key)

    def queues(self) -> list[QueueRow]:
        with self._read() as tx:
            return [to_queue(row) for row in tx.rows(s.QUEUES)]

    @retried
    def set_queue(self, name: str, settings: QueueRow | None, audit: AuditEntry | None = None) -> None:
        with self._write() as tx:
            if settings is None:
                tx.run(s.QUEUE_DELETE, the_name=name)
            else:
                tx.structs(s.QUEUE_PUT, [settings])
            write_audit(tx, [audit])

    @retried
    def record(self, results: Sequence[Message], tasks: Sequence[tuple[str, int]]) -> None:
        with self._write() as tx:
            tx.tuples(s.TASK_DELETE, sorted(tasks))
            tx.structs(s.INBOX_INSERT_NEW, results)

    def claimed(self, worker: str) -> frozenset[tuple[str, int]]:
        with self._read() as tx:
            return frozenset(
                (execution, seq) for execution, seq in tx.rows(s.TASKS_CLAIMED, the_worker=worker)
            )

    @retried
    def give_back(self, worker: str, tasks: Sequence[tuple[str, int]]) -> None:
        with self._write() as tx:
            tx.tuples(s.TASK_GIVE_BACK, [(*key, worker) for key in sorted(tasks)])

    def waiting_tasks(self, instance: str) -> list[TaskRow]:
        with self._read() as tx:
            return [to_task(row) for row in tx.rows(s.TASKS_WAITING, the_instance=instance)]

    # -- clients ----------------------------------------------------------------------------------

    @retried
    def deploy(
        self,
        entries: Sequence[tuple[Definition, str]],
        *,
        activate: bool = True,
        audit: Sequence[AuditEntry] = (),
    ) -> list[Definition | None]:
        with self._write() as tx:
            tx.lock("definitions")
            found = [_definition(tx, each.name, each.version) for each, _ in entries]
            if any(
                row is not None and row.digest != each.digest
                for row, (each, _) in zip(found, entries, strict=True)
            ):
                return found
            for row, (each, program) in zip(found, entries, strict=True):
                if row is None:
                    tx.structs(s.DEFINITION_INSERT, [msgspec.structs.replace(each, active=False)])
                    tx.run(s.PROGRAM_PUT, digest=each.program, program=program)
                if activate and not (row is not None and row.retired):
                    if row is not None:
                        tx.run(s.DEFINITION_AGAIN, the_name=each.name, the_version=each.version, now=tx.now)
                    tx.run(s.DEFINITION_ACTIVATE, the_name=each.name, version=each.version)
            new = {
                f"{each.name}@{each.version}"
                for row, (each, _) in zip(found, entries, strict=True)
                if row is None or not row.active
            }
            write_audit(tx, [entry for entry in audit if entry.target in new])
            return found

    @retried
    def activate(self, name: str, version: str, audit: AuditEntry) -> Definition | None:
        with self._write() as tx:
            tx.lock("definitions")
            found = _definition(tx, name, version)
            if found is not None and (found.retired or not found.active):
                tx.run(s.DEFINITION_REVIVE, the_name=name, the_version=version)
                tx.run(s.DEFINITION_AGAIN, the_name=name, the_version=version, now=tx.now)
                tx.run(s.DEFINITION_ACTIVATE, the_name=name, version=version)
                write_audit(tx, [audit])
            return found

    @retried
    def retire(self, name: str, version: str, audit: AuditEntry) -> Definition | None:
        with self._write() as tx:
            tx.lock("definitions")
            found = _definition(tx, name, version)
            if found is not None and not found.retired:
                tx.run(s.DEFINITION_RETIRE, the_name=name, the_version=version)
                write_audit(tx, [audit])
            return found

    @retried
    def pin(self, digest: str, program: str) -> None:
        with self._write() as tx:
            tx.run(s.PROGRAM_PUT, digest=digest, program=program)

    def program(self, digest: str) -> str | None:
        with self._read() as tx:
            row = tx.row(s.PROGRAM, the_digest=digest)
        return None if row is None else str(row[0])

    def definitions(
        self,
        name: str | None = None,
        *,
        after: tuple[str, int, str] | None = None,
        limit: int | None = None,
    ) -> list[Definition]:
        with self._read() as tx:
            if limit is not None:
                rows = tx.rows_once(s.definitions(name, after, limit))
            elif name is None:
                rows = tx.rows(s.DEFINITIONS)
            else:
                rows = tx.rows(s.DEFINITIONS_NAMED, the_name=name)
            return [to_definition(row) for row in rows]

    @retried
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
        with self._write() as tx:
            if before := carried_out(tx, request):
                return before
            row = tx.row(s.INSTANCE, the_id=instance.id)
            present = None if row is None else to_instance(row)
            outcome = on_start(instance.id, present, if_exists, tells=event is not None)
            if outcome == "nothing":
                return None
            told = () if event is None else (event,)
            if outcome == "tell":
                tx.structs(s.INBOX_INSERT, told)
                return None
            if outcome == "replace" and present is not None:
                purge.remove(tx, purge.family(tx, present).ended)
            places.lock(tx, [instance])
            tx.mappings(s.INSTANCE_INSERT, [from_instance(instance)])
            tx.mappings(s.TAGS_INSERT, from_tags([instance]))
            tx.structs(s.PAYLOAD_PUT, [payload, *values.of_start(message)])
            tx.structs(s.INBOX_INSERT, [message, *told])
            places.fill(tx, [instance], [])
            write_audit(tx, [audit])
            return None

    @retried
    def send(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write() as tx:
            if before := carried_out(tx, request):
                return before
            row = tx.row(s.INSTANCE, the_id=message.instance)
            if row is None:
                raise NotFound(f"there is no instance {message.instance!r}")
            if (status := to_instance(row).status).ended:
                raise Ended(f"instance {message.instance!r} has ended ({status})")
            tx.structs(s.INBOX_INSERT, [message])
            write_audit(tx, [audit])
            return None

    @retried
    def reopen(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write() as tx:
            if before := carried_out(tx, request):
                return before
            row = tx.row(s.INSTANCE, the_id=message.instance)
            reopening.check(message, None if row is None else to_instance(row))
            tx.structs(s.INBOX_INSERT, [message])
            write_audit(tx, [audit])
            return None

    @retried
    def post(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write() as tx:
            if before := carried_out(tx, request):
                return before
            tx.structs(s.INBOX_INSERT, [message])
            write_audit(tx, [audit])
            return None

    @retried
    def forget_request(self, route: str, target: str, key: str) -> None:
        with self._write() as tx:
            tx.run(s.REQUEST_FORGET, the_route=route, the_target=target, the_key=key)

    def instance(self, instance_id: str) -> Instance | None:
        with self._read() as tx:
            row = tx.row(s.INSTANCE, the_id=instance_id)
        return None if row is None else to_instance(row)

    def in_inbox(self, message_id: str) -> bool:
        with self._read() as tx:
            return tx.row(s.MESSAGE, the_id=message_id) is not None

    def payloads(self, instance_id: str) -> dict[str, str]:
        with self._read() as tx:
            return values.payloads(tx, [instance_id])[instance_id]

    def with_payloads(self, ids: Sequence[str]) -> dict[str, tuple[Instance, dict[str, str]]]:
        with self._read() as tx:
            rows = tx.rows_each(s.INSTANCE, [{"the_id": each} for each in ids])
            there = {id_: to_instance(row) for id_, found in zip(ids, rows, strict=True) for row in found}
            texts = values.payloads(tx, list(there))
        return {id_: (instance, texts[id_]) for id_, instance in there.items()}

    def payload(self, instance_id: str, key: str) -> str | None:
        with self._read() as tx:
            row = tx.row(s.PAYLOAD, the_instance=instance_id, the_key=key)
        return None if row is None else str(row[0])

    def instances(self, query: InstanceQuery) -> list[Instance]:
        with self._read() as tx:
            rows = self._near(tx, query) or tx.rows_once(listing.instances(query))
            return [to_instance(row) for row in rows]

    def _near(self, tx: Transaction, query: InstanceQuery) -> list[tuple[Any, ...]] | None:
        """All that a list has, if it is worth a look and found by one at the first instances alone."""
        return None

    def history(self, instance_id: str, generation: int, after: int, limit: int) -> list[HistoryRow]:
        with self._read() as tx:
            rows = tx.rows(
                s.HISTORY, the_instance=instance_id, the_generation=generation, after=after, limit=limit
            )
            return values.of_history(tx, [to_history(row) for row in rows])

    def audit(self, query: AuditQuery) -> list[AuditEntry]:
        with self._read() as tx:
            return [to_audit(row) for row in tx.rows_once(s.audit(query))]


def _slots_of(tx: Transaction, worker: str) -> frozenset[int]:
    return frozenset(slot for (slot,) in tx.rows(s.SLOTS_OF, the_owner=worker))


def _loaded(tx: Transaction, instances: Sequence[Instance]) -> list[Loaded]:
    generations = [{"the_instance": each.id, "the_generation": each.generation} for each in instances]
    histories = tx.rows_each(s.HISTORY_ALL, generations)
    held = tx.rows_each(s.HELD_COUNT, [{"the_instance": each.id} for each in instances])
    found = []
    for instance, rows, ((count,),) in zip(instances, histories, held, strict=True):
        history = values.of_history(tx, [to_history(row) for row in rows])
        found.append(_with_first(tx, Loaded(instance=instance, history=tuple(history), held=count)))
    return found


def _with_first(tx: Transaction, found: Loaded) -> Loaded:
    """With the message that begins its generation, if none of its history has."""
    first = None if found.begun else tx.row(s.MESSAGE, the_id=places.start_id(found.instance.execution))
    if first is None:
        return found
    return msgspec.structs.replace(found, first=values.of_messages(tx, [to_message(first)])[0])


def _task_keys(tx: Transaction, executions: Sequence[str]) -> frozenset[Key]:
    found = tx.rows_each(s.TASKS_OF_EXECUTION, [{"the_execution": each} for each in executions])
    return frozenset((each, seq) for each, rows in zip(executions, found, strict=True) for (seq,) in rows)


def _result_keys(tx: Transaction, executions: Sequence[str]) -> frozenset[Key]:
    """Ids that begin with the execution and a slash: ``0`` is the character after the slash."""
    ranges = [{"first": f"{each}/", "end": f"{each}0"} for each in executions]
    found = tx.rows_each(s.RESULTS_IN_INBOX, ranges)
    keys = ((each, result_key(id_)) for each, rows in zip(executions, found, strict=True) for (id_,) in rows)
    return frozenset(key for each, key in keys if key is not None and key[0] == each)


def _definition(tx: Transaction, name: str, version: str | None) -> Definition | None:
    if version is None:
        row = tx.row(s.DEFINITION_ACTIVE, the_name=name)
    else:
        row = tx.row(s.DEFINITION, the_name=name, the_version=version)
    return None if row is None else to_definition(row)


def _poison(tx: Transaction, tasks: Sequence[TaskRow]) -> None:
    tx.tuples(s.TASK_DELETE, [(task.execution, task.seq) for task in tasks])
    tx.structs(s.INBOX_INSERT_NEW, [failure(task) for task in tasks])
    tx.structs(s.DEAD_LETTER_INSERT, [dead_letter(task, tx.now) for task in tasks])
