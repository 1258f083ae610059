"""What an operation of a YAML entity does: its Program made ready to run, and one evaluation.

Pure. ``operate`` reads no clock and changes nothing it was given: it returns all that the operation asks
for, or an error with nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import msgspec

from perdure.compiler import ir
from perdure.compiler.codegen import Result, compile_value
from perdure.compiler.encode import decode_entity, digest
from perdure.compiler.runtime import EvalError
from perdure.dsl.numbers import declaring
from perdure.engine import keys
from perdure.engine.addresses import MAX_KEY, entity_of
from perdure.engine.failure import ENTITY, EXPRESSION, PAYLOAD, SCHEMA
from perdure.engine.linked import encode_json, schema_check
from perdure.engine.payload import MAX_BYTES

Function: TypeAlias = Callable[[dict[str, Any], Any], Any]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One operation that is asked for. ``id`` is never used twice: what ``uuid`` gives follows from it.

    ``now`` is the time of the turn in microseconds since 1970 UTC.
    """

    id: str
    key: str
    operation: str
    input: Any = None
    now: int


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that another entity is to carry out, at a time if ``at`` is given (microseconds)."""

    type: str
    key: str
    operation: str
    input: Any = None
    at: int | None = None


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow to be started; with an ``id`` of its own where one is wanted."""

    workflow: str
    input: Any = None
    id: str | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """All that an operation asks for. ``deleted``: the entity is no more, whatever ``state`` was."""

    state: Any
    result: Any = None
    signals: tuple[Signal, ...] = ()
    launches: tuple[Launch, ...] = ()
    deleted: bool = False


class Undone(msgspec.Struct, frozen=True, kw_only=True, tag="undone"):
    """The error of an operation, of which nothing was done."""

    error: str
    message: str
    data: Any = None


class _Failed(Exception):
    """Leaves an operation; the argument is what came of it."""

    def __init__(self, undone: Undone) -> None:
        super().__init__(undone.message)
        self.undone = undone


class _Environment:
    """What expressions read besides the names of ``let``."""

    __slots__ = ("_seed", "input", "key", "now_us", "state")

    def __init__(self, state: Any, call: Call) -> None:
        self._seed = call.id, call.operation
        self.state = state
        self.input = call.input
        self.key = call.key
        self.now_us = call.now

    def uuid(self, label: str) -> str:
        """The UUID of this label in this operation."""
        return keys.uuid5(*self._seed, label)


class _Guard(NamedTuple):
    check: Function
    error: str
    message: Function | None


class _Sending(NamedTuple):
    """A signal or a start: its condition, what it goes to, and the value that goes with it."""

    condition: Function | None
    name: str
    key: Function | None
    operation: str
    arguments: Function | None


class _Operation:
    """An operation with its code as functions."""

    def __init__(self, operation: ir.Operation) -> None:
        self.source = operation
        self.takes_input = operation.input_schema is not None
        self.input_problem = schema_check(operation.input_schema)
        self.input_value = declaring(operation.input_schema)
        self.let = [(name, _function(code)) for name, code in operation.let]
        self.require = [
            _Guard(_function(each.check, "bool"), each.error, _optional(each.message, "text"))
            for each in operation.require
        ]
        self.fields = [(name, _function(code)) for name, code in operation.fields]
        self.replacement = _optional(operation.replacement)
        self.returns = _optional(operation.returns)
        self.signals = [
            _Sending(
                _optional(each.condition, "bool"),
                each.entity.type,
                _function(each.entity.key, "text"),
                each.operation,
                _optional(each.arguments),
            )
            for each in operation.signals
        ]
        self.launches = [
            _Sending(_optional(each.condition, "bool"), each.workflow, None, "", _optional(each.arguments))
            for each in operation.launches
        ]


