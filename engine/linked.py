"""A Program made ready to run: expressions compiled, schemas built, one record an instruction."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import msgspec

from perdure.compiler import ir
from perdure.compiler.codegen import compile_value
from perdure.compiler.encode import decode, digest
from perdure.dsl.expr import ast
from perdure.dsl.numbers import declaring

_ITEM_KEYS = re.compile(r"\[[^\]]*\]")

_DURATIONS = {"timeout", "deadline", "delay", "max_delay", "duration", "heartbeat"}
_COUNTS = {"width", "limit", "count", "attempts"}
_RESULTS = {
    "condition": "bool",
    "when": "bool",
    "message": "text",
    **dict.fromkeys(("instance_id", "to", "instance", "reason"), "text"),
    **dict.fromkeys(("start_at", "at"), "timestamp"),
    "items": "list",
    "fairness_key": "text",
    "listed": "list",
    **dict.fromkeys(_DURATIONS, "duration"),
    **dict.fromkeys(_COUNTS, "int"),
}


class LinkedProgram:
    """What the machine runs. ``ops`` has, for each instruction, its fields with code as functions."""

    def __init__(self, program: ir.Program, program_digest: str) -> None:
        self.program = program
        self.digest = program_digest
        self.ops = [_linked(op) for op in program.code]
        self.outputs = {
            program.steps[op.step].static_path: linked.output
            for op, linked in zip(program.code, self.ops, strict=True)
            if isinstance(op, ir.Call) and op.output is not None
        }
        self._secrets = {
            program.steps[op.step].static_path: op.secrets
            for op in program.code
            if isinstance(op, ir.Call) and op.secrets
        }
        self.schedule_inputs = [
            None if each.input is None else _function(each.input, "json") for each in program.schedules
        ]
        self.steps = {step.static_path: step for step in program.steps}
        self.tags = {name: _function(code, "text") for name, code in program.tags.items()}
        self.concurrency: Any = _field(program, "concurrency", program.concurrency)
        """The header's key and limit, as functions; None without."""
        self.queries = {name: _function(code, "json") for name, code in program.queries.items()}
        self._input = schema_check(program.input_schema)
        self._output = schema_check(program.output_schema)
        self.event_names = frozenset(program.events) | {
            op.event for op in program.code if isinstance(op, ir.WaitEvent)
        }
        """Names of events that the workflow declares or waits for."""
        self._events = {name: schema_check(schema) for name, schema in program.events.items()}
        self.input_value = declaring(program.input_schema) or _unchanged
        """Makes the numbers of an input as its schema says."""
        self._payloads = {name: declaring(schema) or _unchanged for name, schema in program.events.items()}
        schemas = {name: error.schema for name, error in program.errors.items()}
        self._errors = {name: schema_check(schema) for name, schema in schemas.items()}
        self._error_data = {name: declaring(schema) or _unchanged for name, schema in schemas.items()}

    def output_of(self, path: str) -> Callable[[dict[str, Any], Any], Any] | None:
        """The ``output`` of the call at a path (item keys and all), for the worker to apply."""
        return self.outputs.get(_ITEM_KEYS.sub("[]", path))

    def secrets_of(self, path: str) -> tuple[ir.Secret, ...]:
        """What the worker puts into the arguments of the call at a path (item keys and all)."""
        return self._secrets.get(_ITEM_KEYS.sub("[]", path), ()) if self._secrets else ()

    def step_at(self, path: str) -> ir.Step | None:
        """The step at a path (item keys and all)."""
        return self.steps.get(_ITEM_KEYS.sub("[]", path))

    def input_problem(self, value: Any) -> str | None:
        """Why the value is not an input of this workflow; None if it is one."""
        return self._input(value)

    def output_problem(self, value: Any) -> str | None:
        """Why the value is not an output of this workflow; None if it is one."""
        return self._output(value)

    def payload_value(self, name: str, value: Any) -> Any:
        """The payload of an event, its numbers as its schema says."""
        return self._payloads.get(name, _unchanged)(value)

    def error_data(self, name: str, value: Any) -> Any:
        """The data of an error, its numbers as its schema says."""
        return self._error_data.get(name, _unchanged)(value)

    def error_problem(self, name: str, value: Any) -> str | None:
        """Why the value is not the data of this error; None if it is, is null, or nothing is declared."""
        check = self._errors.get(name)
        return None if check is None or value is None else check(value)

    def event_problem(self, name: str, value: Any) -> str | None:
        """Why the value is not a payload of this event; None if it is one, or nothing is declared."""
        check = self._events.get(name)
        return None if check is None else check(value)


