"""``try``, ``catch``, ``finally`` and ``raise``."""

from __future__ import annotations

import pytest

from tests.engine.driver import Hub
from tests.engine.functions import flaky, offer


def names(hub: Hub) -> list[object]:
    """What ``Echo`` and ``Fail`` were given, in order."""
    return [task.input for task in hub.calls]


def result(hub: Hub, text: str, given: object = None) -> object:
    """The output of a document that ends without waiting for time."""
    offer(hub)
    hub.start(text, given)
    hub.run()
    return hub.output()


@pytest.mark.parametrize(
    ("errors", "caught"),
    [
        ("[Broken]", True),
        ("['*']", True),
        ("[Other, Broken]", True),
        ("[Other]", False),
        ("[broken]", False),
        ("[ActivityError]", False),
        ("[perdure.Timeout]", False),
    ],
)
def test_a_clause_matches_by_exact_name(hub: Hub, errors: str, caught: bool) -> None:
    """A class of Python's, or a name in other letters, is another name."""
    offer(hub)
    hub.start(
        f"""
        do:
          - t:
              try: [{{ a: {{ call: Fail, with: x }} }}]
              catch: [{{ errors: {errors}, do: [{{ output: caught }}] }}]
          - return: "${{ t }}"
        """
    )
    hub.run()
    assert (hub.output() == "caught") if caught else (hub.error()["type"] == "Broken")


def test_a_clause_without_names_catches_every_error(hub: Hub) -> None:
    """``errors`` is ``["*"]`` where nothing is said."""
    assert (
        result(
            hub,
            """
        do:
          - t:
              try: [{ a: { value: "${ 1 / input }" } }]
              catch: [{ do: [{ output: "${ error.type }" }] }]
          - return: ${ t }
        """,
            0,
        )
        == "perdure.Expression"
    )


def test_the_first_clause_that_matches_runs(hub: Hub) -> None:
    """Clauses are tried in order, ``when`` included."""
    assert (
        result(
            hub,
            """
        do:
          - t:
              try: [{ a: { call: Fail, with: x } }]
              catch:
                - { errors: [Other], do: [{ output: 1 }] }
                - { errors: [Broken], when: "${ error.message == 'y' }", do: [{ output: 2 }] }
                - { errors: [Broken], when: "${ error.data.given == 'x' }", do: [{ output: 3 }] }
                - { do: [{ output: 4 }] }
          - return: ${ t }
        """,
        )
        == 3
    )


def test_what_a_clause_sees_of_the_error(hub: Hub) -> None:
    """The error has its type, message, data, step, path with item keys, and attempt."""
    found = result(
        hub,
        """
        do:
          - all:
              fan_out: [x]
              key: ${ item }
              do:
                - t:
                    try: [{ a: { call: Fail, with: "${ item }" } }]
                    catch: [{ do: [{ output: "${ error }" }] }]
          - return: ${ all.results[0] }
        """,
    )
    assert found == {
        "type": "Broken",
        "message": "x",
        "data": {"given": "x"},
        "step": "a",
        "path": "do/0/all[x]/do/0/t/try/0/a",
        "attempt": 1,
        "cause": None,
        "compensation": None,
        "activity": "Fail",
    }


def test_the_value_is_that_of_the_try_or_of_the_clause(hub: Hub) -> None:
    """Without an error the step has the value of its block."""
    text = """
        do:
          - t:
              try:
                - a: { call: Echo, with: 1 }
                - if: ${ input }
                  then: [{ raise: { error: No } }]
              catch: [{ do: [{ c: { value: 2 } }] }]
          - return: ${ t }
        """
    assert result(hub, text, given=False) == 1


def test_clauses_see_errors_of_the_block_only(hub: Hub) -> None:
    """An error of a clause goes past the other clauses."""
    offer(hub)
    hub.start(
        """
        do:
          - t:
              try: [{ a: { call: Fail, with: x } }]
              catch:
                - { errors: [Broken], do: [{ raise: { error: Worse } }] }
                - { errors: [Worse], do: [{ b: { value: 1 } }] }
        """
    )
    hub.run()
    assert hub.error()["type"] == "Worse"


def test_a_clause_that_cannot_be_tested_is_an_error(hub: Hub) -> None:
    """A ``when`` that fails leaves the step with ``perdure.Expression``, after ``finally``."""
    offer(hub)
    hub.start(
        """
        do:
          - t:
              try: [{ a: { call: Fail, with: x } }]
              catch: [{ when: "${ error.data.no == 1 }", do: [{ b: { value: 1 } }] }]
              finally: [{ z: { call: Echo, with: end } }]
        """
    )
    hub.run()
    assert (hub.error()["type"], names(hub)) == ("perdure.Expression", ["x", "end"])


