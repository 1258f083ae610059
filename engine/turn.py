"""One turn: what an instance has received, given to its machine, and everything to be written of it.

Pure. A turn changes ``Running`` in memory and says in ``Turn`` what the database must do; nothing of
it may be shown or acted on before that is committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from perdure.engine import forking, keys, outgoing, rerun, rewinding
from perdure.engine.codec import decode_events, decode_received, split_events, stored_value
from perdure.engine.events import (
    PARENTAL,
    REOPENING,
    RESULTS,
    Asker,
    ContinueAsNew,
    Decided,
    EntityLockRequested,
    EntityUnlockSent,
    Event,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionForked,
    ExecutionMigrated,
    ExecutionRestarted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    ParentAttached,
    Received,
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
)
from perdure.engine.instance import LEGAL, Instance, Status
from perdure.engine.linked import LinkedProgram, encode_json
from perdure.engine.machine import LogLine, Machine
from perdure.engine.replay import replay
from perdure.engine.rerun import CannotGoOn, Rerun
from perdure.engine.retention import purge_at
from perdure.engine.state import Question
from perdure.engine.store.rows import HistoryRow, Loaded, Message, PayloadRow, SubscriptionRow
from perdure.engine.upgrading import Upgrades, wanted_next

GENERATIONS_A_TURN = 16
"""A generation that waits for nothing is followed at once; after so many in one turn, others go first."""


class Input(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something for an instance. ``message`` is the inbox row that says it too, if there is one.

    ``stored``: that row is in the database; else it is to be written unless a turn of the same batch
    takes the input. An input without a message (a timer, a local result) is known otherwise.
    """

    event: Received
    execution: str | None = None
    message: Message | None = None
    stored: bool = False


class Turn(msgspec.Struct, kw_only=True):
    """What came of one turn, in terms of rows that are to be written.

    ``found`` is the instance's row before it, ``instance`` after it. ``tasks`` and ``timers`` were made,
    ``tasks_closed`` and ``timers_closed`` are keys that are open no more; so with ``subscriptions``.
    ``queue`` is the private queue of the tasks. ``payloads_dropped`` are keys of values that are true no
    more, and ``rewrites`` says that this is the whole history of its generation. ``taken`` inputs are in the
    history, ``refused`` ones went nowhere, with the reason. ``start`` is the next generation's first event,
    when it was left to a turn of its own, and ``left`` are the inputs that come after it.
    """

    found: Instance
    instance: Instance
    history: list[HistoryRow] = []
    taken: list[Input] = []
    left: list[Input] = []
    refused: list[tuple[Input, str]] = []
    tasks: list[tuple[str, int, TaskScheduled]] = []
    queue: str | None = None
    tasks_closed: list[tuple[str, int]] = []
    timers: list[tuple[str, int, int]] = []
    timers_closed: list[tuple[str, int]] = []
    subscriptions: list[SubscriptionRow] = []
    subscriptions_closed: list[tuple[str, int]] = []
    unsubscribes: bool = False
    payloads: list[PayloadRow] = []
    payloads_dropped: list[str] = []
    rewrites: bool = False
    logs: list[LogLine] = []
    start: ExecutionStarted | None = None
    outgoing: list[Message] = []


