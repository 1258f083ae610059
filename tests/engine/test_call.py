"""``call``: arguments, outputs and idempotency keys."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from perdure.engine.activities import Context, Registry, activity
from perdure.engine.events import TaskCompleted
from tests.engine.driver import Hub
from tests.engine.functions import echo, flaky, offer


def greet(name: str) -> str:
    """Takes text, and says so."""
    return f"Hello {name}"


def keys_of(hub: Hub) -> list[str]:
    """The idempotency keys of all activities that ran, in order."""
    return [task.key for task in hub.calls]


def test_one_parameter_gets_the_whole_of_with(hub: Hub) -> None:
    """A function with one parameter gets the value of ``with`` as it is."""
    hub.activity("Echo", echo)
    hub.start('do: [{ a: { call: Echo, with: { x: "${ input }" } } }, { return: "${ a }" }]', 3)
    hub.run()
    assert hub.output() == {"x": 3}


def test_several_parameters_get_the_entries_of_with(hub: Hub) -> None:
    """A function with several parameters gets them by name."""
    hub.activity("Add", lambda left, right: left + right)
    hub.start('do: [{ a: { call: Add, with: { left: 1, right: "${ input }" } } }, { return: "${ a }" }]', 2)
    hub.run()
    assert hub.output() == 3


def test_without_with_there_is_no_argument(hub: Hub) -> None:
    """A call without ``with`` gives a function nothing."""
    hub.activity("Seven", lambda: 7)
    hub.start('do: [{ a: { call: Seven } }, { return: "${ a }" }]')
    hub.run()
    assert hub.output() == 7


def test_null_is_an_argument(hub: Hub) -> None:
    """``with: null`` is a value, not the absence of one."""
    hub.activity("Echo", echo)
    hub.start('do: [{ a: { call: Echo, with: null } }, { return: "${ a }" }]')
    hub.run()
    assert hub.output() is None


def test_ctx_is_the_context_and_no_argument(hub: Hub) -> None:
    """A parameter called ``ctx`` tells the key and the attempt."""
    seen: list[Any] = []

    def look(value: int, ctx: Context) -> None:
        seen.append((value, ctx.attempt, ctx.idempotency_key))

    hub.activity("Look", look)
    hub.start("do: [{ a: { call: Look, with: 5 } }]")
    hub.run()
    assert seen == [(5, 1, hub.calls[0].key)]


def test_the_worker_applies_output_before_anything_is_stored(hub: Hub) -> None:
    """Only what ``output`` keeps of a result enters the history."""
    hub.activity("Big", lambda: {"id": 7, "secret": "x"})
    hub.start('do: [{ a: { call: Big, output: "${ result.id }" } }, { return: "${ a }" }]')
    hub.run()
    assert [event.result for event in hub.events() if isinstance(event, TaskCompleted)] == [7]


def test_output_is_applied_in_the_items_of_a_fan_out(hub: Hub) -> None:
    """A path with item keys, odd ones too, finds its ``output``."""
    offer(hub)
    hub.start(
        """
        do:
          - all:
              fan_out: [ "a/b[c]", "%5D" ]
              key: ${ item }
              do: [{ one: { call: Echo, with: "${ item }", output: "${ size(result) }" } }]
          - return: ${ all.results }
        """
    )
    hub.run()
    assert hub.output() == [6, 3]


def test_output_that_cannot_be_evaluated_fails_the_step(hub: Hub) -> None:
    """An ``output`` over a field that is not there is ``perdure.Expression``, and is not retried."""
    hub.activity("Echo", echo)
    hub.start('do: [{ a: { call: Echo, with: {}, output: "${ result.no }", retry: { attempts: 3 } } }]')
    hub.run()
    assert (hub.error()["type"], len(hub.calls)) == ("perdure.Expression", 1)


def test_arguments_that_do_not_fit_fail_the_step(hub: Hub) -> None:
    """A value of another type than the parameter's is ``perdure.Schema``."""

    def half(value: int) -> float:
        return value / 2

    hub.activity("Half", half)
    hub.start('do: [{ a: { call: Half, with: "${ input }" } }]', "text")
    hub.run()
    assert (hub.error()["type"], hub.error()["step"]) == ("perdure.Schema", "a")


@pytest.mark.parametrize(
    ("function", "given", "told"),
    [
        (lambda name: "Hello " + name, "{ name: Ada }", True),
        (lambda order: order["id"], "{ order: { id: 7 } }", True),
        (greet, "{ name: Ada }", True),
        (lambda order: order["id"], "{ number: 7 }", False),
        (lambda name: 1 / 0, "{ name: Ada }", False),
    ],
)
def test_a_map_with_the_only_parameters_name_in_it_is_told_of(
    hub: Hub, function: Callable[[Any], Any], given: str, told: bool
) -> None:
    """It is not taken apart; where the function stumbles over its type, the failure says so."""
    hub.activity("Greet", function)
    hub.start(f"do: [{{ a: {{ call: Greet, with: {given} }} }}]")
    hub.run()
    assert ("is the only parameter, so it got the whole map" in hub.error()["message"]) == told


