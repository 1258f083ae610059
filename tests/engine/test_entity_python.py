"""Entities in Python: any worker carries their operations out, each counts once, whoever dies."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import perdure
from perdure import EntityContext
from perdure.engine.entity_tasks import EntityTask
from perdure.engine.events import (
    Asker,
    DeleteRequested,
    LockReleased,
    LockRequested,
    OperationRequested,
    TaskCompleted,
    ToEntity,
)
from perdure.engine.instance import slot_of
from perdure.engine.sealing import result_message
from perdure.engine.store.memory import MemoryStore
from perdure.engine.tasks import work_in
from tests.engine.driver import Hub


@perdure.entity("Tally")
class Tally:
    """Counts."""

    value: int = 0

    def add(self, amount: int) -> int:
        """Add."""
        self.value += amount
        return self.value

    def fail(self) -> None:
        """Fail after a change."""
        self.value = -1
        raise LookupError("nothing")

    def tell(self, ctx: EntityContext) -> None:
        """Tell another one."""
        ctx.signal("Tally@other", "add", 1)

    @perdure.readonly
    def get(self) -> int:
        """Look."""
        return self.value


@pytest.fixture(autouse=True)
def tally(hub: Hub) -> None:
    """Tallies are offered here."""
    hub.registry.add_entity(Tally)


def add(amount: int = 1) -> OperationRequested:
    """A signal."""
    return OperationRequested(operation="add", input=amount)


def test_a_client_calls_an_entity_in_python(hub: Hub) -> None:
    """And has its answer, or its exception by the class's name."""
    assert hub.operate("Tally@a", "add", 3) == 3
    assert hub.operate("Tally@a", "get") == 3
    assert hub.operate("Tally@a", "fail") == ["LookupError", "nothing"]
    assert hub.operate("Tally@a", "add", "x")[0] == "perdure.Schema"
    assert hub.state("Tally@a") == {"value": 3}


def test_operations_that_have_come_together_are_one_task(hub: Hub) -> None:
    """In their order; the state is written once."""
    for _ in range(30):
        hub.tell("Tally@a", add())
    hub.run()
    assert hub.state("Tally@a") == {"value": 30}
    assert [len(task.operations) for task in hub.operations] == [30]


def test_a_task_has_a_bound(hub: Hub) -> None:
    """What is beyond it comes next."""
    for _ in range(120):
        hub.tell("Tally@a", add())
    hub.run()
    assert hub.state("Tally@a") == {"value": 120}
    assert [len(task.operations) for task in hub.operations] == [50, 50, 20]


@pytest.mark.parametrize("rounds", range(8))
def test_each_operation_counts_once_whenever_a_worker_dies(hub: Hub, rounds: int) -> None:
    """A task whose result is not committed is delivered again, with the state as it was."""
    for _ in range(3):
        hub.post("Tally@a", add())
    hub.start(
        """
        do:
          - one: { call_entity: Tally@a, op: add, with: 10 }
          - two: { call_entity: Tally@a, op: add, with: 10 }
          - return: "${ two }"
        """
    )
    for _ in range(rounds):
        hub.round()
    hub.crash()
    hub.run()
    assert hub.output() == 23
    assert hub.state("Tally@a") == {"value": 23}
    assert hub.leftovers("@Tally@a") == []


def test_a_task_of_a_worker_that_died_is_delivered_again(hub: Hub) -> None:
    """And nothing else is done for this entity meanwhile."""
    hub.manual = True
    hub.post("Tally@a", add())
    hub.run()
    (row,) = hub.claim()
    assert row.name == "@Tally"
    hub.post("Tally@a", add())
    hub.run()
    assert hub.claim() == []
    hub.manual = False
    hub.crash()
    hub.run()
    assert hub.state("Tally@a") == {"value": 2}


def test_a_late_answer_changes_nothing(hub: Hub) -> None:
    """It answers a task that is not asked for any more: here, and from the inbox."""
    hub.manual = True
    hub.post("Tally@a", add(1))
    hub.run()
    (first,) = [work_in(row) for row in hub.claim()]
    assert isinstance(first, EntityTask)
    hub.carry_out(first)
    hub.post("Tally@a", add(10))
    hub.run()
    hub.carry_out(first)
    late = result_message(first.instance, slot_of(first.instance), first.execution, answer_of(hub, first))
    hub.store.record([late], [])
    hub.run()
    assert hub.state("Tally@a") == {"value": 1}
    (second,) = [work_in(row) for row in hub.claim()]
    assert isinstance(second, EntityTask)
    assert second.state == {"value": 1}
    hub.carry_out(second)
    hub.run()
    assert hub.state("Tally@a") == {"value": 11}
    assert hub.leftovers("@Tally@a") == []


def answer_of(hub: Hub, task: EntityTask) -> Any:
    """What a worker makes of a task."""
    entity = hub.registry.entity(task.name)
    assert entity is not None
    return hub.executor.perform_operations(task, entity)