class Running:
    """An instance in its owner's memory, ``at`` its last time.

    ``past`` is the history of one that has ended and is to go on: a turn with that order makes of it what
    the order says.
    """

    def __init__(self, instance: Instance, program: LinkedProgram) -> None:
        self.instance = instance
        self.program = program
        self.machine = Machine(program, instance.id)
        self.past: tuple[HistoryRow, ...] | None = None
        self.coming: ExecutionStarted | None = None
        """What the generation will begin with, read from the inbox when it had not begun."""
        self.next_seq = 0
        self.at = 0
        self.migrating = False
        """Whether it was read with the Program that it is to move to, for the order to do so."""
        self.size = 0
        """Bytes of history of this generation: what it costs to keep, or to load again."""
        self.stored: set[str] = set()
        """Keys of the large values that the history of this generation refers to."""

    @classmethod
    def load(cls, loaded: Loaded, program: LinkedProgram) -> Running:
        """From the database. Raises ``NonDeterminismError``."""
        running = cls(loaded.instance, program)
        running.machine = replay(program, loaded.instance.id, loaded.history)
        running.coming = first_event(loaded)
        if loaded.history:
            last = loaded.history[-1]
            running.next_seq, running.at = last.next_seq, last.at
            running.size = sum(len(row.events) for row in loaded.history)
            texts = {key: text for row in loaded.history for key, text in row.values.items()}
            chunk = running.machine.started.chunk if running.machine.state.begun else None
            lent = set() if chunk is None else {chunk.items, chunk.around}
            running.stored = set(texts) - lent
            running.size += sum(len(texts[key]) for key in running.stored)
        return running

    @classmethod
    def ended(cls, loaded: Loaded, program: LinkedProgram) -> Running:
        """One that has ended, for an order to go on with this Program. Nothing is replayed."""
        running = cls(loaded.instance, program)
        running.past = loaded.history
        running.machine.state.ended = True
        if loaded.history:
            running.next_seq, running.at = loaded.history[-1].next_seq, loaded.history[-1].at
        return running

    @property
    def open_tasks(self) -> set[int]:
        """``seq`` of each task that the instance waits for."""
        return set(self.machine.state.tasks)


def take_turn(running: Running, inputs: Sequence[Input], now: int, upgrades: Upgrades) -> Turn:
    """Give the inputs to the machine, in order. ``now`` is the store's time in microseconds."""
    return _Turning(running, max(now, running.at), upgrades).take(inputs)


