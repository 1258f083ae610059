"""What the listings do not show at a glance: whose names a body sees, and what is copied with it."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from perdure.compiler import ir
from perdure.compiler.constants import without_secrets
from perdure.dsl.expr import ast
from tests.compiler.corpus import compiled

_Op = TypeVar("_Op", bound=ir.Instruction)


def ops(kind: type[_Op], body: str, header: str = "") -> list[_Op]:
    """The instructions of a kind that a body compiles to."""
    return [op for op in compiled(body, header).code if isinstance(op, kind)]


def reads(code: ir.Code | None) -> dict[str, str]:
    """Which name of an expression reads which slot."""
    assert code is not None
    return dict(code.reads)


def test_a_function_has_names_of_its_own() -> None:
    """A step of a function never takes the slot of a step around its call that has the same name."""
    header = "functions: { f: { do: [ a: { call: A, with: '${ args }' } ] } }"
    inner, outer = ops(ir.Call, "  - b: { call: f }\n  - a: { call: A, with: 1 }\n", header)
    assert inner.slot != outer.slot == "a"


def test_each_use_of_a_function_has_slots_of_its_own() -> None:
    """A function that is called twice shares no slot between its calls."""
    header = "functions: { f: { call: A, with: '${ args }' } }"
    first, second = ops(ir.Call, "  - a: { call: f, with: 1 }\n  - b: { call: f, with: 2 }\n", header)
    assert {first.slot, *reads(first.arguments).values()}.isdisjoint(
        {second.slot, *reads(second.arguments).values()}
    )


SAGA = """\
  - hint: { value: 1 }
  - other: { value: 2 }
  - trip:
      saga:
        - each:
            for_each: [1, 2]
            each: leg
            do:
              - flight:
                  call: Book
                  idempotency_key: ${ input.key }
                  compensate: { on: ON, call: Undo, with: WITH }
"""


@pytest.mark.parametrize(
    ("on", "undo", "captures"),
    [
        ("success", "${ flight }", {"flight"}),
        ("success", "${ hint + leg }", {"hint", "leg"}),
        ("success", "${ step }", set()),
        ("attempted", "${ [hint, index] }", {"hint"}),
    ],
)
def test_a_compensation_copies_what_it_reads(on: str, undo: str, captures: set[str]) -> None:
    """The frame of a compensation has the slots that it reads, and the index that its path needs."""
    [register] = ops(ir.Register, SAGA.replace("ON", on).replace("WITH", f'"{undo}"'))
    assert {slot for slot in register.captures if "#" not in slot} == captures
    assert [slot for slot in register.captures if slot.startswith("index#")]


@pytest.mark.parametrize(("undo", "copied"), [("${ vars.n }", True), ("${ input }", False)])
def test_a_compensation_keeps_the_variables_that_its_step_saw(undo: str, copied: bool) -> None:
    """Variables are copied for a compensation that reads them, and only then."""
    saga = SAGA.replace("ON", "success").replace("WITH", f'"{undo}"')
    [register] = ops(ir.Register, saga, "vars: { n: 1 }")
    assert (register.vars_slot is not None) is copied


def test_what_undoes_a_call_has_its_business_key() -> None:
    """A call and what undoes it have the same idempotency key."""
    saga = SAGA.replace("ON", "success").replace("WITH", "1")
    call = next(op for op in ops(ir.Call, saga) if op.activity == "Book")
    [register] = ops(ir.Register, saga)
    assert call.key is not None
    assert call.key == register.key


@pytest.mark.parametrize(
    ("on", "order"), [("attempted", ["Register", "Book"]), ("success", ["Book", "Register"])]
)
def test_an_attempt_is_registered_before_it_is_made(on: str, order: list[str]) -> None:
    """``attempted`` registers before the call is dispatched, ``success`` after its value is there."""
    code = compiled(SAGA.replace("ON", on).replace("WITH", "1")).code
    names = [op.activity if isinstance(op, ir.Call) else type(op).__name__ for op in code]
    assert [name for name in names if name in order] == order


@pytest.mark.parametrize(
    ("undo", "attempts"), [("", 7), (", retry: { attempts: 3 }", 3)], ids=["of the saga", "of its own"]
)
def test_an_undo_is_retried_as_its_saga_says_unless_it_says_so_itself(undo: str, attempts: int) -> None:
    """The policy of ``compensation`` is the default of each undo."""
    saga = (
        f"  - trip:\n      saga: [ a: {{ call: A, compensate: {{ call: B{undo} }} }} ]\n"
        "      compensation: { retry: { attempts: 7 } }\n"
    )
    [bound] = ops(ir.EnterBound, saga)
    assert bound.retry is not None
    assert bound.retry.attempts == attempts


FAN_OUT = """\
  - day: { value: 1 }
  - all:
      fan_out: ${ input }
      key: ${ string(item) + string(day) }
      EXTRA
      do: [ a: { call: A, with: "${ item }" } ]
