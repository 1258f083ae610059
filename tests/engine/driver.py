"""A hub on one thread with virtual time: the real owner and a real store, and no thread, sleep or clock.

``Hub`` does what the worker does, step by step, and runs activities inline. Time stands still until
``advance``. Every commit is checked; ``check`` proves at the end that each history replays, every
prefix of it too, to the same decisions.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET

from perdure.compiler import compile_entity, compile_workflow
from perdure.compiler.encode import digest as encode_digest
from perdure.compiler.encode import encode
from perdure.compiler.ir import EntityProgram, Program
from perdure.dsl import Severity, load
from perdure.dsl.source import Source
from perdure.engine.activities import Registry
from perdure.engine.client import Client, Deployment
from perdure.engine.codec import encode_received, split_received, whole_events
from perdure.engine.entities import LinkedEntity, link_entity
from perdure.engine.entity_tasks import EntityTask
from perdure.engine.errors import Busy, FenceLost, OutcomeUnknown, Refused, StoreError
from perdure.engine.events import (
    Event,
    EventRaised,
    ExecutionCanceled,
    ExecutionMigrated,
    ExecutionRestarted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    OperationRequested,
    Received,
    StepResolved,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    ToEntity,
    kind,
)
from perdure.engine.executor import Executor, Limits
from perdure.engine.instance import Instance, Status, slot_of
from perdure.engine.linked import LinkedProgram, link
from perdure.engine.machine import LogLine, Machine
from perdure.engine.open_work import open_work
from perdure.engine.owner import Owner
from perdure.engine.programs import Programs
from perdure.engine.replay import replay
from perdure.engine.resolving import entity_kinds, look_up, look_up_versions
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import EntityRow, HistoryRow, Message, Request, TaskRow, Worker
from perdure.engine.tasks import HandedOver, Task, Work, work_in
from perdure.engine.turning import payload_rows
from tests.engine.prefixes import States, check_prefixes, state_of

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


class VirtualClock:
    """Microseconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


def compiled(text: str, name: str = "flow.perdure.yaml") -> LinkedProgram:
    """The Program of a document; a header is put before a bare list of steps.

    Fails the test with the diagnostics of a document that has errors.
    """
    return link(_workflow(name, whole(text)))


@lru_cache(maxsize=64)
def _workflow(name: str, text: str) -> Program:
    """Programs are values: what another test has compiled will do."""
    loaded = load(Source(name, text))
    wrong = [found for found in loaded.diagnostics if found.severity is Severity.ERROR]
    assert not wrong, "\n".join(f"{found.span} {found.code} {found.message}" for found in wrong)
    return compile_workflow(loaded.workflows[0])


@lru_cache(maxsize=64)
def _entity(text: str) -> EntityProgram:
    loaded = load(Source("entity.perdure.yaml", text))
    assert loaded.ok, loaded.diagnostics
    return compile_entity(loaded.entities[0])


def whole(text: str) -> str:
    """A document, with a header if it has none."""
    if text.lstrip().startswith("dsl:"):
        return text
    return "dsl: perdure/1\nname: flow\nversion: 1.0.0\n" + inspect.cleandoc(text)


def whole_entity(text: str) -> str:
    """The document of an entity, with a header if it has none."""
    if text.lstrip().startswith("dsl:"):
        return text
    return "dsl: perdure/1\nkind: entity\nversion: 1.0.0\n" + inspect.cleandoc(text)


def deployment(program: LinkedProgram) -> Deployment:
    """A Program as it is deployed."""
    code = program.program
    return Deployment(name=code.name, version=code.version, digest=program.digest, program=code, source="")


