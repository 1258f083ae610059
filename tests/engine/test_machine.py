"""The machine alone: what it is told that nothing waits for changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from perdure.engine import events as ev
from perdure.engine.machine import Machine
from tests.engine.driver import START, compiled
from tests.engine.prefixes import state_of

WAITS = """
do:
  - all:
      parallel:
        task: [ { work: { call: Work } } ]
        timer: [ { pause: { wait: 1h } } ]
        child: [ { part: { call_workflow: waits } } ]
        operation: [ { asked: { call_entity: Slow@a, op: act } } ]
        lock: [ { alone: { lock_entities: [ Slow@b ], do: [ held: { wait: 1h } ] } } ]
  - rest: { wait_for_event: Go, timeout: never }
"""
ANSWERS: dict[Any, tuple[Any, ...]] = {
    ev.TaskScheduled: (
        ev.TaskCompleted(scheduled_seq=0),
        ev.TaskFailed(scheduled_seq=0, error="E", message="m"),
    ),
    ev.TimerCreated: (ev.TimerFired(scheduled_seq=0),),
    ev.SubOrchestrationInstanceCreated: (
        ev.SubOrchestrationInstanceCompleted(scheduled_seq=0),
        ev.SubOrchestrationInstanceFailed(scheduled_seq=0, error="E", message="m"),
    ),
    ev.EntityOperationCalled: (
        ev.EntityOperationCompleted(scheduled_seq=0),
        ev.EntityOperationFailed(scheduled_seq=0, error="E", message="m"),
    ),
    ev.EntityLockRequested: (ev.EntityLockGranted(scheduled_seq=0),),
}
CASES = [(asked, answer) for asked, answers in ANSWERS.items() for answer in answers]


@pytest.mark.parametrize(("asked", "answer"), CASES, ids=[type(answer).__name__ for _, answer in CASES])
def test_a_second_answer_changes_nothing(asked: Any, answer: Any) -> None:
    """``expects`` tells beforehand; and who does not ask it sees no decision and no other state."""
    program = compiled(WAITS)
    machine = Machine(program, "i")
    code = program.program
    started = ev.ExecutionStarted(
        execution="x", name=code.name, version=code.version, digest="d", generation=1, key_seed="x"
    )
    decided = machine.step(started, 0, START)
    seq = next(number for number, each in enumerate(decided, 1) if isinstance(each, asked))
    answer = replace(answer, scheduled_seq=seq)
    assert machine.expects(answer)
    before = state_of(machine)
    last = len(decided) + 1
    last += len(machine.step(answer, last, START)) + 1
    after = state_of(machine)
    assert after != before
    assert not machine.expects(answer)
    assert (machine.step(answer, last, START), state_of(machine)) == ([], after)


def test_what_has_ended_hears_nothing() -> None:
    """No decision follows, and no other state."""
    program = compiled("do: [ return: 1 ]")
    machine = Machine(program, "i")
    code = program.program
    started = ev.ExecutionStarted(
        execution="x", name=code.name, version=code.version, digest="d", generation=1, key_seed="x"
    )
    decided = machine.step(started, 0, START)
    after = state_of(machine)
    event = ev.EventRaised(name="Go")
    assert not machine.expects(event)
    assert machine.step(event, len(decided) + 1, START) == []
    assert state_of(machine) == after
