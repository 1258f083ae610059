"""``correlate``: which events a wait takes, and how those without an instance's id find it."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.client import Client
from perdure.engine.correlation import key_of
from perdure.engine.errors import Conflict, NotFound, UserError
from perdure.engine.store.memory import MemoryStore
from tests.engine.driver import Hub

HEAD = "dsl: perdure/1\nname: pay\nversion: 1.0.0\n"
WAIT = (
    HEAD
    + """
do:
  - paid:
      wait_for_event: Paid
      correlate: ${ event.order == input.order }
      timeout: 1h
      on_timeout: [{ return: late }]
  - return: ${ paid }
"""
)
ENOUGH = WAIT.replace("event.order == input.order", "input.order == event.order && event.amount >= 10")


def publish(hub: Hub, payload: Any, name: str = "Paid", key: str | None = None) -> list[str]:
    """Send an event by its content, as a client beside the owner does; the ids that got it."""
    return Client(hub.store).publish(name, payload, request_key=key)


def subscriptions(hub: Hub) -> list[tuple[str, str]]:
    """Instance and key of each row."""
    assert isinstance(hub.store, MemoryStore)
    return sorted((row.instance, row.key) for row in hub.store._subscriptions.values())


def nobody(hub: Hub, payload: Any) -> None:
    """Nobody waits for an event of this content."""
    with pytest.raises(NotFound, match="nobody waits for an event 'Paid'"):
        publish(hub, payload)


# -- by content -------------------------------------------------------------------------------------


def test_everybody_who_waits_for_the_key_gets_it(hub: Hub) -> None:
    """And nobody else; another event of the key finds nobody any more."""
    for instance, order in (("a", 1), ("b", 2), ("c", 1)):
        hub.start(WAIT, {"order": order}, id=instance)
    hub.run()
    assert publish(hub, {"order": 1, "by": "x"}) == ["a", "c"]
    nobody(hub, {"order": 1})
    hub.run()
    assert (hub.output("a"), hub.status("b")) == ({"order": 1, "by": "x"}, "Running")
    assert subscriptions(hub) == [("b", "2")]


def test_equal_numbers_are_one_key(hub: Hub) -> None:
    """As they are in the condition, whatever JSON wrote."""
    hub.start(WAIT, {"order": 1})
    hub.run()
    nobody(hub, {"order": "1"})
    nobody(hub, {"amount": 1})
    assert publish(hub, {"order": 1.0}) == ["i"]
    hub.run()
    assert hub.output() == {"order": 1.0}


def test_a_delivery_survives_a_crash(hub: Hub) -> None:
    """Subscriptions are committed with their wait, messages with the end of the subscription."""
    hub.start(WAIT, {"order": 1})
    hub.run()
    hub.crash()
    assert publish(hub, {"order": 1}) == ["i"]
    hub.crash()
    hub.run()
    assert hub.output() == {"order": 1}


def test_a_repeated_publication_is_delivered_once(hub: Hub) -> None:
    """The first one's ids are told again; a key of something else is refused; nobody is not remembered."""
    with pytest.raises(NotFound):
        publish(hub, {"order": 1}, key="k")
    hub.start(WAIT, {"order": 1})
    hub.run()
    assert [publish(hub, {"order": 1}, key="k") for _ in range(2)] == [["i"], ["i"]]
    hub.run()
    assert hub.kinds().count("EventRaised") == 1
    with pytest.raises(Conflict) as caught:
        publish(hub, {"order": 2}, key="k")
    assert caught.value.code == "idempotency_conflict"


def test_the_rest_of_the_condition_is_checked_by_the_instance(hub: Hub) -> None:
    """What does not hold is in the history and goes nowhere; the wait is still found, at any time."""
    hub.start(ENOUGH, {"order": 1})
    hub.run()
    for amount in (1, 10, 11):
        assert publish(hub, {"order": 1, "amount": amount}) == ["i"]
    hub.run()
    assert hub.output() == {"order": 1, "amount": 10}


