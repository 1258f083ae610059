"""Where an instance stands, as a document: its fibers, what each waits for, and what it remembers."""

from __future__ import annotations

from typing import Any

from perdure.engine.instance import Instance
from perdure.engine.machine import Machine
from perdure.engine.payload import to_json
from perdure.engine.state import Fiber


def state_view(instance: Instance, machine: Machine | None) -> dict[str, Any]:
    """The document; without a machine its history cannot be replayed."""
    document: dict[str, Any] = {
        "id": instance.id,
        "generation": instance.generation,
        "status": str(instance.status),
        "fibers": None,
        "variables": None,
        "events_kept": None,
    }
    if machine is None:
        return document
    state = machine.state
    return document | {
        "fibers": [_fiber(machine, each) for each in state.fibers.values()],
        "variables": {name: to_json(value) for name, value in state.variables.items()},
        "events_kept": [event.name for event in state.buffer],
    }


def _fiber(machine: Machine, fiber: Fiber) -> dict[str, Any]:
    op = machine.op(fiber)
    step = machine.program.program.steps[op.step]
    return {
        "id": fiber.id,
        "step": step.name,
        "path": machine.path(fiber, op.step),
        "file": machine.program.program.file,
        "line": step.line,
        "column": step.column,
        "waits_for": None if fiber.wait is None else _WAITS[type(fiber.wait).__name__],
        "branch_of": fiber.group,
        "branch": fiber.branch,
        "canceled": fiber.canceled,
    }


_WAITS = {
    "TaskWait": "task",
    "TimerWait": "timer",
    "EventWait": "event",
    "JoinWait": "branches",
    "ReplyWait": "reply",
    "LockWait": "lock",
    "UndoWait": "compensation",
}
