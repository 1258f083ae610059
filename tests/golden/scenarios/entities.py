"""Entities: operations, signals and locks, as their callers' histories tell them."""

from __future__ import annotations

from perdure.engine.events import DeleteRequested, OperationRequested
from tests.engine.driver import Hub
from tests.golden.scenarios.scenario import run, scenario

ACCOUNT = """\
name: Account
state:
  schema: { type: object, properties: { balance: { type: number, minimum: 0 }, owner: {} }, required: [balance] }
  initial: { balance: 0.0, owner: null }
operations:
  get: { readonly: true, return: "${ state.balance }" }
  deposit:
    input: { type: number, exclusiveMinimum: 0 }
    set: { owner: "${ key }", balance: "${ state.balance + input }" }
    return: ${ state.balance + input }
  withdraw:
    input: { type: number, exclusiveMinimum: 0 }
    let: { after: "${ state.balance - input }", low: "${ after < 10.0 }" }
    require:
      - { check: "${ after >= 0.0 }", error: InsufficientFunds, message: "only ${ state.balance } of ${ input }" }
    set: { balance: "${ after }" }
    return: { left: "${ after }", at: "${ string(now()) }", id: "${ uuid('w') }" }
    signal:
      - { if: "${ low }", entity: "Alerts@${ key }", op: add, with: "${ after }" }
    start_workflow:
      - { if: "${ low }", workflow: refill, with: { account: "${ key }" } }
  close: { delete: true, return: "${ state.balance }" }
"""
ALERTS = """\
name: Alerts
state: { initial: [] }
operations:
  add: { input: {}, set: "${ state + [input] }" }
  clear: { set: [] }
"""
REFILL = "dsl: perdure/1\nname: refill\nversion: 1.0.0\ndo: [ a: { call: Echo, with: '${ input }' } ]\n"


def accounts(hub: Hub) -> None:
    """What the scenarios speak to."""
    hub.entity(ACCOUNT)
    hub.entity(ALERTS)
    hub.deploy(REFILL)


@scenario
def entity_operations(hub: Hub) -> None:
    """Results, an error of a guard, an unknown operation, a bad input, signals and starts, the end of one."""
    accounts(hub)
    run(
        hub,
        """
        do:
          - a: { call_entity: "Account@${ input }", op: deposit, with: 50 }
          - b: { call_entity: "Account@${ input }", op: withdraw, with: 45, output: "${ result.left }" }
          - c: { try: [ { x: { call_entity: "Account@${ input }", op: withdraw, with: 45 } } ], catch: [ { errors: [InsufficientFunds], do: [ { output: "${ error.message }" } ] } ] }
          - d: { try: [ { x: { call_entity: "Account@${ input }", op: deposit, with: -1 } } ], catch: [ { do: [ { output: "${ error.type }" } ] } ] }
          - e: { call_entity: Account@empty, op: get }
          - f: { call_entity: "Account@${ input }", op: close }
          - return: ${ [a, b, c, d, e, f] }
        """,
        "ann",
    )
    assert hub.state("Alerts@ann") == [5.0]


@scenario
def entity_signals(hub: Hub) -> None:
    """Now, and at a time."""
    accounts(hub)
    run(
        hub,
        """
        do:
          - signal_entity: { entity: Alerts@x, op: add, with: { n: 1 } }
          - signal_entity: { entity: Alerts@x, op: add, with: 2, at: "${ now() + duration('1h') }" }
          - signal_entity: { entity: Alerts@y, op: clear }
        """,
        seconds=4000,
    )
    assert hub.state("Alerts@x") == [{"n": 1}, 2]


@scenario
def entity_locks(hub: Hub) -> None:
    """Two are held together; a list of them; they are given back when the block fails."""
    accounts(hub)
    run(
        hub,
        """
        do:
          - a: { call_entity: Account@a, op: deposit, with: 5 }
          - moved:
              lock_entities: [ Account@b, Account@a ]
              timeout: 30s
              do:
                - left: { call_entity: Account@a, op: get }
                - x: { call_entity: Account@a, op: withdraw, with: 2 }
                - y: { call_entity: Account@b, op: deposit, with: 2 }
                - signal_entity: { entity: Account@b, op: deposit, with: 1 }
                - output: ${ left }
          - listed: { lock_entities: "${ input }", do: [ { output: 1 } ] }
          - failed:
              try: [ { l: { lock_entities: [Account@a], do: [ { x: { call: Fail, with: 1 } } ] } } ]
              catch: [ { do: [ { output: "${ error.type }" } ] } ]
          - return: ${ [a, moved, listed, failed] }
        """,
        ["Account@d", "Account@c", "Account@d"],
    )


@scenario
def entity_lock_that_is_not_given(hub: Hub) -> None:
    """Somebody holds it for too long, so the wait ends with an error; the holder still has it."""
    accounts(hub)
    hub.start(
        "do: [ l: { lock_entities: [Account@a, Account@b], do: [ { w: { wait: 9h } } ] } ]", id="holder"
    )
    hub.run()
    run(
        hub,
        """
        do:
          - t: { try: [ { l: { lock_entities: [Account@b, Account@c], timeout: 30s, do: [ { output: 1 } ] } } ], catch: [ { errors: [perdure.Timeout], do: [ { output: late } ] } ] }
          - return: ${ t }
        """,
        seconds=60,
    )
    assert hub.status("holder") == "Running"


@scenario
def entity_that_clients_speak_to(hub: Hub) -> None:
    """They call, signal and delete it; one that waits for an answer of a locked one is left waiting."""
    accounts(hub)
    assert hub.operate("Account@a", "deposit", 3) == 3.0
    hub.post("Account@a", OperationRequested(operation="deposit", input=4))
    hub.run()
    hub.post("Account@b", DeleteRequested())
    hub.run()
    hub.start("do: [ l: { lock_entities: [Account@a], do: [ { w: { wait: 9h } } ] } ]", id="holder")
    hub.run()
    run(hub, "do: [ a: { call_entity: Account@a, op: get } ]", wanted="Running")
