"""What this engine can run: of the language's instructions and of what a header asks for.

Everything compiles, and every Program is checked against this table before it is stored or started, so
that nothing an author has written is left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from perdure.compiler import ir

INSTRUCTIONS: dict[type[ir.Op], str] = {}
"""Instructions that the machine cannot run, and what authors call them."""

WITHIN: tuple[type[ir.Op], ...] = ()
"""More of them, which stand in what one of the others opens."""

HEADER: tuple[str, ...] = ()
"""Keys of a header that nothing acts on, beside those that ``_header`` looks into."""


class Missing(NamedTuple):
    """What a Program asks for and this engine does not do: in which step (None: outside all), and where."""

    feature: str
    step: str | None
    line: int
    column: int


def missing(program: ir.Program | ir.EntityProgram) -> list[Missing]:
    """Everything that stands in the way of running a Program, in the order of its code."""
    if isinstance(program, ir.EntityProgram):
        return []
    return [*_header(program), *_code(program)]


def _header(program: ir.Program) -> Iterator[Missing]:
    def at(feature: str, key: str) -> Missing:
        return Missing(feature, None, *program.places.get(key, (1, 1)))

    for key in HEADER:
        if getattr(program, key) not in (None, (), {}):
            yield at(key, key)


def _code(program: ir.Program) -> Iterator[Missing]:
    """Each feature once a step."""
    seen: set[tuple[str, int]] = set()
    for op in program.code:
        for feature in _features(op):
            if (feature, op.step) not in seen:
                seen.add((feature, op.step))
                step = program.steps[op.step]
                yield Missing(feature, step.name, step.line, step.column)


def _features(op: ir.Op) -> Iterator[str]:
    if type(op) in INSTRUCTIONS:
        yield INSTRUCTIONS[type(op)]
