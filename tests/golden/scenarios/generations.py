"""Generations, and values of every size."""

from __future__ import annotations

from perdure.engine.client import Client
from tests.engine.driver import Hub
from tests.golden.scenarios.scenario import run, scenario


@scenario
def generations_carry_events(hub: Hub) -> None:
    """What nobody has taken goes along."""
    hub.start(
        """
        do:
          - one: { wait_for_event: N, timeout: never }
          - if: ${ input.n < 3 }
            then: [ { continue_as_new: { input: { n: "${ input.n + 1 }", sum: "${ input.sum + one }" }, events: carry, version: pinned } } ]
          - return: ${ input.sum + one }
        """,
        {"n": 1, "sum": 0},
    )
    hub.run()
    for number in (1, 2, 4):
        hub.raise_event("N", number)
    hub.run()
    assert (hub.output(), hub.instance().generation) == (7, 3)


@scenario
def generations_drop_events(hub: Hub) -> None:
    """And it waits for others."""
    hub.start(
        """
        do:
          - one: { wait_for_event: N, timeout: never }
          - gap: { wait: 1m }
          - if: ${ input < 2 }
            then: [ { continue_as_new: { input: "${ input + 1 }", events: discard } } ]
          - return: ${ one }
        """,
        1,
    )
    hub.run()
    hub.raise_event("N", 1)
    hub.raise_event("N", 2)
    hub.advance(100)
    assert (hub.status(), hub.instance().generation) == ("Running", 2)


@scenario
def generations_of_other_versions(hub: Hub) -> None:
    """The next one runs what was deployed in the meantime."""
    head = "dsl: perdure/1\nname: loop\nversion: %s\n"
    again = "do:\n  - go: { wait_for_event: Go, timeout: never }\n  - continue_as_new: { input: '${ go }', version: latest }\n"
    for version, text in (
        ("1.0.0", again),
        ("1.1.0", "do: [ return: 'took ${ string(input) } in ${ workflow.version }' ]\n"),
    ):
        hub.deploy(head % version + text)
    Client(hub.store).start("loop@1.0.0", id="i")
    hub.run()
    hub.raise_event("Go", 7)
    hub.run()
    assert hub.output() == "took 7 in 1.1.0"


@scenario
def checkpoints_of_a_loop(hub: Hub) -> None:
    """Each generation goes on where the one before stood, with its time limits and the names that it needs."""
    hub.start(
        """
        vars: { total: 0 }
        do:
          - rounds:
              until: ${ vars.total >= input }
              limit: 50
              checkpoint_every: 3
              timeout: 2h
              at: n
              do:
                - one: { call: Echo, with: "${ n + 100 }" }
                - gap: { wait: 1m }
                - set: { total: "${ vars.total + 1 }" }
                - output: ${ one }
          - return: ${ [rounds, vars.total, workflow.generation] }
        """,
        8,
    )
    hub.run()
    hub.raise_event("Left", 1)
    hub.advance(3600)
    assert hub.output() == [107, 8, 3]


@scenario
def checkpoints_until_time_is_over(hub: Hub) -> None:
    """The limit counts over all generations."""
    run(
        hub,
        """
        do:
          - rounds:
              while: ${ true }
              limit: 500
              checkpoint_every: 4
              timeout: 10m
              do: [ { gap: { wait: 1m } } ]
        """,
        wanted="Failed",
        seconds=3600,
    )


@scenario
def canceled_between_generations(hub: Hub) -> None:
    """Both were held while it was suspended, so the next one is canceled as soon as it begins."""
    hub.start("do: [ a: { wait_for_event: Go, timeout: never }, continue_as_new: { input: 1 } ]")
    hub.run()
    hub.suspend()
    hub.raise_event("Go")
    hub.cancel("enough")
    hub.run()
    hub.resume()
    hub.run()
    assert (hub.status(), hub.instance().generation) == ("Canceled", 2)


@scenario
def generations_that_others_wait_for(hub: Hub) -> None:
    """Two parents hear of the end of the last one."""
    hub.deploy(
        "dsl: perdure/1\nname: again\nversion: 1.0.0\ndo:\n"
        "  - go: { wait_for_event: Go, timeout: never }\n"
        "  - if: ${ input != 'last' }\n    then: [ continue_as_new: { input: last } ]\n"
        "  - return: ${ go }\n"
    )
    for one in "ij":
        hub.start(
            "do: [ c: { call_workflow: again, instance_id: shared, if_exists: reuse }, return: '${ c }' ]",
            id=one,
        )
    hub.run()
    for number in (1, 2):
        hub.raise_event("Go", number, id="shared")
        hub.run()
    assert (hub.output("i"), hub.output("j")) == (2, 2)


@scenario
def large_values(hub: Hub) -> None:
    """They are kept apart: an input, a result, an event, an error's data, a list of items, an output."""
    word = "large " * 2800
    hub.start(
        """
        do:
          - a: { call: Large, with: 2500 }
          - b: { wait_for_event: Go, timeout: never }
          - c: { try: [ { raise: { error: Big, data: "${ input }" } } ], catch: [ { do: [ { output: "${ size(error.data) }" } ] } ] }
          - d: { fan_out: "${ a.slice(0, 4) }", chunk: 2, do: [ { x: { call: Echo, with: "${ [item, size(b)] }" } }, { output: "${ x }" } ] }
          - e: { call: Echo, with: "${ b }" }
          - return: ${ [size(a), c, d.results, e] }
        """,
        word,
    )
    hub.run()
    hub.raise_event("Go", word)
    hub.run()
    assert hub.output()[3] == word


@scenario
def large_values_that_are_carried(hub: Hub) -> None:
    """Into the next generation, as its input and as an event."""
    word = "large " * 2800
    hub.start(
        """
        do:
          - a: { wait_for_event: Go, timeout: never }
          - if: ${ input.round < 2 }
            then: [ { continue_as_new: { input: { round: 2, text: "${ a }" } } } ]
          - return: ${ [size(input.text), size(a)] }
        """,
        {"round": 1},
    )
    hub.run()
    hub.raise_event("Go", word)
    hub.raise_event("Go", word + "2")
    hub.run()
    assert hub.output() == [16800, 16801]


@scenario
def texts_of_all_kinds(hub: Hub) -> None:
    """Control characters, both planes, quotes and slashes, in ids, keys, names and values."""
    hub.start(
        """
        do:
          - a: { call: Echo, with: "${ input }" }
          - all: { fan_out: "${ input }", each: x, key: "${ x }", do: [ { one: { call: Echo, with: "${ x }" } }, { output: "${ one }" } ] }
          - return: ${ all.results }
        """,
        ["", " ", '"', "\\", "\u0000", "\u2028", "é", "e\u0301", "🎈", "[x]/y", "line\nbreak", "\u007f"],
        id="i",
    )
    hub.run()
    assert hub.status() == "Completed"