def test_an_event_that_does_not_fit_is_not_kept_for_others(hub: Hub) -> None:
    """It was for who waited; who waits later, and asks for nothing, gets an event of its own."""
    hub.start(
        ENOUGH.replace("  - return:", "  - any: { wait_for_event: Paid, timeout: 1h }\n  - return:"),
        {"order": 1},
    )
    hub.run()
    publish(hub, {"order": 1, "amount": 1})
    publish(hub, {"order": 1, "amount": 20})
    publish(hub, {"order": 1, "amount": 30})
    hub.run()
    assert hub.status() == "Running"
    nobody(hub, {"order": 1, "amount": 40})


def test_a_list_gets_every_event_of_its_key(hub: Hub) -> None:
    """Also those that come before its first turn with an event."""
    text = WAIT.replace("timeout: 1h", "timeout: 1h\n      count: 3").replace("[{ return: late }]", "[]")
    hub.start(text.replace("      on_timeout: []\n", ""), {"order": 1})
    hub.run()
    for number in (1, 2):
        publish(hub, {"order": 1, "n": number})
    hub.run()
    publish(hub, {"order": 1, "n": 3})
    hub.run()
    assert [each["n"] for each in hub.output()] == [1, 2, 3]


def test_one_event_is_for_one_wait_of_an_instance(hub: Hub) -> None:
    """Two waits for one key get one each, in the order in which they were reached."""
    branch = "[{ e: { wait_for_event: Paid, correlate: '${ event.order == input }', timeout: 1h } }]"
    hub.start(
        f'{HEAD}do: [{{ p: {{ parallel: {{ a: {branch}, b: {branch} }} }} }}, {{ return: "${{ p }}" }}]', 1
    )
    hub.run()
    assert publish(hub, {"order": 1, "n": 1}) == ["i"]
    assert publish(hub, {"order": 1, "n": 2}) == ["i"]
    nobody(hub, {"order": 1})
    hub.run()
    assert [hub.output()[name]["n"] for name in "ab"] == [1, 2]


@pytest.mark.parametrize("crash", [False, True])
def test_a_taken_subscription_comes_back(hub: Hub, crash: bool) -> None:
    """A direct event ends the first of two waits; the one by content goes to the other, or it waits on."""
    branch = "[{ e: { wait_for_event: Paid, correlate: '${ event.order == input }', timeout: 1h } }]"
    hub.start(
        f'{HEAD}do: [{{ p: {{ parallel: {{ a: {branch}, b: {branch} }} }} }}, {{ return: "${{ p }}" }}]', 1
    )
    hub.run()
    hub.raise_event("Paid", {"order": 1, "n": 1})
    publish(hub, {"order": 1, "n": 2})
    if crash:
        hub.crash()
    hub.run()
    assert [hub.output()[name]["n"] for name in "ab"] == [1, 2]


def test_payloads_are_checked_against_the_schemas_of_who_waits(hub: Hub) -> None:
    """One that fits none of them is refused; nobody else is asked."""
    schema = "events: { Paid: { schema: { type: object, required: [amount] } } }\ndo:"
    hub.start(ENOUGH.replace("do:", schema), {"order": 1})
    hub.run()
    with pytest.raises(UserError, match=r"pay@1\.0\.0: 'amount' is a required property") as caught:
        publish(hub, {"order": 1})
    assert caught.value.code == "schema"


# -- the end of a wait ------------------------------------------------------------------------------


@pytest.mark.parametrize("suspended", [False, True])
def test_a_wait_that_has_ended_is_found_no_more(hub: Hub, suspended: bool) -> None:
    """By its timeout, and by the end of the instance."""
    for instance in "ab":
        hub.start(WAIT, {"order": 1}, id=instance)
    hub.run()
    if suspended:
        hub.suspend(id="b")
        hub.run()
    hub.terminate(id="b")
    hub.advance(3600)
    assert (hub.output("a"), hub.status("b"), subscriptions(hub)) == ("late", "Terminated", [])


