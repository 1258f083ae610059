"""What the model says of entities and of tests."""

from __future__ import annotations

import pytest

from perdure.dsl import cases, document_digest, model
from perdure.dsl.duration import parse_duration
from perdure.dsl.expr.ast import Const, Embedded
from tests.dsl.documents import HEADER, codes, given_cases, given_entity, loaded

ENTITY = """\
state: { schema: { type: object }, initial: { balance: 0.0 } }
operations:
  get: { readonly: true, return: "${ state.balance }" }
  put:
    input: { type: number }
    let: { after: "${ state.balance + input }", low: "${ after < 0.0 }" }
    require: [ { check: "${ !low }", error: TooLow, message: "at ${ after }" } ]
    set: { balance: "${ after }" }
    return: ${ after }
    signal: [ { if: "${ low }", entity: "Alerts@${ key }", op: add, with: 1 } ]
    start_workflow: [ { workflow: tell, with: "${ key }" } ]
  close: { delete: true }
"""


def test_operations() -> None:
    """Each part of an operation is kept, in its order."""
    get, put, close = given_entity(ENTITY).operations
    assert (get.readonly, get.input_schema, get.set, close.delete) == (True, None, None, True)
    assert [local.name for local in put.let] == ["after", "low"]
    assert [(guard.error, type(guard.check)) for guard in put.require] == [("TooLow", Embedded)]
    assert isinstance(put.set, tuple)
    assert [name for name, _ in put.set] == ["balance"]
    assert [(each.entity.type, each.operation, each.arguments) for each in put.signals] == [
        ("Alerts", "add", Const(1))
    ]
    assert [(each.workflow, each.guard) for each in put.launches] == [("tell", None)]


def test_a_state_that_is_no_object() -> None:
    """It is replaced as a whole."""
    (add,) = given_entity(
        "state: { initial: 0 }\noperations: { add: { input: {}, set: '${ state + input }' } }\n"
    ).operations
    assert isinstance(add.set, Embedded)


def test_the_state_at_first() -> None:
    """It is a constant that its schema allows."""
    assert given_entity(ENTITY).initial == {"balance": 0.0}
    wrong = ENTITY.replace("initial: { balance: 0.0 }", "initial: 3")
    assert "PD224" in codes(f"dsl: perdure/1\nkind: entity\nname: Case\nversion: 1.0.0\n{wrong}")


def test_the_order_of_operations_does_not_count() -> None:
    """They are a set of declarations."""
    swapped = ENTITY.replace("  close: { delete: true }\n", "").replace(
        "operations:\n", "operations:\n  close: { delete: true }\n"
    )
    assert document_digest(given_entity(swapped)) == document_digest(given_entity(ENTITY))


CASE = """\
  - name: late
    input: { id: 1 }
    activities:
      A: { returns: null }
      B: { fails: [X, Y], then_returns: 2 }
      C: { fails: [Z] }
    timeline:
      - advance: 73h
      - crash_after: 3
      - raise_event: { name: E, payload: [1] }
      - raise_event: { name: F }
    expect:
      { status: Completed, output: null, called: { A: 1 }, history: a.jsonl, history_events: { max: 20 } }
"""


def test_mocks() -> None:
    """An activity returns, or fails first; null is told from nothing."""
    (case,) = given_cases(CASE).cases
    assert [(mock.activity, mock.fails, mock.result and mock.result.value) for mock in case.mocks] == [
        ("A", (), None),
        ("B", ("X", "Y"), 2),
        ("C", ("Z",), None),
    ]
    assert [mock.result is None for mock in case.mocks] == [False, False, True]


def test_timelines() -> None:
    """What happens is kept in its order."""
    (case,) = given_cases(CASE).cases
    advance, crash, first, second = case.timeline
    assert isinstance(advance, cases.Advance)
    assert advance.duration == parse_duration("73h")
    assert isinstance(crash, cases.CrashAfter)
    assert crash.events == 3
    assert isinstance(first, cases.RaiseEvent)
    assert isinstance(second, cases.RaiseEvent)
    assert (first.event, first.payload, second.payload) == ("E", [1], None)


def test_expectations() -> None:
    """What is not asked for is None; an expected null is not."""
    (case,) = given_cases(CASE).cases
    expect = case.expect
    assert (expect.status, expect.error, expect.called) == ("Completed", None, (("A", 1),))
    assert expect.output is not None
    assert (expect.output.value, expect.history, expect.history_events) == (None, "a.jsonl", 20)


MIXED = f"""\
dsl: perdure/1
kind: entity
name: case
version: 1.0.0
{ENTITY}---
{HEADER}do:
  - return: 1
---
dsl: perdure/1
kind: test
workflow: case
cases:
  - name: one
    expect: {{ status: Completed, output: 1 }}
"""


def test_a_file_of_all_kinds() -> None:
    """A workflow, an entity and tests may stand in one file; they may share a name."""
    found = loaded(MIXED)
    assert found.diagnostics == ()
    assert [type(each) for each in found.documents] == [model.Entity, model.Workflow, cases.Cases]
    assert [len(found.workflows), len(found.entities)] == [1, 1]


@pytest.mark.parametrize("kind", ["entity", "workflow"])
def test_one_kind_twice(kind: str) -> None:
    """A name and version stand once for each kind."""
    documents = MIXED.split("---\n")
    twice = documents[0] if kind == "entity" else documents[1]
    assert "PD212" in codes(f"{MIXED}---\n{twice}")
