"""Every kind of message with every status: each is handled or refused by name, and none stops the others."""

from __future__ import annotations

from typing import Any

from perdure.engine.events import Asker, ExecutionRewound, ParentAttached, StartRequested
from tests.engine.driver import Hub
from tests.engine.messages import ENTITIES, KINDS, STATUSES, entity_table, table

# What becomes of a message, and the status afterwards if it is another one. "waits": it stays in the inbox,
# for the start, the resume or the deployment; "dropped": it came too late, or is answered elsewhere; "dead":
# it becomes a dead letter, with the reason. A second start, and a fork of what is there, are sent by nobody.
INSTANCES = """\
|  | unknown | Pending | Running | Suspended | parked | Completed | Failed | Canceled | Terminated |
| ExecutionStarted | dead: unknown | heard: Running | dropped | dropped | waits | dead: ended | dead: ended | dead: ended | dead: ended |
| TaskCompleted | dropped | waits | heard: Completed | heard | waits | dropped | dropped | dropped | dropped |
| TaskFailed | dropped | waits | heard: Failed | heard | waits | dropped | dropped | dropped | dropped |
| TimerFired | dropped | waits | heard: Completed | heard | waits | dropped | dropped | dropped | dropped |
| SubOrchestrationInstanceCompleted | dropped | waits | heard: Completed | heard | waits | dropped | dropped | dropped | dropped |
| SubOrchestrationInstanceFailed | dropped | waits | heard: Failed | heard | waits | dropped | dropped | dropped | dropped |
| EntityOperationCompleted | dropped | waits | heard: Completed | heard | waits | dropped | dropped | dropped | dropped |
| EntityOperationFailed | dropped | waits | heard: Failed | heard | waits | dropped | dropped | dropped | dropped |
| EntityLockGranted | dropped | waits | heard: Completed | heard | waits | dropped | dropped | dropped | dropped |
| EventRaised | dead: unknown | waits | heard: Completed | heard | waits | dead: ended | dead: ended | dead: ended | dead: ended |
| ExecutionSuspended | dead: unknown | waits | heard: Suspended | heard | dropped | dead: ended | dead: ended | dead: ended | dead: ended |
| ExecutionResumed | dead: unknown | waits | heard | heard: Running | dropped | dead: ended | dead: ended | dead: ended | dead: ended |
| ExecutionTerminated | dead: unknown | heard: Terminated | heard: Terminated | heard: Terminated | heard: Terminated | dead: ended | dead: ended | dead: ended | dead: ended |
| ExecutionCanceled | dead: unknown | heard: Canceled | heard: Canceled | heard | waits | dead: ended | dead: ended | dead: ended | dead: ended |
| FanOutStopped | dead: unknown | waits | heard | heard | waits | dead: ended | dead: ended | dead: ended | dead: ended |
| ParentAttached | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable |
| StepResolved | dead: unknown | waits | heard: Completed | heard | waits | dead: ended | dead: ended | dead: ended | dead: ended |
| ExecutionMigrated | dead: unknown | dead: not begun | heard | heard | heard: Running | dead: ended | dead: ended | dead: ended | dead: ended |
| ExecutionRestarted | dropped | waits | dropped | dropped | waits | done: Running | done: Running | done: Running | done: Running |
| ExecutionRewound | dropped | waits | dropped | dropped | waits | dropped | heard: Running | dropped | heard: Running |
| ExecutionForked | dead: unknown | waits: Suspended | dropped | dropped | waits | dead: ended | dead: ended | dead: ended | dead: ended |
| StartRequested | done: Running | dropped | dropped | dropped | dropped | dropped | dropped | dropped | dropped |
| OperationRequested | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable |
| LockRequested | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable |
| LockReleased | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable |
| DeleteRequested | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable | dead: unreadable |
"""
OPERATED = """\
|  | not deployed | without a state | with a state | locked | at work |
| TaskCompleted | waits | dropped | dropped | dropped | dropped |
| TaskFailed | waits | dropped | dropped | dropped | dropped |
| OperationRequested | waits | heard: idle | heard: idle | waits | waits |
| LockRequested | waits | heard: locked | heard: locked | waits | waits |
| LockReleased | waits | dropped | heard: idle | heard: idle | waits |
| DeleteRequested | waits | dropped | heard: gone | waits | waits |
"""
"""Entities. Whatever is not here is a dead letter: entities do not know it."""


def _as_text(columns: list[str], rows: list[list[str]], kinds: list[str]) -> str:
    lines = [["", *columns], *([kind, *row] for kind, row in zip(kinds, rows, strict=True))]
    return "".join("| " + " | ".join(_short(cell) for cell in line) + " |\n" for line in lines)


def _short(cell: str) -> str:
    cell = cell.replace("dead letter, ", "dead: ")
    return cell.replace("its generation has not begun: try again", "not begun")


def test_every_kind_of_message_is_handled_or_refused_in_every_status() -> None:
    """Of an instance; what no instance hears is told from what came too late."""
    assert _as_text(list(STATUSES), table(), list(KINDS)) == INSTANCES


def test_every_kind_of_message_is_handled_or_refused_in_every_state_of_an_entity() -> None:
    """And what is for instances alone changes nothing."""
    rows = dict(zip(KINDS, entity_table(), strict=True))
    known = [kind for kind, row in rows.items() if set(row) != {"dead letter, unknown"}]
    assert _as_text(list(ENTITIES), [rows[kind] for kind in known], known) == OPERATED


def test_a_question_that_nobody_asked_does_not_stop_the_worker() -> None:
    """Only the owner makes it of a start that was asked for: a row with it is a dead letter."""
    hub, asker = Hub(), Asker("elsewhere", "x0", 3)
    for event in (ParentAttached(asker=asker), ExecutionRewound(parent=asker)):
        hub.store.post(hub._message("gone", event), None)
    hub.start("do: [ return: 1 ]")
    hub.run()
    assert hub.output() == 1
    assert [each.reason for each in hub.store.dead_letters()] == ["unreadable", "unreadable"]


def test_a_start_that_is_sent_to_an_entity_makes_no_instance_of_it() -> None:
    """An id with a sign for entities is no instance's."""
    hub = Hub()
    hub.deploy("dsl: perdure/1\nname: flow\nversion: 1.0.0\ndo: [ return: 1 ]\n")
    start: Any = StartRequested(name="flow", execution="x9")
    hub.store.post(hub._message("@Desk@a", start), None)
    hub.run()
    assert hub.store.instance("@Desk@a") is None
    assert [each.reason for each in hub.store.dead_letters()] == ["unknown"]