def test_what_no_clause_matches_goes_on_unchanged(hub: Hub) -> None:
    """An error passes a ``try`` that does not want it as if it were not there."""
    offer(hub)
    hub.start(
        """
        do:
          - t:
              try: [{ a: { call: Fail, with: x } }]
              catch: [{ errors: [Other], do: [{ b: { value: 1 } }] }]
        """
    )
    hub.run()
    error = hub.error()
    assert (error["type"], error["step"], error["activity"]) == ("Broken", "a", "Fail")


def test_raise_has_what_it_says(hub: Hub) -> None:
    """``raise`` makes an error with message, data and cause."""
    offer(hub)
    hub.start(
        """
        do:
          - t:
              try: [{ a: { call: Fail, with: x } }]
              catch:
                - do: [{ raise: { error: Outer, message: "after ${ error.message }", data: [1],
                      cause: "${ error }" } }]
        """
    )
    hub.run()
    error = hub.error()
    assert (error["type"], error["message"], error["data"]) == ("Outer", "after x", [1])
    assert (error["cause"]["type"], error["cause"]["step"]) == ("Broken", "a")


def test_the_message_of_raise_defaults_to_the_name(hub: Hub) -> None:
    """An error without a message says its name."""
    hub.start("do: [{ raise: { error: OutOfStock } }]")
    hub.run()
    assert (hub.error()["message"], hub.error()["data"]) == ("OutOfStock", None)


def test_raise_is_of_the_nearest_named_step(hub: Hub) -> None:
    """The ``step`` of a raised error is the named step around it; the path is the statement's own."""
    hub.start("do: [{ outer: { do: [{ if: '${ true }', then: [{ raise: { error: No } }] }] } }]")
    hub.run()
    assert (hub.error()["step"], hub.error()["path"]) == ("outer", "do/0/outer/do/0/then/0")


def test_raise_outside_every_step_is_of_none(hub: Hub) -> None:
    """A ``raise`` of the workflow's own block has no step."""
    hub.start("do: [{ raise: { error: No } }]")
    hub.run()
    assert (hub.error()["step"], hub.error()["path"]) == (None, "do/0")


def test_a_kept_error_is_raised_again_unchanged(hub: Hub) -> None:
    """``raise: ${ error }`` is the very same error, step and path included."""
    offer(hub)
    hub.start(
        """
        do:
          - kept:
              try: [{ a: { call: Fail, with: x } }]
              catch: [{ do: [{ output: "${ error }" }] }]
          - raise: ${ kept }
        """
    )
    hub.run()
    error = hub.error()
    assert (error["type"], error["step"], error["path"]) == ("Broken", "a", "do/0/kept/try/0/a")
    assert (error["message"], error["data"], error["activity"]) == ("x", {"given": "x"}, "Fail")


@pytest.mark.parametrize("value", ["1", "{ message: no type }", "{ type: 5 }", "null"])
def test_raise_of_what_is_no_error_is_an_error(hub: Hub, value: str) -> None:
    """Only an error can be raised again."""
    hub.start(f"do: [{{ kept: {{ value: {value} }} }}, {{ raise: '${{ dyn(kept) }}' }}]")
    hub.run()
    assert hub.error()["type"] == "perdure.Expression"


WAYS_OUT = {
    "end": "- v: { value: 1 }",
    "error": "- v: { call: Fail, with: in }",
    "return": "- if: ${ true }\n  then: [{ return: early }]\n- v: { value: 1 }",
    "raise": "- if: ${ true }\n  then: [{ raise: { error: No } }]\n- v: { value: 1 }",
    "break": "- if: ${ true }\n  then: [break]\n- v: { value: 1 }",
    "continue": "- if: ${ true }\n  then: [continue]\n- v: { value: 1 }",
}


def indented(text: str, spaces: int) -> str:
    """The text, each line that far to the right."""
    return "\n".join(" " * spaces + line for line in text.splitlines())


