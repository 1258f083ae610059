"""The live tree of steps on a terminal: state by glyph and word, never by colour alone."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console as Terminal
from rich.live import Live
from rich.text import Text

from perdure.cli.console import Console, is_unicode
from perdure.cli.fold import Line, folded
from perdure.cli.follower import Happened
from perdure.cli.progress import Progress
from perdure.cli.texts import called, span_text
from perdure.compiler import ir
from perdure.engine.events import (
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    ExecutionStarted,
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
from perdure.engine.state import EventWait, Fiber, ReplyWait, TaskWait, TimerWait
from perdure.engine.store.protocol import Store

UNICODE = {
    "done": "✔",
    "running": "●",
    "waiting": "◷",
    "retry": "↻",
    "failed": "✖",
    "late": "◷",
    "skipped": "⊘",
    "": " ",
}
ASCII = {
    "done": "+",
    "running": "*",
    "waiting": "~",
    "retry": "r",
    "failed": "x",
    "late": "t",
    "skipped": "-",
    "": " ",
}
STYLES = {
    "done": "green",
    "running": "blue",
    "waiting": "yellow",
    "retry": "yellow",
    "late": "yellow",
    "failed": "red",
}

Refused = TaskFailed | SubOrchestrationInstanceFailed | EntityOperationFailed
Answered = TaskCompleted | SubOrchestrationInstanceCompleted | EntityOperationCompleted | Refused
_SHOWN = (ir.Call, ir.CallWorkflow, ir.CallEntity, ir.Wait, ir.WaitEvent, ir.FanOut)


@dataclass(slots=True)
class Row:
    """A step that people see. ``total`` is how many items its fan-out has had."""

    name: str
    depth: int
    loops: bool
    done: int = 0
    failures: int = 0
    failed_last: bool = False
    late: bool = False
    message: str = ""
    took: int = 0
    touched: bool = False
    items: int = 0
    total: int = 0


class Tree:
    """Counts what happened a step, and draws it."""

    def __init__(self, store: Store, live: Live | None, glyphs: dict[str, str]) -> None:
        self._store = store
        self._live = live
        self._glyphs = glyphs
        self._rows: dict[str, Row] = {}
        self._open: dict[int, tuple[str, int, int]] = {}
        self._fires: dict[int, int] = {}
        self._limits: dict[int, str] = {}
        self._groups: dict[int, tuple[str, int, int]] = {}
        self._title = ""
        self.last = False
        """Whether what is shown now stays: it may scroll away then, and nothing is left out."""

    def take(self, happened: Happened) -> None:
        """Count an event."""
        machine, event = happened.machine, happened.event
        match event:
            case ExecutionStarted(generation=generation):
                self._begin(machine, generation)
            case (
                TaskScheduled(path=path, attempt=attempt)
                | SubOrchestrationInstanceCreated(path=path, attempt=attempt)
            ):
                self._ask(happened, path, attempt)
            case EntityOperationCalled(path=path):
                self._ask(happened, path, 1)
            case TimerCreated(path=path, fire_at=fire_at, purpose=purpose):
                static = _static(machine, path)
                self._fires[happened.seq] = fire_at
                if purpose in {"timeout", "deadline"}:
                    self._limits[happened.seq] = static
                self._touch(static)
            case TimerFired(scheduled_seq=seq) if self._limits.get(seq) in self._rows:
                self._rows[self._limits[seq]].late = True
            case _ if isinstance(event, Answered):
                self._count(event, happened.at)
            case _:
                pass
        self._count_items(machine)

    def show(self, machine: Machine | None) -> None:
        """Draw the present state: within the terminal's height, or whole if it is the last one."""
        if self._live is not None and machine is not None:
            room = None if self.last else self._live.console.size.height - 2  # its title, the cursor's line
            self._live.update(self.drawn(machine, self._store.time(), room), refresh=True)

    def drawn(self, machine: Machine, now: int, room: int | None = None) -> Text:
        """The tree as text, at a time; with ``room``, folded to that many lines below its title."""
        active = self._active(machine, now)
        lines = []
        for static, row in self._rows.items():
            state, words = active.get(static) or self._settled(row, ended=machine.state.ended)
            parts = (row.name, self._counts(row), words)
            shown = "  " * (row.depth + 1), " " + " ".join(part for part in parts if part)
            lines.append(Line(state, *shown))
        text = Text(self._title) if room is None else Text(self._title, no_wrap=True, overflow="ellipsis")
        for line in lines if room is None else folded(lines, room):
            text.append("\n" + line.indent)
            text.append(self._glyphs[line.state], STYLES.get(line.state, ""))
            text.append(line.words)
        return text

    def _begin(self, machine: Machine, generation: int) -> None:
        self._open.clear()
        self._limits.clear()
        self._groups.clear()
        self._rows = _rows(machine)
        more = f", generation {generation}" if generation > 1 else ""
        program = machine.program.program
        self._title = f"{program.name}@{program.version} {machine.instance_id}{more}"

    def _ask(self, happened: Happened, path: str, attempt: int) -> None:
        static = _static(happened.machine, path)
        self._open[happened.seq] = (static, happened.at, attempt)
        self._touch(static)

    def _touch(self, static: str) -> None:
        if static in self._rows:
            self._rows[static].touched = True
            self._rows[static].late = False

    def _count(self, event: Answered, at: int) -> None:
        static, since, attempt = self._open.pop(event.scheduled_seq, ("", 0, 0))
        row = self._rows.get(static)
        if row is None:
            return
        row.failed_last = isinstance(event, Refused)
        row.late = False
        if isinstance(event, Refused):
            row.failures += 1
            row.message = f"{event.error}: {event.message}" + (f" (attempt {attempt})" if attempt > 1 else "")
        else:
            row.done += 1
            row.took = at - since

    def _count_items(self, machine: Machine) -> None:
        """Remember how far each fan-out is; one that is over has all its items counted."""
        groups = machine.state.groups
        for gone in [each for each in self._groups if each not in groups]:
            static, _, total = self._groups.pop(gone)
            self._rows[static].items += total
            self._rows[static].total += total
        for each, group in groups.items():
            static = machine.program.program.steps[machine.program.ops[group.pc].step].static_path
            if static in self._rows:
                self._groups[each] = (static, group.succeeded + group.failed, len(group.items))
                self._rows[static].touched = True
                if group.split is not None:
                    # Its items are done elsewhere: what they have run is not told here.
                    for inside in [row for path, row in self._rows.items() if path.startswith(f"{static}[")]:
                        inside.touched = True

    def _counts(self, row: Row) -> str:
        running = [
            (done, total) for static, done, total in self._groups.values() if self._rows[static] is row
        ]
        done = row.items + sum(done for done, _ in running)
        total = row.total + sum(total for _, total in running)
        if total:
            return f"{done}/{total}"
        return f"x{row.done}" if row.loops and row.done else ""

    def _settled(self, row: Row, *, ended: bool) -> tuple[str, str]:
        """State and words of a step at which nothing waits."""
        if row.failed_last:
            return "failed", row.message
        if row.late:
            return "late", "timed out"
        if row.touched:
            return "done", span_text(row.took) if row.done == 1 and not row.loops else ""
        return ("skipped", "not run") if ended else ("", "")

    def _active(self, machine: Machine, now: int) -> dict[str, tuple[str, str]]:
        """State and words of the steps where fibers wait."""
        found: dict[str, tuple[str, str]] = {}
        if machine.state.ended:
            return found
        steps = machine.program.program.steps
        for fiber in machine.state.fibers.values():
            static = steps[machine.op(fiber).step].static_path
            self._touch(static)
            found[static] = self._waiting(machine, fiber, now)
        for static, _, _ in self._groups.values():
            found[static] = ("running", "")
        return found

    def _waiting(self, machine: Machine, fiber: Fiber, now: int) -> tuple[str, str]:
        match fiber.wait:
            case TaskWait(seq=seq) | ReplyWait(seq=seq):
                attempt = self._open.get(seq, ("", 0, 1))[2]
                return "running", f"(attempt {attempt})" if attempt > 1 else ""
            case TimerWait(seq=seq):
                left = span_text(self._fires.get(seq, now) - now)
                if machine.state.timers[seq].purpose == "retry":
                    return "retry", f"again in {left}"
                return "waiting", f"(timer, {left} left)"
            case EventWait(event=event, timer=timer):
                left = "" if timer is None else f", {span_text(self._fires.get(timer, now) - now)} left"
                return "waiting", f'(event "{event}"{left})'
            case _:
                return "running", ""


@contextmanager
def live_tree(out: Console, store: Store, instance_id: str) -> Generator[Progress]:
    """A tree that is drawn again at every update, and stays as it was last."""
    glyphs = UNICODE if is_unicode(sys.stderr) else ASCII
    terminal = Terminal(file=sys.stderr, no_color=not out.colors(sys.stderr), highlight=False)
    with Live(console=terminal, auto_refresh=False, redirect_stdout=False) as live:
        tree = Tree(store, live, glyphs)
        progress = Progress(tree, store, instance_id)
        yield progress
        tree.last = True
        progress.update()


def _rows(machine: Machine) -> dict[str, Row]:
    """The steps that have something to show, in the order of the document."""
    program = machine.program.program
    shown = {program.steps[op.step].static_path for op in program.code if isinstance(op, _SHOWN)}
    rows: dict[str, Row] = {}
    for step in program.steps:
        static = step.static_path
        if static in shown and static not in rows:
            depth = sum(static.startswith((f"{other}[", f"{other}/")) for other in rows)
            rows[static] = Row(name=called(step.name or static, static), depth=depth, loops="[]" in static)
    return rows


def _static(machine: Machine, path: str) -> str:
    step = machine.program.step_at(path)
    return "" if step is None else step.static_path
