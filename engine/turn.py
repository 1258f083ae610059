"""One turn: what an instance has received, given to its machine, or to one that begins again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from perdure.engine import forking, keys, outgoing, rerun, rewinding
from perdure.engine.events import (
    ExecutionForked,
    ExecutionMigrated,
    ExecutionRestarted,
    ExecutionRewound,
    ExecutionStarted,
    TaskScheduled,
    TimerCreated,
    is_parental,
    is_reopening,
)
from perdure.engine.instance import Status
from perdure.engine.machine import Machine
from perdure.engine.open_work import open_work, private_queue
from perdure.engine.rerun import CannotGoOn, Rerun
from perdure.engine.running import Input, Running
from perdure.engine.store.rows import HistoryRow
from perdure.engine.turning import Turn, Turning, payload_rows, subscription_row
from perdure.engine.upgrading import Upgrades


def take_turn(running: Running, inputs: Sequence[Input], now: int, upgrades: Upgrades) -> Turn:
    """Give the inputs to the machine, in order. ``now`` is the store's time in microseconds."""
    return _Taking(running, max(now, running.at), upgrades).take(inputs)


class _Taking(Turning):
    """A turn of one instance, with what makes it go on when it has ended."""

    def take(self, inputs: Sequence[Input]) -> Turn:
        turn, running = self.turn, self.running
        if not running.machine.state.begun:
            starts = [each.event for each in inputs if type(each.event) is ExecutionStarted]
            self.coming = starts[0] if starts else running.coming
        for each in inputs:
            if turn.start is not None:
                turn.left.append(each)
            elif (problem := self._problem(each)) is not None:
                turn.refused.append((each, problem))
            elif is_reopening(each.event):
                self._reopen(each, running.past)
            elif type(each.event) is ExecutionForked:
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
        if is_reopening(each.event):
            if each.execution != instance.execution:
                return "superseded"
            return None if instance.status.ended else "it has not ended"
        if instance.status.ended:
            # A next generation of ours that never began is no loss.
            return "superseded" if isinstance(each.event, ExecutionStarted) else "ended"
        if each.execution is not None and each.execution != instance.execution:
            return "superseded"
        if type(each.event) is ExecutionMigrated and not self.running.migrating:
            return "it has just begun: try again"
        if is_parental(each.event) and each.event.parent not in (None, self._parent):
            return "superseded"
        return None if self.running.machine.expects(each.event) else "superseded"

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
