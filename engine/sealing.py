"""From turns to rows: what each one writes, and what its commit releases.

A message needs an inbox row unless a turn of the same batch takes it: that its receiver is in memory
saves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from perdure.engine.codec import encode_received
from perdure.engine.events import ExecutionStarted, TimerFired, is_beginning, is_result, kind
from perdure.engine.hot import Hot, Sealed, SealedTurn, Writes
from perdure.engine.retention import forget_before
from perdure.engine.running import Input
from perdure.engine.store.rows import (
    AuditEntry,
    Checkpoint,
    DeadLetter,
    Message,
    PayloadRow,
    Request,
    TaskRow,
    TimerRow,
)
from perdure.engine.tasks import is_shared, result_id, row_of, task_of
from perdure.engine.turning import Turn, payload_rows


class Beside(msgspec.Struct, frozen=True):
    """What is written with a client's message: the row that makes it repeatable, and who sent it."""

    request: Request | None = None
    audit: AuditEntry | None = None


Requests = dict[str, Beside]
"""By the message's id; written once, with its effect."""


_NOTHING = Beside()


def seal(
    hot: Hot,
    turn: Turn,
    inputs: Sequence[Input],
    sealed: Sealed,
    requests: Requests,
    offers: Callable[[str, str | None], bool],
    now: int,
) -> None:
    """Add a turn to the batch."""
    done = SealedTurn(hot=hot.id, found=turn.found, inputs=list(inputs))
    hot.instance = turn.instance
    sealed.turns.append(done)
    own = sealed.own
    for each in turn.taken:
        _taken(own, each, requests)
    for each, reason in turn.refused:
        refuse(own, each, reason, now)
    if not turn.history:
        return
    task_rows = _place_tasks(hot, turn, sealed, done, offers)
    _close_tasks(hot, turn, sealed, done)
    if turn.start is not None:
        own.messages.append(next_start(hot, turn.start))
    own.messages += turn.outgoing
    history = turn.history
    if hot.eager:
        history[-1] = msgspec.structs.replace(history[-1], open=len(hot.eager))
    fresh = hot.fresh is not None and not hot.inserted
    hot.inserted = True
    for execution, seq, due in turn.timers:
        sealed.timers.append((due, execution, seq, hot.id))
    sealed.timers_closed += turn.timers_closed
    for line in turn.logs:
        sealed.logs.append((turn.instance, line))
    changed = fresh or turn.instance != turn.found
    if changed:
        own.changed.append(turn.instance)
    own.checkpoints.append(
        Checkpoint(
            id=hot.id,
            slot=turn.instance.slot,
            execution=turn.found.execution,
            before=None if fresh else turn.found.status,
            instance=turn.instance if changed else None,
            history=tuple(history),
            consumed=tuple(each.message.id for each in turn.taken if each.stored and each.message),
            payloads=_payloads(turn, fresh),
            payloads_dropped=tuple(turn.payloads_dropped),
            rewrites=turn.rewrites,
            timers=_timers(hot, turn),
            timers_closed=_timers_closed(turn),
            tasks=task_rows,
            tasks_closed=tuple(done.rows_closed),
            subscriptions=tuple(turn.subscriptions),
            subscriptions_closed=tuple(turn.subscriptions_closed),
            unsubscribes=turn.unsubscribes,
            forget_before=_forget_before(hot, turn),
        )
    )


def _taken(own: Writes, each: Input, requests: Requests) -> None:
    if each.message is None:
        return
    own.settled.append(each.message.id)
    if not each.stored:
        durable(own, each.message, requests)


def settle(writes: Writes, each: Input, requests: Requests) -> None:
    """A message that was carried out without a turn: its row goes, or its client is answered."""
    assert each.message is not None, "only clients' messages are carried out without a turn"
    writes.settled.append(each.message.id)
    if each.stored:
        writes.discard.append(each.message.id)
    else:
        durable(writes, each.message, requests)


def durable(
    writes: Writes, message: Message, requests: Requests, *, answer: str = "", private: bool = False
) -> None:
    """A client's message is safe with this batch: what belongs to it goes with it, and it is answered.

    With an ``answer`` a ``private`` request needs no row: whoever made it hears the answer now.
    """
    beside = requests.get(message.id, _NOTHING)
    if beside.request is not None and not (answer and private):
        request = beside.request
        writes.requests.append(msgspec.structs.replace(request, answer=answer) if answer else request)
    if beside.audit is not None:
        writes.audit.append(beside.audit)
    writes.answers.append(message.id)


def _place_tasks(
    hot: Hot, turn: Turn, sealed: Sealed, done: SealedTurn, offers: Callable[[str, str | None], bool]
) -> tuple[TaskRow, ...]:
    """Run a task here if this process has its activity; else give it a row that anybody may claim."""
    if not turn.tasks:
        return ()
    rows = []
    queue = turn.queue
    closed = set(turn.tasks_closed)
    for execution, seq, event in turn.tasks:
        task = task_of(turn.instance, execution, seq, event)
        if task.id in closed:
            continue
        if offers(task.name, queue) and not is_shared(event):
            hot.eager.add(task.id)
            done.eager.append(task.id)
            sealed.activities.append(task)
        else:
            hot.rows.add(task.id)
            done.rows.append(task.id)
            rows.append(row_of(task, turn.instance.slot, queue, event))
    return tuple(rows)


