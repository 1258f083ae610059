"""A Program as a listing for people: one line an instruction, under the step that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perdure.compiler.ir import Code, Op, Program, RetryPolicy, Step
from perdure.dsl.duration import format_duration
from perdure.dsl.expr.show import show_value

_TARGETS = {"to", "otherwise", "end", "body", "catch", "finally_", "on_timeout"}
_DURATIONS = {"timeout", "deadline", "delay", "max_delay", "duration"}


def disassemble(program: Program) -> str:
    """The listing; the same Program gives the same text."""
    return "\n".join(_lines(program)) + "\n"


def _lines(program: Program) -> Iterator[str]:
    yield f"program {program.name} {program.version} (ir {program.ir})"
    for name, value in program.variables.items():
        yield f"var {name} = {value!r}"
    shown = None
    for at, op in enumerate(program.code):
        if op.step != shown:
            shown = op.step
            yield f"{_path(program.steps[shown])}:"
        yield f"{at:5}  {_instruction(op)}"


def _path(step: Step) -> str:
    return "".join(f"[{part}]" if index % 2 else part for index, part in enumerate(step.path))


def _instruction(op: Op) -> str:
    fields = ((name, getattr(op, name)) for name in op.__struct_fields__ if name != "step")
    shown = " ".join(
        f"{name.rstrip('_')}={_field(name, value)}" for name, value in fields if value is not None
    )
    return f"{type(op).__name__} {shown}".rstrip()


def _field(name: str, value: Any) -> str:
    match value:
        case Code(value=tree, reads=reads):
            renamed = ", ".join(f"{each} in {slot}" for each, slot in reads if each != slot)
            return show_value(tree) + (f" ({renamed})" if renamed else "")
        case RetryPolicy():
            parts = ((each, getattr(value, each)) for each in value.__struct_fields__)
            return (
                "{"
                + " ".join(
                    f"{each.rstrip('_')}={_field(each, part)}" for each, part in parts if part is not None
                )
                + "}"
            )
        case bool():
            return "yes" if value else "no"
        case int() if name in _TARGETS:
            return f"@{value}"
        case int() if name in _DURATIONS:
            return format_duration(value)
        case tuple() if name == "branches":
            return " ".join(f"{branch}@{start}" for branch, start in value)
        case tuple() if name == "values":
            return " ".join(f"{variable}={_field('', code)}" for variable, code in value)
        case tuple():
            return "[" + ", ".join(map(str, value)) + "]"
        case _:
            return str(value)
