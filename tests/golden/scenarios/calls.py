"""Activities: how they are asked for, tried again and given up."""

from __future__ import annotations

from tests.engine.driver import Hub
from tests.golden.scenarios.scenario import finish, run, scenario


@scenario
def call_one_after_the_other(hub: Hub) -> None:
    """Results that are used by the next call, with and without an input."""
    run(
        hub,
        """
        do:
          - first: { call: Echo, with: "${ input }" }
          - none: { call: Nothing }
          - second: { call: Echo, with: { first: "${ first.a }", none: "${ none }" }, output: "${ result.first }" }
          - return: ${ [first, none, second] }
        """,
        {"a": 1},
    )


@scenario
def call_with_every_option(hub: Hub) -> None:
    """Queue, priority, fairness, a limit for a key, a heartbeat, a key and a secret."""
    hub.queues = ("payments",)
    run(
        hub,
        """
        do:
          - charged:
              call: Echo
              with: { amount: 5 }
              queue: payments
              priority: 2
              fairness_key: ${ input.tenant }
              concurrency: { key: "${ input.merchant }", limit: 2 }
              heartbeat: 10s
              timeout: 1m
              deadline: 1h
              idempotency_key: charge-${ input.tenant }
          - return: ${ charged }
        """,
        {"tenant": "t", "merchant": "m"},
    )


@scenario
def call_by_functions_and_defaults(hub: Hub) -> None:
    """Steps that are written once, and what is said of all calls."""
    run(
        hub,
        """
        retries: { calm: { attempts: 3, delay: 1s } }
        defaults: { call: { timeout: 1m, retry: calm }, fan_out: { width: 1, chunk: off } }
        functions:
          told: { call: Echo, with: { to: "${ args.to }" } }
          both: { do: [ { a: { call: Echo, with: "${ args.x }" } }, { b: { call: Flaky, with: "${ a + 1 }" } }, { output: "${ b }" } ] }
        do:
          - one: { call: told, with: { to: "${ input }" } }
          - two: { call: both, with: { x: 1 } }
          - all: { fan_out: [1, 2], do: [ { x: { call: told, with: { to: "${ item }" } } }, { output: "${ x }" } ] }
          - return: ${ [one, two, all.results] }
        """,
        "ann",
        seconds=60,
    )


@scenario
def call_secret_is_a_path(hub: Hub) -> None:
    """The history has the place of a secret, not its value; nobody has run the call yet."""
    hub.manual = True
    run(
        hub,
        """
        do:
          - a: { call: Echo, with: { token: "${ secret('psp-token') }", n: "${ input }" } }
        """,
        1,
        wanted="Running",
    )


@scenario
def retry_until_it_works(hub: Hub) -> None:
    """Two failures with growing waits between the attempts, then a result."""
    text = (
        "do: [ a: { call: Flaky, with: 7, retry: { attempts: 4, delay: 2s, backoff: 2 } }, return: '${ a }' ]"
    )
    run(hub, text, seconds=60)


@scenario
def retry_until_all_attempts_are_over(hub: Hub) -> None:
    """The last error is the instance's."""
    text = "do: [ a: { call: Fail, with: 7, retry: { attempts: 3, delay: 1s, max_delay: 1s } } ]"
    run(hub, text, wanted="Failed", seconds=60)


@scenario
def retry_after_what_the_activity_says(hub: Hub) -> None:
    """It says how long to wait."""
    run(
        hub,
        "do: [ a: { call: Later, with: 7, retry: { attempts: 2, delay: 1s } }, return: '${ a }' ]",
        seconds=120,
    )


@scenario
def retry_only_some_errors(hub: Hub) -> None:
    """One that is excepted, one that no condition lets through, one that says so itself."""
    run(
        hub,
        """
        do:
          - a:
              try:
                - x: { call: Fail, with: 1, retry: { attempts: 5, delay: 1s, except: [Broken] } }
              catch: [ { do: [ { output: "${ error.attempt }" } ] } ]
          - b:
              try:
                - x: { call: Fail, with: 2, retry: { attempts: 5, delay: 1s, when: "${ error.attempt < 2 }" } }
              catch: [ { do: [ { output: "${ error.attempt }" } ] } ]
          - c:
              try:
                - x: { call: Fatal, with: 3, retry: { attempts: 5, delay: 1s } }
              catch: [ { do: [ { output: "${ error.type }" } ] } ]
          - return: ${ [a, b, c] }
        """,
        seconds=60,
    )


@scenario
def retry_a_block(hub: Hub) -> None:
    """All of it is done again."""
    run(
        hub,
        """
        vars: { n: 0 }
        do:
          - block:
              do:
                - set: { n: "${ vars.n + 1 }" }
                - a: { call: Echo, with: "${ vars.n }" }
                - if: ${ a < 3 }
                  then:
                    - raise: { error: Again }
                - output: ${ a }
              retry: { attempts: 5, delay: 10s }
              deadline: 1h
          - return: ${ block }
        """,
        seconds=60,
    )


@scenario
def timeout_of_an_attempt_and_deadline_of_all(hub: Hub) -> None:
    """Nobody answers: each attempt times out, until the deadline is over."""
    hub.manual = True
    text = """
        do:
          - a: { call: Echo, with: 1, timeout: 10s, deadline: 25s, retry: { attempts: 9, delay: 1s } }
        """
    run(hub, text, wanted="Failed", seconds=120)


@scenario
def timeout_that_is_caught(hub: Hub) -> None:
    """The workflow goes on with another value; the late result is superseded."""
    hub.manual = True
    hub.start(
        """
        do:
          - a:
              try: [ { x: { call: Echo, with: 1, timeout: 10s } } ]
              catch: [ { errors: [perdure.Timeout], do: [ { output: late } ] } ]
          - b: { call: Echo, with: "${ a }" }
          - return: ${ b }
        """
    )
    hub.advance(20)
    finish(hub, 1, "late")
    assert hub.output() == "late"


@scenario
def poison_task(hub: Hub) -> None:
    """Its workers die each time that they run it, so it is given up."""
    hub.manual = True
    hub.start("do: [ a: { call: Echo, with: 1 }, return: '${ a }' ]")
    for _ in range(8):
        hub.run()
        hub.claim()
        hub.crash()
    hub.run()
    assert hub.error()["type"] == "perdure.Poison"


@scenario
def silent_task(hub: Hub) -> None:
    """Nothing is heard of it for the length of its heartbeat, and it is tried again."""
    hub.manual = True
    hub.start("do: [ a: { call: Echo, with: 1, heartbeat: 10s, retry: { attempts: 2, delay: 1s } } ]")
    hub.run()
    hub.claim()
    hub.advance(60)
    assert [each.attempt for each in hub.scheduled()] == [1, 2]


@scenario
def answered_from_outside(hub: Hub) -> None:
    """An activity that somebody else completes; here nobody has yet."""
    run(hub, "do: [ a: { call: Outside, with: 1 }, return: '${ a }' ]", wanted="Running", seconds=5)
