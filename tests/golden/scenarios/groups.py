"""Branches side by side: fan-outs, whole and in chunks, parallels and races."""

from __future__ import annotations

from tests.engine.driver import Hub
from tests.golden.scenarios.scenario import finish, run, scenario

CHUNKED = """
    do:
      - day: { call: Echo, with: monday }
      - all:
          fan_out: ${ input }
          each: x
          width: WIDTH
          chunk: CHUNK
          on_failure: POLICY
          do:
            - one: { call: Odd, with: "${ x }" }
            - output: ${ [one, day] }
      - return: ${ all }
    """


def chunked(chunk: int, policy: str = "fail_fast", width: int = 2) -> str:
    """A fan-out in chunks."""
    return CHUNKED.replace("CHUNK", str(chunk)).replace("POLICY", policy).replace("WIDTH", str(width))


@scenario
def fan_out_keeps_results(hub: Hub) -> None:
    """Some items at a time, with keys of their own, ending in another order."""
    hub.manual = True
    hub.start(
        """
        do:
          - all: { fan_out: "${ input }", each: x, key: "${ x }", at: place, width: 3, do: [ { one: { call: Echo, with: "${ x }" } }, { output: "${ one + string(place) }" } ] }
          - return: ${ all }
        """,
        ["a/b", "c d", "é", "z"],
    )
    hub.run()
    finish(hub, "c d", "é", "z", "a/b")
    assert hub.output()["succeeded"] == 4


@scenario
def fan_out_fails_fast(hub: Hub) -> None:
    """The others are canceled when one fails, and clean up."""
    hub.manual = True
    hub.start(
        """
        do:
          - all:
              fan_out: [2, 3, 4]
              do:
                - t: { try: [ { one: { call: Odd, with: "${ item }" } } ], finally: [ { f: { call: Echo, with: "${ 'end ' + string(item) }" } } ] }
        """
    )
    hub.run()
    finish(hub, 3, "end 3", "end 2", "end 4")
    assert hub.error()["type"] == "Odd"


@scenario
def fan_out_collects_failures(hub: Hub) -> None:
    """Errors beside results; only counts; only errors."""
    run(
        hub,
        """
        do:
          - a: { fan_out: [1, 2, 3], on_failure: collect, do: [ { one: { call: Odd, with: "${ item }" } }, { output: "${ one }" } ] }
          - b: { fan_out: [1, 2, 3], on_failure: { tolerate: 2 }, keep: counts, do: [ { one: { call: Odd, with: "${ item }" } } ] }
          - c: { fan_out: [2, 4, 5], on_failure: { tolerate: 50% }, keep: errors, do: [ { one: { call: Odd, with: "${ item }" } } ] }
          - return: ${ [a, b, c] }
        """,
    )


@scenario
def fan_out_tolerates_no_more(hub: Hub) -> None:
    """Too many have failed: no other item is started."""
    run(
        hub,
        "do: [ a: { fan_out: [1, 3, 5, 7], width: 1, on_failure: { tolerate: 1 }, do: [ { one: { call: Odd, with: '${ item }' } } ] } ]",
        wanted="Failed",
    )


@scenario
def fan_out_until_enough(hub: Hub) -> None:
    """What is left is canceled when the condition holds."""
    hub.manual = True
    hub.start(
        "do: [ a: { fan_out: [2, 4, 6], until: '${ succeeded >= 2 }', do: [ { one: { call: Odd, with: '${ item }' } } ] }, return: '${ a.succeeded }' ]"
    )
    hub.run()
    finish(hub, 6, 2)
    assert hub.output() == 2


@scenario
def fan_out_of_nothing(hub: Hub) -> None:
    """An empty list has no items."""
    run(hub, "do: [ a: { fan_out: [], do: [ { one: { call: Echo, with: 1 } } ] }, return: '${ a }' ]")


@scenario
def chunks_do_it_all(hub: Hub) -> None:
    """Children do slices of the list, and see what the items see."""
    run(hub, chunked(2), [2, 4, 6, 8, 10])


