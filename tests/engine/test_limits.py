"""Bounds: each is a typed failure of the workflow that hits it, and of nobody else."""

from __future__ import annotations

import pytest

from perdure.engine.activities import RetryAfter
from perdure.engine.machine import MAX_INSTRUCTIONS
from perdure.engine.payload import MAX_BYTES
from tests.engine.driver import Hub
from tests.engine.functions import offer


def test_an_endless_computation_ends(hub: Hub) -> None:
    """A workflow that never waits fails with ``perdure.LimitExceeded``; others go on."""
    hub.start('do: [{ l: { while: "${ true }", limit: 100000000, do: [{ v: { value: 1 } }] } }]')
    hub.start("do: [{ return: 1 }]", id="other")
    hub.run()
    assert (hub.error()["type"], hub.output("other")) == ("perdure.LimitExceeded", 1)
    assert str(MAX_INSTRUCTIONS) in hub.error()["message"]


@pytest.mark.usefixtures("few_instructions")
def test_an_endless_computation_cannot_be_caught_for_ever(hub: Hub) -> None:
    """Catching the limit in a loop does not make it endless again."""
    hub.start(
        """
        do:
          - outer:
              while: ${ true }
              limit: 100000000
              do:
                - t:
                    try: [{ l: { while: "${ true }", limit: 100000000, do: [{ v: { value: 1 } }] } }]
                    catch: [{ do: [{ w: { value: 2 } }] }]
        """
    )
    hub.run()
    assert hub.error()["type"] == "perdure.LimitExceeded"


def test_a_big_result_fails_its_step(hub: Hub) -> None:
    """A result beyond a payload's size is ``perdure.Payload``, with the sizes, and can be caught."""
    hub.activity("Big", lambda: "x" * (MAX_BYTES + 1))
    hub.start(
        """
        do:
          - t:
              try: [{ a: { call: Big } }]
              catch: [{ errors: [perdure.Payload], do: [{ output: "${ error.message }" }] }]
          - return: ${ t }
        """
    )
    hub.run()
    assert str(MAX_BYTES) in hub.output()


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ("b: { call: Use, with: PAIR }", "'with'"),
        ("b: { call_workflow: other, with: PAIR }", "'with'"),
        ("send_event: { to: other, event: E, with: PAIR }", "'with'"),
        ("set_custom_status: PAIR", "the custom status"),
        ("continue_as_new: { input: PAIR }", "the new input"),
        ("raise: { error: E, data: PAIR }", "the error's data"),
        ("return: PAIR", "the output"),
    ],
)
def test_what_a_workflow_makes_is_bounded_where_it_leaves(hub: Hub, step: str, field: str) -> None:
    """Two results that fit are too much together; the error names the field, the step and its place."""
    hub.activity("Big", lambda: "x" * (MAX_BYTES - 10))
    hub.activity("Use", lambda value: None)
    written = step.replace("PAIR", '["${ a }", "${ a }"]')
    hub.start(f"do:\n  - a: {{ call: Big }}\n  - {written}\n")
    hub.run()
    error = hub.error()
    assert error["type"] == "perdure.Expression"
    assert error["message"].startswith("flow.perdure.yaml:6:")
    assert f"{field} has {2 * MAX_BYTES - 13} bytes as JSON, the limit is {MAX_BYTES}" in error["message"]


def test_a_result_of_the_greatest_size_passes(hub: Hub) -> None:
    """The bound itself is allowed."""
    hub.activity("Big", lambda: "x" * (MAX_BYTES - 2))
    hub.start('do: [{ a: { call: Big } }, { return: "${ size(a) }" }]')
    hub.run()
    assert hub.output() == MAX_BYTES - 2


def test_output_makes_a_big_result_small(hub: Hub) -> None:
    """The size of what ``output`` keeps counts as well as that of the result."""
    hub.activity("Big", lambda: {"id": 1, "body": "x" * 1000})
    hub.start('do: [{ a: { call: Big, output: "${ result.id }" } }, { return: "${ a }" }]')
    hub.run()
    assert hub.output() == 1


def test_a_deep_result_fails_its_step(hub: Hub) -> None:
    """Nesting beyond the bound is ``perdure.Payload``."""

    def deep() -> object:
        value: object = 1
        for _ in range(200):
            value = [value]
        return value

    hub.activity("Deep", deep)
    hub.start("do: [{ a: { call: Deep } }]")
    hub.run()
    assert hub.error()["type"] == "perdure.Payload"