class _Turning:
    """The state of one turn while it is taken."""

    def __init__(self, running: Running, at: int, upgrades: Upgrades) -> None:
        self.running = running
        self.at = at
        self.upgrades = upgrades
        self.events: list[Event] = []
        self.first_seq = running.next_seq
        self.generations = 0
        self.coming: ExecutionStarted | None = None
        """The start of a generation that has not begun: an order may come before it."""
        self.turn = Turn(found=running.instance, instance=running.instance)

    def take(self, inputs: Sequence[Input]) -> Turn:
        turn, running = self.turn, self.running
        if not running.machine.state.begun:
            starts = (each.event for each in inputs if isinstance(each.event, ExecutionStarted))
            self.coming = next(starts, running.coming)
        for each in inputs:
            if turn.start is not None:
                turn.left.append(each)
            elif (problem := self._problem(each)) is not None:
                turn.refused.append((each, problem))
            elif isinstance(each.event, REOPENING):
                self._reopen(each, running.past)
            elif isinstance(each.event, ExecutionForked):
                turn.taken.append(each)
                self._fork(each.event)
            else:
                turn.taken.append(each)
                self._feed(each.event)
        if self.events:
            self._close_row()
        running.at = self.at
        running.instance = turn.instance = self._instance()
        return turn

    def _problem(self, each: Input) -> str | None:
        """Why an input goes nowhere; None if it does not."""
        instance = self.running.instance
        if isinstance(each.event, REOPENING):
            if each.execution != instance.execution:
                return "superseded"
            return None if instance.status.ended else "it has not ended"
        if instance.status.ended:
            # A next generation of ours that never began is no loss.
            return "superseded" if isinstance(each.event, ExecutionStarted) else "ended"
        if each.execution is not None and each.execution != instance.execution:
            return "superseded"
        if isinstance(each.event, ExecutionMigrated) and not self.running.migrating:
            return "it has just begun: try again"
        if isinstance(each.event, PARENTAL) and each.event.parent not in (None, self._parent):
            return "superseded"
        return None if self.running.machine.expects(each.event) else "superseded"

    @property
    def _parent(self) -> Asker | None:
        machine = self.running.machine
        started = machine.started if machine.state.begun else self.coming
        return None if started is None else started.parent

    def _feed(self, event: Received) -> None:
        """One event, and whatever follows from it."""
        running = self.running
        seq = running.next_seq
        if isinstance(event, RESULTS):
            self.turn.tasks_closed.append((running.instance.execution, event.scheduled_seq))
        elif isinstance(event, TimerFired):
            self.turn.timers_closed.append((running.instance.execution, event.scheduled_seq))
        elif isinstance(event, ExecutionStarted) and event.upgrade is not None:
            event = self._chosen(event)
        elif isinstance(event, ExecutionTerminated):
            self._record(event, [])
            self._terminate(event)
            return
        before = running.machine.state.limited
        decisions = running.machine.step(event, seq, self.at)
        self._record(event, decisions)
        self.turn.logs += running.machine.logs
        if running.machine.subscribed or running.machine.unsubscribed:
            self._subscribe()
        for number, decision in enumerate(decisions, seq + 1):
            self._act(number, decision)
        match event:
            case TaskCompleted():
                pass  # What comes most often is looked at first.
            case ExecutionSuspended() | ExecutionResumed():
                self._rest(event, seq)
            case ExecutionMigrated():
                self._migrate(event)
            case _:
                pass
        limited = running.machine.state.limited
        if limited is not None and limited != before:
            running.instance = msgspec.structs.replace(running.instance, reason=limited)

    def _rest(self, event: ExecutionSuspended | ExecutionResumed, seq: int) -> None:
        """The row says why it rests, and the children do as it does."""
        running = self.running
        questions = running.machine.state.questions
        self.turn.outgoing += outgoing.passed_on(running.instance, seq, event, questions)
        if isinstance(event, ExecutionSuspended):
            running.instance = msgspec.structs.replace(running.instance, reason=event.reason)
        elif not running.instance.status.ended:
            running.instance = msgspec.structs.replace(running.instance, reason=None)

    def _migrate(self, event: ExecutionMigrated) -> None:
        """The Program is the new one since the instance was read; what it had to be parked for is over."""
        running, turn = self.running, self.turn
        running.migrating = False
        reason = running.instance.reason if running.machine.state.suspended else None
        running.instance = msgspec.structs.replace(
            running.instance, version=event.version, digest=event.digest, reason=reason, updated_at=self.at
        )
        turn.unsubscribes = True
        turn.subscriptions += [
            subscription_row(running, each) for each in running.machine.state.subscriptions
        ]

    def _subscribe(self) -> None:
        """Subscriptions are no decisions: the machine makes the same ones when it hears the same again."""
        machine, execution = self.running.machine, self.running.instance.execution
        self.turn.subscriptions += [
            subscription_row(self.running, number)
            for number in machine.subscribed
            if number in machine.state.subscriptions
        ]
        self.turn.subscriptions_closed += [(execution, number) for number in machine.unsubscribed]

    def _record(self, event: Received, decisions: list[Decided]) -> None:
        self.events += [event, *decisions]
        self.running.next_seq += 1 + len(decisions)

    def _act(self, seq: int, decision: Decided) -> None:
        turn, execution = self.turn, self.running.instance.execution
        match decision:
            case TaskScheduled():
                turn.tasks.append((execution, seq, decision))
                turn.queue = self.running.machine.started.queue
            case TaskCanceled(scheduled_seq=closed):
                turn.tasks_closed.append((execution, closed))
            case TimerCreated(fire_at=fire_at):
                turn.timers.append((execution, seq, fire_at))
            case TimerCanceled(scheduled_seq=closed):
                turn.timers_closed.append((execution, closed))
            case ExecutionCompleted():
                self._complete(decision)
            case ContinueAsNew():
                self._renew(decision)
            case _:
                said = outgoing.sent(self.running.instance, self.running.machine.started, seq, decision)
                if said is not None:
                    turn.outgoing.append(said)

    # -- ends ------------------------------------------------------------------------------------

    def _end(self, status: Status, **changes: Any) -> None:
        instance = self.running.instance
        assert status in LEGAL[instance.status], f"{instance.status} is not followed by {status}"
        times = {"started_at": instance.started_at or self.at, "ended_at": self.at, "updated_at": self.at}
        kept = purge_at(self.running.program.program.retention, status, self.at)
        self.running.instance = msgspec.structs.replace(
            instance, status=status, purge_at=kept, **times, **changes
        )

    def _complete(self, event: ExecutionCompleted) -> None:
        instance_id = self.running.instance.id
        if event.error is None:
            self.turn.payloads += payload_rows(instance_id, "output", event.output)
        else:
            self.turn.payloads += payload_rows(instance_id, "error", event.error)
        ending = self.running.machine.state.ending
        canceled = event.status == Status.CANCELED
        self._end(Status(event.status), reason=ending.text if ending is not None and canceled else None)
        self._answer(event.output, event.error, None)

    def _terminate(self, event: ExecutionTerminated) -> None:
        """End at once: nothing that is open is waited for, and no ``finally`` runs."""
        execution, machine = self.running.instance.execution, self.running.machine
        tasks, timers = list(machine.state.tasks), list(machine.state.timers)
        self.turn.tasks_closed += [(execution, seq) for seq in tasks if not machine.answered(seq)]
        self.turn.timers_closed += [(execution, seq) for seq in timers if not machine.answered(seq)]
        self.turn.outgoing += outgoing.closing(self.running.instance, machine.state.questions)
        self.turn.subscriptions_closed += [(execution, number) for number in machine.state.subscriptions]
        self.turn.outgoing += outgoing.unlocking(self.running.instance, machine.state.locks)
        self._end(Status.TERMINATED, reason=event.reason)
        self._answer(None, None, event.reason)

    def _answer(self, output: Any, error: Any, reason: str | None) -> None:
        """Tell everybody who waits for this end."""
        machine, instance = self.running.machine, self.running.instance
        begun, coming = machine.state.begun, self.coming
        told = machine.started.told if begun else coming is not None and coming.told
        others = machine.state.others if begun or coming is None else coming.others
        askers = [*([] if told or self._parent is None else [self._parent]), *others]
        self.turn.outgoing += outgoing.ended(instance, askers, output, error, reason)

    def _renew(self, decision: ContinueAsNew) -> None:
        """Close this generation's row and begin the next one.

        At once, unless it is one too many, or it is to be looked up first what it may run.
        """
        running, machine = self.running, self.running.machine
        old = machine.started
        self._close_row()
        execution = keys.next_execution(old.execution)
        start = msgspec.structs.replace(
            old,
            execution=execution,
            key_seed=execution,
            generation=old.generation + 1,
            input=old.input if decision.checkpoint else decision.input,
            carried=tuple(machine.state.buffer),
            others=tuple(machine.state.others),
            canceled=next((e for e in machine.state.held if isinstance(e, ExecutionCanceled)), None),
            first_started_at=machine.state.first_started_at,
            resume=machine.state.resume,
            upgrade=wanted_next(decision, old),
        )
        self.generations += 1
        running.instance = self._with_custom_status(running.instance)
        self.first_seq = running.next_seq = 0
        running.size = 0
        running.stored = set()
        running.coming = None
        running.machine = Machine(running.program, running.instance.id)
        running.instance = msgspec.structs.replace(
            running.instance,
            execution=execution,
            generation=start.generation,
            started_at=self.at,
            updated_at=self.at,
        )
        if self.upgrades.knows(start) and self.generations < GENERATIONS_A_TURN:
            self._feed(start)
        else:
            self.turn.start = start

    def _chosen(self, event: ExecutionStarted) -> ExecutionStarted:
        """Run what this generation is to run from here on."""
        running = self.running
        start, running.program, line = self.upgrades.choose(event, running.program)
        running.machine.program = running.program  # It may have heard that it is suspended, and no more.
        running.instance = msgspec.structs.replace(
            running.instance, version=start.version, digest=start.digest, tags=start.tags
        )
        if line is not None:
            self.turn.logs.append(line)
        return start

    # -- beginning again -------------------------------------------------------------------------

    def _reopen(self, each: Input, past: tuple[HistoryRow, ...] | None) -> None:
        """An order to an instance that has ended; one that ended in this very turn is read again first."""
        if past is None:
            self.turn.left.append(each)
            return
        self.running.past = None
        if isinstance(each.event, ExecutionRewound):
            self._rewind(each, each.event, past)
        else:
            assert isinstance(each.event, ExecutionRestarted), "there is no other such order"
            self.turn.taken.append(each)
            self._restart(each.event, past)

    def _restart(self, event: ExecutionRestarted, past: tuple[HistoryRow, ...]) -> None:
        """Begin the next generation as a start would, with keys of its own."""
        running, instance, turn = self.running, self.running.instance, self.turn
        execution = keys.next_execution(instance.execution)
        start = ExecutionStarted(
            execution=execution,
            name=instance.name,
            version=event.version,
            digest=event.digest,
            generation=instance.generation + 1,
            key_seed=execution,
            input=event.input,
            tags=instance.tags,
            parent=open_work(past[:1]).parent,
            told=True,
            queue=private_queue(past),
        )
        self.first_seq = running.next_seq = running.size = 0
        running.stored = set()
        running.machine = Machine(running.program, instance.id)
        running.instance = msgspec.structs.replace(
            instance,
            version=event.version,
            digest=event.digest,
            generation=start.generation,
            started_at=self.at,
            **self._begun(execution),
        )
        turn.payloads += payload_rows(instance.id, "input", event.input)
        turn.payloads_dropped += ["error", "output"]
        self._feed(start)

    def _rewind(self, each: Input, event: ExecutionRewound, past: tuple[HistoryRow, ...]) -> None:
        """Write the generation's history anew, without what it failed of, and go on with what is open."""
        running, turn = self.running, self.turn
        try:
            found = rewinding.rewind(running.program, running.instance, past, event.parent)
        except CannotGoOn as problem:
            turn.refused.append((each, str(problem)))
            return
        turn.taken.append(each)
        turn.rewrites = True
        turn.payloads_dropped += ["error", "output"]
        begun = self._begun(found.machine.started.execution)
        running.instance = msgspec.structs.replace(running.instance, **begun)
        error = rerun.read(past[-1:]).error
        self._adopt(found, again=True)
        self._feed(msgspec.structs.replace(event, error=error))

    def _fork(self, event: ExecutionForked) -> None:
        """Begin with the past of another instance."""
        self._adopt(forking.begin(self.running.program, self.running.instance, event), again=False)
        self._feed(msgspec.structs.replace(event, input=None, turns=(), fresh=()))

    def _adopt(self, found: Rerun, *, again: bool) -> None:
        """Let the machine of a rerun be ours: its history is written, and what it has open is done.

        ``again``: what it has asked of others was asked for us before.
        """
        running, turn, now = self.running, self.turn, self.at
        machine = running.machine = found.machine
        instance = running.instance
        running.next_seq = running.size = self.first_seq = 0
        running.stored = set()
        for self.at, self.events in found.turns:
            running.next_seq += len(self.events)
            self._close_row()
        self.at = now
        turn.queue = machine.started.queue
        for seq, decision in found.decisions.items():
            if machine.is_held(seq):
                continue  # It was answered while the instance was suspended, and is acted on soon.
            match decision:
                case TaskScheduled() if seq in machine.state.tasks:
                    turn.tasks.append((instance.execution, seq, decision))
                case TimerCreated(fire_at=fire_at) if seq in machine.state.timers:
                    turn.timers.append((instance.execution, seq, fire_at))
                case _:
                    known = seq not in found.fresh
                    said = outgoing.said_again(instance, machine, seq, decision, known=known, again=again)
                    turn.outgoing += [] if said is None else [said]
        turn.subscriptions += [subscription_row(running, number) for number in machine.state.subscriptions]

    def _begun(self, execution: str) -> dict[str, Any]:
        """What the row of an instance that goes on says in place of how it ended."""
        return {
            "status": Status.RUNNING,
            "execution": execution,
            "updated_at": self.at,
            "ended_at": None,
            "purge_at": None,
            "reason": None,
            "custom_status": None,
        }

    # -- rows ------------------------------------------------------------------------------------

    def _close_row(self) -> None:
        instance, stored = self.running.instance, self.running.stored
        text, values = split_events(self.events)
        new = {key: value for key, value in values.items() if key not in stored}
        stored.update(new)
        self.turn.history.append(
            HistoryRow(
                instance=instance.id,
                generation=instance.generation,
                first_seq=self.first_seq,
                next_seq=self.running.next_seq,
                open=0,
                at=self.at,
                events=text,
                values=new,
            )
        )
        self.running.size += len(text) + sum(map(len, new.values()))
        self.first_seq = self.running.next_seq
        self.events = []

    def _instance(self) -> Instance:
        """The narrow row as it is after this turn."""
        instance, state = self.running.instance, self.running.machine.state
        if instance.status.ended:
            return self._with_custom_status(instance)
        status = Status.SUSPENDED if state.suspended else Status.RUNNING
        if status is not instance.status:
            assert status in LEGAL[instance.status], f"{instance.status} is not followed by {status}"
            started_at = instance.started_at or self.at
            instance = msgspec.structs.replace(
                instance, status=status, updated_at=self.at, started_at=started_at
            )
        return self._with_custom_status(instance)

    def _with_custom_status(self, instance: Instance) -> Instance:
        value = self.running.machine.state.custom_status
        text = instance.custom_status if value is msgspec.UNSET else encode_json(value)
        if text == instance.custom_status:
            return instance
        return msgspec.structs.replace(instance, custom_status=text, updated_at=self.at)