@pytest.mark.parametrize("way", WAYS_OUT)
def test_finally_runs_on_every_way_out(hub: Hub, way: str) -> None:
    """However the block is left, ``finally`` runs once, before anything else."""
    offer(hub)
    hub.start(
        f"""\
do:
  - rounds:
      for_each: [1]
      do:
        - t:
            try:
{indented(WAYS_OUT[way], 14)}
            finally:
              - z: {{ call: Echo, with: end }}
  - return: done
"""
    )
    hub.run()
    assert names(hub)[-1:] == ["end"]
    assert names(hub).count("end") == 1
    assert hub.status() == ("Failed" if way in {"error", "raise"} else "Completed")
    if hub.status() == "Completed":
        assert hub.output() == ("early" if way == "return" else "done")


def test_nested_finally_run_from_the_inside_out(hub: Hub) -> None:
    """A ``return`` through several ``finally`` runs them all, the innermost first."""
    offer(hub)
    hub.start(
        """
        do:
          - outer:
              try:
                - inner:
                    try: [{ return: out }]
                    finally: [{ a: { call: Echo, with: 1 } }]
              finally: [{ b: { call: Echo, with: 2 } }]
        """
    )
    hub.run()
    assert (hub.output(), names(hub)) == ("out", [1, 2])


def test_finally_runs_after_the_clause(hub: Hub) -> None:
    """First the block, then the clause, then ``finally``."""
    assert (
        result(
            hub,
            """
        do:
          - t:
              try: [{ a: { call: Fail, with: 1 } }]
              catch: [{ do: [{ b: { call: Echo, with: 2 } }] }]
              finally: [{ c: { call: Echo, with: 3 } }]
          - return: ${ t }
        """,
        )
        == 2
    )
    assert names(hub) == [1, 2, 3]


def test_an_error_in_finally_takes_the_place_of_what_led_there(hub: Hub) -> None:
    """A ``return`` through a ``finally`` that fails does not happen."""
    offer(hub)
    hub.start(
        """
        do:
          - t:
              try: [{ return: early }]
              finally: [{ z: { call: Fail, with: end } }]
        """
    )
    hub.run()
    assert (hub.error()["type"], hub.error()["message"]) == ("Broken", "end")


def test_raise_in_a_clause_still_runs_finally(hub: Hub) -> None:
    """A clause that fails is followed by ``finally`` too."""
    offer(hub)
    hub.start(
        """
        do:
          - t:
              try: [{ a: { call: Fail, with: 1 } }]
              catch: [{ do: [{ raise: { error: Worse } }] }]
              finally: [{ z: { call: Echo, with: 2 } }]
        """
    )
    hub.run()
    assert (hub.error()["type"], names(hub)) == ("Worse", [1, 2])


def test_a_loop_inside_finally_may_be_left(hub: Hub) -> None:
    """``break`` of a loop that stands in ``finally`` stays inside it."""
    assert (
        result(
            hub,
            """
        do:
          - t:
              try: [{ v: { value: 5 } }]
              finally:
                - rounds:
                    for_each: [1, 2, 3]
                    do:
                      - s: { call: Echo, with: "${ item }" }
                      - if: ${ s == 2 }
                        then: [break]
          - return: ${ t }
        """,
        )
        == 5
    )
    assert names(hub) == [1, 2]


def test_return_in_a_clause_ends_the_workflow(hub: Hub) -> None:
    """A clause may ``return``."""
    assert (
        result(
            hub,
            """
        do:
          - t:
              try: [{ a: { call: Fail, with: x } }]
              catch: [{ do: [{ return: "${ error.type }" }] }]
        """,
        )
        == "Broken"
    )


def test_a_try_inside_a_clause(hub: Hub) -> None:
    """An inner ``error`` does not hide the outer one afterwards."""
    assert result(
        hub,
        """
        do:
          - t:
              try: [{ a: { call: Fail, with: outer } }]
              catch:
                - do:
                    - u:
                        try: [{ b: { call: Fail, with: inner } }]
                        catch: [{ do: [{ output: "${ error.message }" }] }]
                    - output: ${ [u, error.message] }
          - return: ${ t }
        """,
    ) == ["inner", "outer"]


def test_a_crash_inside_finally_goes_on_there(hub: Hub) -> None:
    """``finally`` that waits when the process dies is not begun again."""
    offer(hub)
    hub.activity("Work", flaky(9))
    hub.start(
        """
        do:
          - t:
              try: [{ a: { call: Work } }]
              finally:
                - y: { call: Echo, with: 1 }
                - pause: { wait: 1m }
                - z: { call: Echo, with: 2 }
        """
    )
    hub.run()
    hub.crash()
    hub.advance(60)
    assert (hub.error()["type"], names(hub)[1:]) == ("ConnectionError", [1, 2])