def link(program: ir.Program) -> LinkedProgram:
    """Compile a Program's expressions. Raises ``EvalError`` for one that cannot be compiled."""
    return LinkedProgram(program, digest(program))


@lru_cache(maxsize=256)
def link_stored(program_digest: str, text: str) -> LinkedProgram:
    """Decode and link a stored Program. Raises ``encode.UnknownProgram``."""
    return LinkedProgram(decode(text), program_digest)


def _linked(op: ir.Op) -> SimpleNamespace:
    """The instruction's fields, with each ``Code`` replaced by its function of frame and environment."""
    fields = {name: _field(op, name, getattr(op, name)) for name in op.__struct_fields__}
    return SimpleNamespace(kind=type(op), **fields)


def _field(op: Any, name: str, value: Any) -> Any:
    if isinstance(value, ir.Code):
        return _function(value, _result(op, name))
    if isinstance(value, ir.Correlation):
        return SimpleNamespace(
            condition=_function(value.condition, "bool"),
            event_key=_function(value.event_key, "json"),
            known=_function(value.known, "json"),
            exact=_is_equality(value.condition.value),
        )
    if isinstance(value, ir.RetryPolicy):
        return SimpleNamespace(**{n: _field(value, n, getattr(value, n)) for n in value.__struct_fields__})
    if isinstance(value, ir.Target):
        return SimpleNamespace(type=value.type, key=_function(value.key, "text"))
    if name == "targets":
        return tuple(_field(op, "entity", each) for each in value)
    if name in ("values", "tags"):
        result = "json" if name == "values" else "text"
        return tuple((each, _function(code, result)) for each, code in value)
    if isinstance(value, ir.KeyLimit):
        key, limit = _function(value.key, "text"), _field(value, "limit", value.limit)
        return SimpleNamespace(key=key, limit=limit)
    return value


def _is_equality(condition: ast.Value) -> bool:
    """Whether a condition is one equality and nothing else."""
    match condition:
        case ast.Embedded(expr=ast.Chain(rest=(ast.Operation(operator="=="),))):
            return True
        case _:
            return False


def _result(op: Any, name: str) -> str:
    if name == "until":
        return "timestamp" if isinstance(op, ir.Wait) else "bool"
    if name == "key":
        return "text" if isinstance(op, ir.Call | ir.Register) else "json"
    return _RESULTS.get(name, "json")


def _function(code: ir.Code, result: Any) -> Callable[[dict[str, Any], Any], Any]:
    roots = {name: f"e.{name}" for name in ir.ENVIRONMENT}
    roots |= {name: f"f[{slot!r}]" for name, slot in code.reads}
    return compile_value(code.value, roots, result=result)


def schema_check(schema: Any) -> Callable[[Any], str | None]:
    """What says why a value does not fit the schema; None if it does, or there is no schema."""
    if schema is None or schema is True:
        return lambda _value: None
    # Only workflows that declare a schema pay for the import.
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.validators import validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    # With a registry of its own the validator never fetches a reference from anywhere.
    validator = validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())

    def problem(value: Any) -> str | None:
        errors = validator.iter_errors(value)
        try:
            error = min(errors, key=lambda found: list(map(str, found.path)), default=None)
        except OverflowError:  # ``multipleOf`` divides, and an int may be larger than any double.
            return "a number is too large to be looked at"
        except RecursionError:
            return "it leads too deep to be looked at, or its schema leads back to itself"
        except Exception:  # noqa: BLE001
            # Deploying refuses such a schema, but has not always: nobody else's turn may end with it.
            return "its schema is broken, so that nothing can be held against it"
        if error is None:
            return None
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
        return f"{where.lstrip('.')}: {_said(error)}" if where else _said(error)

    return problem


def _unchanged(value: Any) -> Any:
    return value


def _said(error: Any) -> str:
    """The failure in JSON's words."""
    if error.validator != "type":
        return str(error.message)
    wanted = error.validator_value
    kinds = wanted if isinstance(wanted, str) else " or ".join(wanted)
    return f"{_shortened(encode_json(error.instance))} is no {kinds}"


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def encode_json(value: Any) -> str:
    """A JSON value as text."""
    return msgspec.json.encode(value).decode()
