"""One operation of a YAML entity: what it asks for, and what is left of it when it fails."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from perdure.compiler import compile_entity
from perdure.compiler.encode import UnknownProgram, encode
from perdure.dsl import load
from perdure.dsl.source import Source
from perdure.engine.entities import (
    Call,
    Done,
    Launch,
    LinkedEntity,
    Signal,
    Undone,
    link_entity,
    link_stored_entity,
)

NOW = 1_700_000_000_000_000

ACCOUNT = """
state:
  schema:
    type: object
    properties: { balance: { type: number, minimum: 0 }, owner: { type: string } }
    required: [balance]
  initial: { balance: 0 }
operations:
  get: { readonly: true, return: "${ state.balance }" }
  deposit:
    input: { type: number, exclusiveMinimum: 0 }
    set: { balance: "${ state.balance + input }", owner: "${ key }" }
    return: ${ state.balance }
  withdraw:
    input: { type: number }
    let:
      left: ${ state.balance - input }
      low: ${ left < 10.0 }
    require:
      - { check: "${ key != 'closed' }", error: Closed }
      - { check: "${ left >= 0.0 }", error: InsufficientFunds, message: "only ${ state.balance }" }
    set: { balance: "${ left }" }
    return: ${ left }
    signal:
      - { if: "${ low }", entity: "Alerts@${ key }", op: add, with: "${ left }" }
      - { entity: Audit@all, op: count }
    start_workflow:
      - { if: "${ low }", workflow: refill, with: { account: "${ key }" } }
  spoil:
    input: { type: number }
    set: { balance: "${ input }" }
    signal: [ { entity: Audit@all, op: count } ]
  part: { input: { type: integer }, set: { balance: "${ 1 / input }" } }
  stamp: { readonly: true, return: [ "${ string(now()) }", "${ uuid('a') }" ] }
  close: { delete: true, return: "${ state.balance }" }
"""
COUNTER = """
state: { initial: 0 }
operations:
  add: { input: { type: integer }, set: "${ state + input }", return: "${ state + input }" }
"""
NOTES = """
state: { initial: { a: "", b: "" } }
operations:
  write: { input: { type: string }, set: { a: "${ input }" } }
