"""Instances that cannot go on: ``Suspended`` with a machine-readable reason, and nothing lost.

A parked instance has no usable machine. What comes for it is set aside in the inbox; it can be
resumed, which loads it again, and terminated, which needs no Program.
"""

from __future__ import annotations

import msgspec

from perdure.engine import sealing
from perdure.engine.codec import encode_events
from perdure.engine.events import ExecutionResumed, ExecutionSuspended, ExecutionTerminated
from perdure.engine.hot import Hot, Sealed
from perdure.engine.instance import Instance, Status
from perdure.engine.store.rows import Checkpoint, HistoryRow
from perdure.engine.turn import Input, open_work


def receive(hot: Hot, sealed: Sealed, requests: sealing.Requests, now: int) -> None:
    """Everything that has come for a parked instance."""
    inputs, hot.pending, hot.excess = hot.pending + hot.excess, [], []
    for each in inputs:
        instance = hot.instance
        assert instance is not None, "a parked instance was loaded"
        if instance.status.ended:
            sealing.refuse(sealed.rest, each, "ended", now)
        elif isinstance(each.event, ExecutionTerminated):
            _terminate(hot, instance, each, each.event, sealed, requests, now)
        elif isinstance(each.event, ExecutionResumed):
            # It stays what the instance has to hear, until it does or turns out to be no use.
            hot.pending.append(each)
        elif isinstance(each.event, ExecutionSuspended):
            sealing.settle(sealed.rest, each, requests)
        else:
            sealing.set_aside(hot, each, sealed.rest, requests)


def _terminate(
    hot: Hot,
    instance: Instance,
    each: Input,
    event: ExecutionTerminated,
    sealed: Sealed,
    requests: sealing.Requests,
    now: int,
) -> None:
    last = hot.history[-1] if hot.history else None
    at = now if last is None else max(now, last.at)
    seq = 0 if last is None else last.next_seq
    ended = msgspec.structs.replace(
        instance, status=Status.TERMINATED, reason=event.reason, ended_at=at, updated_at=at
    )
    row = HistoryRow(
        instance=instance.id,
        generation=instance.generation,
        first_seq=seq,
        next_seq=seq + 1,
        open=0,
        at=at,
        events=encode_events([event]),
    )
    tasks, timers = _open_work(hot)
    assert each.message is not None, "terminate comes as a message"
    sealed.rest.checkpoints.append(
        Checkpoint(
            id=instance.id,
            slot=instance.slot,
            execution=instance.execution,
            before=instance.status,
            instance=ended,
            history=(row,),
            consumed=(each.message.id,) if each.stored else (),
            timers_closed=tuple((instance.execution, open_seq) for open_seq in timers),
            tasks_closed=tuple((instance.execution, open_seq) for open_seq in tasks),
        )
    )
    sealed.rest.changed.append(ended)
    sealed.rest.settled.append(each.message.id)
    if not each.stored:
        sealing.durable(sealed.rest, each.message, requests)
    sealed.canceled += list(hot.eager)
    hot.eager.clear()
    if hot.held:
        sealed.rest.unhold.append((hot.id, hot.held))
        hot.held = 0
    hot.instance = ended


def _open_work(hot: Hot) -> tuple[list[int], list[int]]:
    """Open tasks and timers; none where the history cannot even be read."""
    try:
        tasks, timers = open_work(hot.history)
    except msgspec.MsgspecError:
        return [], []
    return sorted(tasks), sorted(timers)