def subscription_row(running: Running, number: int) -> SubscriptionRow:
    """The row of an open subscription."""
    each, instance = running.machine.state.subscriptions[number], running.instance
    return SubscriptionRow(
        execution=instance.execution,
        number=number,
        instance=instance.id,
        name=each.event,
        digest=running.program.digest,
        op=each.op,
        key=each.key,
        once=each.once,
    )


def payload_rows(instance: str, key: str, value: Any) -> list[PayloadRow]:
    """A value that stays as long as its instance, under a key; a large one apart, for others share it."""
    values: dict[str, str] = {}
    apart = stored_value(value, values)
    text = encode_json(value) if apart is None else apart
    rows = [PayloadRow(instance=instance, key=key, value=text) for key, text in values.items()]
    return [*rows, PayloadRow(instance=instance, key=key, value=text)]


class Open(msgspec.Struct):
    """What a generation's history leaves open, by the ``seq`` of the decision."""

    tasks: dict[int, TaskScheduled] = {}
    timers: set[int] = set()
    questions: dict[int, Question] = {}
    locks: dict[int, str] = {}
    parent: Asker | None = None
    told: bool = False
    others: list[Asker] = []

    @property
    def askers(self) -> list[Asker]:
        """Everybody who waits for the end of the instance."""
        return [*([] if self.told or self.parent is None else [self.parent]), *self.others]


