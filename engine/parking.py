"""Instances that cannot go on: ``Suspended`` with a machine-readable reason, and nothing lost.

A parked instance has no usable machine. What comes for it is set aside in the inbox; it can be
resumed, which loads it again, and terminated, which needs no Program.
"""

from __future__ import annotations

import msgspec

from perdure.engine import outgoing, sealing
from perdure.engine.codec import encode_events
from perdure.engine.events import (
    Asker,
    ExecutionMigrated,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    is_parental,
)
from perdure.engine.hot import Hot, Sealed
from perdure.engine.instance import Instance, Status
from perdure.engine.open_work import Open, open_work
from perdure.engine.retention import purge_at
from perdure.engine.running import Input
from perdure.engine.store.rows import Checkpoint, HistoryRow


def receive(hot: Hot, sealed: Sealed, requests: sealing.Requests, now: int) -> None:
    """Everything that has come for a parked instance."""
    inputs, hot.pending, hot.excess = hot.pending + hot.excess, [], []
    for each in inputs:
        instance = hot.instance
        assert instance is not None, "a parked instance was loaded"
        if instance.status.ended:
            sealing.refuse(sealed.rest, each, "ended", now)
        elif is_parental(each.event) and not _from_parent(hot, each.event.parent):
            sealing.refuse(sealed.rest, each, "superseded", now)
        elif isinstance(each.event, ExecutionTerminated):
            _terminate(hot, instance, each, each.event, sealed, requests, now)
        elif isinstance(each.event, ExecutionResumed | ExecutionMigrated):
            # It stays what the instance has to hear, until it does or turns out to be no use.
            hot.pending.append(each)
        elif isinstance(each.event, ExecutionSuspended):
            sealing.settle(sealed.rest, each, requests)
        else:
            sealing.set_aside(hot, each, sealed.rest, requests)


def _from_parent(hot: Hot, parent: Asker | None) -> bool:
    """Whether it is for this instance: said by anybody, or by the one whose child it is."""
    return parent is None or parent == _open_work(hot).parent


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
        instance,
        status=Status.TERMINATED,
        reason=event.reason,
        ended_at=at,
        updated_at=at,
        purge_at=purge_at(hot.retention, Status.TERMINATED, at),
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
    left = _open_work(hot)
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
            timers_closed=tuple((instance.execution, open_seq) for open_seq in sorted(left.timers)),
            tasks_closed=tuple((instance.execution, open_seq) for open_seq in left.tasks),
            unsubscribes=True,
        )
    )
    sealed.rest.messages += outgoing.closing(instance, left.questions)
    sealed.rest.messages += outgoing.unlocking(instance, left.locks)
    sealed.rest.messages += outgoing.ended(ended, left.askers, None, None, event.reason)
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


def _open_work(hot: Hot) -> Open:
    """What is open; nothing where the history cannot even be read."""
    try:
        return open_work(hot.history, hot.coming)
    except msgspec.MsgspecError:
        return Open()