def test_a_parked_instance_is_found_no_more_when_it_is_terminated() -> None:
    """Without its Program."""
    hub = Hub(memory=0)
    hub.start(WAIT, {"order": 1})
    hub.run()
    programs = hub.store._programs  # type: ignore[attr-defined]
    text, digest = programs[hub.instance().digest], hub.instance().digest
    programs[digest] = "{}"
    hub.programs._linked.clear()
    hub.suspend()
    hub.run()
    assert (hub.status(), subscriptions(hub)) == ("Suspended", [("i", "1")])
    hub.terminate()
    hub.run()
    programs[digest] = text
    assert (hub.status(), subscriptions(hub)) == ("Terminated", [])


def test_the_loser_of_a_race_is_found_no_more(hub: Hub) -> None:
    """What it had taken stays for others, in the order in which it came."""
    text = """
do:
  - r:
      race:
        list: [{ l: { wait_for_event: Paid, correlate: "${ event.order == 1 }", count: 4, timeout: 1h } }]
        stop: [{ s: { wait_for_event: Stop, timeout: 1h } }]
  - all: { wait_for_event: Paid, count: 3, timeout: 1h }
  - return: ${ all }
"""
    hub.start(HEAD + text)
    hub.run()
    for order in (1, 2, 1):
        hub.raise_event("Paid", {"order": order, "n": order})
    publish(hub, {"order": 1})
    hub.raise_event("Stop")
    hub.run()
    assert [each["order"] for each in hub.output()] == [1, 2, 1]
    assert subscriptions(hub) == []


def test_the_next_generation_is_found_by_its_own_key(hub: Hub) -> None:
    """What was sent to the one before is not for it."""
    text = WAIT.replace(
        "- return: ${ paid }", "- continue_as_new: { input: { order: '${ input.order + 1 }' } }"
    )
    hub.start(text, {"order": 1})
    hub.run()
    hub.raise_event("Paid", {"order": 1})
    assert publish(hub, {"order": 1, "late": True}) == ["i"]
    hub.run()
    assert subscriptions(hub) == [("i", "2")]
    assert publish(hub, {"order": 2}) == ["i"]
    hub.run()
    assert (hub.instance().generation, subscriptions(hub)) == (3, [("i", "3")])


# -- directly ---------------------------------------------------------------------------------------


def test_a_direct_event_is_for_the_first_wait_that_accepts_it(hub: Hub) -> None:
    """The others stay, in order, also for a wait that comes later."""
    hub.start(
        HEAD
        + """
do:
  - p:
      parallel:
        one: [{ e: { wait_for_event: Paid, correlate: "${ event.order == 1 }", timeout: 1h } }]
        any: [{ w: { wait: 1m } }, { e: { wait_for_event: Paid, timeout: 1h } }, { output: "${ e }" }]
  - return: "${ [p.one.n, p.any.n] }"
"""
    )
    hub.run()
    for number, order in enumerate((3, 2, 1)):
        hub.raise_event("Paid", {"order": order, "n": number})
    hub.run()
    hub.crash()
    hub.advance(60)
    assert hub.output() == [2, 0]


def test_a_wait_takes_what_came_early_if_it_accepts_it(hub: Hub) -> None:
    """An event of another kind does not fail it; the log has why."""
    hub.start(WAIT.replace("do:", "do:\n  - w: { wait: 1m }"), {"order": 1})
    hub.run()
    for payload in ({"order": 2}, "no order at all", {"order": 1}):
        hub.raise_event("Paid", payload)
    hub.advance(60)
    assert hub.output() == {"order": 1}
    assert [line.level for line in hub.logs] == ["warning"]
    assert hub.logs[0].message.startswith("correlate of Paid: ")


# -- keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), ({"a": 1, "b": [2.0]}, {"b": [2], "a": 1}), (-0.0, 0), (2**60, float(2**60))],
)
def test_equal_values_have_one_key(one: Any, other: Any) -> None:
    """Numbers by their value, maps whatever the order of their keys."""
    assert key_of(one) == key_of(other)


def test_other_values_have_other_keys() -> None:
    """Texts are no numbers, truth is no number, and a long text is its hash."""
    values = [1, "1", True, "true", None, "null", [1], 1.5, "x" * 1000, "x" * 1001]
    keys = [key_of(value) for value in values]
    assert len(set(keys)) == len(values)
    assert max(map(len, keys)) < 210
