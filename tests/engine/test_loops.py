"""``for_each``, ``while``, ``until``, ``break`` and ``continue``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.driver import Hub
from tests.engine.functions import offer


def output_of(hub: Hub, text: str, given: Any = None) -> Any:
    """What a document that needs no time returns."""
    offer(hub)
    hub.start(text, given)
    hub.run()
    return hub.output()


def test_for_each_gives_the_values_of_its_iterations(hub: Hub) -> None:
    """One after the other, in order."""
    text = (
        'do: [{ l: { for_each: "${ input }", do: [{ a: { call: Echo, '
        'with: "${ item * 2 }" } }] } }, { return: "${ l }" }]'
    )
    assert output_of(hub, text, [3, 1, 2]) == [6, 2, 4]
    assert [task.input for task in hub.calls] == [6, 2, 4]


def test_iterations_do_not_overlap(hub: Hub) -> None:
    """The next iteration begins when the one before has ended."""
    offer(hub)
    hub.manual = True
    hub.start('do: [{ l: { for_each: [1, 2], do: [{ a: { call: Echo, with: "${ item }" } }] } }]')
    hub.run()
    assert [task.input for task in hub.open] == [1]
    hub.finish(hub.open[0])
    hub.run()
    assert [task.input for task in hub.open] == [2]
    hub.finish(hub.open[0])
    hub.run()


def test_for_each_over_nothing(hub: Hub) -> None:
    """An empty list gives an empty list."""
    assert (
        output_of(hub, 'do: [{ l: { for_each: [], do: [{ a: { value: 1 } }] } }, { return: "${ l }" }]') == []
    )


@pytest.mark.parametrize("given", [{"a": 1}, "text", None, 5])
def test_for_each_takes_a_list_only(hub: Hub, given: Any) -> None:
    """A map, a text, a number or null is no list."""
    hub.start('do: [{ l: { for_each: "${ input }", do: [{ a: { value: 1 } }] } }]', given)
    hub.run()
    assert (hub.error()["type"], hub.error()["step"]) == ("perdure.Expression", "l")


def test_each_and_at_name_item_and_index(hub: Hub) -> None:
    """``each`` and ``at`` rename; ``index`` counts from 0."""
    text = """
        do:
          - l: { for_each: [a, b], each: letter, at: place,
                do: [{ v: { value: "${ letter + string(place) }" } }] }
          - m: { for_each: [a, b], do: [{ v: { value: "${ index }" } }] }
          - return: ${ l + m.map(n, string(n)) }
        """
    assert output_of(hub, text) == ["a0", "b1", "0", "1"]


def test_index_is_that_of_the_innermost_loop(hub: Hub) -> None:
    """In nested loops ``index`` is the inner one's, and the outer one's again afterwards."""
    text = """
        do:
          - l:
              for_each: [a, b]
              do:
                - m: { for_each: [x, y, z], each: inner, do: [{ v: { value: "${ index }" } }] }
                - output: ${ [index, size(m), m[2]] }
          - return: ${ l }
        """
    assert output_of(hub, text) == [[0, 3, 2], [1, 3, 2]]


def test_a_list_longer_than_the_limit_is_an_error(hub: Hub) -> None:
    """``limit`` of a ``for_each`` bounds the list, before the first iteration."""
    offer(hub)
    text = "do: [{ l: { for_each: '${ input }', limit: 2, do: [{ a: { call: Echo, with: 1 } }] } }]"
    hub.start(text, [1, 2, 3])
    hub.run()
    assert (hub.error()["type"], hub.error()["step"], hub.calls) == ("perdure.LimitExceeded", "l", [])


def test_break_leaves_the_loop_and_its_iteration_has_no_value(hub: Hub) -> None:
    """The list has the values of the iterations before."""
    text = """
        do:
          - l:
              for_each: [1, 2, 3]
              do:
                - if: ${ item == 2 }
                  then: [break]
                - v: { value: "${ item }" }
          - return: ${ l }
        """
    assert output_of(hub, text) == [1]


def test_continue_ends_the_iteration_with_null(hub: Hub) -> None:
    """A skipped iteration has its place in the list."""
    text = """
        do:
          - l:
              for_each: [1, 2, 3]
              do:
                - if: ${ item == 2 }
                  then: [continue]
                - v: { value: "${ item }" }
          - return: ${ l }
        """
    assert output_of(hub, text) == [1, None, 3]


def test_break_leaves_the_innermost_loop(hub: Hub) -> None:
    """The outer loop goes on."""
    text = """
        do:
          - l:
              for_each: [1, 2]
              do:
                - m: { for_each: [1, 2, 3], each: x, do: [{ if: "${ x == 2 }", then: [break] },
                      { v: { value: "${ x }" } }] }
          - return: ${ l }
        """
    assert output_of(hub, text) == [[1], [1]]


@pytest.mark.parametrize(("word", "values"), [("break", [1]), ("continue", [1, None, 3])])
def test_jumps_run_every_finally_on_their_way(hub: Hub, word: str, values: list[Any]) -> None:
    """``break`` and ``continue`` out of nested ``try`` run their ``finally``, the innermost first."""
    text = f"""
        do:
          - l:
              for_each: [1, 2, 3]
              do:
                - t:
                    try:
                      - u:
                          try:
                            - if: ${{ item == 2 }}
                              then: [{word}]
                            - v: {{ value: "${{ item }}" }}
                          finally: [{{ a: {{ call: Echo, with: inner }} }}]
                    finally: [{{ b: {{ call: Echo, with: outer }} }}]
          - return: ${{ l }}
        """
    assert output_of(hub, text) == values
    assert [task.input for task in hub.calls] == ["inner", "outer"] * (2 if word == "break" else 3)


@pytest.mark.parametrize("word", ["break", "continue"])
def test_jumps_out_of_a_clause_run_finally(hub: Hub, word: str) -> None:
    """A clause may leave the loop; ``finally`` runs first."""
    text = f"""
        do:
          - l:
              for_each: [1]
              do:
                - t:
                    try: [{{ a: {{ call: Fail, with: x }} }}]
                    catch: [{{ do: [{word}] }}]
                    finally: [{{ b: {{ call: Echo, with: end }} }}]
          - return: ${{ l }}
        """
    assert output_of(hub, text) == ([] if word == "break" else [None])
    assert [task.input for task in hub.calls] == ["x", "end"]


def test_while_is_tested_before_each_iteration(hub: Hub) -> None:
    """A ``while`` that does not hold runs nothing and is null."""
    text = (
        'do: [{ l: { while: "${ false }", limit: 3, '
        'do: [{ a: { call: Echo, with: 1 } }] } }, { return: "${ [l] }" }]'
    )
    assert output_of(hub, text) == [None]
    assert hub.calls == []


def test_while_runs_as_long_as_it_holds(hub: Hub) -> None:
    """Data goes from one iteration to the next in ``vars``; the value is that of the last iteration."""
    text = """
        vars: { n: 0 }
        do:
          - l:
              while: ${ vars.n < 3 }
              limit: 10
              do:
                - set: { n: "${ vars.n + 1 }" }
                - v: { value: "${ vars.n * 10 }" }
          - return: ${ [l, vars.n] }
        """
    assert output_of(hub, text) == [30, 3]


def test_until_is_tested_after_each_iteration_and_sees_its_names(hub: Hub) -> None:
    """An ``until`` runs at least once and may read what the iteration made."""
    text = """
        do:
          - l: { until: "${ v >= 2 }", limit: 10, do: [{ v: { call: Echo, with: "${ index }" } }] }
          - return: ${ l }
        """
    assert output_of(hub, text) == 2
    assert len(hub.calls) == 3


@pytest.mark.parametrize("loop", ["while: '${ vars.n < input }'", "until: '${ vars.n == input }'"])
def test_one_iteration_more_than_the_limit_is_an_error(hub: Hub, loop: str) -> None:
    """``limit`` iterations are allowed; needing another one raises ``perdure.LimitExceeded``."""
    text = (
        f"vars: {{ n: 0 }}\ndo: [{{ l: {{ {loop}, limit: 3, "
        f"do: [{{ set: {{ n: '${{ vars.n + 1 }}' }} }}] }} }}, {{ return: '${{ vars.n }}' }}]"
    )
    assert output_of(hub, text, 3) == 3
    hub.start(text, 4, id="more")
    hub.run()
    assert (hub.error("more")["type"], hub.error("more")["step"]) == ("perdure.LimitExceeded", "l")


def test_the_limit_may_be_an_expression(hub: Hub) -> None:
    """Counts are evaluated once, when the step starts."""
    text = 'do: [{ l: { while: "${ true }", limit: "${ input }", do: [{ a: { call: Echo, with: 1 } }] } }]'
    offer(hub)
    hub.start(text, 2)
    hub.run()
    assert (hub.error()["type"], len(hub.calls)) == ("perdure.LimitExceeded", 2)


def test_continue_in_while_and_until(hub: Hub) -> None:
    """``continue`` goes on to the test; a last iteration that was cut short is null."""
    text = """
        vars: { n: 0 }
        do:
          - l:
              until: ${ vars.n == 3 }
              limit: 5
              do:
                - set: { n: "${ vars.n + 1 }" }
                - if: ${ vars.n == 3 }
                  then: [continue]
                - v: { value: "${ vars.n }" }
          - return: ${ [l] }
        """
    assert output_of(hub, text) == [None]


def test_break_of_until_keeps_the_value_of_the_iteration_before(hub: Hub) -> None:
    """The iteration that breaks has no value, so the last one is that before it."""
    text = """
        do:
          - l:
              until: ${ false }
              limit: 5
              do:
                - if: ${ index == 2 }
                  then: [break]
                - v: { value: "${ index }" }
          - return: ${ l }
        """
    assert output_of(hub, text) == 1


def test_loops_in_loops_start_afresh(hub: Hub) -> None:
    """An inner loop counts its limit from nothing in every outer iteration."""
    text = """
        do:
          - l:
              for_each: [1, 2, 3]
              do: [{ m: { until: "${ v == 1 }", limit: 2, do: [{ v: { value: "${ index }" } }] } }]
          - return: ${ l }
        """
    assert output_of(hub, text) == [1, 1, 1]


def test_a_crash_in_an_iteration_goes_on_there(hub: Hub) -> None:
    """Iterations that have ended are not run again."""
    offer(hub)
    hub.start(
        """
        do:
          - l: { for_each: [1, 2, 3], do: [{ a: { call: Echo, with: "${ item }" } }, { w: { wait: 1m } },
                { output: "${ a }" }] }
          - return: ${ l }
        """
    )
    hub.advance(90)
    hub.crash()
    hub.advance(90)
    assert (hub.output(), [task.input for task in hub.calls]) == ([1, 2, 3], [1, 2, 3])


def test_a_loop_of_waits_has_a_flat_stack(hub: Hub) -> None:
    """A thousand iterations leave nothing behind in the state."""
    offer(hub)
    text = 'do: [{ l: { while: "${ true }", limit: 1000, do: [{ a: { value: 1 } }] } }]'
    hub.start(text)
    hub.run()
    assert (hub.error()["type"], len(hub.events())) == ("perdure.LimitExceeded", 2)