class LinkedEntity:
    """What ``operate`` runs. ``initial`` is the state of an entity that nobody has spoken to."""

    def __init__(self, program: ir.EntityProgram, program_digest: str) -> None:
        self.program = program
        self.digest = program_digest
        self.name = program.name
        self._state_problem = schema_check(program.state_schema)
        self._state_value = declaring(program.state_schema)
        self.initial = self._declared(program.initial)
        self._operations = {name: _Operation(each) for name, each in program.operations.items()}

    @property
    def operations(self) -> list[str]:
        """The names of its operations."""
        return list(self._operations)

    def is_readonly(self, operation: str) -> bool:
        """Whether an operation leaves the state as it is."""
        found = self._operations.get(operation)
        return found is not None and found.source.readonly

    def input_problem(self, operation: str, value: Any) -> str | None:
        """Why the value is not an input of the operation, or there is no such operation; None if it is."""
        found = self._operations.get(operation)
        if found is None:
            return self._unknown(operation)
        return _input_problem(found, operation, value)

    def operate(self, state: Any, call: Call) -> Done | Undone:
        """Carry out one operation on a state."""
        operation = self._operations.get(call.operation)
        if operation is None:
            return Undone(error=ENTITY, message=self._unknown(call.operation))
        try:
            return self._operate(operation, state, call)
        except _Failed as failed:
            return failed.undone
        except EvalError as error:
            line, column = error.position or (operation.source.line, operation.source.column)
            place = f"{self.program.file}:{line}:{column}"
            return Undone(error=EXPRESSION, message=f"{place}: {error.message}")

    def _operate(self, operation: _Operation, state: Any, call: Call) -> Done:
        problem = _input_problem(operation, call.operation, call.input)
        if problem is not None:
            raise _Failed(Undone(error=SCHEMA, message=problem))
        frame = dict[str, Any]()
        env = _Environment(state, call)
        if operation.input_value is not None:
            env.input = operation.input_value(call.input)
        for name, value in operation.let:
            frame[name] = value(frame, env)
        for guard in operation.require:
            if not guard.check(frame, env):
                message = guard.error if guard.message is None else guard.message(frame, env)
                raise _Failed(Undone(error=guard.error, message=message))
        return Done(
            state=self._next(operation, state, frame, env),
            result=None if operation.returns is None else operation.returns(frame, env),
            signals=tuple(
                _signal(each, value, frame, env) for each, value in _wanted(operation.signals, frame, env)
            ),
            launches=tuple(
                Launch(workflow=each.name, input=value)
                for each, value in _wanted(operation.launches, frame, env)
            ),
            deleted=operation.source.delete,
        )

    def _next(self, operation: _Operation, state: Any, frame: dict[str, Any], env: _Environment) -> Any:
        """The new state; every right-hand side sees the old one."""
        if operation.replacement is not None:
            state = operation.replacement(frame, env)
        elif operation.fields:
            changes = {name: value(frame, env) for name, value in operation.fields}
            if not isinstance(state, dict):
                names = ", ".join(map(repr, changes))
                message = f"the state of {self.name!r} is no map, so {names} cannot be set in it"
                raise _Failed(Undone(error=SCHEMA, message=message))
            state = {**state, **changes}
        else:
            return state
        state = self._declared(state)
        problem = self._state_problem(state)
        if problem is not None:
            message = f"the new state of {self.name!r} does not fit state.schema: {problem}"
            raise _Failed(Undone(error=SCHEMA, message=message))
        size = len(encode_json(state).encode())
        if size > MAX_BYTES:
            message = f"the new state of {self.name!r} has {size} bytes as JSON, the limit is {MAX_BYTES}"
            raise _Failed(Undone(error=PAYLOAD, message=message))
        return state

    def _declared(self, state: Any) -> Any:
        return state if self._state_value is None else self._state_value(state)

    def _unknown(self, operation: str) -> str:
        known = ", ".join(self._operations)
        return f"entity {self.name!r} has no operation {operation!r}; it has: {known}"


def link_entity(program: ir.EntityProgram) -> LinkedEntity:
    """Compile an entity's expressions. Raises ``EvalError`` for one that cannot be compiled."""
    return LinkedEntity(program, digest(program))


@lru_cache(maxsize=256)
def link_stored_entity(program_digest: str, text: str) -> LinkedEntity:
    """Decode and link a stored entity. Raises ``encode.UnknownProgram``."""
    return LinkedEntity(decode_entity(text), program_digest)


def _input_problem(operation: _Operation, name: str, value: Any) -> str | None:
    if not operation.takes_input:
        return None if value is None else f"operation {name!r} takes no input"
    problem = operation.input_problem(value)
    return None if problem is None else f"the input of operation {name!r} does not fit its schema: {problem}"


def _signal(sending: _Sending, value: Any, frame: dict[str, Any], env: _Environment) -> Signal:
    assert sending.key is not None, "signals go to entities"
    key = sending.key(frame, env)
    if entity_of(f"{sending.name}@{key}") is None:
        message = f"{key!r} is no key of an entity, which has 1 to {MAX_KEY} characters"
        raise _Failed(Undone(error=EXPRESSION, message=message))
    return Signal(type=sending.name, key=key, operation=sending.operation, input=value)


def _wanted(sendings: list[_Sending], frame: dict[str, Any], env: _Environment) -> list[tuple[_Sending, Any]]:
    """Those whose condition holds, with the value that goes along."""
    return [
        (each, None if each.arguments is None else each.arguments(frame, env))
        for each in sendings
        if each.condition is None or each.condition(frame, env)
    ]


def _optional(code: ir.Code | None, result: Result = "json") -> Function | None:
    return None if code is None else _function(code, result)


def _function(code: ir.Code, result: Result = "json") -> Function:
    roots = {name: f"e.{name}" for name in ir.ENTITY_ENVIRONMENT}
    roots |= {name: f"f[{slot!r}]" for name, slot in code.reads}
    return compile_value(code.value, roots, result=result)
