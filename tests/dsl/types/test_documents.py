"""Types of whole documents: what is known of activities, workflows and entities."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from perdure.dsl import Source, load
from perdure.dsl.diagnostics import Severity
from perdure.dsl.types import Catalog, catalog_of

HEADER = "dsl: perdure/1\nname: flow\nversion: 1.0.0\n"

_TEXTS = {"type": "array", "items": {"type": "string"}}
MANIFEST: dict[str, Any] = {
    "manifest": "perdure/1",
    "activities": {
        "Charge": {
            "doc": "Charge a card.",
            "parameters": [
                {"name": "order", "schema": {"type": "string"}, "required": True},
                {"name": "amount", "schema": {"type": "integer"}, "required": True},
                {
                    "name": "lines",
                    "schema": {"type": "array", "items": {"type": "string"}},
                    "required": False,
                },
            ],
            "result": {
                "type": "object",
                "properties": {"receipt": {"type": "string"}},
                "required": ["receipt"],
                "additionalProperties": False,
            },
        },
        "Pay": {
            "parameters": [
                {"name": "currency", "schema": {"enum": ["EUR", "USD"]}, "required": True},
                {"name": "price", "schema": {"type": "number"}, "required": False},
                {
                    "name": "card",
                    "schema": {
                        "$ref": "#/$defs/Card",
                        "$defs": {"Card": {"type": "object", "properties": {"kind": {"const": "debit"}}}},
                    },
                    "required": False,
                },
            ],
            "result": {},
        },
        "Print": {
            "parameters": [{"name": "text", "schema": {"type": "string"}, "required": True}],
            "result": {},
        },
    },
}
CATALOG = catalog_of(MANIFEST)


def said(text: str, catalog: Catalog = CATALOG, *, strict: bool = False) -> list[str]:
    """The codes and messages about a workflow of which ``text`` is all after the version."""
    found = load(Source("flow.yaml", HEADER + textwrap.dedent(text)), catalog, strict=strict)
    return [f"{each.code} {each.message}" for each in found.diagnostics]


CALLS = {
    "with: { order: a, amount: '${ 1.5 }' }": "PD704 Charge.amount expects int, got double",
    "with: { order: a, amount: '${ input.total }' }": None,
    "with: { order: a, amount: seven }": "PD704 Charge.amount expects int, got string",
    "with: { order: '${ workflow.generation }', amount: 1 }": (
        "PD704 Charge.order expects string, got int (workflow.generation)"
    ),
    "with: { order: a, amount: 1, lines: ['${ 1 }', b] }": "PD704 Charge.lines[0] expects string, got int",
    "with: '${ workflow.name }'": "PD704 Charge expects map, got string (workflow.name)",
    "with: { order: a, amount: 1 }\n      output: ${ result.recipt }": (
        "PD302 'result' has no field 'recipt'; did you mean 'receipt'?"
    ),
    "with: { order: a, amount: 1 }\n      idempotency_key: ${ 1 + 1 }": (
        "PD305 an idempotency key is text; this is int"
    ),
}


@pytest.mark.parametrize(("given", "expected"), CALLS.items())
def test_a_call_is_compared_with_the_contract_of_its_activity(given: str, expected: str | None) -> None:
    """What can never be right is refused, what may be right passes."""
    text = f"do:\n  - charge:\n      call: Charge\n      {given}\n  - return: ${{ input.x }}\n"
    assert said(text) == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    "given",
    [
        "{ order: a, amount: '${ 1 + }' }",
        "{ order: a, amount: 1, lines: [a, '${ 1 + }'] }",
        "'${ 1 + }'",
        "'a ${ 1 + }'",
    ],
)
def test_what_cannot_be_read_has_no_wrong_type_as_well(given: str) -> None:
    """One mistake, one message: the contract was said to get null instead."""
    (only,) = said(f"do:\n  - charge: {{ call: Charge, with: {given} }}\n")
    assert only.startswith("PD300 ")
    (only,) = said(
        "do:\n  - pay: { call: Pay, with: { currency: '${ 1 + }', card: { kind: '${ 1 + }' } } }\n"
    )[1:]
    assert only.startswith("PD300 ")


def test_the_result_of_a_call_has_the_type_of_the_contract() -> None:
    """A field that the activity does not return is refused where it is read."""
    text = """
        do:
          - charge: { call: Charge, with: { order: a, amount: 1 } }
          - return: ${ charge.recipt }
        """
    assert said(text) == ["PD302 'charge' has no field 'recipt'; did you mean 'receipt'?"]


def test_one_parameter_gets_the_whole_value() -> None:
    """The value of ``with`` itself is compared."""
    assert said("do:\n  - p: { call: Print, with: { text: a } }\n") == [
        "PD704 Print.text expects string, got map"
    ]


MAPS = {
    "call: Show, with: { item: a }": "PD818 'Show' gets this whole map as 'item'",
    "call: Show, with: { item: a, size: 2 }": "PD818 'Show' gets this whole map as 'item'",
    "call: Show, with: { size: 2 }": None,
    "call: Show, with: '${ input }'": None,
    "call: Keep, with: { item: a }": "PD818 'Keep' gets this whole map as 'item'",
    "call: Ship, with: { item: a }": None,
    "call: Ship, with: { size: 2 }": "PD302 Ship.item has no field 'size'",
}


@pytest.mark.parametrize(("step", "expected"), MAPS.items())
def test_a_map_with_the_only_parameters_name_in_it_is_told_of(step: str, expected: str | None) -> None:
    """Unless the type of the parameter has that field: then the map is meant."""
    schemas: dict[str, Any] = {
        "Show": {},
        "Keep": {"type": "object"},
        "Ship": {"type": "object", "properties": {"item": {}}, "additionalProperties": False},
    }
    activities = {name: {"parameters": [{"name": "item", "schema": each}]} for name, each in schemas.items()}
    loaded = load(
        Source("flow.yaml", f"{HEADER}do:\n  - a: {{ {step} }}\n"), catalog_of({"activities": activities})
    )
    assert [f"{each.code} {each.message}" for each in loaded.diagnostics] == ([expected] if expected else [])


def test_a_skipped_step_may_be_null() -> None:
    """Neither its value nor null is surprising afterwards."""
    text = """
        do:
          - charge: { call: Charge, with: { order: a, amount: 1 }, if: "${ input.paid }" }
          - return: "${ charge == null ? 'none' : charge.receipt }"
        """
    assert said(text) == []


def test_strict_names_what_is_not_known() -> None:
    """A value of unknown type at a typed parameter, a call without an end, a wait for ever."""
    text = """
        do:
          - charge: { call: Charge, with: { order: "${ input.id }", amount: 1 } }
          - reply: { wait_for_event: Reply, timeout: never }
          - return: ${ charge.receipt }
        """
    assert said(text) == []
    assert said(text, strict=True) == [
        "PD813 Charge may take for ever: neither 'timeout' nor 'deadline' bounds it",
        "PD812 Charge.order expects string, but the type of 'input.id' is not known",
        "PD813 this may wait for 'Reply' for ever",
    ]


def test_a_mistake_by_the_arguments_of_a_function_names_the_call() -> None:
    """Once a place, with what it was given; what is wrong whatever it is given does not blame a call."""
    text = """
        functions:
          add: { value: "${ args.n + 1 }" }
          never: { value: "${ 1 + 'a' }" }
          outer: { call: add, with: { n: "${ args.m }" } }
        do:
          - fine: { call: add, with: { n: 1 } }
          - wrong: { call: add, with: { n: a } }
          - again: { call: add, with: { n: b } }
          - deep: { call: outer, with: { m: c } }
          - no: { call: never }
          - return: ${ [fine, wrong, again, deep, no] }
        """
    found = load(Source("flow.yaml", HEADER + textwrap.dedent(text))).diagnostics
    assert [(each.message, [about.message for about in each.related]) for each in found] == [
        ("'+' does not take string and int", ["called here with n: string"]),
        ("'+' does not take int and string", []),
    ]


CONSTANTS = {
    "currency: GBP": "PD704 Pay.currency takes EUR or USD, not 'GBP'",
    "currency: EUR, card: { kind: credit }": "PD704 Pay.card.kind takes debit, not 'credit'",
    "currency: EUR, card: { kind: credit, id: '${ input.x }' }": (
        "PD704 Pay.card.kind takes debit, not 'credit'"
    ),
    "currency: EUR, card: { kind: debit }": None,
    "currency: '${ input.x }'": None,
    "currency: 'E${ input.x }'": None,
    "currency: 5": "PD704 Pay.currency expects string, got int",
}


@pytest.mark.parametrize(("given", "expected"), CONSTANTS.items())
def test_a_constant_is_one_of_the_values_that_are_taken(given: str, expected: str | None) -> None:
    """What is computed may be one of them."""
    assert said(f"do:\n  - p: {{ call: Pay, with: {{ {given} }} }}\n") == ([expected] if expected else [])


def test_the_input_of_another_workflow_lists_values_too() -> None:
    """A constant that its schema does not list is refused where it is given."""
    schema = "{ type: object, properties: { kind: { enum: [a, b] } } }"
    other = f"dsl: perdure/1\nname: other\nversion: 1.0.0\ninput: {{ schema: {schema} }}\ndo: [ return: 1 ]\n"
    known = CATALOG.including(load(Source("other.yaml", other)).documents)
    assert said("do:\n  - o: { call_workflow: other, with: { kind: c } }\n", known) == [
        "PD305 the input of other.kind takes a or b, not 'c'"
    ]


PLACES = {
    "order: a, amount: seven": ("seven", None),
    "order: a, amount: '7'": ("'7'", "write 7 without quotes"),
    "order: 5, amount: 7": ("5", "write it in quotes: '5'"),
    "order: a, amount: '${ workflow.name }'": ("workflow.name", "write int(...) around it"),
    "order: a, amount: 7, lines: [a, 2]": ("[a, 2]", "write it in quotes: '2'"),
}


@pytest.mark.parametrize(("given", "expected"), PLACES.items())
def test_the_place_of_a_mistake_is_the_argument(given: str, expected: tuple[str, str | None]) -> None:
    """Not the name of the activity; and the hint says how to write what was meant."""
    text = f"{HEADER}do:\n  - charge: {{ call: Charge, with: {{ {given} }} }}\n"
    (found,) = load(Source("flow.yaml", text), CATALOG).diagnostics
    start, end = found.span
    marked = text.splitlines()[start.line - 1][start.column - 1 : end.column - 1]
    assert (marked, found.hint) == expected


def test_a_number_that_is_text_is_converted_with_double() -> None:
    """The hint names the function for it."""
    text = f"{HEADER}do:\n  - p: {{ call: Pay, with: {{ currency: EUR, price: '${{ workflow.name }}' }} }}\n"
    (found,) = load(Source("flow.yaml", text), CATALOG).diagnostics
    assert (found.message, found.hint) == (
        "Pay.price expects number, got string (workflow.name)",
        "write double(...) around it",
    )


BOUNDED = {
    "in a block with a timeout": "- all: { do: [CALL], timeout: 1h }",
    "in a block with a deadline": "- all: { do: [CALL], deadline: 1h }",
    "in a try, which is bounded": "- all: { try: [CALL], timeout: 1h, catch: [{ do: [NEXT] }] }",
    "in a loop": "- all: { while: '${ true }', limit: 3, timeout: 1h, do: [CALL] }",
    "in a saga": "- all: { saga: [CALL], timeout: 1h }",
    "in a fan_out": "- all: { fan_out: [1], timeout: 1h, do: [CALL] }",
    "in a race with a timeout": "- all: { race: { a: [CALL], b: [WAIT] }, timeout: 1h }",
    "beside a wait": "- all: { race: { a: [CALL, WAIT], b: [late: { wait: 1h }, NEXT] } }",
    "beside a wait for an event": (
        "- all: { race: { a: [CALL], b: [e: { wait_for_event: E, timeout: 1h }] } }"
    ),
    "deep inside": "- all: { do: [deep: { for_each: [1], do: [one: { do: [CALL] }] }], timeout: 1h }",
}
UNBOUNDED = {
    "after a try": "- all: { try: [NEXT], timeout: 1h, catch: [{ do: [CALL] }] }",
    "in finally": "- all: { do: [t: { try: [NEXT], finally: [CALL] }], timeout: 1h }",
    "after a timeout": "- e: { wait_for_event: E, timeout: 1h, on_timeout: [CALL] }",
    "under a lock": "- all: { lock_entities: [A@1], timeout: 1h, do: [CALL] }",
    "beside what may not end": "- all: { race: { a: [CALL], b: [WAIT] } }",
    "to undo": "- s: { timeout: 1h, saga: [c: { call: Print, with: a, compensate: { call: Print } }] }",
}
_STEPS = {
    "CALL": "c: { call: Print, with: a }",
    "WAIT": "w: { wait_for_event: E, timeout: never }",
    "NEXT": "n: { value: 1 }",
}


def endless(do: str, header: str = "") -> list[str]:
    """The codes about steps that may take for ever; nothing else may be wrong with them."""
    for word, step in _STEPS.items():
        do = do.replace(word, f"{{ {step} }}")
    text = f"{header}do:\n  {do}\n"
    assert [each for each in said(text) if not each.startswith("PD8")] == []
    return [each[:5] for each in said(text, strict=True) if "PD813" in each]


@pytest.mark.parametrize("place", BOUNDED)
def test_a_bound_around_a_step_is_one(place: str) -> None:
    """Strict does not list what ends because of what stands around it."""
    assert endless(BOUNDED[place]) == []


@pytest.mark.parametrize("place", UNBOUNDED)
def test_a_bound_that_does_not_reach_a_step_is_none(place: str) -> None:
    """What runs after a bound has passed, or beside one, is listed."""
    assert "PD813" in endless(UNBOUNDED[place])


def test_the_timeout_of_the_workflow_bounds_all_its_steps() -> None:
    """Of a function the call may be bounded."""
    function = "functions: { f: { call: Print, with: a } }\n"
    assert endless("- x: { do: [CALL, WAIT] }", "timeout: 30d\n") == []
    assert endless("- x: { call: f, timeout: 1m }", function) == []
    assert endless("- x: { call: f }", function) == ["PD813"]
    assert endless("- x: { value: 1 }", function) == ["PD813"]


def test_a_condition_that_asks_makes_reading_safe() -> None:
    """A field that a guard, an ``if`` or an earlier ``if`` asked for may be read after it."""
    text = """
        input: { schema: { type: object, properties: { note: { type: string } } } }
        do:
          - if: ${ !has(input.note) }
            then:
              - return: none
          - return: ${ input.note }
        """
    assert said(text) == []


def test_a_failing_step_is_said_once() -> None:
    """What reads the value of a step that always fails is not blamed for it."""
    text = """
        do:
          - a: { value: "${ 1 + 'a' }" }
          - b: { value: "${ a + 1 }" }
          - return: ${ a.x }
        """
    assert said(text) == ["PD305 '+' does not take int and string"]


def test_types_are_checked_beside_other_mistakes() -> None:
    """One run shows what is wrong with names and with types."""
    text = """
        do:
          - a: { value: "${ nowhere }" }
          - return: ${ 1 + 'a' }
        """
    assert [each[:5] for each in said(text)] == ["PD301", "PD305"]


def test_a_document_of_wrong_types_is_not_given() -> None:
    """Nothing that always fails can be deployed."""
    found = load(Source("flow.yaml", HEADER + "do:\n  - return: \"${ 1 + 'a' }\"\n"))
    assert (found.documents, found.diagnostics[0].severity) == ((), Severity.ERROR)


def test_another_file_is_known_through_the_catalog() -> None:
    """The input and output of a workflow of another file are compared."""
    child = load(
        Source(
            "child.yaml",
            "dsl: perdure/1\nname: child\nversion: 1.0.0\n"
            "input: { schema: { type: object, properties: { id: { type: string } }, required: [id] } }\n"
            "output: { schema: { type: integer } }\ndo:\n  - return: 1\n",
        )
    )
    text = """
        do:
          - made: { call_workflow: child, with: { id: "${ workflow.generation }" } }
          - return: ${ made.x }
        """
    assert said(text, catalog_of(None, child.documents)) == [
        "PD305 the input of child.id expects string, got int (workflow.generation)",
        "PD305 'made' is int: it has no field 'x'",
    ]


def test_a_name_of_two_versions_is_not_known() -> None:
    """Which version is meant is found out when it starts, so nothing is said of it."""
    text = "dsl: perdure/1\nname: child\nversion: {}\noutput: {{ schema: {{ type: {} }} }}\n"
    text += "do:\n  - return: {}\n"
    first = load(Source("a.yaml", text.format("1.0.0", "integer", 1)))
    second = load(Source("b.yaml", text.format("2.0.0", "string", "a")))
    assert catalog_of(None, (*first.documents, *second.documents)).workflows == {}


def test_a_manifest_that_is_not_understood_says_nothing() -> None:
    """A broken entry is left out, and a broken manifest is an empty one."""
    assert dict(catalog_of({"activities": {"A": 5, "B": {}}}).activities) == {
        "B": catalog_of({"activities": {"B": {}}}).activities["B"]
    }
    assert dict(catalog_of({"activities": 7}).activities) == {}


def test_a_text_where_an_object_is_wanted_is_no_exception() -> None:
    """A constant that fits nowhere near is told like any other; found by mutating documents."""
    text = (
        "dsl: perdure/1\nkind: entity\nname: A\nversion: 1.0.0\n"
        "state: { schema: { type: object, properties: { b: { type: number } } }, initial: { b: 0.0 } }\n"
        "operations: { put: { set: other } }\n"
    )
    assert said(text) != []