@pytest.mark.parametrize("grow", ["'${ [vars.x] }'", "[ '${ vars.x }' ]", "{ a: '${ vars.x }' }"])
def test_a_variable_that_grows_deeper_and_deeper(hub: Hub, grow: str) -> None:
    """A value nested without end is an error of the workflow, not of the engine."""
    hub.start(
        f"""
        vars: {{ x: {{ schema: {{}}, initial: 1 }} }}
        do:
          - l: {{ while: "${{ true }}", limit: 5000, do: [{{ set: {{ x: {grow} }} }}] }}
          - return: "${{ vars.x }}"
        """
    )
    hub.run()
    assert hub.status() == "Failed"
    assert hub.error()["type"] in {"perdure.Expression", "perdure.LimitExceeded"}


def test_a_variable_that_grows_longer_and_longer(hub: Hub) -> None:
    """A text doubled without end is an error of the workflow."""
    hub.start(
        """
        vars: { x: a }
        do:
          - l: { while: "${ true }", limit: 100, do: [{ set: { x: "${ vars.x + vars.x }" } }] }
        """
    )
    hub.run()
    assert hub.error()["type"] == "perdure.Expression"


@pytest.mark.slow
def test_a_list_that_doubles_through_references(hub: Hub) -> None:
    """A value whose parts share memory is measured by what it would be when written."""
    hub.start(
        """
        vars: { x: { schema: {}, initial: [1] } }
        do:
          - l: { while: "${ true }", limit: 40, do: [{ set: { x: [ "${ vars.x }", "${ vars.x }" ] } }] }
          - return: ${ vars.x }
        """
    )
    hub.run()
    assert hub.status() == "Failed"


def test_overflow_is_an_error(hub: Hub) -> None:
    """Integers do not wrap, and do not become doubles."""
    hub.start('do: [{ return: "${ input + 1 }" }]', 2**63 - 1)
    hub.run()
    assert hub.error()["type"] == "perdure.Expression"


def test_a_long_error_message_is_cut(hub: Hub) -> None:
    """A message of a megabyte does not enter the history whole."""

    def loud() -> None:
        raise ValueError("x" * 1_000_000)

    hub.activity("Loud", loud)
    hub.start("do: [{ a: { call: Loud } }]")
    hub.run()
    assert len(hub.error()["message"]) < 10_000


@pytest.mark.parametrize("seconds", [-5, 0, 1e300])
def test_odd_back_offs_of_an_activity(hub: Hub, seconds: float) -> None:
    """A worker that asks for an absurd wait gets a bounded one, or a failure; it does not stop the engine."""

    def odd() -> None:
        raise RetryAfter(seconds)

    hub.activity("Odd", odd)
    hub.start("do: [{ a: { call: Odd, retry: { attempts: 2 } } }]")
    hub.run()
    assert hub.status() in {"Running", "Failed"}
    if hub.status() == "Running":
        hub.terminate()
        hub.run()


def test_a_name_with_a_surrogate_is_refused_as_a_result(hub: Hub) -> None:
    """Half of a surrogate pair is no text that a database takes."""
    hub.activity("Half", lambda: "\ud800")
    hub.start("do: [{ a: { call: Half } }]")
    hub.run()
    assert hub.error()["type"] == "perdure.Payload"


def test_a_message_with_a_surrogate_is_made_valid(hub: Hub) -> None:
    """The text of an exception may be anything; what is recorded is valid."""

    def bad() -> None:
        raise ValueError("bad \ud800 text")

    hub.activity("Bad", bad)
    hub.start("do: [{ a: { call: Bad } }]")
    hub.run()
    assert hub.error()["message"] == "bad ? text"


@pytest.mark.slow
def test_many_branches_at_once(hub: Hub) -> None:
    """Hundreds of items at once are hundreds of fibers, no recursion."""
    offer(hub)
    hub.start(
        """
        do:
          - all:
              fan_out: ${ input }
              width: 300
              do: [{ p: { parallel: { a: [{ x: { call: Echo, with: "${ item }" } }],
                    b: [{ w: { wait: 1s } }] } } }]
          - return: ${ all.succeeded }
        """,
        list(range(300)),
    )
    hub.advance(2)
    assert hub.output() == 300


def test_deeply_nested_blocks(hub: Hub) -> None:
    """Many blocks in each other unwind without recursion."""
    text = "raise: { error: No }"
    for level in range(15):
        text = f"b{level}: {{ try: [{{ {text} }}], finally: [{{ f{level}: {{ value: 1 }} }}] }}"
    hub.start(f"do: [{{ {text} }}]")
    hub.run()
    assert hub.error()["type"] == "No"
