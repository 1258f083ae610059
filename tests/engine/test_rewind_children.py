"""Rewind of a parent: what failed of its children goes on too, and nothing is started twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from msgspec.structs import replace

from perdure.engine.activities import ActivityError
from perdure.engine.events import (
    ExecutionStarted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
)
from perdure.engine.programs import Programs
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import InstanceQuery
from tests.engine.driver import Hub
from tests.engine.functions import finish_all, offer
from tests.engine.test_refused import refusing

CHILD = """
dsl: perdure/1
name: child
version: 1.0.0
do:
  - before: { call: Echo, with: "${ input }" }
  - bad: { call: Shaky, with: "${ input }" }
  - return: ${ [before, bad] }
"""
MIDDLE = """
dsl: perdure/1
name: middle
version: 1.0.0
do:
  - below: { call_workflow: child, with: "${ input }" }
  - return: ${ below }
"""
SLOW = """
dsl: perdure/1
name: slow
version: 1.0.0
do:
  - one: { call: Echo, with: 10 }
  - two: { call: Echo, with: 20 }
  - return: ${ one + two }
"""


class Shaky:
    """An activity that fails while it is ``broken``."""

    broken = True

    def call(self, value: Any) -> Any:
        """What it is given."""
        if self.broken:
            raise ActivityError(f"no {value}", type="Down", retryable=False)
        return value


@pytest.fixture
def shaky(hub: Hub) -> Shaky:
    """The children are deployed, and their activities offered."""
    activity = Shaky()
    hub.activity("Shaky", activity.call)
    offer(hub)
    for text in (CHILD, MIDDLE, SLOW):
        hub.deploy(text)
    return activity


def ids(hub: Hub) -> list[str]:
    """Every instance that is there."""
    return sorted(each.id for each in hub.store.instances(InstanceQuery(limit=100)))


def test_a_child_that_failed_is_rewound(hub: Hub, shaky: Shaky) -> None:
    """It is the same instance, what it had done stays done, and it answers who asks now."""
    hub.start("do: [ { c: { call_workflow: child, with: 7 } }, return: '${ c }' ]")
    hub.run()
    assert hub.error()["type"] == "perdure.SubWorkflowFailed"
    before = ids(hub)
    shaky.broken = False
    hub.rewind()
    hub.run()
    assert hub.output() == [7, 7]
    assert ids(hub) == before
    assert [task.path for task in hub.calls] == ["do/0/before", "do/1/bad", "do/1/bad"]
    assert hub.calls[1].key == hub.calls[2].key


def test_however_deep(hub: Hub, shaky: Shaky) -> None:
    """Parent, child and grandchild go on."""
    hub.start("do: [ { c: { call_workflow: middle, with: 7 } }, return: '${ c }' ]")
    hub.run()
    assert hub.status() == "Failed"
    shaky.broken = False
    hub.rewind()
    hub.crash()
    hub.run()
    assert hub.output() == [7, 7]
    assert len(hub.calls) == 3


def test_a_child_that_fails_again(hub: Hub, shaky: Shaky) -> None:
    """Fails its parent again, which can be rewound again."""
    hub.start("do: [ { c: { call_workflow: child, with: 7 } }, return: '${ c }' ]")
    hub.run()
    hub.rewind()
    hub.run()
    assert hub.error()["type"] == "perdure.SubWorkflowFailed"
    shaky.broken = False
    hub.rewind()
    hub.run()
    assert hub.output() == [7, 7]


def test_a_child_that_was_ended_with_its_parent(hub: Hub, shaky: Shaky) -> None:
    """It goes on where it was cut off, with the keys that it had; what was done stays done."""
    hub.manual = True
    hub.start(
        """
        do:
          - all:
              parallel:
                slow: [{ s: { call_workflow: slow } }]
                bad: [{ b: { call: Shaky, with: 1 } }]
          - return: ${ all }
        """
    )
    hub.run()
    finish_all(hub, 10, 1)
    slow = next(each for each in ids(hub) if each != "i")
    assert (hub.status(), hub.status(slow)) == ("Failed", "Terminated")
    key = next(task.key for task in hub.calls if task.input == 20)
    hub.open.clear()
    shaky.broken = False
    hub.rewind()
    hub.run()
    assert sorted(task.input for task in hub.open) == [1, 20]
    assert next(task.key for task in hub.open if task.input == 20) == key
    finish_all(hub, 20, 1)
    assert hub.output() == {"slow": 30, "bad": 1}


def test_a_child_that_was_purged(hub: Hub, shaky: Shaky) -> None:
    """It is started anew."""
    hub.start("do: [ { c: { call_workflow: child, with: 7 } }, return: '${ c }' ]")
    hub.run()
    child = next(each for each in ids(hub) if each != "i")
    hub.forget(id=child)
    shaky.broken = False
    hub.rewind()
    hub.run()
    assert hub.output() == [7, 7]


def test_a_child_that_cannot_go_on(hub: Hub, shaky: Shaky) -> None:
    """Its parent hears of the same failure again, and fails."""
    hub.deploy("dsl: perdure/1\nname: decided\nversion: 1.0.0\ndo: [{ raise: { error: Mine, message: so } }]")
    hub.start("do: [ { c: { call_workflow: decided } }, return: '${ c }' ]")
    hub.run()
    hub.rewind()
    hub.run()
    assert hub.error()["cause"]["type"] == "Mine"
    assert sum(isinstance(event, SubOrchestrationInstanceFailed) for event in hub.events()) == 1


def test_a_child_that_somebody_rewound_before(hub: Hub, shaky: Shaky) -> None:
    """It has its output already, or runs: its parent gets it."""
    hub.start("do: [ { c: { call_workflow: child, with: 7 } }, return: '${ c }' ]")
    hub.run()
    child = next(each for each in ids(hub) if each != "i")
    shaky.broken = False
    hub.rewind(id=child)
    hub.run()
    assert (hub.status(child), hub.status()) == ("Completed", "Failed")
    first = hub.events(child)[0]
    assert isinstance(first, ExecutionStarted)
    assert (first.parent_id, first.told) == ("i", True)
    hub.rewind()
    hub.run()
    assert hub.output() == [7, 7]


def test_what_was_sent_is_not_sent_again(hub: Hub, shaky: Shaky) -> None:
    """Events and starts of the execution before have arrived."""
    hub.deploy(
        "dsl: perdure/1\nname: ear\nversion: 1.0.0\nevents: { Go: {} }\n"
        "do: [{ a: { wait_for_event: Go, count: 2, timeout: never } }, { return: '${ a }' }]"
    )
    hub.start(
        """
        do:
          - e: { start_workflow: ear, instance_id: ear }
          - send_event: { to: ear, event: Go, with: 1 }
          - b: { call: Shaky, with: 1 }
          - send_event: { to: ear, event: Go, with: 2 }
        """
    )
    hub.run()
    assert hub.status() == "Failed"
    shaky.broken = False
    hub.rewind()
    hub.run()
    assert hub.output("ear") == [1, 2]


NARROW = """
dsl: perdure/1
name: narrow
version: 1.0.0
concurrency: { key: one, limit: 1 }
events: { Go: {} }
do:
  - go: { wait_for_event: Go, timeout: never }
  - return: ${ go }
