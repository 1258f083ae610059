"""``wait_for_event``: who gets which event, and that none is lost."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.codec import encode_received
from perdure.engine.errors import Ended, NotFound
from perdure.engine.events import EventRaised
from perdure.engine.instance import slot_of
from perdure.engine.residents import MAX_BUFFER
from perdure.engine.store.rows import Batch, Message
from tests.engine.driver import Hub
from tests.engine.functions import offer

ONE = 'do: [{ e: { wait_for_event: Go, timeout: 1h } }, { return: "${ e }" }]'


def say(hub: Hub, *values: Any, name: str = "Go", id: str = "i") -> None:
    """Raise one event for each value; nothing runs yet."""
    for value in values:
        hub.raise_event(name, value, id=id)


def test_an_event_that_is_awaited(hub: Hub) -> None:
    """The step's value is the payload, and its timer is gone."""
    hub.start(ONE)
    hub.advance(60)
    say(hub, {"a": 1})
    hub.run()
    assert hub.output() == {"a": 1}


def test_an_event_that_came_early(hub: Hub) -> None:
    """An event that arrives before anything waits is kept; no timer is made for its wait."""
    hub.start('do: [{ w: { wait: 1m } }, { e: { wait_for_event: Go, timeout: 1h } }, { return: "${ e }" }]')
    hub.run()
    say(hub, 5)
    hub.advance(60)
    assert (hub.output(), hub.kinds().count("TimerCreated")) == (5, 1)


def test_an_event_that_came_before_the_first_turn(hub: Hub) -> None:
    """Events may follow a start at once."""
    hub.start(ONE)
    say(hub, 1)
    hub.run()
    assert hub.output() == 1


def test_without_on_timeout_a_late_event_is_a_timeout(hub: Hub) -> None:
    """The step raises ``perdure.Timeout`` when its time has passed."""
    hub.start(ONE)
    hub.advance(3600)
    assert (hub.error()["type"], hub.error()["step"], hub.error()["data"]) == ("perdure.Timeout", "e", None)


@pytest.mark.parametrize(
    ("block", "value"), [("[{ v: { value: late } }]", "late"), ("[{ output: [1] }]", [1])]
)
def test_on_timeout_gives_the_value(hub: Hub, block: str, value: Any) -> None:
    """After ``on_timeout`` the value is that block's."""
    hub.start(
        f"do: [{{ e: {{ wait_for_event: Go, timeout: 1h, on_timeout: {block} }} }}, {{ return: '${{ e }}' }}]"
    )
    hub.advance(3600)
    assert hub.output() == value


def test_on_timeout_may_return(hub: Hub) -> None:
    """The 72 hours of the approval."""
    hub.start(
        """
        do:
          - approved: { wait_for_event: Go, timeout: 72h, on_timeout: [{ return: TimedOut }] }
          - return: "${ approved ? 'Approved' : 'Rejected' }"
        """
    )
    hub.advance(73 * 3600)
    assert hub.output() == "TimedOut"


def test_timeout_never(hub: Hub) -> None:
    """A wait without an end has no timer."""
    hub.start('do: [{ e: { wait_for_event: Go, timeout: never } }, { return: "${ e }" }]')
    hub.advance(10**8)
    assert (hub.status(), hub.kinds()) == ("Running", ["ExecutionStarted"])
    say(hub, 1)
    hub.run()
    assert hub.output() == 1


def test_events_of_a_name_are_first_in_first_out(hub: Hub) -> None:
    """Two waits of one name get its events in order; other names are others."""
    hub.start(
        """
        do:
          - a: { wait_for_event: Go, timeout: 1h }
          - b: { wait_for_event: Other, timeout: 1h }
          - c: { wait_for_event: Go, timeout: 1h }
          - return: ${ [a, b, c] }
        """
    )
    say(hub, 1, 2)
    say(hub, 3, name="Other")
    hub.run()
    assert hub.output() == [1, 3, 2]


def test_names_are_exact(hub: Hub) -> None:
    """An event of another name in other letters stays in the buffer."""
    hub.start(ONE)
    say(hub, 1, name="go")
    hub.run()
    assert hub.status() == "Running"
    hub.terminate()
    hub.run()


def test_of_several_waits_the_one_reached_first_gets_the_event(hub: Hub) -> None:
    """Branches are served in the order in which they began to wait."""
    hub.start(
        """
        do:
          - p:
              parallel:
                late: [{ w: { wait: 1m } }, { x: { wait_for_event: Go, timeout: 1h } }, { output: "${ x }" }]
                early: [{ y: { wait_for_event: Go, timeout: 1h } }]
          - return: ${ p }
        """
    )
    hub.advance(120)
    say(hub, "first", "second")
    hub.run()
    assert hub.output() == {"late": "second", "early": "first"}


