"""``fan_out``: width, order, keys, policies, ``until``, ``keep``, and crashes in the middle."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.events import TaskCompleted
from perdure.engine.tasks import task_in
from tests.engine.driver import Hub
from tests.engine.functions import echo, finish_all, offer


def output_of(hub: Hub, text: str, given: Any = None) -> Any:
    """What a document that needs no time returns."""
    offer(hub)
    hub.start(text, given)
    hub.run()
    return hub.output()


def manual(hub: Hub, text: str, given: Any = None) -> None:
    """Start a document whose activities wait for the test."""
    offer(hub)
    hub.manual = True
    hub.start(text, given)
    hub.run()


def policy(options: str) -> str:
    """Items fail whose value is negative."""
    return f"""
        do:
          - all:
              fan_out: ${{ input }}
              key: ${{ 'k' + string(item) }}
              {options}
              do:
                - s:
                    switch: [{{ when: "${{ item < 0 }}", do: [{{ a: {{ call: Fail,
                          with: "${{ item }}" }} }}] }}]
                    else: [{{ b: {{ call: Echo, with: "${{ item }}" }} }}]
          - return: ${{ all }}
        """


def test_the_value_of_a_fan_out(hub: Hub) -> None:
    """Results in the order of the items, and the counts."""
    assert output_of(hub, policy(""), [3, 1, 2]) == {
        "results": [3, 1, 2],
        "errors": [],
        "succeeded": 3,
        "failed": 0,
        "total": 3,
    }


def test_results_stand_in_input_order_whoever_is_first(hub: Hub) -> None:
    """The order in which items finish does not show."""
    manual(hub, policy(""), [1, 2, 3])
    finish_all(hub, 3, 1, 2)
    assert hub.output()["results"] == [1, 2, 3]


def test_nothing_to_do(hub: Hub) -> None:
    """An empty list is done at once."""
    value = {"results": [], "errors": [], "succeeded": 0, "failed": 0, "total": 0}
    assert output_of(hub, policy(""), []) == value


@pytest.mark.parametrize("given", [{"a": 1}, "text", None, 7])
def test_only_a_list_fans_out(hub: Hub, given: Any) -> None:
    """A map is an error: it has no order."""
    hub.start('do: [{ all: { fan_out: "${ input }", do: [{ a: { value: 1 } }] } }]', given)
    hub.run()
    assert (hub.error()["type"], hub.error()["step"]) == ("perdure.Expression", "all")


@pytest.mark.parametrize("width", [1, 2, 5, 100])
def test_never_more_than_width_are_open(hub: Hub, width: int) -> None:
    """A sliding window: as one item ends the next begins."""
    manual(hub, policy(f"width: {width}"), list(range(20)))
    seen = set()
    while hub.open:
        seen.add(len(hub.open))
        hub.finish(hub.open[len(hub.open) // 2])
        hub.run()
    assert hub.output()["succeeded"] == 20
    assert max(seen) == min(width, 20)
    assert seen == set(range(1, min(width, 20) + 1))


def test_the_window_slides_past_a_slow_item(hub: Hub) -> None:
    """One slow item does not hold up the others."""
    manual(hub, policy("width: 2"), [1, 2, 3, 4])
    finish_all(hub, 2, 3, 4)
    assert [task.input for task in hub.open] == [1]
    finish_all(hub, 1)
    assert hub.output()["results"] == [1, 2, 3, 4]


def test_the_width_is_a_hundred_where_nothing_is_said(hub: Hub) -> None:
    """The default width."""
    manual(hub, policy(""), list(range(150)))
    assert len(hub.open) == 100
    hub.manual = False
    while hub.open:
        hub.finish(hub.open[0])
    hub.run()


@pytest.mark.parametrize("width", [0, -1])
def test_a_width_below_one_is_an_error(hub: Hub, width: int) -> None:
    """A computed width that lets nothing run fails the step."""
    hub.start('do: [{ all: { fan_out: [1], width: "${ input }", do: [{ a: { value: 1 } }] } }]', width)
    hub.run()
    assert hub.error()["type"] == "perdure.Expression"


def test_two_items_with_one_key_fail_before_any_starts(hub: Hub) -> None:
    """A duplicate key would be a shared idempotency key."""
    offer(hub)
    hub.start(policy(""), [1, 2, 1])
    hub.run()
    assert (hub.error()["type"], hub.error()["step"], hub.calls) == ("perdure.Schema", "all", [])
    assert "k1" in hub.error()["message"]


def test_keys_of_other_types_are_errors(hub: Hub) -> None:
    """A key is text or an integer."""
    hub.start('do: [{ all: { fan_out: [1.5], key: "${ item }", do: [{ a: { value: 1 } }] } }]')
    hub.run()
    assert hub.error()["type"] == "perdure.Expression"


def test_the_key_names_the_item_in_paths(hub: Hub) -> None:
    """Histories, errors and idempotency keys tell items by ``key``."""
    output_of(hub, policy(""), [1, 2])
    assert [event.path for event in hub.scheduled()] == [
        "do/0/all[k1]/do/0/s/else/0/b",
        "do/0/all[k2]/do/0/s/else/0/b",
    ]


def test_the_default_key_does_not_depend_on_the_position_with_a_key(hub: Hub) -> None:
    """With ``key`` an item has the same idempotency path wherever it stands in the list."""
    offer(hub)
    hub.start(policy(""), [1, 2], id="one")
    hub.start(policy(""), [2, 1], id="two")
    hub.run()
    paths = {name: {event.path for event in hub.scheduled(name)} for name in ("one", "two")}
    assert paths["one"] == paths["two"]


# -- policies ----------------------------------------------------------------------------------------


def test_fail_fast_raises_the_first_error_unchanged(hub: Hub) -> None:
    """The first failure in order of history is the step's, with the item's key in its path."""
    manual(hub, policy(""), [1, -2, -3])
    finish_all(hub, -3)
    error = hub.error()
    assert (error["type"], error["message"], error["step"]) == ("Broken", "-3", "a")
    assert error["path"] == "do/0/all[k-3]/do/0/s/switch/0/0/a"


def test_fail_fast_cancels_the_rest(hub: Hub) -> None:
    """Running items are told to stop, others are not started, a late result is discarded."""
    manual(hub, policy("width: 3"), [1, -2, 3, 4])
    open_ = [task.id for task in hub.open if task.input != -2]
    finish_all(hub, -2)
    assert (hub.status(), hub.canceled, len(hub.calls)) == ("Failed", open_, 3)
    hub.finish(hub.open[0])
    hub.run()
    assert hub.kinds().count("TaskCompleted") == 0


def test_collect_never_raises(hub: Hub) -> None:
    """Every item runs; failed ones are ``null`` in the results and listed as errors."""
    value = output_of(hub, policy("on_failure: collect"), [1, -2, 3])
    assert (value["results"], value["succeeded"], value["failed"], value["total"]) == ([1, None, 3], 2, 1, 3)
    assert [(each["index"], each["key"], each["error"]["type"]) for each in value["errors"]] == [
        (1, "k-2", "Broken")
    ]


def test_errors_stand_in_input_order(hub: Hub) -> None:
    """``errors`` is sorted by index, whoever failed first."""
    manual(hub, policy("on_failure: collect"), [-1, -2, -3])
    finish_all(hub, -3, -1, -2)
    assert [each["index"] for each in hub.output()["errors"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("tolerate", "failing", "total", "raises"),
    [
        ("0", 0, 3, False),
        ("0", 1, 3, True),
        ("2", 2, 5, False),
        ("2", 3, 5, True),
        ("0%", 1, 3, True),
        ("50%", 2, 4, False),
        ("50%", 3, 4, True),
        ("1%", 1, 100, False),
        ("1%", 1, 99, True),
        ("29%", 29, 100, False),
        ("29%", 30, 100, True),
        ("57%", 57, 100, False),
        ("100%", 3, 3, False),
    ],
)
def test_tolerate(hub: Hub, tolerate: str, failing: int, total: int, raises: bool) -> None:
    """Up to N failures, or N % of all items, are no error."""
    offer(hub)
    items = [-1 - n for n in range(failing)] + list(range(total - failing))
    hub.start(policy(f"on_failure: {{ tolerate: {tolerate} }}"), items)
    hub.run()
    assert hub.status() == ("Failed" if raises else "Completed")
    if raises:
        assert hub.error()["type"] == "perdure.ToleranceExceeded"


def test_tolerance_exceeded_lets_running_items_finish(hub: Hub) -> None:
    """Nothing is started any more, what runs may end, and the error has the counts of all."""
    manual(hub, policy("width: 3\n              on_failure: { tolerate: 0 }"), [-1, 2, -3, 4])
    finish_all(hub, -1)
    assert (hub.status(), hub.canceled, len(hub.calls)) == ("Running", [], 3)
    finish_all(hub, 2, -3)
    error = hub.error()
    assert (error["type"], error["step"]) == ("perdure.ToleranceExceeded", "all")
    assert error["data"] == {"succeeded": 1, "failed": 2, "total": 4}


def test_what_was_exceeded_stays_exceeded(hub: Hub) -> None:
    """An ``until`` that holds after the tolerance was exceeded does not save the step."""
    manual(hub, policy("on_failure: { tolerate: 0 }\n              until: ${ succeeded >= 1 }"), [-1, 2, 3])
    finish_all(hub, -1, 2, 3)
    assert hub.error()["type"] == "perdure.ToleranceExceeded"


# -- until and keep ----------------------------------------------------------------------------------


def test_until_ends_with_a_quorum(hub: Hub) -> None:
    """When it holds, the rest is canceled and the value is that so far."""
    manual(hub, policy("until: ${ succeeded >= 2 }"), [1, 2, 3, 4])
    finish_all(hub, 3, 1)
    assert hub.output() == {
        "results": [1, None, 3, None],
        "errors": [],
        "succeeded": 2,
        "failed": 0,
        "total": 4,
    }
    assert len(hub.canceled) == 2


def test_until_is_tested_after_failures_too(hub: Hub) -> None:
    """Too many failures may end a ``collect``."""
    manual(hub, policy("on_failure: collect\n              until: ${ failed >= 2 }"), [-1, 2, -3, 4])
    finish_all(hub, -1, -3)
    assert (hub.output()["failed"], len(hub.canceled)) == (2, 2)


def test_until_sees_results_and_errors(hub: Hub) -> None:
    """The first good answer."""
    text = policy(
        "width: 1\n              until: ${ results.exists(r, r == 2) && size(errors) == 0 && total == 4 }"
    )
    assert output_of(hub, text, [1, 2, 3, 4])["results"] == [1, 2, None, None]
    assert len(hub.calls) == 2


def test_until_that_fails_fails_the_step(hub: Hub) -> None:
    """An ``until`` that cannot be evaluated cancels the rest."""
    manual(hub, policy("until: ${ 1 / failed > 0 }"), [1, 2])
    finish_all(hub, 1)
    assert (hub.error()["type"], hub.error()["step"], len(hub.canceled)) == ("perdure.Expression", "all", 1)


@pytest.mark.parametrize(
    ("keep", "results", "errors"), [("results", [1, None, 3], 1), ("errors", [], 1), ("counts", [], 0)]
)
def test_keep(hub: Hub, keep: str, results: list[Any], errors: int) -> None:
    """What is not kept is empty; the counts are there in any case."""
    value = output_of(hub, policy(f"on_failure: collect\n              keep: {keep}"), [1, -2, 3])
    assert (value["results"], len(value["errors"]), value["succeeded"], value["failed"]) == (
        results,
        errors,
        2,
        1,
    )


# -- in each other, large, and through crashes -------------------------------------------------------


def test_a_fan_out_inside_a_fan_out(hub: Hub) -> None:
    """Inner items see the outer item; results nest."""
    text = """
        do:
          - outer:
              fan_out: [1, 2]
              each: x
              at: i
              do:
                - inner: { fan_out: [10, 20], each: y, do: [{ a: { call: Echo,
                      with: "${ x * y + i + index }" } }] }
                - output: ${ inner.results }
          - return: ${ outer.results }
        """
    assert output_of(hub, text) == [[10, 21], [21, 42]]


def test_the_frame_of_an_item_is_its_own(hub: Hub) -> None:
    """What one item names does not change what another one has."""
    text = """
        do:
          - all:
              fan_out: [1, 2, 3]
              do:
                - mine: { value: "${ item }" }
                - w: { wait: "${ 4 - item }s" }
                - output: ${ mine }
          - return: ${ all.results }
        """
    hub.start(text)
    hub.advance(5)
    assert hub.output() == [1, 2, 3]


def test_two_thousand_items(hub: Hub) -> None:
    """A long list runs through the window, each item once."""
    value = output_of(hub, policy("width: 200"), list(range(2000)))
    assert value["results"] == list(range(2000))
    assert len(hub.calls) == 2000


def test_two_thousand_items_without_activities(hub: Hub) -> None:
    """Items that wait for nothing are done in one turn."""
    text = (
        'do: [{ all: { fan_out: "${ input }", '
        'do: [{ v: { value: "${ item + 1 }" } }] } }, { return: "${ all.results[1999] }" }]'
    )
    assert output_of(hub, text, list(range(2000))) == 2000


def test_after_a_crash_only_outstanding_items_run_again(hub: Hub) -> None:
    """Items with a recorded outcome are not run a second time; each has one completion."""
    manual(hub, policy("width: 4"), list(range(10)))
    finish_all(hub, 2, 0, 4)
    outstanding = sorted(task.input for task in hub.open)
    hub.calls.clear()
    hub.crash()
    hub.manual = False
    hub.run()
    assert sorted(task.input for task in hub.calls) == sorted([*outstanding, *range(7, 10)])
    assert hub.output()["results"] == list(range(10))
    assert sum(isinstance(event, TaskCompleted) for event in hub.events()) == 10


def test_a_crash_after_every_item(hub: Hub) -> None:
    """However often the process dies, each item is recorded once."""
    hub.activity("Echo", echo)
    hub.activity("Fail", echo)
    hub.manual = True
    hub.start(policy("width: 3"), list(range(8)))
    hub.run()
    for _ in range(8):
        hub.crash()
        hub.manual = False
        rows = hub.store.claim(hub.worker, ["Echo"], (), 1, 99)
        hub.manual = True
        for row in rows:
            hub.finish(task_in(row))
        hub.run()
    hub.manual = False
    hub.crash()
    hub.run()
    assert hub.output()["results"] == list(range(8))


def test_finally_of_canceled_items_runs_before_the_step_ends(hub: Hub) -> None:
    """The error of a ``fail_fast`` is raised after the others have cleaned up."""
    offer(hub)
    hub.start(
        """
        do:
          - all:
              fan_out: [1, 2, 3]
              do:
                - t:
                    try:
                      - w: { wait: "${ item }s" }
                      - a: { call: Fail, with: "${ item }" }
                    finally:
                      - z: { wait: 10s }
                      - y: { call: Echo, with: "${ 'clean ' + string(item) }" }
        """
    )
    hub.advance(10)
    assert hub.status() == "Running"
    hub.advance(10)
    assert hub.error()["message"] in {"1", "2"}
    assert {task.input for task in hub.calls if task.name == "Echo"} == {"clean 1", "clean 2", "clean 3"}
