"""Names and values: ``set``, ``value``, ``output``, block values, ``return``, custom status and logs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.engine.driver import Hub
from tests.engine.functions import offer


def output_of(hub: Hub, text: str, given: Any = None) -> Any:
    """What a document that needs no time returns."""
    offer(hub)
    hub.start(text, given)
    hub.run()
    return hub.output()


def test_all_right_hand_sides_see_the_old_values(hub: Hub) -> None:
    """One ``set`` may swap two variables."""
    assert output_of(
        hub,
        """
        vars: { a: 1, b: 2 }
        do:
          - set: { a: "${ vars.b }", b: "${ vars.a }" }
          - return: ${ [vars.a, vars.b] }
        """,
    ) == [2, 1]


def test_a_set_that_fails_sets_nothing(hub: Hub) -> None:
    """When one value cannot be computed the others are not assigned either."""
    assert output_of(
        hub,
        """
        vars: { a: 1, b: 2 }
        do:
          - t:
              try: [{ set: { a: 9, b: "${ 1 / input }" } }]
              catch: [{ do: [{ set: { b: 7 } }] }]
          - return: ${ [vars.a, vars.b] }
        """,
        0,
    ) == [1, 7]


def test_values_are_computed_where_they_stand(hub: Hub) -> None:
    """A ``value`` does not change when the variable it was made from does."""
    assert output_of(
        hub,
        """
        vars: { a: 1 }
        do:
          - before: { value: { is: "${ vars.a }" } }
          - set: { a: 2 }
          - return: ${ [before.is, vars.a] }
        """,
    ) == [1, 2]


def test_value_and_set_leave_no_event(hub: Hub) -> None:
    """What is computed is computed again on replay, not recorded."""
    output_of(
        hub, 'vars: { a: 1 }\ndo: [{ v: { value: 1 } }, { set: { a: "${ v }" } }, { return: "${ v }" }]'
    )
    assert hub.kinds() == ["ExecutionStarted", "ExecutionCompleted"]


@pytest.mark.parametrize(
    "body",
    [
        "{ call: Echo, with: 5 }",
        "{ wait: 0s }",
        "{ value: 5 }",
        "{ do: [{ x: { value: 5 } }] }",
        "{ for_each: [1], do: [{ x: { value: 5 } }] }",
        "{ fan_out: [1], do: [{ x: { value: 5 } }] }",
        "{ try: [{ x: { value: 5 } }], catch: [{ do: [{ y: { value: 6 } }] }] }",
        "{ race: { x: [{ y: { value: 5 } }], z: [{ w: { value: 6 } }] } }",
        "{ wait_for_event: E, timeout: 1h }",
    ],
)
def test_a_skipped_step_is_null(hub: Hub, body: str) -> None:
    """Any task may have an ``if``; when it does not hold the step is null and does nothing."""
    skipped = body.replace("{ ", '{ if: "${ input }", ', 1)
    assert output_of(hub, f'do: [{{ s: {skipped} }}, {{ return: "${{ [s] }}" }}]', given=False) == [None]
    assert hub.calls == []


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("{ value: 5, output: '${ result + 1 }' }", 6),
        ("{ do: [{ x: { value: 5 } }], output: '${ x + result }' }", 10),
        ("{ do: [{ x: { value: 5 } }, { y: { value: 6 } }], output: '${ [x, y] }' }", [5, 6]),
        ("{ for_each: [1, 2], do: [{ x: { value: '${ item }' } }], output: '${ size(result) }' }", 2),
        ("{ fan_out: [1, 2], do: [{ x: { value: '${ item }' } }], output: '${ result.results }' }", [1, 2]),
        ("{ wait: 0s, output: '${ [result] }' }", [None]),
        ("{ switch: [{ when: '${ true }', do: [{ x: { value: 5 } }] }], output: '${ [result] }' }", [5]),
        ("{ parallel: { a: [{ x: { value: 5 } }] }, output: '${ result.a }' }", 5),
        (
            "{ race: { a: [{ x: { value: 5 } }], b: [{ y: { wait: 1h } }] }, output: '${ result.winner }' }",
            "a",
        ),
        ("{ try: [{ x: { value: 5 } }], finally: [{ y: { value: 6 } }], output: '${ [result] }' }", [5]),
    ],
)
def test_output_replaces_the_value_of_a_task(hub: Hub, body: str, value: Any) -> None:
    """``output`` sees ``result``, and on ``do`` the names of the block as well."""
    assert output_of(hub, f"do: [{{ s: {body} }}, {{ return: '${{ s }}' }}]") == value


@pytest.mark.parametrize(
    ("block", "value"),
    [
        ("[{ x: { value: 5 } }]", 5),
        ("[{ x: { value: 5 } }, { set: { n: 1 } }]", 5),
        ("[{ x: { value: 5 } }, { y: { value: 6 } }, { output: '${ x * y }' }]", 30),
        ("[{ x: { value: 5 } }, { output: { is: '${ x }' } }]", {"is": 5}),
    ],
)
def test_the_value_of_a_block(hub: Hub, block: str, value: Any) -> None:
    """A trailing ``output`` gives it, else the only named step."""
    text = f"vars: {{ n: 0 }}\ndo: [{{ s: {{ do: {block} }} }}, {{ return: '${{ s }}' }}]"
    assert output_of(hub, text) == value


def test_blocks_without_a_value_are_null_in_lists_and_maps(hub: Hub) -> None:
    """In the list of a loop, the map of a ``parallel`` and the value of a ``race`` no value is null."""
    assert output_of(
        hub,
        """
        do:
          - l: { for_each: [1], do: [{ x: { value: 1 } }, { y: { value: 2 } }] }
          - p: { parallel: { a: [{ x: { value: 1 } }, { y: { value: 2 } }] } }
          - r: { race: { a: [{ x: { value: 1 } }, { y: { value: 2 } }], b: [{ z: { wait: 1h } }] } }
          - f: { fan_out: [1], do: [{ x: { value: 1 } }, { y: { value: 2 } }] }
          - return: { l: "${ l }", p: "${ p }", r: "${ r }", f: "${ f.results }" }
        """,
    ) == {"l": [None], "p": {"a": None}, "r": {"winner": "a", "value": None}, "f": [None]}


def test_a_workflow_that_falls_off_its_end_returns_null(hub: Hub) -> None:
    """Without ``return`` the output is null."""
    assert output_of(hub, "do: [{ x: { value: 5 } }]") is None


def test_return_ends_the_workflow_from_within(hub: Hub) -> None:
    """``return`` inside blocks ends the instance, and no later step runs."""
    text = "do: [{ b: { do: [{ if: '${ true }', then: [{ return: 1 }] }] } }, { c: { call: Echo, with: 1 } }]"
    assert output_of(hub, text) == 1
    assert hub.calls == []


def test_an_output_that_does_not_fit_its_schema_fails_the_instance(hub: Hub) -> None:
    """The declared schema of the output is kept."""
    hub.start('output: { schema: { type: integer } }\ndo: [{ return: "${ input }" }]', "text")
    hub.run()
    assert hub.error()["type"] == "perdure.Schema"


def test_an_output_that_fits_its_schema(hub: Hub) -> None:
    """An output of the declared type is given."""
    assert output_of(hub, 'output: { schema: { type: integer } }\ndo: [{ return: "${ input }" }]', 4) == 4


def test_variables_begin_with_their_initial_values(hub: Hub) -> None:
    """``vars`` has values, with a schema or without."""
    text = """
        vars: { a: 1, b: { schema: { type: [number, "null"] }, initial: null }, c: [] }
        do: [{ return: "${ [vars.a, vars.b, vars.c] }" }]
        """
    assert output_of(hub, text) == [1, None, []]


def test_workflow_tells_about_the_instance(hub: Hub) -> None:
    """``workflow`` has id, name, version, digest, generation, parent and start."""
    found = output_of(
        hub,
        """
        do:
          - return:
              - ${ workflow.instance_id }
              - ${ workflow.name }
              - ${ workflow.version }
              - ${ workflow.generation }
              - ${ workflow.parent_id }
              - ${ string(workflow.started_at) }
              - ${ workflow.digest }
        """,
    )
    assert found[:-1] == ["i", "flow", "1.0.0", 1, None, "2023-11-14T22:13:20Z"]
    assert found[-1] == hub.instance().digest


def test_uuid_depends_on_step_and_label_alone(hub: Hub) -> None:
    """``uuid`` of one label differs between steps, of two labels within a step; it is of version 5."""
    first, second, third = output_of(
        hub,
        """
        do:
          - a: { value: [ "${ uuid('x') }", "${ uuid('y') }" ] }
          - b: { value: "${ uuid('x') }" }
          - return: ${ [a[0], a[1], b] }
        """,
    )
    assert len({first, second, third}) == 3
    assert first[14] == "5"


def test_custom_status_is_shown(hub: Hub) -> None:
    """``set_custom_status`` shows a value while the instance runs, and after it."""
    hub.start('do: [{ set_custom_status: { phase: "${ input }" } }, { w: { wait: 1s } }]', "one")
    hub.run()
    assert msgspec.json.decode(hub.instance().custom_status or "") == {"phase": "one"}
    hub.advance(1)
    assert msgspec.json.decode(hub.instance().custom_status or "") == {"phase": "one"}


def test_custom_status_of_null_clears_it(hub: Hub) -> None:
    """A custom status can be taken away again."""
    hub.start(
        "do: [{ set_custom_status: busy }, { w: { wait: 1s } }, "
        "{ set_custom_status: null }, { v: { wait: 1s } }]"
    )
    hub.run()
    hub.advance(1)
    assert hub.instance().custom_status in {None, "null"}
    hub.advance(1)


def test_log_writes_one_line_once(hub: Hub) -> None:
    """A line is written when its turn is committed, and not again on replay."""
    hub.start(
        """
        do:
          - log: { level: warning, message: "slow: ${ workflow.instance_id }", fields: { n: "${ 1 + 1 }" } }
          - w: { wait: 1s }
        """
    )
    hub.run()
    hub.crash()
    hub.advance(1)
    assert [(line.level, line.message, line.fields) for line in hub.logs] == [
        ("warning", "slow: i", {"n": 2})
    ]


def test_logs_of_a_failed_block_stay(hub: Hub) -> None:
    """What was logged before an error is logged."""
    hub.start("do: [{ log: { message: before } }, { raise: { error: No } }]")
    hub.run()
    assert [line.message for line in hub.logs] == ["before"]


@pytest.mark.parametrize(
    "given", [1.5, "ä\u0000", [1, [2]], {"b": 1, "a": 2}, None, True, -(2**63), 2**63 - 1]
)
def test_values_pass_through_unchanged(hub: Hub, given: Any) -> None:
    """Any JSON value goes through input, activity, history and output as it is."""
    assert (
        output_of(hub, 'do: [{ a: { call: Echo, with: "${ input }" } }, { return: "${ a }" }]', given)
        == given
    )