def test_count_gives_a_list(hub: Hub) -> None:
    """``count: n`` collects n payloads, early ones included, in order."""
    hub.start(
        """
        do:
          - w: { wait: 1m }
          - e: { wait_for_event: Go, count: 3, timeout: 1h }
          - f: { wait_for_event: Go, timeout: 1h }
          - return: ${ [e, [f]] }
        """
    )
    say(hub, 1, 2)
    hub.advance(60)
    say(hub, 3, 4)
    hub.run()
    assert hub.output() == [[1, 2, 3], [4]]


def test_until_ends_with_the_event_that_made_it_true(hub: Hub) -> None:
    """The list has that event too; later ones stay."""
    hub.start(
        """
        do:
          - e: { wait_for_event: Go, until: "${ event.final }", count: 10, timeout: 1h }
          - f: { wait_for_event: Go, timeout: 1h }
          - return: ${ [size(e), f.n] }
        """
    )
    say(hub, {"final": False}, {"final": True}, {"final": False, "n": 3})
    hub.run()
    assert hub.output() == [2, 3]


def test_until_ends_at_count_in_any_case(hub: Hub) -> None:
    """With both, ``count`` is the bound."""
    hub.start(
        'do: [{ e: { wait_for_event: Go, until: "${ event > 9 }", '
        'count: 2, timeout: 1h } }, { return: "${ e }" }]'
    )
    say(hub, 1, 2, 10)
    hub.run()
    assert hub.output() == [1, 2]


def test_until_that_fails_fails_the_step(hub: Hub) -> None:
    """An ``until`` that cannot be evaluated is the step's error; other events stay for others."""
    hub.start(
        """
        do:
          - t:
              try: [{ e: { wait_for_event: Go, until: "${ event.final }", timeout: 1h } }]
              catch: [{ do: [{ output: [ "${ error.type }" ] }] }]
          - f: { wait_for_event: Go, timeout: 1h }
          - return: ${ t + [f] }
        """
    )
    say(hub, {}, "kept")
    hub.run()
    assert hub.output() == ["perdure.Expression", "kept"]


def test_until_that_fails_while_it_waits(hub: Hub) -> None:
    """The same when the event arrives later; the timer of the wait goes."""
    hub.start('do: [{ e: { wait_for_event: Go, until: "${ event.final }", timeout: 1h } }]')
    hub.run()
    say(hub, {})
    hub.run()
    assert (hub.error()["type"], hub.error()["step"]) == ("perdure.Expression", "e")


def test_the_list_so_far_is_seen_after_a_timeout(hub: Hub) -> None:
    """``result`` in ``on_timeout``."""
    hub.start(
        "do: [{ e: { wait_for_event: Go, count: 3, timeout: 1h, "
        'on_timeout: [{ output: "${ result }" }] } }, { return: "${ e }" }]'
    )
    say(hub, 1, 2)
    hub.advance(3600)
    assert hub.output() == [1, 2]


def test_the_list_so_far_is_the_data_of_the_timeout(hub: Hub) -> None:
    """``error.data`` without ``on_timeout``."""
    hub.start("do: [{ e: { wait_for_event: Go, count: 3, timeout: 1h } }]")
    say(hub, 1, 2)
    hub.advance(3600)
    assert (hub.error()["type"], hub.error()["data"]) == ("perdure.Timeout", [1, 2])


def test_events_are_kept_through_crashes(hub: Hub) -> None:
    """What was buffered before a crash is there after it."""
    hub.start(
        "do: [{ w: { wait: 1m } }, { e: { wait_for_event: Go, "
        'count: 3, timeout: 1h } }, { return: "${ e }" }]'
    )
    say(hub, 1, 2)
    hub.run()
    hub.crash()
    say(hub, 3)
    hub.crash()
    hub.advance(60)
    assert hub.output() == [1, 2, 3]


@pytest.mark.parametrize("extra", [0, 1, 50, 1000])
def test_more_events_than_the_buffer_holds(hub: Hub, extra: int) -> None:
    """What the instance cannot buffer stays in the inbox, and is taken in order when there is room."""
    total = MAX_BUFFER + extra
    hub.start(
        f"do: [{{ w: {{ wait: 1m }} }}, {{ e: {{ wait_for_event: Go, "
        f'count: {total}, timeout: 1h }} }}, {{ return: "${{ e }}" }}]'
    )
    say(hub, *range(total))
    hub.run()
    hub.advance(60)
    assert hub.output() == list(range(total))


