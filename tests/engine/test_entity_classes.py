"""Entities in Python: what a class may be, and what its operations do."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import msgspec
import pytest

import perdure
from perdure import ActivityError, EntityContext, entity, readonly
from perdure.engine.activities import Registry
from perdure.engine.entities import Done, Launch, Signal, Undone
from perdure.engine.entity_classes import EntityClass
from perdure.engine.entity_tasks import Asked, EntityTask, Performed
from perdure.engine.errors import UserError
from perdure.engine.events import TaskCompleted
from perdure.engine.executor import Executor, Limits

SECOND = 1_000_000


@entity
class Counter:
    """Counts."""

    value: int = 0
    names: list[str] = []  # noqa: RUF012  # copied for each entity

    def add(self, amount: int = 1) -> int:
        """Add to the value."""
        self.value += amount
        if self.value > 100:
            raise OverflowError("too many")
        return self.value

    async def slow(self, amount: int) -> int:
        """The same, and let others go first."""
        await asyncio.sleep(0)
        return self.add(amount)

    def name(self, first: str, last: str = "") -> None:
        """Remember a name."""
        self.names.append(f"{first} {last}".strip())

    @readonly
    def get(self) -> int:
        """What it counted."""
        return self.value

    @readonly
    def cheat(self) -> None:
        """Is not what it says."""
        self.value += 1

    def tell(self, ctx: EntityContext) -> dict[str, Any]:
        """Everything that an operation may ask for."""
        ctx.signal("Audit@all", "count", 1)
        ctx.signal("Audit@later", "count", at=ctx.now)
        ctx.start_workflow("refill", {"of": ctx.key}, id="refill-1")
        return {"type": ctx.type, "op": ctx.operation, "id": ctx.idempotency_key, "now": ctx.now}

    def decline(self) -> None:
        """Fail with a name and data."""
        self.value = 50
        raise ActivityError("no", type="Declined", data={"why": 1})

    def stray(self) -> None:
        """Set what is no part of the state."""
        self.other = 1

    def spoil(self) -> None:
        """Set what is no JSON."""
        self.value = float("nan")  # type: ignore[assignment]

    def close(self, ctx: EntityContext) -> int:
        """Be no more."""
        ctx.delete()
        return self.value

    def _hidden(self) -> None:
        """Is no operation."""


def perform(*operations: tuple[str, Any], state: Any = None, class_: type = Counter) -> Performed:
    """What comes of operations of one entity."""
    return EntityClass(class_.__name__, class_).perform(task(*operations, state=state), asyncio.run)


def task(*operations: tuple[str, Any], state: Any = None) -> EntityTask:
    """What a worker is asked to do."""
    return EntityTask(
        instance="@Counter@a",
        execution="e1",
        seq=7,
        name="@Counter",
        key="a",
        state=state,
        now=1_700_000_000 * SECOND,
        operations=tuple(
            Asked(id=f"m{number}", operation=name, input=value)
            for number, (name, value) in enumerate(operations)
        ),
    )


def error(performed: Performed) -> Undone:
    """The error of the only operation."""
    (outcome,) = performed.outcomes
    assert isinstance(outcome, Undone)
    return outcome


def result(value: Any) -> Done:
    """What comes of an operation that only returns."""
    return Done(state=None, result=value)


def test_operations_change_the_state_one_after_the_other() -> None:
    """Each sees what the one before it has left; the state is kept whole."""
    performed = perform(("add", 2), ("add", None), ("slow", 4), ("get", None))
    assert performed == Performed(
        state={"value": 7, "names": []}, outcomes=(result(2), result(3), result(7), result(7))
    )


def test_arguments_are_those_of_activities() -> None:
    """Several parameters are keys of the input; a type that does not fit is told."""
    performed = perform(("name", {"first": "Ann", "last": "Li"}), ("name", {"first": "Bo"}))
    assert performed.state == {"value": 0, "names": ["Ann Li", "Bo"]}
    assert error(perform(("add", "x"))).error == "perdure.Schema"
    assert "has no parameter 'middle'" in error(perform(("name", {"first": "a", "middle": 1}))).message


def test_entities_share_no_defaults() -> None:
    """A list that is a default belongs to each entity alone."""
    perform(("name", {"first": "Ann"}))
    assert perform(("name", {"first": "Bo"})).state["names"] == ["Bo"]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (("add", 500), Undone(error="OverflowError", message="too many")),
        (("slow", 500), Undone(error="OverflowError", message="too many")),
        (("decline", None), Undone(error="Declined", message="no", data={"why": 1})),
        (
            ("cheat", None),
            Undone(
                error="perdure.EntityOperationFailed",
                message="Counter.cheat is readonly and changed the state",
            ),
        ),
        (
            ("stray", None),
            Undone(
                error="perdure.EntityOperationFailed",
                message="Counter keeps no attribute other: annotate it",
            ),
        ),
    ],
)
def test_an_operation_that_fails_changes_nothing(operation: tuple[str, Any], expected: Undone) -> None:
    """The operations before and after it are carried out all the same."""
    performed = perform(("add", 1), operation, ("add", 1))
    assert performed == Performed(state={"value": 2, "names": []}, outcomes=(result(1), expected, result(2)))


def test_what_is_no_json_fails_the_operation() -> None:
    """NaN does not get into a state."""
    assert error(perform(("spoil", None))).error == "perdure.Payload"


def test_an_unknown_operation_fails() -> None:
    """With the names of those that there are; private methods are none."""
    failed = error(perform(("_hidden", None)))
    assert failed.error == "perdure.EntityOperationFailed"
    assert failed.message.endswith("it has: add, cheat, close, decline, get, name, slow, spoil, stray, tell")


def test_an_operation_asks_through_its_context() -> None:
    """Signals and starts come with the outcome, and not at all with a failure."""
    (told,) = perform(("tell", None)).outcomes
    assert told == Done(
        state=None,
        result={"type": "Counter", "op": "tell", "id": "m0", "now": "2023-11-14T22:13:20Z"},
        signals=(
            Signal(type="Audit", key="all", operation="count", input=1),
            Signal(type="Audit", key="later", operation="count", at=1_700_000_000 * SECOND),
        ),
        launches=(Launch(workflow="refill", input={"of": "a"}, id="refill-1"),),
    )


def test_a_signal_needs_an_entity() -> None:
    """``Type@key`` and nothing else."""
    context = EntityContext("A", "b", "c", "d", datetime(2023, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="Type@key, not 'Audit'"):
        context.signal("Audit", "count")


def test_a_deleted_entity_begins_anew() -> None:
    """Operations behind it find the initial state."""
    performed = perform(("close", None), ("add", 1), state={"value": 9, "names": []})
    assert performed == Performed(
        state={"value": 1, "names": []}, outcomes=(Done(state=None, result=9, deleted=True), result(1))
    )
    assert perform(("close", None), state={"value": 9, "names": []}).state is None


def test_the_initial_state_is_no_state() -> None:
    """An entity that is as it began need not be kept."""
    assert perform(("add", 5), ("add", -5)).state is None
    assert perform(("get", None)).state is None


def test_a_state_of_another_release_is_read() -> None:
    """Attributes that are new have their defaults; what is gone is dropped at the next change."""
    performed = perform(("add", 1), state={"value": 4, "old": True})
    assert performed.state == {"value": 5, "names": []}
    assert error(perform(("add", 1), state={"value": "four"})).error == "perdure.Schema"


@dataclasses.dataclass
class _Point:
    x: float = 0.0


class _Base(msgspec.Struct):
    points: list[_Point] = []

    def move(self, to: float) -> int:
        """Add a point."""
        self.points.append(_Point(to))
        return len(self.points)


@entity("Way")
class _Way(_Base):
    pass


def test_structs_are_entities_too() -> None:
    """With typed values inside, and operations that are inherited."""
    assert entity_state(_Way) == {"points": [{"x": 1.5}, {"x": 2.0}]}


def entity_state(class_: type) -> Any:
    """The state after two moves, the second from what was stored."""
    made = EntityClass("Way", class_)
    first = made.perform(task(("move", 1.5)), asyncio.run)
    return made.perform(task(("move", 2.0), state=first.state), asyncio.run).state


def test_a_class_without_a_default_is_refused() -> None:
    """An entity exists as soon as it is spoken to."""
    with pytest.raises(TypeError, match="every attribute needs a default"):

        @entity("Bad")
        class _Bad:
            value: int


def test_private_attributes_are_refused() -> None:
    """They would not be kept."""
    with pytest.raises(TypeError, match="no private attribute '_value'"):

        @entity("Bad")
        class _Bad:
            _value: int = 0


def test_a_module_offers_its_entities() -> None:
    """Under ``@Type``, beside its activities; a type has one class."""
    module = ModuleType("shop")
    vars(module).update(Counter=Counter, Way=_Way)
    registry = Registry()
    registry.add_module(module)
    assert registry.offered == {"@Counter", "@Way"}
    assert registry.names == set()
    assert "@Counter" in registry
    assert "Counter" not in registry

    @entity("Counter")
    class _Other:
        value: int = 0

    with pytest.raises(UserError, match="two classes are registered as entity 'Counter'"):
        registry.add_entity(_Other)
    with pytest.raises(UserError, match="int is no entity"):
        registry.add_entity(int)


class _Done:
    """Where an executor's answers go."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.came = threading.Event()

    def __call__(self, _task: Any, answer: Any) -> None:
        self.answers.append(answer)
        self.came.set()


