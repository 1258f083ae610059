"""What a schema calls a number is a double, however it was written."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from perdure.dsl.numbers import declaring
from tests.engine.driver import Hub

NUMBER = {"type": "number"}


@pytest.mark.parametrize(
    ("schema", "value", "wide"),
    [
        (NUMBER, 7, 7.0),
        (NUMBER, True, True),
        (NUMBER, 7.5, 7.5),
        ({"type": "integer"}, 7, 7),
        ({"type": "integer"}, 7.0, 7),
        ({"type": ["integer", "null"]}, 7.0, 7),
        ({"type": "integer"}, 1e300, 1e300),
        ({"type": ["number", "null"]}, 7, 7.0),
        ({"type": ["number", "integer"]}, 7, 7),
        ({"properties": {"a": NUMBER}}, {"a": 7, "b": 7}, {"a": 7.0, "b": 7}),
        ({"additionalProperties": NUMBER, "properties": {"a": {}}}, {"a": 7, "b": 7}, {"a": 7, "b": 7.0}),
        ({"additionalProperties": NUMBER, "patternProperties": {"b": {}}}, {"b": 7}, {"b": 7}),
        ({"items": NUMBER}, [7, "x"], [7.0, "x"]),
        ({"prefixItems": [NUMBER], "items": {"type": "integer"}}, [7, 7], [7.0, 7]),
        ({"items": [NUMBER], "additionalItems": NUMBER}, [7, 7], [7.0, 7.0]),
        ({"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": NUMBER}}, {"a": 7}, {"a": 7.0}),
        (
            {"properties": {"a": {"$ref": "#"}}, "type": ["object", "number"]},
            {"a": {"a": 7}},
            {"a": {"a": 7.0}},
        ),
        ({"anyOf": [NUMBER, {"type": "string"}]}, 7, 7),
        ({"type": "number", "enum": [7, 8]}, 7, 7),
        (NUMBER, 10**400, 10**400),
    ],
)
def test_only_what_a_schema_says_plainly_is_widened(schema: Any, value: Any, wide: Any) -> None:
    """Types are compared too: 7 is not 7.0 here."""
    turn = declaring(schema) or (lambda value: value)
    assert repr(turn(value)) == repr(wide)


def test_a_reference_to_itself_ends() -> None:
    """Such a schema accepts everything; a stored Program may have one."""
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}, "n": NUMBER}}
    turn = declaring(schema)
    assert turn is not None
    assert turn(7) == 7


def test_a_whole_price_divides_like_any_other(hub: Hub) -> None:
    """7 / 2 of a number is 3.5, in the input and in events, early and late."""
    text = """
        dsl: perdure/1
        name: flow
        version: 1.0.0
        input: { schema: { type: object, properties: { price: { type: number }, count: { type: integer } } } }
        events: { Price: { schema: { type: number } } }
        do:
          - early: { wait_for_event: Price, timeout: 1h }
          - late: { wait_for_event: Price, timeout: 1h, count: 2 }
          - return: ["${ input.price / 2 }", "${ early / 2 }", "${ late.map(x, x / 2) }", "${ input.count }"]
        """
    hub.start(inspect.cleandoc(text), {"price": 7, "count": 7})
    hub.raise_event("Price", 5)
    hub.run()
    hub.raise_event("Price", 3)
    hub.raise_event("Price", 1)
    hub.run()
    assert hub.output() == [3.5, 2.5, [1.5, 0.5], 7]