def test_an_awaited_event_passes_a_buffer_full_of_others(hub: Hub) -> None:
    """Events that nobody awaits do not keep away the one that is awaited."""
    hub.start(ONE)
    hub.run()
    say(hub, *range(MAX_BUFFER + 20), name="Noise")
    hub.run()
    say(hub, "heard")
    hub.run()
    assert hub.output() == "heard"


@pytest.mark.parametrize("noise", [10, MAX_BUFFER + 44, 1500])
def test_what_an_instance_never_took_becomes_dead_letters(hub: Hub, noise: int) -> None:
    """When it ends, events that had not entered its history are dead letters, not lost silently."""
    hub.start("do: [{ w: { wait: 1m } }]")
    hub.run()
    say(hub, *range(noise), name="Noise")
    hub.run()
    hub.advance(60)
    assert hub.status() == "Completed"
    recorded = sum(isinstance(event, EventRaised) for event in hub.events())
    dead = hub.store.dead_letters("i", limit=10_000)
    assert recorded + len(dead) == noise
    assert {letter.reason for letter in dead} <= {"ended"}


def test_three_thousand_events_to_one_instance(hub: Hub) -> None:
    """Each is consumed once and in order, across generations."""
    offer(hub)
    hub.start(
        """
        do:
          - batch: { wait_for_event: Go, count: 100, timeout: never }
          - told: { call: Echo, with: "${ batch }" }
          - if: ${ input == 29 }
            then: [{ return: done }]
          - continue_as_new: { input: "${ input + 1 }" }
        """,
        0,
    )
    for start in range(0, 3000, 700):
        say(hub, *range(start, min(start + 700, 3000)))
        hub.round()
    hub.crash()
    hub.run()
    assert hub.output() == "done"
    assert [
        value for task in {task.key: task for task in hub.calls}.values() for value in task.input
    ] == list(range(3000))


def test_a_storm_while_suspended(hub: Hub) -> None:
    """Thousands of events for a suspended instance wait in order for its resume."""
    hub.start('do: [{ e: { wait_for_event: Go, count: 1400, timeout: never } }, { return: "${ e }" }]')
    hub.suspend()
    for start in range(0, 1400, 200):
        say(hub, *range(start, start + 200))
        hub.run()
    hub.crash()
    hub.run()
    assert hub.status() == "Suspended"
    hub.resume()
    hub.run()
    assert hub.output() == list(range(1400))


def test_an_event_to_an_instance_that_has_ended_is_refused(hub: Hub) -> None:
    """The sender is told when it asks."""
    hub.start("do: [{ v: { value: 1 } }]")
    hub.run()
    with pytest.raises(Ended):
        say(hub, 1)


def test_an_event_to_nobody_is_refused(hub: Hub) -> None:
    """There is no such instance."""
    with pytest.raises(NotFound):
        say(hub, 1, id="nobody")


def test_an_event_that_meets_the_end_on_its_way_is_a_dead_letter(hub: Hub) -> None:
    """An event accepted just before the end is kept as a dead letter."""
    hub.start(ONE)
    hub.run()
    say(hub, 1)
    hub.terminate()
    say(hub, 2, 3)
    hub.run()
    assert hub.status() in {"Completed", "Terminated"}
    assert [letter.reason for letter in hub.store.dead_letters("i") if letter.kind == "EventRaised"] == [
        "ended"
    ] * 2


def test_a_message_for_an_unknown_instance_is_a_dead_letter(hub: Hub) -> None:
    """The receiver may have been purged while the message was on its way."""
    event = encode_received(EventRaised(name="Go", input=1))
    message = Message(id="m", instance="purged", slot=slot_of("purged"), kind="EventRaised", event=event)
    hub.store.commit(Batch(worker=hub.worker, messages=(message,)))
    hub.run()
    assert [(letter.id, letter.reason, letter.event) for letter in hub.store.dead_letters("purged")] == [
        ("m", "unknown", event)
    ]
    assert hub.leftovers("purged") == []


def test_every_event_enters_the_history_awaited_or_not(hub: Hub) -> None:
    """Consumed at the next turn, waited for or not."""
    hub.start("do: [{ w: { wait: 1h } }]")
    say(hub, 1, 2)
    hub.run()
    assert hub.kinds().count("EventRaised") == 2
    assert not [row for row in hub.leftovers() if isinstance(row, Message)]
    hub.terminate()
    hub.run()
