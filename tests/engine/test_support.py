"""What the engine cannot run is known, named and refused, all of it."""

from __future__ import annotations

from typing import get_args

import pytest

from perdure.compiler import compile_entity, compile_workflow, ir
from perdure.dsl import Source, load
from perdure.engine import ops
from perdure.engine.linked import link
from perdure.engine.support import INSTRUCTIONS, WITHIN, missing

HEAD = "dsl: perdure/1\nname: a\nversion: 1.0.0\n"
CALL = "do: [ s: { call: A, %s } ]"
STEP = "do: [ s: { %s } ]"


def program(text: str) -> ir.Program:
    """The Program of a workflow with this header and body."""
    loaded = load(Source("a.yaml", HEAD + text))
    assert loaded.ok, loaded.diagnostics
    return compile_workflow(loaded.workflows[0])


def test_every_instruction_is_run_or_refused() -> None:
    """The machine has a handler for each instruction, or a table of what is missing names it; never both."""
    refused = {*INSTRUCTIONS, *WITHIN}
    assert set(ops.HANDLERS) | refused == set(get_args(ir.Op))
    assert not set(ops.HANDLERS) & refused


@pytest.mark.parametrize(
    "text",
    [
        "queries: { a: '${ input }' }\ntags: { a: '${ input.b }' }\ndo: [ return: 1 ]",
        "errors: { A: { status: 409, schema: true } }\ndo: [ raise: { error: A, data: {} } ]",
        "tags: { a: b }\nerrors: { A: { retryable: false } }\ndo: [ return: 1 ]",
        STEP % "fan_out: [1], do: [ x: { value: 1 } ]",
        STEP % "fan_out: [1], chunk: 500, do: [ x: { value: 1 } ]",
        STEP % "fan_out: [1], chunk: auto, do: [ x: { value: 1 } ]",
        STEP % "fan_out: [1], chunk: off, do: [ x: { value: 1 } ]",
        "functions: { f: { call: A, with: '${ args }' } }\n" + STEP % "call: f, with: 1",
        STEP % "saga: [ x: { call: X, compensate: { call: Y } } ]",
        "timeout: 1h\ndo: [ return: 1 ]",
        STEP % "wait_for_event: E, timeout: 1h, correlate: '${ event.a == input.a }'",
        "limits: { history_events: 500 }\ndo: [ return: 1 ]",
        STEP % "until: '${ x }', limit: 9, checkpoint_every: 3, do: [x: {call: X}]",
        "do: [ continue_as_new: { input: 1 } ]",
        "do: [ continue_as_new: { input: 1, version: ^1.2 } ]",
        CALL % "with: '${ secret(\"x\") }'",
        CALL % "heartbeat: 1s",
        "concurrency: { key: '${ input }', limit: 1 }\ndo: [ return: 1 ]",
        "retention: { generations: 1 }\ndo: [ return: 1 ]",
        CALL % "queue: q, priority: 0, fairness_key: x, concurrency: { key: x, limit: 1 }",
        "do: [ continue_as_new: { input: 1, version: pinned } ]",
    ],
)
def test_what_runs_is_not_refused(text: str) -> None:
    """Every key of the language finds an engine that acts on it."""
    assert missing(program(text)) == []
    link(program(text))


def test_an_entity_needs_nothing_that_is_missing() -> None:
    """All that an entity may have is carried out."""
    text = HEAD + "kind: entity\nstate: { initial: 0 }\noperations: { a: { readonly: true, return: 1 } }"
    entity = compile_entity(load(Source("a.yaml", text)).entities[0])
    assert missing(entity) == []
