"""``if`` and ``switch``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.driver import Hub
from tests.engine.functions import offer


@pytest.mark.parametrize(("given", "calls"), [(5, ["big"]), (1, ["small"])])
def test_if_runs_one_of_its_blocks(hub: Hub, given: int, calls: list[str]) -> None:
    """``then`` when the condition holds, else ``else``."""
    offer(hub)
    hub.start(
        """
        do:
          - if: ${ input > 3 }
            then: [{ a: { call: Echo, with: big } }]
            else: [{ b: { call: Echo, with: small } }]
        """,
        given,
    )
    hub.run()
    assert [task.input for task in hub.calls] == calls


def test_if_without_else_may_do_nothing(hub: Hub) -> None:
    """What follows an ``if`` whose condition does not hold runs."""
    hub.start('do: [{ if: "${ input }", then: [{ return: 1 }] }, { return: 2 }]', False)
    hub.run()
    assert hub.output() == 2


@pytest.mark.parametrize("given", [1, "true", None, [], {}])
def test_a_condition_is_a_boolean(hub: Hub, given: Any) -> None:
    """Nothing but true and false is a condition: there is no truthiness."""
    hub.start('do: [{ if: "${ input }", then: [{ return: 1 }] }]', given)
    hub.run()
    assert hub.error()["type"] == "perdure.Expression"


def test_the_error_of_a_condition_tells_its_place(hub: Hub) -> None:
    """The message names file, line and column of the expression."""
    hub.start("do:\n  - if: ${ input.no }\n    then: [{ return: 1 }]\n", {})
    hub.run()
    assert hub.error()["message"].startswith("flow.perdure.yaml:5:")


@pytest.mark.parametrize(("given", "value"), [(1, "one"), (2, "two"), (3, None)])
def test_the_first_case_that_holds_gives_the_value(hub: Hub, given: int, value: str | None) -> None:
    """Cases are tested in order; without one that holds, and without ``else``, the value is null."""
    hub.start(
        """
        do:
          - s:
              switch:
                - { when: "${ input < 2 }", do: [{ a: { value: one } }] }
                - { when: "${ input < 3 }", do: [{ b: { value: two } }] }
          - return: ${ s }
        """,
        given,
    )
    hub.run()
    assert hub.output() == value


def test_later_cases_are_not_even_evaluated(hub: Hub) -> None:
    """A condition after the one that holds cannot fail."""
    hub.start(
        """
        do:
          - s:
              switch:
                - { when: "${ true }", do: [{ a: { value: 1 } }] }
                - { when: "${ input.no }", do: [{ b: { value: 2 } }] }
          - return: ${ s }
        """,
        {},
    )
    hub.run()
    assert hub.output() == 1


def test_else_gives_the_value_when_no_case_holds(hub: Hub) -> None:
    """``else`` is the last case."""
    hub.start(
        """
        do:
          - s: { switch: [{ when: "${ false }", do: [{ a: { value: 1 } }] }], else: [{ b: { value: 2 } }] }
          - return: ${ s }
        """
    )
    hub.run()
    assert hub.output() == 2


def test_a_case_may_leave_the_workflow(hub: Hub) -> None:
    """``return`` in a case ends the instance."""
    hub.start('do: [{ s: { switch: [{ when: "${ true }", do: [{ return: 1 }] }], else: [{ return: 2 }] } }]')
    hub.run()
    assert hub.output() == 1
