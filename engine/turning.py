"""What the machine decides in a turn, in terms of rows that are to be written.

Pure. A turn changes ``Running`` in memory and says in ``Turn`` what the database must do; nothing of
it may be shown or acted on before that is committed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.engine import keys, outgoing
from perdure.engine.codec import split_events, text_or_key
from perdure.engine.events import (
    Asker,
    ContinueAsNew,
    Decided,
    Event,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionMigrated,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    Received,
    TaskCanceled,
    TaskCompleted,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
    is_result,
)
from perdure.engine.instance import LEGAL, Instance, Status
from perdure.engine.linked import encode_json
from perdure.engine.machine import LogLine, Machine
from perdure.engine.retention import purge_at
from perdure.engine.running import Input, Running
from perdure.engine.store.rows import HistoryRow, Message, PayloadRow, SubscriptionRow
from perdure.engine.upgrading import Upgrades, wanted_next

GENERATIONS_A_TURN = 16
"""A generation that waits for nothing is followed at once; after so many in one turn, others go first."""


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


class Turning:
    """The state of one turn while it is taken: what the machine hears, and what follows from it."""

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

    @property
    def _parent(self) -> Asker | None:
        machine = self.running.machine
        started = machine.started if machine.state.begun else self.coming
        return None if started is None else started.parent

    def _feed(self, event: Received) -> None:
        """One event, and whatever follows from it."""
        running = self.running
        seq = running.next_seq
        if is_result(event):
            self.turn.tasks_closed.append((running.instance.execution, event.scheduled_seq))
        elif type(event) is ExecutionStarted:
            event = event if event.upgrade is None else self._chosen(event)
        elif type(event) is TimerFired:
            self.turn.timers_closed.append((running.instance.execution, event.scheduled_seq))
        elif type(event) is ExecutionTerminated:
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
            case TaskCompleted() | ExecutionStarted():
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
            # Who suspends it once more and says nothing does not unsay why it rests.
            if event.reason is not None:
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
            case ExecutionCompleted():
                self._complete(decision)
            case TaskCanceled(scheduled_seq=closed):
                turn.tasks_closed.append((execution, closed))
            case TimerCreated(fire_at=fire_at):
                turn.timers.append((execution, seq, fire_at))
            case TimerCanceled(scheduled_seq=closed):
                turn.timers_closed.append((execution, closed))
            case ContinueAsNew():
                self._renew(decision)
            case _:
                said = outgoing.sent(self.running.instance, self.running.machine.started, seq, decision)
                if said is not None:
                    turn.outgoing.append(said)

    # -- ends ------------------------------------------------------------------------------------

    def _end(self, status: Status, reason: str | None) -> None:
        instance = self.running.instance
        assert status in LEGAL[instance.status], f"{instance.status} is not followed by {status}"
        self.running.instance = msgspec.structs.replace(
            instance,
            status=status,
            started_at=instance.started_at or self.at,
            ended_at=self.at,
            updated_at=self.at,
            purge_at=purge_at(self.running.program.program.retention, status, self.at),
            reason=reason,
        )

    def _complete(self, event: ExecutionCompleted) -> None:
        instance_id = self.running.instance.id
        if event.error is None:
            self.turn.payloads += payload_rows(instance_id, "output", event.output)
        else:
            self.turn.payloads += payload_rows(instance_id, "error", event.error)
        ending = self.running.machine.state.ending
        canceled = event.status == Status.CANCELED
        self._end(Status(event.status), ending.text if ending is not None and canceled else None)
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
        self._end(Status.TERMINATED, event.reason)
        self._answer(None, None, event.reason)

    def _answer(self, output: Any, error: Any, reason: str | None) -> None:
        """Tell everybody who waits for this end."""
        machine, instance = self.running.machine, self.running.instance
        begun, coming = machine.state.begun, self.coming
        told = machine.started.told if begun else coming is not None and coming.told
        others = machine.state.others if begun or coming is None else coming.others
        askers = [*([] if told or self._parent is None else [self._parent]), *others]
        if askers:
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

    # -- rows ------------------------------------------------------------------------------------

    def _close_row(self) -> None:
        instance, stored = self.running.instance, self.running.stored
        text, new = split_events(self.events)
        if new:
            new = {key: value for key, value in new.items() if key not in stored}
            stored.update(new)
            self.running.size += sum(map(len, new.values()))
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
        self.running.size += len(text)
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
    text = text_or_key(value, values)
    row = PayloadRow(instance=instance, key=key, value=text)
    if not values:
        return [row]
    return [*(PayloadRow(instance=instance, key=key, value=large) for key, large in values.items()), row]
