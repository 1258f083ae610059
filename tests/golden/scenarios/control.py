"""Values, decisions, loops and errors: everything that a workflow does by itself."""

from __future__ import annotations

from tests.engine.driver import Hub
from tests.golden.scenarios.scenario import finish, run, scenario


@scenario
def values_and_variables(hub: Hub) -> None:
    """``value``, ``set``, ``output``, ``log`` and ``set_custom_status``."""
    run(
        hub,
        """
        vars: { n: 1, seen: [] }
        do:
          - a: { value: { twice: "${ input * 2 }", text: "it is ${ input }" } }
          - set: { n: "${ a.twice }", seen: "${ vars.seen + [vars.n] }" }
          - log: { level: warning, message: "n is ${ vars.n }", fields: { n: "${ vars.n }" } }
          - set_custom_status: { n: "${ vars.n }" }
          - b: { do: [ { c: { value: 3 } }, { output: "${ c + vars.n }" } ] }
          - skipped: { if: "${ b < 0 }", value: 1 }
          - return: ${ [a, b, skipped, vars.seen] }
        """,
        21,
    )


@scenario
def time_and_identity(hub: Hub) -> None:
    """``now``, ``uuid`` and what ``workflow`` says are the same in every replay."""
    run(
        hub,
        """
        tags: { kind: "a-${ input }" }
        do:
          - one: { call: Echo, with: { at: "${ string(now()) }", id: "${ uuid('one') }" } }
          - gap: { wait: 90s }
          - two: { value: { at: "${ string(now()) }", id: "${ uuid('one') }", other: "${ uuid('two') }" } }
          - who: { value: "${ workflow.instance_id + workflow.version + string(workflow.started_at) }" }
          - return: ${ [one, two, who, workflow.generation, workflow.tags] }
        """,
        "x",
        seconds=100,
    )


@scenario
def numbers_texts_and_lists(hub: Hub) -> None:
    """What expressions compute with: doubles, large integers, texts of every kind, sorting, grouping."""
    run(
        hub,
        """
        do:
          - numbers: { value: ["${ 0.1 + 0.2 }", "${ 9007199254740993 + 1 }", "${ -7 / 2 }", "${ -7 % 2 }", "${ 1e300 * 10.0 }", "${ 3.0 }"] }
          - texts: { value: ["${ 'İstanbul ß Σίσυφος'.lowerAscii() }", "${ size('naïve 🎈') }", "${ 'a,b,c'.split(',') }", "\\u2028\\x85"] }
          - rows: { value: ["${ ['b', 'a', 'B', 'ä'].sort() }", "${ [1, 2, 3, 4].groupBy(x, string(x % 2)) }", "${ input.map(k, k) }"] }
          - times: { value: ["${ string(timestamp('2024-03-31T00:59:59Z') + duration('2h')) }", "${ timestamp('2024-03-31T00:59:59Z').getHours('Europe/Berlin') }"] }
          - hashes: { value: ["${ hash.sha256('x') }", "${ json.marshal(input) }", "${ base64.encode(b'abc') }"] }
          - told: { call: Echo, with: "${ [numbers, texts, rows, times, hashes] }" }
          - return: ${ told }
        """,
        {"z": 1, "a": 2, "é": 3},
    )


@scenario
def numbers_as_a_schema_says(hub: Hub) -> None:
    """A whole number is a double where the schema of the input, an event or an error has ``number``."""
    hub.start(
        """
        input: { schema: { type: object, properties: { n: { type: number }, i: { type: integer } } } }
        events: { Go: { schema: { type: number } } }
        errors: { Bad: { schema: { type: object, properties: { rate: { type: number } } } } }
        do:
          - go: { wait_for_event: Go, timeout: 1h }
          - bad:
              try: [ { raise: { error: Bad, data: { rate: 2 } } } ]
              catch: [ { errors: [Bad], do: [ { output: "${ error.data.rate / 4.0 }" } ] } ]
          - return: ${ [input.n / 2.0, input.i / 2, go / 2.0, bad] }
        """,
        {"n": 1, "i": 1},
    )
    hub.run()
    hub.raise_event("Go", 1)
    hub.run()
    assert hub.output() == [0.5, 0, 0.5, 0.5]


