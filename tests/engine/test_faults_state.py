"""Live and replayed state agree whatever activities do with the values that they are given."""

from __future__ import annotations

from typing import Any

from tests.engine.driver import Hub


def spoil(things: Any) -> int:
    """Changes what it is given, deep inside too."""
    size = len(things["list"])
    things["list"].append({"new": 1})
    things["map"]["added"] = True
    things.clear()
    return size


def test_an_activity_may_change_what_it_is_given(hub: Hub) -> None:
    """The workflow goes on with the value it had, which is also what a replay has."""
    hub.activity("Spoil", spoil)
    hub.start(
        """
        do:
          - a: { call: Spoil, with: "${ input }" }
          - b: { call: Spoil, with: "${ input }" }
          - return: { input: "${ input }", sizes: "${ [a, b] }" }
        """,
        {"list": [1], "map": {}},
    )
    hub.run()
    assert hub.output() == {"input": {"list": [1], "map": {}}, "sizes": [1, 1]}


def test_an_activity_cannot_change_a_constant(hub: Hub) -> None:
    """Constants belong to the Program, which other instances run too."""
    hub.activity("Spoil", spoil)
    text = """
        vars: { things: { list: [1], map: {} } }
        do:
          - a: { call: Spoil, with: { list: [1, 2], map: {} } }
          - b: { call: Spoil, with: "${ vars.things }" }
          - return: ${ [a, b] }
        """
    for name in ("first", "second"):
        hub.start(text, id=name)
        hub.run()
    assert [hub.output("first"), hub.output("second")] == [[2, 1], [2, 1]]
