"""What ``perdure run`` tells meanwhile: a tree of steps on a terminal, one line an event elsewhere."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Protocol

from perdure.cli.console import Console
from perdure.cli.follower import Follower, Happened
from perdure.cli.texts import called, span_text
from perdure.engine.events import (
    Chunk,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EventRaised,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from perdure.engine.machine import Machine
from perdure.engine.state import EventWait
from perdure.engine.store.protocol import Store


class View(Protocol):
    """Takes what happened, and shows it when told to."""

    def take(self, happened: Happened) -> None: ...

    def show(self, machine: Machine | None) -> None: ...


class Progress:
    """Follows an instance and shows it; ``update`` is called again and again, ``close`` at the end."""

    def __init__(self, view: View | None, store: Store, instance_id: str) -> None:
        self._view = view
        self._follower = Follower(store, instance_id)

    def update(self) -> None:
        """Show what is new."""
        if self._view is None:
            return
        try:
            for happened in self._follower.advance():
                self._view.take(happened)
            self._view.show(self._follower.machine)
        except Exception:  # noqa: BLE001  # a history that does not replay: the instance's reason says it
            self._view = None


def following(out: Console, store: Store, instance_id: str, since: int) -> AbstractContextManager[Progress]:
    """Progress as this terminal, or its absence, wants it; lines are of what happened ``since`` then."""
    if out.quiet:
        return nullcontext(Progress(None, store, instance_id))
    if out.draws(sys.stderr):
        from perdure.cli.tree import live_tree

        return live_tree(out, store, instance_id)
    return nullcontext(Progress(Lines(since), store, instance_id))


class Lines:
    """``12:01:07 charge completed 182 ms``: one stable line for each thing worth knowing."""

    def __init__(self, since: int) -> None:
        self._since = since
        self._at = since
        self._earlier = 0
        self._open: dict[int, tuple[str, int, str]] = {}
        self._told: set[tuple[int, str, int | None]] = set()
        self._generation = 0

    def take(self, happened: Happened) -> None:
        """Write the line of an event, if it has one."""
        if happened.generation != self._generation:
            self._generation = happened.generation
            self._open.clear()
        self._at = max(happened.at, self._since)
        text = self._text(happened)
        if happened.at < self._since:
            self._earlier += isinstance(happened.event, TaskCompleted)
        elif text is not None:
            _write_at(happened.at, text)

    def show(self, machine: Machine | None) -> None:
        """Say once how much was done before, and of each wait for an event that it waits."""
        if self._earlier:
            _write_at(self._since, f"{self._earlier} calls were completed before; they are not run again")
            self._earlier = 0
        if machine is None or machine.state.ended:
            return
        for fiber in machine.state.fibers.values():
            if isinstance(fiber.wait, EventWait):
                path = machine.path(fiber, machine.op(fiber).step)
                key = (self._generation, path, fiber.wait.timer)
                if key not in self._told:
                    self._told.add(key)
                    _write_at(self._at, f'{label(machine, path)} waits for event "{fiber.wait.event}"')

    def _text(self, happened: Happened) -> str | None:
        name = happened.machine.program.program.name
        match happened.event:
            case ExecutionStarted(generation=generation):
                return f"{name} started" if generation == 1 else f"{name} generation {generation}"
            case SubOrchestrationInstanceCreated(path=path, chunk=Chunk(offset=first, length=length)):
                what = f"{label(happened.machine, path)} [{first} to {first + length - 1}]"
                self._open[happened.seq] = (what, happened.at, "")
                return None
            case (
                TaskScheduled(path=path, attempt=attempt)
                | SubOrchestrationInstanceCreated(path=path, attempt=attempt)
            ):
                again = f" (attempt {attempt})" if attempt > 1 else ""
                self._open[happened.seq] = (label(happened.machine, path), happened.at, again)
                return None
            case EntityOperationCalled(path=path):
                self._open[happened.seq] = (label(happened.machine, path), happened.at, "")
                return None
            case (
                TaskCompleted(scheduled_seq=seq)
                | SubOrchestrationInstanceCompleted(scheduled_seq=seq)
                | EntityOperationCompleted(scheduled_seq=seq)
            ) if seq in self._open:
                what, since, again = self._open.pop(seq)
                return f"{what} completed {span_text(happened.at - since)}{again}"
            case (
                TaskFailed(scheduled_seq=seq)
                | SubOrchestrationInstanceFailed(scheduled_seq=seq)
                | EntityOperationFailed(scheduled_seq=seq)
            ) if seq in self._open:
                what, _, again = self._open.pop(seq)
                return f"{what} failed: {happened.event.error}: {happened.event.message}{again}"
            case TimerCreated() | TimerFired():
                return self._timer(happened)
            case EventRaised(name=event):
                return f'event "{event}" received'
            case ExecutionSuspended(reason=reason):
                return f"{name} suspended{_because(reason)}"
            case ExecutionResumed(reason=reason):
                return f"{name} resumed{_because(reason)}"
            case ExecutionCanceled(reason=reason):
                return f"{name} is being canceled{_because(reason)}"
            case ExecutionTerminated(reason=reason):
                return f"{name} terminated{_because(reason)}"
            case ExecutionCompleted(status=status):
                return f"{name} {status.lower()}"
            case _:
                return None

    def _timer(self, happened: Happened) -> str | None:
        match happened.event:
            case TimerCreated(purpose="wait" | "timeout" | "deadline" as purpose, path=path):
                what = label(happened.machine, path)
                self._open[happened.seq] = (what, happened.at, purpose)
                if purpose == "wait":
                    return f"{what} waits {span_text(happened.event.fire_at - happened.at)}"
            case TimerCreated(path=path):
                wait = span_text(happened.event.fire_at - happened.at)
                return f"{label(happened.machine, path)} tries again in {wait}"
            case TimerFired(scheduled_seq=seq) if seq in self._open:
                what, _, why = self._open.pop(seq)
                return f"{what} goes on" if why == "wait" else f"{what} timed out"
        return None


def label(machine: Machine, path: str) -> str:
    """What people call the step at a path: its name, and the item that it is for."""
    step = machine.program.step_at(path)
    name = called(step.name, path) if step is not None and step.name else path
    items = [part.partition("]")[0] for part in path.split("[")[1:]]
    if not items or name == path:
        return name
    item = items[-1].replace("%2F", "/").replace("%5B", "[").replace("%5D", "]").replace("%25", "%")
    return f"{name} [{item}]"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _write_at(at: int, text: str) -> None:
    line = f"{datetime.fromtimestamp(at / 1_000_000, UTC):%H:%M:%S} {text}"
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    encoding = sys.stderr.encoding or "ascii"
    sys.stderr.write(shown.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stderr.flush()