"""


@pytest.mark.parametrize(
    ("extra", "chunk", "captures"),
    [
        ("width: 3", "auto", ("day",)),
        ("chunk: off", "off", ()),
        ("chunk: 500", 500, ("day",)),
        ("until: ${ succeeded > 2 }", "off", ()),
    ],
)
def test_chunks_are_off_where_the_items_must_be_seen_together(
    extra: str, chunk: int | str, captures: tuple[str, ...]
) -> None:
    """``until`` looks at every item, so a fan_out with it is never cut by itself."""
    [fan_out] = ops(ir.FanOut, FAN_OUT.replace("EXTRA", extra))
    assert (fan_out.chunk, fan_out.captures) == (chunk, captures)


@pytest.mark.parametrize(
    "around",
    [
        "lock_entities: [ E@1 ], do: [ b: { fan_out: [1], do: [ c: { call: C } ] } ]",
        "saga: [ b: { fan_out: [1], do: [ c: { call: C, compensate: { call: D } } ] } ]",
    ],
)
def test_chunks_are_off_under_locks_and_where_a_saga_is_kept(around: str) -> None:
    """Locks and compensations are of one instance, so the items stay in it."""
    [fan_out] = ops(ir.FanOut, f"  - a: {{ {around} }}\n")
    assert fan_out.chunk == "off"


@pytest.mark.parametrize("chunk", ["auto", "2"])
@pytest.mark.parametrize(
    "item", ["got: { wait_for_event: Go, timeout: 1m }", 'set_custom_status: "${ item }"']
)
def test_chunks_are_off_where_items_are_seen_or_spoken_to(item: str, chunk: str) -> None:
    """Events go to this instance and the status is its own, so the items stay in it."""
    [fan_out] = ops(ir.FanOut, f"  - a: {{ fan_out: [1], chunk: {chunk}, do: [ {item} ] }}\n")
    assert fan_out.chunk == "off"


def test_a_saga_inside_an_item_is_in_its_chunk() -> None:
    """What is registered and undone within an item ties it to nothing."""
    body = "fan_out: [1], do: [ b: { saga: [ c: { call: C, compensate: { call: D } } ] } ]"
    [fan_out] = ops(ir.FanOut, f"  - a: {{ {body} }}\n")
    assert fan_out.chunk == "auto"


def test_a_checkpoint_carries_the_value_that_is_read_later() -> None:
    """A loop may end right after a checkpoint: the value of its last iteration goes along if it is read."""
    loop = (
        "  - a:\n      while: ${ vars.n > 0 }\n      limit: 9\n      checkpoint_every: 2\n"
        "      do: [ b: { call: B } ]\n"
    )
    [quiet] = ops(ir.Checkpoint, loop, "vars: { n: 1 }")
    [read] = ops(ir.Checkpoint, loop + "  - return: ${ a }\n", "vars: { n: 1 }")
    assert set(read.carries) - set(quiet.carries) == {"a"}


@pytest.mark.parametrize(
    ("value", "blank", "secrets"),
    [
        ("S", None, [((), "s")]),
        ({"a": {"b": "S", "c": 1}}, {"a": {"b": None, "c": 1}}, [(("a", "b"), "s")]),
        ([1, ["S", "S"]], [1, [None, None]], [((1, 0), "s"), ((1, 1), "s")]),
        ({"a": "x"}, {"a": "x"}, []),
    ],
)
def test_a_secret_is_a_place_and_a_name(value: Any, blank: Any, secrets: list[Any]) -> None:
    """The arguments of a call are null where the worker will put a secret."""
    found, places = without_secrets(written(value))
    assert found == written(blank)
    assert [(each.path, each.name) for each in places] == secrets


def written(value: Any) -> ast.Value:
    """A value as it would be read, with the secret ``s`` for ``S``."""
    match value:
        case dict():
            return ast.MapValue(tuple((key, written(item)) for key, item in value.items()))
        case list():
            return ast.ListValue(tuple(map(written, value)))
        case "S":
            call = ast.Call("secret", (ast.String("s", 0, 0),), 0, 0, 0)
            return ast.Embedded(call, ())
        case _:
            return ast.Const(value)
