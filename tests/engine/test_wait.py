"""``wait``: durations, points in time, and when they are over."""

from __future__ import annotations

import pytest

from perdure.engine.events import TimerCreated, TimerFired
from tests.engine.driver import SECOND, START, Hub


def fires(hub: Hub) -> list[float]:
    """When each timer is due, in seconds from the start."""
    return [(event.fire_at - START) / SECOND for event in hub.events() if isinstance(event, TimerCreated)]


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        ("5m", 300),
        ("250ms", 0.25),
        ("1h30m", 5400),
        ("PT2M", 120),
        ("'${ input.hours }h'", 7200),
        ("'${ duration(input.text) }'", 90),
        ("{ until: \"${ now() + duration('10s') }\" }", 10),
        ("{ until: '${ timestamp(input.at) }' }", 60),
    ],
)
def test_how_long_a_wait_is(hub: Hub, wait: str, seconds: float) -> None:
    """Constants, text that reads as a duration, durations and timestamps all set a timer."""
    given = {"hours": 2, "text": "90s", "at": "2023-11-14T22:14:20Z"}
    hub.start(f"do: [{{ pause: {{ wait: {wait} }} }}]", given)
    hub.run()
    assert fires(hub) == [seconds]
    hub.advance(seconds)
    assert hub.status() == "Completed"


@pytest.mark.parametrize(
    "wait",
    [
        "0s",
        "'${ input }s'",
        "{ until: \"${ timestamp('2020-01-01T00:00:00Z') }\" }",
        "{ until: '${ now() }' }",
    ],
)
def test_what_is_not_in_the_future_is_not_waited_for(hub: Hub, wait: str) -> None:
    """A wait of nothing, or until a past time, ends at once without a timer."""
    hub.start(f"do: [{{ pause: {{ wait: {wait} }} }}]", 0)
    hub.run()
    assert (hub.status(), fires(hub)) == ("Completed", [])


def test_a_wait_is_null(hub: Hub) -> None:
    """The value of a wait is null."""
    hub.start('do: [{ pause: { wait: 1s } }, { return: "${ [pause] }" }]')
    hub.advance(1)
    assert hub.output() == [None]


def test_a_wait_never_ends_early(hub: Hub) -> None:
    """A microsecond before its time it still waits."""
    hub.start("do: [{ pause: { wait: 10s } }]")
    hub.advance(10 - 1e-6)
    assert hub.status() == "Running"


def test_a_wait_that_is_due_during_an_outage_fires_afterwards(hub: Hub) -> None:
    """A timer that came due while nobody worked fires once, late."""
    hub.start('do: [{ pause: { wait: 10s } }, { return: "${ string(now()) }" }]')
    hub.run()
    hub.clock.now += 3600 * SECOND
    hub.crash()
    hub.run()
    assert hub.output() == "2023-11-14T23:13:20Z"
    assert sum(isinstance(event, TimerFired) for event in hub.events()) == 1


def test_now_is_the_time_of_the_turn(hub: Hub) -> None:
    """``now()`` is the recorded time, the same on replay."""
    hub.start(
        """
        do:
          - before: { value: "${ string(now()) }" }
          - pause: { wait: 90s }
          - return: ${ [before, string(now())] }
        """
    )
    hub.advance(200)
    assert hub.output() == ["2023-11-14T22:13:20Z", "2023-11-14T22:14:50Z"]


def test_a_wait_beyond_the_calendar_ends_with_it(hub: Hub) -> None:
    """A wait of a hundred thousand years is a timer at the end of year 9999, not a row nobody can store."""
    hub.start("do: [{ pause: { wait: 99999999d } }]")
    hub.run()
    assert (hub.status(), fires(hub)[0] + START / SECOND) == ("Running", 253_402_300_799.999999)
    hub.terminate()
    hub.run()


def test_a_timer_beyond_the_horizon_fires(hub: Hub) -> None:
    """What is due in a year is found again when its time has come."""
    hub.start("do: [{ pause: { wait: 365d } }]")
    hub.run()
    hub.crash()
    hub.advance(365 * 86_400)
    assert hub.status() == "Completed"


def test_timers_fire_in_order_of_their_time(hub: Hub) -> None:
    """Branches that wait for different times go on in that order, however late it is noticed."""
    hub.start(
        """
        do:
          - all:
              fan_out: [3, 1, 2]
              do: [{ pause: { wait: "${ item }s" } }, { output: "${ item }" }]
              until: ${ size(results.filter(r, r != null)) == 2 }
          - return: ${ all.results }
        """
    )
    hub.run()
    hub.clock.now += 10 * SECOND
    hub.run()
    assert hub.output() == [None, 1, 2]


def test_a_wait_for_no_events_is_over_at_once(hub: Hub) -> None:
    """With an empty list; what has come is left for others."""
    hub.start(
        """
        do:
          - none: { wait_for_event: Go, count: "${ input }", timeout: never }
          - one: { wait_for_event: Go, timeout: never }
          - return: ${ [none, one] }
        """,
        0,
    )
    hub.raise_event("Go", 7)
    hub.run()
    assert hub.output() == [[], 7]