@scenario
def if_and_switch(hub: Hub) -> None:
    """Both branches of an ``if``, a case and the ``else`` of a ``switch``."""
    run(
        hub,
        """
        vars: { way: "" }
        do:
          - if: ${ input > 1 }
            then: [ { set: { way: "${ vars.way + 'a' }" } } ]
            else: [ { set: { way: never } } ]
          - if: ${ input > 9 }
            then: [ { set: { way: never } } ]
            else: [ { set: { way: "${ vars.way + 'b' }" } } ]
          - one:
              switch: [ { when: "${ input == 1 }", do: [ { output: 1 } ] }, { when: "${ input == 2 }", do: [ { x: { call: Echo, with: 2 } }, { output: "${ x }" } ] } ]
              else: [ { output: 3 } ]
          - other: { switch: [ { when: "${ input == 7 }", do: [ { output: 7 } ] } ], else: [ { output: 8 } ] }
          - return: ${ [vars.way, one, other] }
        """,
        2,
    )


@scenario
def for_each_with_break_and_continue(hub: Hub) -> None:
    """Items left out, an early end, loops in a loop."""
    run(
        hub,
        """
        do:
          - all:
              for_each: ${ input }
              each: x
              limit: 10
              do:
                - if: ${ x == 2 }
                  then: [ continue ]
                - if: ${ x == 5 }
                  then: [ break ]
                - inner: { for_each: [1, 2], do: [ { y: { call: Echo, with: "${ [x, item, index] }" } }, { output: "${ y }" } ] }
                - output: ${ inner }
          - return: ${ all }
        """,
        [1, 2, 3, 4, 5, 6],
    )


@scenario
def while_and_until(hub: Hub) -> None:
    """A loop tested before and one tested after each iteration."""
    run(
        hub,
        """
        vars: { left: 3 }
        do:
          - a: { while: "${ vars.left > 0 }", limit: 9, at: i, do: [ { set: { left: "${ vars.left - 1 }" } }, { x: { call: Echo, with: "${ i }" } }, { output: "${ x }" } ] }
          - b: { until: "${ y == 2 }", limit: 9, at: j, do: [ { y: { call: Echo, with: "${ j }" } }, { gap: { wait: 1m } }, { output: "${ y }" } ] }
          - return: ${ [a, b, vars.left] }
        """,
        seconds=600,
    )


@scenario
def limit_of_a_loop(hub: Hub) -> None:
    """One iteration too many is an error."""
    run(
        hub,
        "do: [ a: { while: '${ true }', limit: 3, do: [ { x: { call: Echo, with: 1 } } ] } ]",
        wanted="Failed",
    )


@scenario
def try_catch_finally(hub: Hub) -> None:
    """Clauses in order, an error that goes on unchanged, a new one with a cause, what is always done."""
    run(
        hub,
        """
        errors: { Worse: { retryable: false } }
        do:
          - a:
              try: [ { x: { call: Fail, with: 1 } } ]
              catch:
                - { errors: [Other], do: [ { output: no } ] }
                - { errors: [Broken], when: "${ error.data.given == 2 }", do: [ { output: no } ] }
                - { errors: ["*"], do: [ { y: { call: Echo, with: "${ error.message }" } }, { output: "${ y }" } ] }
              finally: [ { f: { call: Echo, with: finally } } ]
          - b:
              try:
                - inner:
                    try: [ { x: { call: Fail, with: 2 } } ]
                    catch: [ { errors: [Other], do: [ { output: no } ] } ]
                    finally: [ { g: { call: Echo, with: passing } } ]
                - output: ${ inner }
              catch:
                - do:
                    - again:
                        try: [ { raise: { error: Worse, message: "worse: ${ error.message }", cause: "${ error }" } } ]
                        catch: [ { errors: [Worse], do: [ { output: "${ error.cause.type }" } ] } ]
                    - output: ${ again }
          - c:
              try: [ { d: { try: [ { x: { call: Fail, with: 3 } } ], catch: [ { do: [ { raise: "${ error }" } ] } ] } }, { output: "${ d }" } ]
              catch: [ { do: [ { output: "${ error.path }" } ] } ]
          - return: ${ [a, b, c] }
        """,
    )


