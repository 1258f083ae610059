"""Functions are put in where they are called."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.dsl import document_digest, model
from perdure.dsl.decode_functions import MAX_DEPTH
from perdure.dsl.duration import parse_duration
from perdure.dsl.rules.places import all_steps
from tests.dsl.documents import HEADER, codes, given_workflow

FUNCTIONS = """\
functions:
  notify: { call: SendMail, with: "${ args.to }" }
  prepare:
    do:
      - raw: { call: Download }
      - told: { call: notify, with: { to: "${ raw.owner }" } }
    output: ${ raw }
"""


def used(body: str) -> Any:
    """The first step of a workflow that has these functions."""
    return given_workflow(body, FUNCTIONS).body.steps[0]


def test_paths_of_functions() -> None:
    """What is put in stands below the step that calls, each time anew."""
    workflow = given_workflow("  - a: { call: prepare }\n  - b: { call: prepare }\n", FUNCTIONS)
    assert [step.path for step in all_steps(workflow.body)] == [
        *_paths("do/0/a/prepare"),
        *_paths("do/1/b/prepare"),
    ]


def _paths(path: str) -> list[str]:
    inside = [f"{path}/do/0/raw", f"{path}/do/1/told", f"{path}/do/1/told/notify"]
    return [path.rpartition("/")[0], path, *inside]


def test_declarations() -> None:
    """Each function is kept as it is written, called or not."""
    notify, prepare = given_workflow("  - return: 1\n", FUNCTIONS).functions
    (step,) = notify.body.steps
    assert (notify.name, step.path, step.name) == ("notify", "functions/notify", "notify")
    assert [step.path for step in all_steps(prepare.body)][-1] == "functions/prepare/do/1/told/notify"


def test_modifiers_stay_with_the_call() -> None:
    """Bounds, guard and output are those of the call, beside those of the function's own step."""
    step = used("  - a: { call: notify, with: { to: x }, timeout: 5s, if: '${ input.x }', output: 1 }\n")
    assert isinstance(step, model.Use)
    (inner,) = step.body.steps
    assert step.timeout == parse_duration("5s")
    assert (step.guard is None, step.output is None) == (False, False)
    assert (inner.guard, inner.output) == (None, None)


def test_defaults_are_for_the_call_inside() -> None:
    """The header's timeout of calls bounds the activity, not the function."""
    header = f"defaults: {{ call: {{ timeout: 1m }} }}\n{FUNCTIONS}"
    (step,) = given_workflow("  - a: { call: notify, with: { to: x } }\n", header).body.steps
    assert isinstance(step, model.Use)
    (inner,) = step.body.steps
    assert isinstance(inner, model.Call)
    assert (step.timeout, inner.timeout) == (None, parse_duration("1m"))


def test_other_calls_are_activities() -> None:
    """Only the names of functions are functions."""
    assert isinstance(used("  - a: { call: Notify }\n"), model.Call)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("  - raw: { value: 1 }\n  - a: { call: prepare, output: '${ raw }' }\n  - return: ${ raw }\n", []),
        ("  - a: { call: prepare }\n  - return: ${ raw }\n", ["PD301"]),
        ("  - a: { call: prepare, with: '${ args }' }\n", ["PD301"]),
        ("  - told: { call: prepare }\n  - notify: { value: 1 }\n  - return: ${ [told, notify] }\n", []),
    ],
)
def test_names_stay_inside(body: str, expected: list[str]) -> None:
    """A function sees none of the names around its call, and gives none of its own."""
    assert codes(f"{HEADER}{FUNCTIONS}do:\n{body}") == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("{ do: [ { set: { x: 1 } }, { a: { call: A } } ] }", ["PD210"]),
        ("{ do: [ { return: 1 } ] }", ["PD213"]),
        ("{ do: [ { if: '${ input.x }', then: [ break ] }, { a: { call: A } } ] }", ["PD214"]),
    ],
)
def test_statements_are_judged_where_they_are_put_in(function: str, expected: list[str]) -> None:
    """What may not stand in a branch may not be put in there; a loop around the call is out of reach."""
    text = f"vars: {{ x: 0 }}\nfunctions: {{ f: {function} }}\nqueries: {{ x: '${{ vars.x }}' }}\n"
    body = "  - all:\n      fan_out: ${ input }\n      do:\n        - one: { call: f }\n"
    assert codes(f"{HEADER}{text}do:\n{body}") == expected


def test_what_nobody_calls_is_checked_too() -> None:
    """A mistake in a function is told once, however often it is called."""
    function = "functions: { f: { call: A, with: '${ nowhere }' } }\ndo:\n"
    assert "PD301" in codes(f"{HEADER}{function}  - return: 1\n")
    twice = "  - a: { call: f }\n  - b: { call: f }\n"
    assert codes(f"{HEADER}{function}{twice}") == ["PD301"]


def test_endless_functions_end() -> None:
    """A function that comes to itself is refused, on whatever way."""
    circle = "functions: { a: { do: [ { x: { call: b } } ] }, b: { call: a } }\ndo:\n  - y: { call: b }\n"
    assert codes(HEADER + circle) == ["PD232"]


def test_many_functions_are_refused_quickly() -> None:
    """Functions that double what they call would fill the memory: they are cut off."""
    doubling = "".join(
        f"  f{i}: {{ do: [ {{ a: {{ call: f{i + 1} }} }}, {{ b: {{ call: f{i + 1} }} }} ] }}\n"
        for i in range(18)
    )
    text = f"{HEADER}functions:\n{doubling}  f18: {{ call: A }}\ndo:\n  - x: {{ call: f0 }}\n"
    assert codes(text) == ["PD408"]


def test_deep_functions_are_refused() -> None:
    """Functions nest as deep as a document may, not deeper."""
    chain = "".join(f"  f{i}: {{ call: f{i + 1} }}\n" for i in range(MAX_DEPTH + 5))
    text = f"{HEADER}functions:\n{chain}  f{MAX_DEPTH + 5}: {{ call: A }}\ndo:\n  - x: {{ call: f0 }}\n"
    assert codes(text) == ["PD408"]


def test_functions_are_part_of_the_meaning() -> None:
    """Another function is another document; the order of functions is not."""
    body = "  - a: { call: notify, with: { to: x } }\n"
    digest = document_digest(given_workflow(body, FUNCTIONS))
    changed = document_digest(given_workflow(body, FUNCTIONS.replace("SendMail", "SendText")))
    first, second = FUNCTIONS.removeprefix("functions:\n").split("  prepare", 1)
    swapped = document_digest(given_workflow(body, f"functions:\n  prepare{second}{first}"))
    assert changed != digest
    assert swapped == digest