class Hub:
    """One worker's owner over a store. ``memory=0`` makes every turn begin from the database."""

    FIRST_ID = 1
    """Of workers, executions and messages: a database that others have written needs ids of its own."""

    def __init__(
        self,
        store: Store | None = None,
        *,
        clock: VirtualClock | None = None,
        memory: int = 64 << 20,
        worker: dict[str, Any] | None = None,
    ) -> None:
        self._describing = worker or {}
        self.clock = clock or VirtualClock()
        self.store = store if store is not None else MemoryStore(self.clock)
        self.memory = memory
        self.registry = Registry()
        self.calls: list[Task] = []
        """Every activity that was run, in order."""
        self.operations: list[EntityTask] = []
        """Everything that entities in Python were asked to do, in order."""
        self.logs: list[LogLine] = []
        self.queues: tuple[str, ...] = ()
        """Named queues that are served here."""
        self.after = ""
        self.places = 100
        """Tasks that are claimed at once."""
        self.manual = False
        """Leave activities in ``open`` instead of running them."""
        self.open: list[Task] = []
        self.canceled: list[tuple[str, int]] = []
        self.commits = 0
        self.answered: list[str] = []
        """Ids of clients' messages that are durable."""
        self.asked: list[str] = []
        """Ids of those whose clients have to ask again."""
        self.refusals: list[tuple[str, str]] = []
        """Ids of those that went nowhere, with the reason."""
        self.outcomes: dict[str, str] = {}
        """Answers of entities to clients of this process, by their messages' ids."""
        self.notes: list[str] = []
        """What only the log is told."""
        self._ids = itertools.count(self.FIRST_ID)
        self._lose = False
        self.programs = Programs(self.store.program)
        self.join()

    # -- the worker's part ------------------------------------------------------------------------

    def join(self) -> None:
        """Become a member under a new id, with an empty memory; whoever was before is declared dead."""
        present = [worker.id for worker in self.store.workers()]
        member = self._member()
        self.store.join(member, 10 * SECOND)
        for other in present:
            self._bury(other)
        self.owner = Owner(
            lambda name, queue: queue is None and name in self.registry.offered, memory=self.memory
        )
        self.executor = Executor(
            self.registry,
            self.programs.get,
            self._done,
            token_key=self.store.token_key,
            limits=Limits(1, 1, 1),
        )
        self._take_slots()

    def rejoin(self) -> None:
        """Take ourselves over under a new id, after a commit whose outcome is not known."""
        old = self.worker
        results, asked = self.owner.reset()
        self.asked += asked
        self.store.rejoin([old], self._member(), 10 * SECOND)
        self._take_slots()
        for instance, each in results:
            assert each.execution is not None, "a result answers an execution"
            self.owner.result(instance, each.execution, each.event)

    def _member(self) -> Worker:
        self.worker = f"worker-{next(self._ids)}"
        return Worker(id=self.worker, host="test", ir=1, **self._describing)

    def _take_slots(self) -> None:
        self.slots = self.store.take_slots(self.worker)
        takeover = self.store.load_open(self.slots)
        programs = self.programs.all({each.instance.digest for each in takeover.loaded})
        here = frozenset(task.id for task in self.open)
        self.owner.take_over(takeover, programs, here, self.store.time())

    def crash(self) -> None:
        """Lose everything that is only in memory, and start again."""
        self.open.clear()
        self.join()

    def _bury(self, worker: str) -> None:
        """Take over from a worker whose process is over."""
        assert isinstance(self.store, MemoryStore), "a process file would have to be made"
        self.store.kill(worker)
        self.store.take_over(self.worker, worker, None)

    def run(self, limit: int = 100_000) -> None:
        """Go on until nothing is left to do without time passing."""
        for _ in range(limit):
            if not self.round():
                return
        raise AssertionError(f"still busy after {limit} rounds")

    def round(self) -> bool:
        """One round of the worker; returns whether it did anything."""
        owner, store = self.owner, self.store
        now = store.time()
        self._write_heartbeats()
        owner.accept(store.inbox(self.slots, 1000 + owner.accepted))
        if owner.timers.horizon < now + 60 * SECOND:
            owner.timers.read(store.timers(self.slots, now + 120 * SECOND, 100_000), now + 120 * SECOND)
        owner.fire(now)
        asked = owner.asked(1000)
        if asked:
            owner.admit(asked, look_up(store, self.programs, asked), now)
        if types := owner.entities.types:
            owner.entities.define(entity_kinds(store, self.programs, types, self.registry.offered))
        entities = owner.entities.wanted()
        if entities:
            owner.entities.loaded(entities, store.load_entities(entities))
        wanted = owner.wanted()
        if wanted:
            found = store.load(wanted)
            suspended = {each.instance.digest for each in found if each.instance.status is Status.SUSPENDED}
            programs = self.programs.all(owner.digests(found), anew=suspended)
            owner.loaded(wanted, found, programs, now)
        owner.upgrades.forget()
        look_up_versions(store, self.programs, owner.upgrades)
        sealed = owner.run_ready(now)
        if sealed is not None:
            try:
                if self._lose:
                    self._lose = False
                    raise Busy
                store.commit(sealed.batch(self.worker))
            except StoreError as error:
                self.asked += owner.lost([sealed], refused=isinstance(error, Refused), now=now)
                if isinstance(error, FenceLost | OutcomeUnknown):
                    self.rejoin()
                return True
            self.commits += 1
            owner.applied(sealed)
            self.answered += sealed.answers
            self.refusals += sealed.refusals
            self.outcomes |= {key: request.answer for key, request in sealed.outcomes.items()}
            self.notes += sealed.own.notes
            self.logs += [line for _, line in sealed.logs]
            self.canceled += sealed.canceled
            self._start(sealed.activities)
        rows = [] if self.manual else self.claim()
        self._start([self._work(row) for row in rows])
        return sealed is not None or bool(wanted or entities) or bool(rows) or not owner.idle

    def _work(self, row: TaskRow) -> Work:
        task = work_in(row)
        if isinstance(task, Task):
            details = self.store.heartbeat_details(task.instance, task.execution, task.path)
            if details is not None:
                task = msgspec.structs.replace(task, details=msgspec.json.decode(details))
        return task

    def _write_heartbeats(self) -> None:
        tick = self.clock.now / SECOND
        beats = self.executor.heartbeats.due(tick)
        self.store.beat(self.worker, beats)
        self.executor.heartbeats.written(beats, tick)
        self.store.fail_silent(self.worker, 100)

    def claim(self) -> list[TaskRow]:
        """Take tasks from the table."""
        names = sorted(self.registry.offered)
        rows = self.store.claim(self.worker, names, (), self.places, 5, queues=self.queues, after=self.after)
        if rows:
            self.after = rows[-1].fairness_key
        return rows

    def _start(self, tasks: Sequence[Work]) -> None:
        for task in tasks:
            if isinstance(task, EntityTask):
                self.operations.append(task)
                if not self.manual:
                    self.carry_out(task)
                continue
            self.calls.append(task)
            if self.manual:
                self.open.append(task)
            else:
                self.finish(task)

    def carry_out(self, task: EntityTask) -> None:
        """Have an entity in Python carry out its operations, here and now; what comes is not taken yet."""
        entity = self.registry.entity(task.name)
        assert entity is not None, f"no entity {task.name}"
        self._done(task, self.executor.perform_operations(task, entity))

    def finish(self, task: Task) -> None:
        """Run one activity to its end, here and now; its result is not taken yet."""
        if task in self.open:
            self.open.remove(task)
        activity = self.registry.get(task.name)
        assert activity is not None, f"no activity {task.name}"
        context = self.executor.context_of(task)
        self.executor.heartbeats.begin(task, context)
        answer = self.executor.perform(task, activity, context)
        self.executor.heartbeats.end(task.id, well=isinstance(answer, TaskCompleted))
        self._done(task, answer)

    def _done(self, task: Work, event: Any) -> None:
        if isinstance(event, HandedOver):
            self.store.hand_over(self.worker, [task.id])
            self.owner.hand_over(event.row)
        else:
            self.owner.result(task.instance, task.execution, event)

    # -- the test's part --------------------------------------------------------------------------

    def activity(self, name: str, function: Callable[..., Any]) -> None:
        """Offer an activity."""
        self.registry.add(name, function)

    def start(self, text: str | LinkedProgram, input: Any = None, *, id: str = "i") -> str:
        """Start an instance of a document, as a client beside the owner would; nothing runs yet."""
        program = compiled(text) if isinstance(text, str) else text
        instance, event = self._new(program, input, id)
        *_, payload = payload_rows(id, "input", input)
        text, values = split_received(event)
        message = msgspec.structs.replace(self._message(id, event), event=text, values=values)
        self.store.start(instance, payload, message, None)
        return id

    def begin(self, text: str | LinkedProgram, input: Any = None, *, id: str = "i") -> str:
        """Start an instance as a client in this process does, without a row; returns the message's id."""
        program = compiled(text) if isinstance(text, str) else text
        instance, event = self._new(program, input, id)
        message = self._message(id, event)
        assert self.owner.start(instance, program, message, event, None), "another start is on its way"
        return message.id

    def say(self, event: Received, *, id: str = "i") -> str:
        """Send a message as a client of this very process does, without a row; returns its id."""
        message = self._message(id, event)
        self.owner.send(message, event, None)
        return message.id

    def deploy(self, text: str) -> LinkedProgram:
        """Deploy a document, so that others can start it by name."""
        program = compiled(text)
        Client(self.store).deploy([deployment(program)])
        return program

    def entity(self, text: str) -> LinkedEntity:
        """Deploy an entity; a header is put before its state and operations."""
        program = _entity(whole_entity(text))
        digest = encode_digest(program)
        Client(self.store).deploy(
            [
                Deployment(
                    name=program.name, version=program.version, digest=digest, program=program, source=""
                )
            ]
        )
        return link_entity(program)

    def tell(self, entity: str, event: ToEntity, *, request: Request | None = None) -> str:
        """Send a message to an entity as a client of this very process does; returns its id."""
        message = self._message(f"@{entity}", event)
        self.owner.post(message, event, request)
        return message.id

    def post(self, entity: str, event: ToEntity, *, due: int = 0) -> str:
        """Put a message into an entity's inbox; returns its id."""
        message = msgspec.structs.replace(self._message(f"@{entity}", event), due=due)
        self.store.post(message, None)
        return message.id

    def operate(self, entity: str, operation: str, input: Any = None) -> Any:
        """Call an entity as a client of this process does, now: its result, or its error as a list."""
        message_id = f"m{next(self._ids)}"
        request = Request(route="reply", target=f"@{entity}", key=message_id, fingerprint="", answer="")
        key = (request.route, request.target, request.key)
        event = OperationRequested(operation=operation, input=input, request=key)
        message = msgspec.structs.replace(self._message(f"@{entity}", event), id=message_id)
        self.owner.post(message, event, request)
        self.run()
        text = self.outcomes.get(message_id) or self.store.look_up([], [], [key]).requests[key].answer
        answer = msgspec.json.decode(text)
        return answer["result"] if "result" in answer else [answer["error"], answer["message"]]

    def row(self, entity: str) -> EntityRow | None:
        """The committed row of an entity."""
        return next(iter(self.store.load_entities([f"@{entity}"])), None)

    def state(self, entity: str) -> Any:
        """Its committed state; None when it has none."""
        row = self.row(entity)
        return None if row is None or row.state is None else msgspec.json.decode(row.state)

    def _new(self, program: LinkedProgram, input: Any, id: str) -> tuple[Instance, ExecutionStarted]:
        self.store.pin(program.digest, encode(program.program))
        execution = f"x{next(self._ids)}"
        now = self.store.time()
        instance = Instance(
            id=id,
            slot=slot_of(id),
            name=program.program.name,
            version=program.program.version,
            digest=program.digest,
            status=Status.PENDING,
            execution=execution,
            created_at=now,
            updated_at=now,
        )
        event = ExecutionStarted(
            execution=execution,
            name=instance.name,
            version=instance.version,
            digest=instance.digest,
            generation=1,
            key_seed=execution,
            input=input,
        )
        return instance, event

    def send(self, event: Received, *, id: str = "i") -> None:
        """Put a message into an instance's inbox."""
        self.store.send(self._message(id, event), None)

    def raise_event(self, name: str, payload: Any = None, *, id: str = "i") -> None:
        """Send an event."""
        self.send(EventRaised(name=name, input=payload), id=id)

    def suspend(self, reason: str | None = "test", *, id: str = "i") -> None:
        """Suspend an instance."""
        self.send(ExecutionSuspended(reason=reason), id=id)

    def resume(self, *, id: str = "i") -> None:
        """Resume an instance."""
        self.send(ExecutionResumed(), id=id)

    def cancel(self, reason: str | None = None, *, id: str = "i") -> None:
        """Cancel an instance."""
        self.send(ExecutionCanceled(reason=reason), id=id)

    def terminate(self, reason: str | None = None, *, id: str = "i") -> None:
        """Terminate an instance."""
        self.send(ExecutionTerminated(reason=reason), id=id)

    def resolve(self, path: str, result: Any = None, *, error: str | None = None, id: str = "i") -> None:
        """End the wait at a step by hand."""
        self.send(StepResolved(path=path, result=result, error=error), id=id)

    def restart(self, *, input: Any = UNSET, program: LinkedProgram | None = None, id: str = "i") -> None:
        """Order an instance that has ended to begin its next generation."""
        row = self.instance(id)
        if program is not None:
            self.store.pin(program.digest, encode(program.program))
        version = row.version if program is None else program.program.version
        digest = row.digest if program is None else program.digest
        value = msgspec.json.decode(self.store.payloads(id)["input"]) if input is UNSET else input
        event = ExecutionRestarted(version=version, digest=digest, input=value)
        self.store.reopen(self._message(id, event, row.execution), None)

    def rewind(self, reason: str | None = None, *, id: str = "i") -> None:
        """Order an instance that failed, or was terminated, to go on."""
        row = self.instance(id)
        self.store.reopen(self._message(id, ExecutionRewound(reason=reason), row.execution), None)

    def reopen(self, event: Received, *, id: str = "i") -> str:
        """Give an instance an order to go on, as a client of this very process does; returns its id."""
        message = self._message(id, event, self.instance(id).execution)
        self.owner.send(message, event, None)
        return message.id

    def lose_next(self) -> None:
        """Let the next commit fail, with nothing written."""
        self._lose = True

    def forget(self, *, id: str = "i") -> None:
        """Purge an instance that has ended."""
        assert isinstance(self.store, MemoryStore), "looks into the tables"
        with self.store._write():
            self.store._remove(self.instance(id))

    def _message(self, id: str, event: Received | ToEntity, execution: str | None = None) -> Message:
        return Message(
            id=f"m{next(self._ids)}",
            instance=id,
            slot=slot_of(id),
            kind=kind(event),
            event=encode_received(event),
            execution=execution,
        )

    def advance(self, seconds: float) -> None:
        """Let time pass, stopping at each timer that is due on the way, and run."""
        until = self.clock.now + round(seconds * SECOND)
        self.run()
        while True:
            # A timer that is due and still there belongs to an instance that is parked.
            due = [
                row.due for row in self.store.timers(self.slots, until, 100_000) if row.due > self.clock.now
            ]
            due += self._silences(until)
            if not due:
                break
            self.clock.now = min(due)
            self.run()
        self.clock.now = until
        self.run()

    def _silences(self, until: int) -> list[int]:
        """When tasks that run are called silent; ``MemoryStore`` only."""
        tasks = self.store._tasks.values() if isinstance(self.store, MemoryStore) else ()
        times = [task.silent_at for task in tasks if task.worker is not None and task.silent_at is not None]
        return [time for time in times if self.clock.now < time <= until]

    # -- what came of it --------------------------------------------------------------------------

    def instance(self, id: str = "i") -> Instance:
        """The committed row."""
        found = self.store.instance(id)
        assert found is not None, f"there is no instance {id}"
        return found

    def status(self, id: str = "i") -> str:
        """The committed status."""
        return str(self.instance(id).status)

    def output(self, id: str = "i") -> Any:
        """The output of an instance that completed."""
        assert self.status(id) == "Completed", (self.status(id), self.store.payloads(id).get("error"))
        return msgspec.json.decode(self.store.payloads(id)["output"])

    def error(self, id: str = "i") -> dict[str, Any]:
        """The error of an instance that failed or was canceled."""
        assert self.status(id) in {"Failed", "Canceled"}, (
            self.status(id),
            self.store.payloads(id).get("output"),
        )
        return msgspec.json.decode(self.store.payloads(id)["error"], type=dict[str, Any])

    def rows(self, id: str = "i", generation: int | None = None) -> list[HistoryRow]:
        """The history of a generation, the present one by default."""
        generation = self.instance(id).generation if generation is None else generation
        return self.store.history(id, generation, 0, 1_000_000)

    def events(self, id: str = "i", generation: int | None = None) -> list[Event]:
        """Its events."""
        return [event for row in self.rows(id, generation) for event in whole_events(row.events, row.values)]

    def kinds(self, id: str = "i") -> list[str]:
        """The names of its events."""
        return [kind(event) for event in self.events(id)]

    def errors(self, id: str = "i") -> list[TaskFailed]:
        """The failures of activities in the present generation, in order."""
        return [event for event in self.events(id) if isinstance(event, TaskFailed)]

    def scheduled(self, id: str = "i") -> list[TaskScheduled]:
        """The attempts of activities in the present generation, in order."""
        return [event for event in self.events(id) if isinstance(event, TaskScheduled)]

    def live(self, id: str = "i") -> Machine | None:
        """The machine that the owner has in memory, if it is as the last commit left it."""
        hot = self.owner._hot.get(id)
        if hot is None or hot.running is None or hot.uncommitted:
            return None
        same = hot.running.instance.execution == self.instance(id).execution
        return hot.running.machine if same else None

    def leftovers(self, id: str = "i") -> list[Any]:
        """Rows of work, waits and messages that the store has for an instance; ``MemoryStore`` only."""
        store = self.store
        assert isinstance(store, MemoryStore), "looks into the tables"
        messages = (row for _, row in store._inbox.values())
        tables = (store._timers.values(), store._tasks.values(), store._subscriptions.values(), messages)
        return [row for table in tables for row in table if row.instance == id]

    def check(self, id: str = "i", states: States | None = None) -> int:
        """Each kept generation replays from every prefix of its history, to the very same decisions.

        What is in memory is what the history adds up to, and so were the ``states`` that are known of each
        id and execution. Returns how many prefixes there are.
        An instance that has ended has nothing open, and no row of work or of messages any more.
        """
        instance = self.instance(id)
        if instance.status.ended:
            if isinstance(self.store, MemoryStore):
                assert not self.leftovers(id), self.leftovers(id)
            if instance.status is not Status.TERMINATED:
                left = open_work(self.rows(id))
                assert (left.tasks, left.timers, left.questions) == ({}, set(), {})
        replayed = replay(self.programs.get(instance.digest), id, self.rows(id))
        live = self.live(id)
        assert live is None or state_of(live) == state_of(replayed), "memory and history differ"
        if isinstance(self.store, MemoryStore):
            found = {key for key, row in self.store._subscriptions.items() if row.instance == id}
            assert found <= {(instance.execution, number) for number in replayed.state.subscriptions}
        count = 0
        for generation in range(1, instance.generation + 1):
            events, rows = self.events(id, generation), self.rows(id, generation)
            pins = [each for each in events if isinstance(each, ExecutionStarted | ExecutionMigrated)]
            program = self.programs.get(pins[-1].digest if pins else instance.digest)
            execution = next((each.execution for each in pins if isinstance(each, ExecutionStarted)), "")
            count += check_prefixes(program, id, rows, (states or {}).get((id, execution)))
        return count
