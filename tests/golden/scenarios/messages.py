"""Events, and what is held while an instance is suspended."""

from __future__ import annotations

from perdure.engine.client import Client
from tests.engine.driver import Hub
from tests.golden.scenarios.scenario import finish, run, scenario


@scenario
def event_that_is_waited_for(hub: Hub) -> None:
    """One that comes in time; one that came before its wait."""
    hub.start(
        """
        events: { Go: { schema: { type: object } }, Early: {} }
        do:
          - a: { wait_for_event: Go, timeout: 1h }
          - b: { wait_for_event: Early, timeout: never }
          - return: ${ [a, b] }
        """
    )
    hub.run()
    hub.raise_event("Early", "early")
    hub.run()
    hub.raise_event("Go", {"n": 1})
    hub.raise_event("Unknown", 1)
    hub.run()
    assert hub.output() == [{"n": 1}, "early"]


@scenario
def event_that_does_not_come(hub: Hub) -> None:
    """``on_timeout`` goes on, returns nothing, or there is an error."""
    run(
        hub,
        """
        do:
          - a: { wait_for_event: Go, timeout: 10s, on_timeout: [ { x: { call: Echo, with: late } }, { output: "${ x }" } ] }
          - b: { wait_for_event: Go, timeout: 0s, on_timeout: [] }
          - c: { try: [ { w: { wait_for_event: Go, timeout: 10s } } ], catch: [ { errors: [perdure.Timeout], do: [ { output: "${ error.step }" } ] } ] }
          - return: ${ [a, b, c] }
        """,
        seconds=60,
    )


@scenario
def events_in_number(hub: Hub) -> None:
    """So many, or up to one, or as many as came in time."""
    hub.start(
        """
        do:
          - a: { wait_for_event: N, count: 2, timeout: 1h }
          - b: { wait_for_event: N, until: "${ event.last }", count: 9, timeout: 1h }
          - c: { wait_for_event: N, count: 5, timeout: 1m, on_timeout: [ { output: "${ result }" } ] }
          - return: ${ [a, b, c] }
        """
    )
    for number in range(5):
        hub.raise_event("N", {"n": number, "last": number == 3})
        hub.run()
    hub.advance(100)
    assert [len(each) for each in hub.output()] == [2, 2, 1]


@scenario
def events_by_their_content(hub: Hub) -> None:
    """Found by a key, found by a condition, given back by a wait that was canceled."""
    head = "dsl: perdure/1\nname: pay\nversion: 1.0.0\n"
    hub.start(
        head
        + """
do:
  - order: { call: Echo, with: 7 }
  - paid: { wait_for_event: Paid, correlate: "${ event.order == order && event.amount >= 10 }", timeout: 1h }
  - more: { wait_for_event: Paid, correlate: "${ event.order == order }", until: "${ event.last }", count: 5, timeout: 1h }
  - rest: { wait_for_event: Other, correlate: "${ event.who == 'me' }", timeout: never }
  - return: ${ [paid, more, rest] }
"""
    )
    hub.run()
    for event in (
        {"order": 7, "amount": 5, "last": False},
        {"order": 7, "amount": 10, "last": False},
        {"order": 7, "amount": 1, "last": False},
        {"order": 7, "amount": 2, "last": True},
    ):
        Client(hub.store).publish("Paid", event)
        hub.run()
    assert hub.status() == "Running"


@scenario
def events_while_suspended(hub: Hub) -> None:
    """They are recorded, and acted on in order once it goes on."""
    hub.manual = True
    hub.start(
        """
        do:
          - a: { call: Echo, with: 1 }
          - b: { wait_for_event: Go, count: 2, timeout: 1h }
          - c: { wait: 1m }
          - return: ${ [a, b] }
        """
    )
    hub.run()
    hub.suspend()
    hub.run()
    hub.raise_event("Go", 1)
    hub.raise_event("Go", 2)
    hub.run()
    finish(hub, 1)
    hub.advance(100)
    assert hub.status() == "Suspended"
    hub.resume()
    hub.advance(100)
    assert hub.output() == [1, [1, 2]]


@scenario
def suspended_still(hub: Hub) -> None:
    """What came in the meantime is held."""
    hub.start("do: [ a: { wait_for_event: Go, timeout: 1h }, return: '${ a }' ]")
    hub.run()
    hub.suspend()
    hub.raise_event("Go", 1)
    hub.advance(4000)
    assert hub.status() == "Suspended"


@scenario
def suspended_before_it_began(hub: Hub) -> None:
    """It begins when it goes on."""
    hub.start("do: [ a: { call: Echo, with: 1 }, return: '${ a }' ]")
    hub.suspend()
    hub.run()
    assert hub.status() == "Suspended"
    hub.resume()
    hub.run()
    assert hub.output() == 1