@scenario
def chunks_collect_failures(hub: Hub) -> None:
    """Failures of all chunks together."""
    run(hub, chunked(2, "collect"), [2, 1, 4, 3, 6])


@scenario
def chunks_are_canceled(hub: Hub) -> None:
    """One fails, so the other chunks cancel their items."""
    hub.manual = True
    hub.start(chunked(2, width=4), [0, 2, 4, 1])
    hub.run()
    finish(hub, "monday", 1)
    assert hub.status("i:do.1.all:0") == "Canceled"


@scenario
def chunks_are_stopped(hub: Hub) -> None:
    """Too many have failed in all of them together, so none starts another item."""
    hub.manual = True
    hub.start(chunked(3, "{ tolerate: 0 }"), [1, 1, 1, 0, 2, 4])
    hub.run()
    finish(hub, "monday")
    first, second = hub.open
    for task in (first, second):
        hub.finish(task)
        hub.run()
    assert hub.status() == "Failed"


@scenario
def chunks_that_still_run(hub: Hub) -> None:
    """Half of it is done."""
    hub.manual = True
    hub.start(chunked(2, width=4), [0, 2, 4, 6])
    hub.run()
    finish(hub, "monday", 0, 4)
    assert hub.status() == "Running"


@scenario
def parallel_branches(hub: Hub) -> None:
    """All of them, in another order than they stand there."""
    hub.manual = True
    hub.start(
        """
        do:
          - both: { parallel: { a: [ { x: { call: Echo, with: 1 } }, { output: "${ x }" } ], b: [ { y: { call: Echo, with: 2 } }, { z: { call: Echo, with: "${ y + 1 }" } }, { output: "${ z }" } ], c: [ { w: { value: 0 } } ] } }
          - return: ${ both }
        """
    )
    hub.run()
    finish(hub, 2, 1, 3)
    assert hub.output() == {"a": 1, "b": 3, "c": 0}


@scenario
def parallel_failures(hub: Hub) -> None:
    """Collected in one group, and ending the other."""
    run(
        hub,
        """
        do:
          - a: { parallel: { x: [ { p: { call: Fail, with: 1 } } ], y: [ { q: { call: Echo, with: 2 } }, { output: "${ q }" } ] }, on_failure: collect }
          - b: { parallel: { x: [ { r: { call: Fail, with: 3 } } ], y: [ { s: { wait: 1h } } ] } }
        """,
        wanted="Failed",
    )


@scenario
def race_is_won(hub: Hub) -> None:
    """The loser's call is canceled, and its ``finally`` runs."""
    hub.manual = True
    hub.start(
        """
        do:
          - first:
              race:
                quick: [ { q: { wait: 5s } }, { output: 1 } ]
                slow: [ { t: { try: [ { s: { call: Echo, with: slow } } ], finally: [ { f: { call: Echo, with: last } } ] } } ]
          - return: ${ first }
        """
    )
    hub.advance(10)
    finish(hub, "last")
    assert hub.output()["winner"] == "quick"


@scenario
def race_is_lost_by_all(hub: Hub) -> None:
    """The first that ends fails, and so does the race."""
    run(
        hub,
        "do: [ r: { race: { a: [ { x: { call: Fail, with: 1 } } ], b: [ { y: { wait: 1h } } ] } } ]",
        wanted="Failed",
    )


@scenario
def groups_in_groups(hub: Hub) -> None:
    """A fan-out in a branch of a parallel in an item of a fan-out."""
    run(
        hub,
        """
        do:
          - all:
              fan_out: [1, 2]
              each: x
              do:
                - p:
                    parallel:
                      a: [ { f: { fan_out: [3, 4], each: y, do: [ { e: { call: Echo, with: "${ [x, y] }" } }, { output: "${ e }" } ] } }, { output: "${ f.results }" } ]
                      b: [ { w: { wait: "${ x }m" } }, { output: "${ x }" } ]
                - output: ${ p }
          - return: ${ all.results }
        """,
        seconds=300,
    )