"""


def test_a_child_that_was_ended_before_it_began_is_started(hub: Hub, shaky: Shaky) -> None:
    """It has done nothing that could go on, and did not fail by itself."""
    hub.deploy(NARROW)
    hub.start("do: [ { c: { call_workflow: narrow, instance_id: holder } } ]", id="first")
    hub.run()
    hub.start("do: [ { c: { call_workflow: narrow } }, return: '${ c }' ]")
    hub.run()
    assert hub.status("i:do.0.c") == "Pending"
    hub.terminate()
    hub.run()
    assert hub.status("i:do.0.c") == "Terminated"
    hub.rewind()
    hub.raise_event("Go", id="holder")
    hub.run()
    hub.raise_event("Go", 30, id="i:do.0.c")
    hub.run()
    assert hub.output() == 30


def test_a_child_that_hears_of_its_end_and_of_the_rewind_at_once_goes_on(hub: Hub) -> None:
    """Whoever has its slot was away meanwhile: it ends in the turn in which it is to go on."""
    waits = "name: waits\ndo: [ { e: { wait_for_event: Go, timeout: never } }, { return: '${ e }' } ]"
    hub.deploy(f"dsl: perdure/1\nversion: 1.0.0\n{waits}")
    hub.start("do: [ { c: { call_workflow: waits, on_parent_close: terminate } }, { return: '${ c }' } ]")
    hub.run()
    (child,) = [each.id for each in hub.store.instances(InstanceQuery()) if each.parent_id == "i"]
    slots = hub.slots
    hub.slots = slots - {hub.instance(child).slot}
    hub.terminate()
    hub.run()
    hub.rewind()
    hub.run()
    assert (hub.status(), hub.status(child)) == ("Running", "Running")
    hub.slots = slots
    hub.run()
    assert (hub.status(), hub.status(child)) == ("Running", "Running")
    hub.raise_event("Go", 7, id=child)
    hub.run()
    assert hub.output() == 7


@pytest.mark.parametrize("gone", ["program", "history"])
def test_a_child_that_cannot_go_on_has_failed_as_before(hub: Hub, shaky: Shaky, gone: str) -> None:
    """Its parent is told so, and fails again."""
    hub.start("do: [ { c: { call_workflow: child, with: 1 } } ]")
    hub.run()
    (child,) = [each.instance for each in hub.events() if isinstance(each, SubOrchestrationInstanceCreated)]
    tables = cast("MemoryStore", hub.store)
    digest = hub.instance(child).digest
    program, rows = tables._programs[digest], dict(tables._history[child, 1])
    if gone == "program":
        tables._programs[digest] = "{"
    else:
        tables._history[child, 1][0] = replace(rows[0], events='[{"type": "FromTheFuture"}]')
    hub.programs = Programs(hub.store.program)
    hub.crash()
    shaky.broken = False
    hub.rewind()
    hub.run()
    assert (hub.error()["type"], hub.status(child)) == ("perdure.SubWorkflowFailed", "Failed")
    tables._programs[digest], tables._history[child, 1] = program, rows
    hub.programs = Programs(hub.store.program)


def test_a_child_whose_rewind_the_database_refuses_has_failed_as_before(hub: Hub, shaky: Shaky) -> None:
    """Its parent is told so, and fails again."""
    hub.start("do: [ { c: { call_workflow: child, with: 1, instance_id: below } } ]")
    hub.run()
    shaky.broken = False
    hub.rewind()
    with refusing(hub, lambda batch: any(each.id == "below" for each in batch.checkpoints)):
        hub.run()
    assert (hub.error()["type"], hub.status("below")) == ("perdure.SubWorkflowFailed", "Failed")


def test_a_child_that_is_purged_while_it_is_being_rewound_is_started_anew(hub: Hub, shaky: Shaky) -> None:
    """Whoever reads it finds nothing any more."""
    hub.start("do: [ { c: { call_workflow: child, with: 7, instance_id: below } }, return: '${ c }' ]")
    hub.run()
    shaky.broken = False
    hub.rewind()
    load = hub.store.load

    def late(ids: Sequence[str]) -> Any:
        if "below" in ids:
            hub.store.load = load  # type: ignore[method-assign]
            hub.forget(id="below")
        return load(ids)

    hub.store.load = late  # type: ignore[method-assign]
    hub.run()
    assert hub.output() == [7, 7]