def test_poison_is_found_among_its_neighbours(hub: Hub) -> None:
    """A task that kills its workers is split; the operation that does it fails, with a dead letter."""
    hub.manual = True
    for amount in (1, 666, 2):
        hub.post("Tally@a", add(amount))
    for _ in range(40):
        hub.run()
        rows = hub.claim()
        for row in rows:
            task = work_in(row)
            assert isinstance(task, EntityTask)
            if any(asked.input == 666 for asked in task.operations):
                hub.crash()
            else:
                hub.carry_out(task)
    hub.run()
    assert hub.state("Tally@a") == {"value": 3}
    assert [letter.kind for letter in hub.store.dead_letters()] == ["TaskScheduled"] * 2
    assert hub.notes[0].startswith("Tally@a: the signal 'add' failed: perdure.Poison")
    assert hub.leftovers("@Tally@a") == []


def test_signals_go_with_the_result(hub: Hub) -> None:
    """In the commit that ends the operation."""
    hub.operate("Tally@a", "tell")
    hub.run()
    assert hub.state("Tally@other") == {"value": 1}
    assert hub.row("Tally@a") is None


def test_an_entity_in_python_is_locked(hub: Hub) -> None:
    """Its holder's operations go through; the others wait."""
    hub.start(
        """
        do:
          - alone:
              lock_entities: [ Tally@a ]
              do:
                - one: { call_entity: Tally@a, op: add, with: 1 }
                - go: { wait_for_event: Go, timeout: never }
                - two: { call_entity: Tally@a, op: add, with: 1 }
                - output: "${ two }"
          - return: ${ alone }
        """
    )
    hub.run()
    hub.post("Tally@a", add(100))
    hub.run()
    assert hub.state("Tally@a") == {"value": 1}
    hub.raise_event("Go")
    hub.run()
    assert hub.output() == 2
    assert hub.state("Tally@a") == {"value": 102}


def test_a_type_that_nobody_offers_waits_for_a_worker(hub: Hub) -> None:
    """No task is made before."""
    hub.post("Later@a", add(4))
    hub.run()
    assert isinstance(hub.store, MemoryStore)
    assert hub.store._tasks == {}

    @perdure.entity("Later")
    class _Later(Tally):
        pass

    hub.registry.add_entity(_Later)
    hub.run()
    assert hub.state("Later@a") == {"value": 4}


HOLDER, SECOND, THIRD = (Asker(name, "x", 1) for name in ("first", "second", "third"))


@pytest.mark.parametrize(
    ("before", "between", "value"),
    [
        ([], DeleteRequested(), 10),
        ([], LockRequested(holder=HOLDER), 1),
        ([LockRequested(holder=HOLDER)], LockReleased(holder=HOLDER), 11),
    ],
    ids=["delete", "lock", "release"],
)
def test_what_is_no_operation_waits_for_those_before_it(
    hub: Hub, before: list[ToEntity], between: ToEntity, value: int
) -> None:
    """And those behind it are no part of their task."""
    for each in before:
        hub.post("Tally@a", each)
    hub.run()
    first = OperationRequested(operation="add", input=1, holder=HOLDER if before else None)
    for each in (first, between, add(10)):
        hub.post("Tally@a", each)
    hub.run()
    assert [asked.input for asked in hub.operations[0].operations] == [1]
    assert hub.state("Tally@a") == {"value": value}


def test_who_gives_up_waiting_for_a_lock_does_not_get_it(hub: Hub) -> None:
    """Those before and behind it do."""
    for holder in (HOLDER, SECOND, THIRD):
        hub.post("Tally@a", LockRequested(holder=holder))
    hub.post("Tally@a", LockReleased(holder=THIRD))
    hub.post("Tally@a", LockReleased(holder=HOLDER))
    hub.run()
    row = hub.row("Tally@a")
    assert row is not None
    assert msgspec.json.decode(row.lock or "", type=Asker) == SECOND
    hub.post("Tally@a", LockReleased(holder=SECOND))
    hub.run()
    assert hub.row("Tally@a") is None


@pytest.mark.parametrize("result", [{"nonsense": 1}, {"state": {"value": 9}, "outcomes": []}])
def test_an_answer_that_cannot_be_read_fails_the_operations(hub: Hub, result: Any) -> None:
    """As one of a worker of another version might be; the state is as it was."""
    hub.manual = True
    hub.post("Tally@a", add())
    hub.run()
    (task,) = [work_in(row) for row in hub.claim()]
    hub._done(task, TaskCompleted(scheduled_seq=task.seq, result=result))
    hub.run()
    assert "the worker's answer cannot be read" in hub.notes[0]
    assert hub.row("Tally@a") is None


def test_an_answer_in_memory_is_heard_by_the_worker_s_next_self(hub: Hub) -> None:
    """Nobody else has it, and the operation counts once."""
    hub.manual = True
    hub.post("Tally@a", add())
    hub.run()
    (task,) = [work_in(row) for row in hub.claim()]
    assert isinstance(task, EntityTask)
    hub.carry_out(task)
    hub.rejoin()
    hub.run()
    assert hub.state("Tally@a") == {"value": 1}
    assert hub.claim() == []


def test_a_type_that_is_offered_no_more_waits(hub: Hub) -> None:
    """Though it was known who carried out its operations."""
    hub.post("Tally@a", add())
    hub.run()
    offered = hub.registry._entities.pop("Tally")
    hub.post("Tally@a", add())
    hub.run()
    assert hub.state("Tally@a") == {"value": 1}
    hub.registry._entities["Tally"] = offered
    hub.run()
    assert hub.state("Tally@a") == {"value": 2}
