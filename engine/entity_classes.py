"""Entities in Python: a class whose attributes are the state, and whose methods are the operations.

A class with annotated attributes becomes a dataclass; dataclasses and msgspec Structs stay what they are.
``Class()`` is the state of an entity that nobody has spoken to, so every attribute has a default. A public
method is an operation, sync or async: its one argument is the operation's input, several are keys of it,
and a parameter called ``ctx`` is its context. A method that raises changes nothing.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast, overload

import msgspec

from perdure.engine.activities import ENTITY_MARK, Activity, ActivityError, Context
from perdure.engine.addresses import entity_of
from perdure.engine.entities import Done, Launch, Signal, Undone
from perdure.engine.entity_tasks import Asked, EntityTask, Performed
from perdure.engine.failure import ENTITY, PAYLOAD, SCHEMA
from perdure.engine.instance import id_problem
from perdure.engine.payload import BadPayload, to_json

Class = TypeVar("Class", bound=type)
Method = TypeVar("Method", bound=Callable[..., Any])

_READONLY = "__perdure_readonly__"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Await = Callable[[Coroutine[Any, Any, Any]], Any]
"""Waits for what an async operation gives, on the loop where such code runs."""


class Abandoned(BaseException):
    """The process stops: nothing is known of what the operation came to."""


class EntityContext:
    """What an operation may know and ask for: the parameter ``ctx``.

    What is asked for happens when the operation has ended well, together with its change of the state.
    ``idempotency_key`` is the same for every delivery of the operation.
    """

    def __init__(self, type: str, key: str, operation: str, idempotency_key: str, now: datetime) -> None:
        self.type = type
        self.key = key
        self.operation = operation
        self.idempotency_key = idempotency_key
        self.now = now
        self.deleted = False
        self.signals: list[Signal] = []
        self.launches: list[Launch] = []

    def signal(self, entity: str, operation: str, input: Any = None, *, at: datetime | None = None) -> None:
        """Have ``Type@key`` carry out an operation, at a time if one is given."""
        found = entity_of(entity)
        if found is None:
            raise ValueError(f"an entity is written Type@key, not {entity!r}")
        due = None if at is None else (at - _EPOCH) // timedelta(microseconds=1)
        self.signals.append(
            Signal(type=found[0], key=found[1], operation=operation, input=to_json(input), at=due)
        )

    def start_workflow(self, workflow: str, input: Any = None, *, id: str | None = None) -> None:
        """Start an instance of a workflow, which nobody waits for."""
        problem = None if id is None else id_problem(id)
        if problem is not None:
            raise ValueError(f"{id!r}: {problem}")
        self.launches.append(Launch(workflow=workflow, input=to_json(input), id=id))

    def delete(self) -> None:
        """Let the entity be no more once this operation has ended."""
        self.deleted = True


@overload
def entity(name: Class) -> Class: ...


@overload
def entity(name: str | None = None) -> Callable[[Class], Class]: ...


def entity(name: Any = None) -> Any:
    """Register a class as the entity of a type: ``@entity("Name")``, or ``@entity`` for its own name.

    Raises ``TypeError`` for a class that cannot be one.
    """
    if isinstance(name, type):
        return entity()(name)

    def mark(class_: type) -> type:
        class_ = _with_state(class_)
        setattr(class_, ENTITY_MARK, name or class_.__name__)
        EntityClass(name or class_.__name__, class_)
        return class_

    return mark


def readonly(method: Method) -> Method:
    """Say that an operation leaves the state as it is; it is held to that."""
    setattr(method, _READONLY, True)
    return method


def entity_type(class_: object) -> str | None:
    """The type that a class was registered for, not one of the classes it inherits from."""
    name = vars(class_).get(ENTITY_MARK) if isinstance(class_, type) else None
    return name if isinstance(name, str) else None


def _with_state(class_: type) -> type:
    if dataclasses.is_dataclass(class_) or issubclass(class_, msgspec.Struct):
        return class_
    for name in inspect.get_annotations(class_):
        default = class_.__dict__.get(name)
        if isinstance(default, list | dict | set):
            setattr(class_, name, dataclasses.field(default_factory=partial(copy.deepcopy, default)))
    return dataclasses.dataclass(class_)


class EntityClass:
    """A class under its type, with its operations."""

    def __init__(self, name: str, class_: type) -> None:
        if entity_of(f"{name}@key") is None:
            raise TypeError(f"entity {name!r}: a type has letters, digits, '.', '_' and '-'")
        self.name = name
        self.class_ = class_
        self._fields = _fields(class_)
        private = sorted(each for each in self._fields if each.startswith("_"))
        if private:
            raise TypeError(f"entity {name}: the state has no private attribute {private[0]!r}")
        try:
            self.initial = class_()
        except TypeError as error:
            raise TypeError(f"entity {name}: every attribute needs a default: {error}") from error
        self.operations = {
            each: Activity(f"{name}.{each}", method, method=True)
            for each, method in inspect.getmembers(class_, inspect.isfunction)
            if not each.startswith("_")
        }

    def perform(self, task: EntityTask, wait: Await) -> Performed:
        """Carry out the operations of a task, one after the other; each is done wholly or not at all."""
        state, outcomes = task.state, list[Done | Undone]()
        for asked in task.operations:
            state, outcome = self._perform(task, state, asked, wait)
            outcomes.append(outcome)
        unchanged = state is None or state == to_json(self.initial)
        return Performed(state=None if unchanged else state, outcomes=tuple(outcomes))

    def _perform(self, task: EntityTask, state: Any, asked: Asked, wait: Await) -> tuple[Any, Done | Undone]:
        """The state after an operation, and what came of it."""
        method = self.operations.get(asked.operation)
        if method is None:
            known = ", ".join(self.operations)
            message = f"entity {self.name!r} has no operation {asked.operation!r}; it has: {known}"
            return state, Undone(error=ENTITY, message=message)
        now = _EPOCH + timedelta(microseconds=task.now)
        context = EntityContext(self.name, task.key, asked.operation, asked.id, now)
        try:
            entity = self._with(state)
            has_input = asked.input is not None or bool(method.required)
            arguments = method.arguments(has_input, asked.input, cast("Context", context))
        except msgspec.ValidationError as error:
            return state, Undone(error=SCHEMA, message=str(error))
        except Exception as error:  # noqa: BLE001
            # An annotation that means nothing when it is looked at, or that nothing can be read as.
            said = undone(error)
            message = f"{self.name}.{asked.operation}: {said.error}: {said.message}"
            return state, Undone(error=SCHEMA, message=message)
        try:
            result = method.function(entity, **arguments)
            if inspect.iscoroutine(result):
                result = wait(result)
        except Abandoned:
            raise
        except BaseException as error:  # noqa: BLE001  # user code may raise anything
            return state, undone(error)
        return self._outcome(state, entity, result, context, method)

    def _outcome(
        self, state: Any, entity: Any, result: Any, context: EntityContext, method: Activity
    ) -> tuple[Any, Done | Undone]:
        stray = sorted(vars(entity).keys() - self._fields) if hasattr(entity, "__dict__") else []
        if stray:
            names = ", ".join(stray)
            return state, Undone(error=ENTITY, message=f"{self.name} keeps no attribute {names}: annotate it")
        try:
            after, value = to_json(entity), to_json(result)
        except BadPayload as error:
            return state, Undone(error=PAYLOAD, message=f"{self.name}.{context.operation}: {error}")
        before = to_json(self.initial) if state is None else state
        if getattr(method.function, _READONLY, False):
            if context.deleted or after != to_json(self._with(before)):
                message = f"{self.name}.{context.operation} is readonly and changed the state"
                return state, Undone(error=ENTITY, message=message)
            after = state
        outcome = Done(
            state=None,
            result=value,
            signals=tuple(context.signals),
            launches=tuple(context.launches),
            deleted=context.deleted,
        )
        return None if context.deleted else after, outcome

    def _with(self, state: Any) -> Any:
        """An entity of its own with this state; what the class does not know is left out."""
        return copy.deepcopy(self.initial) if state is None else msgspec.convert(state, self.class_)


def _fields(class_: type) -> frozenset[str]:
    if issubclass(class_, msgspec.Struct):
        return frozenset(class_.__struct_fields__)
    return frozenset(each.name for each in dataclasses.fields(cast("Any", class_)))


def undone(error: BaseException) -> Undone:
    """What an exception of an operation means to whoever asked for it."""
    kind, data = type(error).__name__, None
    if isinstance(error, ActivityError):
        kind = str(error.type or kind)
        try:
            data = to_json(error.data)
        except BadPayload as problem:
            data = {"lost": str(problem)}
    try:
        message = str(error)
    except Exception:  # noqa: BLE001
        message = "(the exception has no text)"
    return Undone(error=kind, message=message.encode("utf-8", "replace").decode()[:8192], data=data)
