"""Sagas: what is undone, in which order, and what stops it."""

from __future__ import annotations

from tests.engine.driver import Hub
from tests.golden.scenarios.scenario import finish, run, scenario

STEP = '{ NAME: { call: Echo, with: NAME, compensate: { call: Echo, with: "undo-NAME" } } }'


def step(name: str) -> str:
    """A call that can be undone."""
    return STEP.replace("NAME", name)


@scenario
def saga_that_ends_well(hub: Hub) -> None:
    """Nothing is undone."""
    run(
        hub,
        f"do: [ {{ t: {{ saga: [ {step('a')}, {step('b')} ], output: '${{ a }}' }} }}, return: '${{ t }}' ]",
    )


@scenario
def saga_that_is_undone(hub: Hub) -> None:
    """In reverse, with what each step had; what was only attempted too."""
    run(
        hub,
        f"""
        vars: {{ n: 0 }}
        do:
          - t:
              saga:
                - {step("a")}
                - set: {{ n: "${{ vars.n + 1 }}" }}
                - b:
                    call: Echo
                    with: b
                    idempotency_key: key-b
                    compensate: {{ on: attempted, call: Echo, with: {{ key: "${{ step.idempotency_key }}", n: "${{ vars.n }}" }} }}
                - c: {{ call: Fail, with: c, compensate: {{ on: attempted, call: Echo, with: "${{ step.attempt }}" }} }}
        """,
        wanted="Failed",
    )


@scenario
def saga_whose_compensation_fails(hub: Hub) -> None:
    """One goes on with the others, one stops there."""
    bad = "{ x: { call: Echo, with: x, compensate: { call: Fail, with: 1, retry: { attempts: 2, delay: 1s } } } }"
    fatal = "{ z: { call: Fatal, with: z } }"
    run(
        hub,
        f"""
        do:
          - one:
              try: [ {{ s: {{ saga: [ {step("a")}, {bad}, {fatal} ], compensation: {{ on_failure: continue }} }} }} ]
              catch: [ {{ do: [ {{ output: "${{ error.type }}" }} ] }} ]
          - two:
              try: [ {{ s: {{ saga: [ {step("a")}, {bad}, {fatal} ], compensation: {{ on_failure: stop }} }} }} ]
              catch: [ {{ do: [ {{ output: "${{ error.type }}" }} ] }} ]
          - return: ${{ [one, two] }}
        """,
        seconds=30,
    )


@scenario
def saga_around_branches(hub: Hub) -> None:
    """What items and branches have done is undone, and inner sagas are too."""
    run(
        hub,
        f"""
        do:
          - t:
              saga:
                - all: {{ fan_out: [1, 2], each: x, do: [ {{ a: {{ call: Echo, with: "${{ x }}", compensate: {{ call: Echo, with: "${{ 'undo ' + string(x) }}" }} }} }} ] }}
                - p: {{ parallel: {{ l: [ {step("b")} ], r: [ {{ inner: {{ saga: [ {step("c")} ] }} }} ] }} }}
                - each: {{ for_each: [1, 2], each: y, do: [ {{ d: {{ call: Echo, with: "${{ y }}", compensate: {{ call: Echo, with: "${{ [y, d] }}" }} }} }} ] }}
                - e: {{ call: Fatal, with: e }}
        """,
        wanted="Failed",
    )


@scenario
def saga_that_is_canceled(hub: Hub) -> None:
    """It is undone before the instance ends; a second cancellation changes nothing."""
    hub.manual = True
    hub.start(f"do: [ {{ t: {{ saga: [ {step('a')}, {step('b')}, {{ w: {{ wait: 1h }} }} ] }} }} ]")
    hub.run()
    finish(hub, "a", "b")
    hub.cancel("enough")
    hub.run()
    hub.cancel("I said enough")
    hub.run()
    finish(hub, "undo-b", "undo-a")
    assert hub.status() == "Canceled"


@scenario
def saga_half_undone(hub: Hub) -> None:
    """One step is undone, the other one's compensation runs."""
    hub.manual = True
    hub.start(
        f"do: [ {{ t: {{ saga: [ {step('a')}, {step('b')}, {{ c: {{ call: Fatal, with: c }} }} ] }} }} ]"
    )
    hub.run()
    finish(hub, "a", "b", "c", "undo-b")
    assert hub.status() == "Running"


@scenario
def saga_of_children_and_entities(hub: Hub) -> None:
    """Their compensations are a workflow and an operation."""
    hub.entity(
        "name: Seats\nstate: { initial: 5 }\noperations:\n  take: { set: '${ state - 1 }', return: '${ state }' }\n  give: { set: '${ state + 1 }' }\n"
    )
    hub.deploy("dsl: perdure/1\nname: room\nversion: 1.0.0\ndo: [ return: '${ input }' ]\n")
    hub.deploy(
        "dsl: perdure/1\nname: no-room\nversion: 1.0.0\ndo: [ a: { call: Echo, with: '${ input }' } ]\n"
    )
    run(
        hub,
        """
        do:
          - t:
              saga:
                - room: { call_workflow: room, with: 7, compensate: { call_workflow: no-room, with: "${ room }" } }
                - seat: { call_entity: Seats@bus, op: take, compensate: { call_entity: Seats@bus, op: give } }
                - c: { call: Fatal, with: c }
        """,
        wanted="Failed",
    )
    assert hub.state("Seats@bus") is None