@pytest.fixture
def done() -> _Done:
    """No answers yet."""
    return _Done()


@pytest.fixture
def executor(done: _Done) -> Iterator[Executor]:
    """An executor that has the counter."""
    registry = Registry()
    registry.add_entity(Counter)
    programs: Any = lambda _digest: pytest.fail("no Program is needed")  # noqa: E731
    made = Executor(registry, programs, done, limits=Limits(2, 2, 2), token_key=lambda: "key")
    yield made
    made.stop(1)


def test_a_worker_carries_out_operations(executor: Executor, done: _Done) -> None:
    """Sync and async ones of one task, in their order; the answer is data."""
    executor.start([task(("add", 1), ("slow", 2))])
    assert done.came.wait(10)
    (answer,) = done.answers
    assert isinstance(answer, TaskCompleted)
    assert answer.scheduled_seq == 7
    performed = msgspec.convert(answer.result, Performed)
    assert performed == Performed(state={"value": 3, "names": []}, outcomes=(result(1), result(3)))


def test_what_a_stop_cuts_short_is_not_recorded(executor: Executor, done: _Done) -> None:
    """It is delivered again: nobody knows what it came to."""
    begun = threading.Event()

    @entity("Sleeper")
    class _Sleeper:
        value: int = 0

        async def sleep(self) -> None:
            begun.set()
            await asyncio.Event().wait()

    executor._registry.add_entity(_Sleeper)
    executor.start([msgspec.structs.replace(task(("sleep", None)), name="@Sleeper")])
    assert begun.wait(10)
    executor.stop(0.01)
    for thread in executor._threads:
        thread.join(10)
    assert done.answers == []


def test_the_names_are_public() -> None:
    """Programs import them from ``perdure``."""
    assert {"entity", "readonly", "EntityContext"} <= set(perdure.__all__)