def _close_tasks(hot: Hot, turn: Turn, sealed: Sealed, done: SealedTurn) -> None:
    if not turn.tasks_closed:
        return
    answered = {(each.execution, each.event.scheduled_seq) for each in turn.taken if is_result(each.event)}
    for key in turn.tasks_closed:
        if key in hot.eager:
            hot.eager.discard(key)
            done.eager_closed.append(key)
        elif key in hot.rows:
            hot.rows.discard(key)
            done.rows_closed.append(key)
        if key not in answered:
            sealed.canceled.append(key)


def _payloads(turn: Turn, fresh: bool) -> tuple[PayloadRow, ...]:
    rows = turn.payloads
    if fresh:
        (started, *_) = [each.event for each in turn.taken if is_beginning(each.event)]
        rows = payload_rows(turn.instance.id, "input", started.input) + rows
    return tuple(rows)


def _timers(hot: Hot, turn: Turn) -> tuple[TimerRow, ...]:
    """Timers that outlive the turn which made them."""
    if not turn.timers:
        return ()
    closed = set(turn.timers_closed)
    return tuple(
        TimerRow(execution=execution, seq=seq, instance=hot.id, slot=turn.instance.slot, due=due)
        for execution, seq, due in turn.timers
        if (execution, seq) not in closed
    )


def _timers_closed(turn: Turn) -> tuple[tuple[str, int], ...]:
    if not turn.timers:
        return tuple(turn.timers_closed)
    made = {(execution, seq) for execution, seq, _ in turn.timers}
    return tuple(key for key in turn.timers_closed if key not in made)


def _forget_before(hot: Hot, turn: Turn) -> int | None:
    if turn.instance.generation == turn.found.generation:
        return None
    assert hot.running is not None, "whoever took a turn is in memory"
    return forget_before(hot.running.program.program.retention, turn.instance.generation)


def next_start(hot: Hot, event: ExecutionStarted) -> Message:
    """The first event of a generation that begins in a turn of its own, as a message to itself."""
    assert hot.running is not None, "whoever took a turn is in memory"
    return Message(
        id=f"{event.execution}/start",
        instance=hot.id,
        slot=hot.running.instance.slot,
        kind=kind(event),
        event=encode_received(event),
        execution=event.execution,
    )


def refuse(writes: Writes, each: Input, reason: str, now: int) -> None:
    """An input that goes nowhere: a dead letter, unless it came too late for who would have heard it."""
    message = each.message
    if message is None:
        return
    if not each.stored:
        writes.refusals.append((message.id, reason))
        return
    if reason != "superseded" and each.execution is None and getattr(each.event, "parent", None) is None:
        bury(writes, message, reason, now)
        return
    writes.discard.append(message.id)
    writes.settled.append(message.id)


def bury(writes: Writes, message: Message, reason: str, now: int) -> None:
    """A row of the inbox becomes a dead letter."""
    writes.discard.append(message.id)
    writes.settled.append(message.id)
    writes.dead_letters.append(
        DeadLetter(
            id=message.id,
            instance=message.instance,
            reason=reason,
            kind=message.kind,
            event=message.event,
            at=now,
            execution=message.execution,
        )
    )


def hold(hot: Hot, rest: Writes, requests: Requests) -> None:
    """Set the excess aside in the inbox, behind what lies there."""
    for each in hot.excess:
        set_aside(hot, each, rest, requests)
    hot.excess = []


def set_aside(hot: Hot, each: Input, rest: Writes, requests: Requests) -> None:
    """Let the inbox keep an input until it is asked for. A timer is kept by its own row."""
    if isinstance(each.event, TimerFired):
        return
    hot.held += 1
    if is_result(each.event):
        # It runs no more, though no turn has heard of its end: who gets the slot must not get a task.
        hot.eager.discard((each.execution or "", each.event.scheduled_seq))
    message = each.message or _result_message(hot, each)
    if each.message is None:
        # The result is kept, so the task must not be handed out again.
        rest.checkpoints.append(_closed_task(message, each))
    if each.stored:
        rest.hold.append(message.id)
        rest.settled.append(message.id)
        return
    rest.messages.append(msgspec.structs.replace(message, held=True))
    if each.message is not None:
        durable(rest, message, requests)


def _result_message(hot: Hot, each: Input) -> Message:
    """The row of a result that only this memory has."""
    instance = hot.instance
    assert instance is not None, "results are for known instances"
    assert each.execution is not None, "a result answers an execution"
    return result_message(instance.id, instance.slot, each.execution, each.event)


def _closed_task(message: Message, each: Input) -> Checkpoint:
    """The end of a task whose result the instance has not heard of: there is no turn to write it with."""
    assert each.execution is not None, "a result answers an execution"
    assert is_result(each.event), "only results are without a message"
    key = (each.execution, each.event.scheduled_seq)
    return Checkpoint(
        id=message.instance, slot=message.slot, execution=each.execution, history=(), tasks_closed=(key,)
    )


def result_message(instance: str, slot: int, execution: str, event: Any) -> Message:
    """The inbox row of a task's result."""
    return Message(
        id=result_id(execution, event.scheduled_seq),
        instance=instance,
        slot=slot,
        kind=kind(event),
        event=encode_received(event),
        execution=execution,
    )


def write_waiting(hot: Hot, rest: Writes, requests: Requests) -> list[str]:
    """Clients' events for which there is no room yet: their rows, so that they can be answered.

    Returns the ids of these rows.
    """
    written = []
    for number, each in enumerate(hot.pending):
        if each.message is not None and not each.stored:
            rest.messages.append(each.message)
            durable(rest, each.message, requests)
            hot.pending[number] = msgspec.structs.replace(each, stored=True)
            written.append(each.message.id)
    return written
