"""The digest of a Program: everything that it means counts, nothing else does."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from perdure.compiler import ir
from perdure.compiler.build import build
from perdure.compiler.encode import digest
from perdure.dsl.source import Source
from tests.compiler.corpus import CASES, compiled, programs, text

POSITIONS = {"line", "column", "file", "places"}
TREES = {"Code"}
"""Their parts are the tests' of expressions; here the whole is replaced."""


def kinds() -> Iterator[type[msgspec.Struct]]:
    """Every type that a Program may have in it."""
    seen: set[type] = set()
    work: list[Any] = [ir.Program, ir.EntityProgram]
    while work:
        kind = work.pop()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if kind not in seen and kind.__module__.startswith("perdure.compiler"):
                seen.add(kind)
                work += [field.type for field in msgspec.structs.fields(kind)]
        else:
            work += typing.get_args(kind)
    yield from sorted(seen, key=lambda each: each.__name__)


def other(value: Any) -> Any:
    """A value of about the same type that is not the same."""
    match value:
        case ir.Code():
            return ir.Code(value.value, (*value.reads, ("more", "more")))
        case None:
            return "something"
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case tuple():
            return (*value, "more")
        case dict():
            return {**value, "more": 1}
        case list():
            return [*value, 1]
        case _:
            return None


def changes(value: Any) -> Iterator[tuple[str, str, Any]]:
    """Each field in it, as type and name, with the value as it is when that field alone is changed."""
    if isinstance(value, msgspec.Struct) and type(value).__name__ not in TREES:
        for name in value.__struct_fields__:
            inner = getattr(value, name)
            yield type(value).__name__, name, msgspec.structs.replace(value, **{name: other(inner)})
            for kind, field, changed in changes(inner):
                yield kind, field, msgspec.structs.replace(value, **{name: changed})
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            for kind, field, changed in changes(item):
                yield kind, field, (*value[:index], changed, *value[index + 1 :])
    elif isinstance(value, dict):
        for key, item in value.items():
            for kind, field, changed in changes(item):
                yield kind, field, {**value, key: changed}


@pytest.mark.parametrize("case", CASES)
def test_every_field_counts(case: str) -> None:
    """A change of any field but a position gives another digest; a change of a position gives the same."""
    for program in programs(case):
        before = digest(program)
        for kind, field, changed in changes(program):
            assert (digest(changed) == before) is (field in POSITIONS), (kind, field)


def test_every_field_is_tried() -> None:
    """The corpus has every type of instruction, header and operation, so no field is left out above."""
    tried = {(kind, field) for case in CASES for each in programs(case) for kind, field, _ in changes(each)}
    fields = {(kind.__name__, name) for kind in kinds() for name in kind.__struct_fields__}
    assert {each for each in fields if each[0] not in TREES} - tried == set()


@pytest.mark.parametrize("case", [case for case in CASES if not re.search(r"[|>]-?\n", text(case))])
def test_layout_does_not_count(case: str) -> None:
    """Comments and empty lines change no digest, whatever the construct."""
    laid_out = re.sub(r"\n(?=( *)\S)", r"\n\n\1# a comment\n", text(case))
    assert laid_out != text(case)
    built = build(Source(f"{case}.yaml", laid_out))
    after = [each.program_digest for each in built.workflows]
    after += [each.program_digest for each in built.entities]
    assert after == [digest(program) for program in programs(case)]


@pytest.mark.parametrize(
    ("body", "same"),
    [
        ("  - a: { call: A, with: 1, queue: q }", "  - a: { queue: q, with: 1, call: A }"),
        (
            "  - a: { call_workflow: x, tags: { a: b, c: d }, with: 1 }",
            "  - a:\n      with: 1\n      tags: { c: d, a: b }\n      call_workflow: x",
        ),
        (
            "  - a:\n      saga: [ b: { call: B, compensate: { on: success, call: C } } ]\n      timeout: 1h",
            "  - a:\n      timeout: 60m\n      saga: [ b: { compensate: { call: C }, call: B } ]",
        ),
    ],
)
def test_the_order_of_keys_does_not_count(body: str, same: str) -> None:
    """A step means the same, in whatever order its keys stand and however its durations are written."""
    assert digest(compiled(body + "\n")) == digest(compiled(same + "\n"))


@pytest.mark.parametrize(
    ("header", "same"),
    [
        (
            "queries: { a: '${ input.a }', b: '${ input.b }' }",
            "queries: { b: '${ input.b }', a: '${ input.a }' }",
        ),
        ("tags: { a: x, b: y }", "tags: { b: y, a: x }"),
        ("retention: { completed: 30d, generations: 1 }", "retention: { completed: 720h }"),
        ("limits: { history_events: 500, on_exceed: suspend }", "limits: { history_events: 500 }"),
    ],
)
def test_the_order_of_the_header_does_not_count(header: str, same: str) -> None:
    """Declarations mean the same in any order, and a default the same as when it is written."""
    body = "  - return: ${ input }\n"
    assert digest(compiled(body, header)) == digest(compiled(body, same))