"""


def entity(text: str) -> LinkedEntity:
    """The entity of a document without its header."""
    head = "dsl: perdure/1\nkind: entity\nname: Thing\nversion: 1.0.0\n"
    loaded = load(Source("thing.yaml", head + inspect.cleandoc(text)))
    assert loaded.ok, loaded.diagnostics
    return link_entity(compile_entity(loaded.entities[0]))


@pytest.fixture
def account() -> LinkedEntity:
    """An account."""
    return entity(ACCOUNT)


def call(operation: str, value: Any = None, *, id: str = "m1", key: str = "ann") -> Call:
    """An operation that is asked for."""
    return Call(id=id, key=key, operation=operation, input=value, now=NOW)


def test_right_hand_sides_see_the_old_state(account: LinkedEntity) -> None:
    """Keys are set together, and ``return`` tells of the state as it was."""
    done = account.operate({"balance": 5.0}, call("deposit", 3))
    assert done == Done(state={"balance": 8.0, "owner": "ann"}, result=5.0)


def test_numbers_are_what_the_schemas_say(account: LinkedEntity) -> None:
    """The initial state and an input are doubles where the schema says number."""
    assert type(account.initial["balance"]) is float
    done = account.operate(account.initial, call("deposit", 3))
    assert isinstance(done, Done)
    assert type(done.state["balance"]) is float


def test_a_value_that_is_no_map_replaces_the_state() -> None:
    """``set`` with one value is the whole new state."""
    counter = entity(COUNTER)
    assert counter.operate(counter.initial, call("add", 2)) == Done(state=2, result=2)


def test_signals_and_starts_are_asked_for_when_their_conditions_hold(account: LinkedEntity) -> None:
    """Each in the order of the document."""
    assert account.operate({"balance": 12.0}, call("withdraw", 2)) == Done(
        state={"balance": 10.0}, result=10.0, signals=(Signal(type="Audit", key="all", operation="count"),)
    )
    done = account.operate({"balance": 12.0}, call("withdraw", 8))
    assert isinstance(done, Done)
    assert done.signals[0] == Signal(type="Alerts", key="ann", operation="add", input=4.0)
    assert done.launches == (Launch(workflow="refill", input={"account": "ann"}),)


@pytest.mark.parametrize(
    ("asked", "undone"),
    [
        (call("withdraw", 20), Undone(error="InsufficientFunds", message="only 12")),
        (call("withdraw", 1, key="closed"), Undone(error="Closed", message="Closed")),
        (
            call("spoil", -1),
            Undone(
                error="perdure.Schema",
                message="the new state of 'Thing' does not fit state.schema: "
                "balance: -1.0 is less than the minimum of 0",
            ),
        ),
        (
            call("deposit", "much"),
            Undone(
                error="perdure.Schema",
                message="the input of operation 'deposit' does not fit its schema: \"much\" is no number",
            ),
        ),
        (call("get", 1), Undone(error="perdure.Schema", message="operation 'get' takes no input")),
        (
            call("part", 0),
            Undone(error="perdure.Expression", message="thing.yaml:36:59: division by zero"),
        ),
        (
            call("burn"),
            Undone(
                error="perdure.EntityOperationFailed",
                message="entity 'Thing' has no operation 'burn'; "
                "it has: close, deposit, get, part, spoil, stamp, withdraw",
            ),
        ),
    ],
)
def test_a_failed_operation_is_an_error_and_nothing_else(
    account: LinkedEntity, asked: Call, undone: Undone
) -> None:
    """A guard, an expression, a schema, an unknown name: the error says which, and the state is as it was."""
    state = {"balance": 12.0}
    assert account.operate(state, asked) == undone
    assert state == {"balance": 12.0}


def test_delete_comes_last(account: LinkedEntity) -> None:
    """The result of an operation that deletes is still told."""
    assert account.operate({"balance": 3.0}, call("close")) == Done(
        state={"balance": 3.0}, result=3.0, deleted=True
    )


def test_time_and_ids_follow_from_the_call(account: LinkedEntity) -> None:
    """``now()`` is the turn's time; ``uuid`` is the same for one message and another for the next."""
    first, again = (account.operate({"balance": 1.0}, call("stamp")) for _ in range(2))
    other = account.operate({"balance": 1.0}, call("stamp", id="m2"))
    assert isinstance(first, Done)
    assert isinstance(other, Done)
    assert first == again
    assert first.result[0] == other.result[0] == "2023-11-14T22:13:20Z"
    assert first.result[1] != other.result[1]


def test_a_state_does_not_grow_without_end() -> None:
    """A state over the limit of a payload fails the operation that makes it."""
    notes = entity(NOTES)
    done = notes.operate({"a": "", "b": "x" * 600_000}, call("write", "y" * 600_000))
    assert isinstance(done, Undone)
    assert done.error == "perdure.Payload"
    assert "has 1200015 bytes as JSON, the limit is 1048576" in done.message


def test_what_may_be_asked_is_known_beforehand(account: LinkedEntity) -> None:
    """Clients are told of a wrong input before anything is written."""
    assert account.input_problem("deposit", 1) is None
    assert "is no number" in (account.input_problem("deposit", "a") or "")
    assert "no operation 'burn'" in (account.input_problem("burn", None) or "")
    assert account.is_readonly("get")
    assert not account.is_readonly("deposit")


def test_a_stored_entity_is_linked_once() -> None:
    """The same digest gives the same object; a workflow's Program is no entity."""
    text = encode(entity(COUNTER).program)
    assert link_stored_entity("d1", text) is link_stored_entity("d1", text)
    with pytest.raises(UnknownProgram):
        link_stored_entity("d2", '{"ir": 1}')