@scenario
def finally_of_a_loop(hub: Hub) -> None:
    """``break``, ``continue`` and ``return`` pass through it."""
    run(
        hub,
        """
        do:
          - all:
              for_each: [1, 2, 3]
              each: x
              do:
                - t:
                    try:
                      - if: ${ x == 1 }
                        then: [ continue ]
                      - if: ${ x == 3 }
                        then: [ { return: "${ x }" } ]
                    finally: [ { f: { call: Echo, with: "${ x }" } } ]
          - return: never
        """,
    )


@scenario
def error_of_an_expression(hub: Hub) -> None:
    """The place in the file is part of the message."""
    text = "do: [ a: { call: Echo, with: 1 }, b: { value: '${ [1, 2][a + 4] }' } ]"
    run(hub, text, wanted="Failed")


@scenario
def output_that_does_not_fit(hub: Hub) -> None:
    """The schema of the output refuses it."""
    run(
        hub,
        "output: { schema: { type: string } }\ndo: [ a: { call: Echo, with: 1 }, return: '${ a }' ]",
        wanted="Failed",
    )


@scenario
def wait_for_a_while_and_until(hub: Hub) -> None:
    """A duration, a moment that comes, one that is over, one that is computed."""
    run(
        hub,
        """
        do:
          - a: { wait: 5m }
          - b: { wait: { until: "${ timestamp(input.at) }" } }
          - c: { wait: { until: "${ timestamp('2001-01-01T00:00:00Z') }" } }
          - d: { wait: "${ input.hours }h" }
          - return: ${ string(now()) }
        """,
        {"at": "2023-11-15T00:00:00Z", "hours": 2},
        seconds=90_000,
    )


@scenario
def timeout_of_the_workflow(hub: Hub) -> None:
    """It cleans up, and ends as failed."""
    hub.manual = True
    hub.start(
        """
        timeout: 1h
        do:
          - a:
              try: [ { x: { call: Echo, with: 1 } } ]
              finally: [ { f: { call: Echo, with: 2 } } ]
        """
    )
    hub.advance(4000)
    finish(hub, 2)
    assert hub.error()["type"] == "perdure.Timeout"


@scenario
def history_that_grows_too_long(hub: Hub) -> None:
    """It is suspended, allowed to go on, and ends."""
    hub.start(
        """
        limits: { history_events: 100, on_exceed: suspend }
        do:
          - all: { for_each: "${ lists.range(70) }", do: [ { x: { call: Echo, with: "${ item }" } } ] }
          - return: ${ size(all) }
        """
    )
    hub.run()
    assert hub.status() == "Suspended"
    while hub.status() == "Suspended":
        hub.resume()
        hub.run()
    assert hub.output() == 70


@scenario
def history_that_is_too_long(hub: Hub) -> None:
    """It fails, and cleans up before."""
    run(
        hub,
        """
        limits: { history_events: 100, on_exceed: fail }
        do:
          - a:
              try: [ { all: { for_each: "${ lists.range(70) }", do: [ { x: { call: Echo, with: "${ item }" } } ] } } ]
              finally: [ { f: { call: Echo, with: last } } ]
        """,
        wanted="Failed",
    )


@scenario
def queries_of_the_header(hub: Hub) -> None:
    """They are answered by what the history adds up to; nothing has ended."""
    run(
        hub,
        """
        vars: { n: 0 }
        queries: { progress: "${ vars.n }", of: "${ input.of }" }
        tags: { team: "${ input.team }" }
        do:
          - one: { call: Echo, with: 1 }
          - set: { n: "${ vars.n + one }" }
          - go: { wait: 1h }
        """,
        {"of": 3, "team": "x"},
        wanted="Running",
    )