def first_event(loaded: Loaded) -> ExecutionStarted | None:
    """What the present generation will begin with, if it has not."""
    if loaded.first is None:
        return None
    try:
        event = decode_received(loaded.first.event, loaded.first.values)
    except msgspec.MsgspecError:
        return None
    return event if isinstance(event, ExecutionStarted) else None


def open_work(rows: Sequence[HistoryRow], coming: ExecutionStarted | None = None) -> Open:
    """What is open, read off a generation's history alone: without its Program.

    Large inputs of tasks are only referred to, as in a task's row. A generation that has not begun is
    ``coming`` with this.
    """
    found = Open()
    if coming is not None:
        _note_open(found, 0, coming)
    for row in rows:
        for seq, event in enumerate(decode_events(row.events), row.first_seq):
            _note_open(found, seq, event)
    return found


def _note_open(found: Open, seq: int, event: Event) -> None:
    match event:
        case ExecutionStarted(parent=parent, told=told, others=others):
            found.parent, found.told, found.others = parent, told, list(others)
        case ParentAttached(asker=asker):
            found.others.append(asker)
        case TaskScheduled():
            found.tasks[seq] = event
        case TimerCreated():
            found.timers.add(seq)
        case SubOrchestrationInstanceCreated(instance=child, on_close=action):
            found.questions[seq] = Question(0, child, action)
        case EntityLockRequested(entity=entity):
            found.locks[seq] = entity
        case EntityUnlockSent(scheduled_seq=locked):
            found.locks.pop(locked, None)
        case TaskCompleted() | TaskFailed() | TaskCanceled():
            found.tasks.pop(event.scheduled_seq, None)
        case TimerFired() | TimerCanceled():
            found.timers.discard(event.scheduled_seq)
        case (
            SubOrchestrationInstanceCompleted()
            | SubOrchestrationInstanceFailed()
            | SubOrchestrationCanceled()
        ):
            found.questions.pop(event.scheduled_seq, None)
        case _:
            pass


def private_queue(rows: Sequence[HistoryRow]) -> str | None:
    """The private queue that an instance's tasks go to, read off its history, if it has one."""
    events = decode_events(rows[0].events) if rows else []
    return next((each.queue for each in events if isinstance(each, ExecutionStarted)), None)