def test_a_result_that_is_no_json_fails_the_step(hub: Hub) -> None:
    """NaN has no JSON form: the step fails with ``perdure.Payload``."""
    hub.activity("Nan", lambda: float("nan"))
    hub.start("do: [{ a: { call: Nan } }]")
    hub.run()
    assert hub.error()["type"] == "perdure.Payload"


def test_the_key_is_the_same_for_every_attempt(hub: Hub) -> None:
    """Retries repeat the idempotency key."""
    hub.activity("Flaky", flaky(2))
    hub.start("do: [{ a: { call: Flaky, retry: { attempts: 3, delay: 1s } } }]")
    hub.advance(60)
    assert len(hub.calls) == 3
    assert len(set(keys_of(hub))) == 1


def test_attempts_of_blocks_around_do_not_change_the_key(hub: Hub) -> None:
    """A block that starts again calls with the keys it called with before."""
    offer(hub)
    hub.activity("Flaky", flaky(1))
    hub.start(
        """
        do:
          - outer:
              retry: { attempts: 2, delay: 1s }
              do:
                - a: { call: Echo, with: 1 }
                - b: { call: Flaky }
        """
    )
    hub.advance(60)
    first, second, third, fourth = keys_of(hub)
    assert (first, second) == (third, fourth)


def test_a_delivery_after_a_crash_has_the_same_key(hub: Hub) -> None:
    """An activity whose worker died is delivered again with its key and attempt."""
    hub.activity("Echo", echo)
    hub.manual = True
    hub.start("do: [{ a: { call: Echo, with: 1 } }]")
    hub.run()
    hub.crash()
    hub.manual = False
    hub.run()
    assert hub.calls[0] == hub.calls[1]
    assert len(hub.calls) == 2


def test_each_item_of_a_fan_out_has_a_key_of_its_own(hub: Hub) -> None:
    """Items of nested fan-outs never share an idempotency key."""
    offer(hub)
    hub.start(
        """
        do:
          - all:
              fan_out: [1, 2, 3]
              do:
                - inner:
                    fan_out: [1, 2]
                    each: other
                    do: [{ one: { call: Echo, with: "${ item * other }" } }]
        """
    )
    hub.run()
    assert len(set(keys_of(hub))) == 6


def test_each_iteration_has_a_key_of_its_own(hub: Hub) -> None:
    """``for_each``, ``while`` and ``until`` count for the key."""
    offer(hub)
    hub.start(
        """
        do:
          - a: { for_each: [1, 1], do: [{ b: { call: Echo, with: 1 } }] }
          - c: { until: "${ d > 1 }", limit: 2, do: [{ d: { call: Echo, with: "${ index + 1 }" } }] }
        """
    )
    hub.run()
    assert (hub.status(), len(set(keys_of(hub)))) == ("Completed", 4)


def test_an_explicit_key_is_used_as_it_is(hub: Hub) -> None:
    """``idempotency_key`` replaces the default, in every instance alike."""
    offer(hub)
    text = """do: [{ a: { call: Echo, with: 1, idempotency_key: "${ 'pay/' + input }" } }]"""
    hub.start(text, "x", id="one")
    hub.start(text, "x", id="two")
    hub.run()
    assert keys_of(hub) == ["pay/x", "pay/x"]


def test_default_keys_of_two_instances_differ(hub: Hub) -> None:
    """The same step of another instance has another default key."""
    offer(hub)
    for name in ("one", "two"):
        hub.start("do: [{ a: { call: Echo, with: 1 } }]", id=name)
    hub.run()
    assert len(set(keys_of(hub))) == 2


def test_the_key_stands_in_the_scheduled_event(hub: Hub) -> None:
    """The key is in the history before the activity runs."""
    hub.activity("Echo", echo)
    hub.manual = True
    hub.start("do: [{ a: { call: Echo, with: 1 } }]")
    hub.run()
    assert [event.key for event in hub.scheduled()] == keys_of(hub)


def test_an_argument_that_cannot_be_evaluated_schedules_nothing(hub: Hub) -> None:
    """An expression that fails while the call is made leaves no task behind."""
    offer(hub)
    hub.start(
        """
        do:
          - t:
              try: [{ a: { call: Echo, with: "${ input.no }" } }]
              catch: [{ do: [{ output: "${ error.type }" }] }]
          - return: ${ t }
        """,
        {},
    )
    hub.run()
    assert (hub.output(), hub.scheduled()) == ("perdure.Expression", [])


@pytest.mark.parametrize("guard", [False, True])
def test_a_guard_decides_whether_the_call_is_made(hub: Hub, guard: bool) -> None:
    """A step whose ``if`` does not hold calls nothing and is null."""
    offer(hub)
    hub.start('do: [{ a: { if: "${ input }", call: Echo, with: 1 } }, { return: "${ a }" }]', guard)
    hub.run()
    assert hub.output() == (1 if guard else None)


def test_an_activity_may_be_marked_without_parentheses() -> None:
    """``@activity`` alone takes the function's own name."""

    @activity
    def fetch(url: str) -> str:
        return url

    registry = Registry()
    registry.add_module(SimpleNamespace(fetch=fetch))  # type: ignore[arg-type]
    assert registry.signatures == {"fetch": (("url",), frozenset({"url"}))}
