"""A Program as a listing for people: one line an instruction, under the step that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from perdure.compiler.ir import Code, EntityProgram, Op, Operation, Program, Secret, Step, Target
from perdure.dsl.duration import format_duration
from perdure.dsl.expr.show import show_value

_TARGETS = {"to", "otherwise", "end", "body", "catch", "finally_", "on_timeout"}
_DURATIONS = {
    "timeout", "deadline", "delay", "max_delay", "duration", "heartbeat", "catch_up", "completed", "failed",
}  # fmt: skip
_PAIRS = {"values", "tags", "fields", "let"}
_HIDDEN = {"step", "line", "column"}


def disassemble(program: Program | EntityProgram) -> str:
    """The listing; the same Program gives the same text."""
    lines = _entity(program) if isinstance(program, EntityProgram) else _workflow(program)
    return "\n".join(lines) + "\n"


def _workflow(program: Program) -> Iterator[str]:
    yield f"program {program.name} {program.version} (ir {program.ir})"
    yield from _header(program)
    shown = None
    for at, op in enumerate(program.code):
        if op.step != shown:
            shown = op.step
            yield f"{_path(program.steps[shown])}:"
        yield f"{at:5}  {_instruction(op)}"


def _header(program: Program) -> Iterator[str]:
    yield from _schemas(input=program.input_schema, output=program.output_schema)
    for name, value in program.variables.items():
        yield f"var {name} = {_json(value)}"
    for name, code in program.tags.items():
        yield f"tag {name} = {_field('', code)}"
    for name, schema in program.events.items():
        yield f"event {name}" + ("" if schema is None else f" {_json(schema)}")
    for name, error in program.errors.items():
        yield f"error {name} {_parts(error)}"
    for name, code in program.queries.items():
        yield f"query {name} = {_field('', code)}"
    for name in ("concurrency", "timeout", "limits", "retention"):
        value = getattr(program, name)
        if value is not None:
            yield f"{name} {_field(name, value) if name == 'timeout' else _parts(value)}"
    for schedule in program.schedules:
        yield f"schedule {_parts(schedule)}"


def _entity(program: EntityProgram) -> Iterator[str]:
    yield f"entity {program.name} {program.version} (ir {program.ir})"
    yield from _schemas(state=program.state_schema)
    yield f"initial {_json(program.initial)}"
    for name, operation in program.operations.items():
        yield f"{name}:"
        yield from (f"       {line}" for line in _operation(operation))


def _operation(operation: Operation) -> Iterator[str]:
    if operation.readonly:
        yield "readonly"
    yield from _schemas(input=operation.input_schema)
    for name, code in operation.let:
        yield f"let {name} = {_field('', code)}"
    for guard in operation.require:
        yield f"require {_parts(guard)}"
    for name, code in operation.fields:
        yield f"set {name} = {_field('', code)}"
    if operation.replacement is not None:
        yield f"set state = {_field('', operation.replacement)}"
    if operation.returns is not None:
        yield f"return {_field('', operation.returns)}"
    for signal in operation.signals:
        yield f"signal {_parts(signal)}"
    for launch in operation.launches:
        yield f"start_workflow {_parts(launch)}"
    if operation.delete:
        yield "delete"


def _schemas(**schemas: Any) -> Iterator[str]:
    for name, schema in schemas.items():
        if schema is not None:
            yield f"{name} {_json(schema)}"


def _path(step: Step) -> str:
    return "".join(f"[{part}]" if index % 2 else part for index, part in enumerate(step.path))


def _instruction(op: Op) -> str:
    return f"{type(op).__name__} {_parts(op)}".rstrip()


def _parts(item: msgspec.Struct) -> str:
    """The fields that say something."""
    names = (name for name in item.__struct_fields__ if name not in _HIDDEN)
    fields = ((name, getattr(item, name)) for name in names)
    return " ".join(
        f"{name.rstrip('_')}={_field(name, value)}" for name, value in fields if value not in (None, ())
    )


def _field(name: str, value: Any) -> str:
    match value:
        case Code(value=tree, reads=reads):
            renamed = ", ".join(f"{each} in {slot}" for each, slot in reads if each != slot)
            return show_value(tree) + (f" ({renamed})" if renamed else "")
        case Target(type=kind, key=key):
            return f"{kind}@{_field('', key)}"
        case Secret(path=path, name=secret):
            return f"{'.'.join(map(str, path))}={secret}"
        case msgspec.Struct():
            return "{" + _parts(value) + "}"
        case bool():
            return "yes" if value else "no"
        case int() if name in _TARGETS:
            return f"@{value}"
        case int() if name in _DURATIONS:
            return format_duration(value)
        case tuple() if name == "branches":
            return " ".join(f"{branch}@{start}" for branch, start in value)
        case tuple() if name in _PAIRS:
            return " ".join(f"{each}={_field('', code)}" for each, code in value)
        case tuple():
            return "[" + ", ".join(_items(value)) + "]"
        case dict() | list():
            return _json(value)
        case _:
            return str(value)


def _items(values: Iterable[Any]) -> Iterator[str]:
    return (_field("", each) for each in values)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
