"""Instances that start others, speak to them, or wait for their turn."""

from __future__ import annotations

from perdure.engine.client import Client
from tests.engine.driver import Hub
from tests.golden.scenarios.scenario import run, scenario

CHILD = """\
dsl: perdure/1
name: child
version: 1.0.0
do:
  - a: { call: Odd, with: "${ input }" }
  - return: ${ a }
"""
WAITS = """\
dsl: perdure/1
name: waits
version: 1.0.0
do:
  - t:
      try: [ { go: { wait_for_event: Go, timeout: never } }, { output: "${ go }" } ]
      finally: [ { f: { call: Echo, with: end } } ]
  - return: ${ t }
"""


@scenario
def children(hub: Hub) -> None:
    """One that completes, one that fails and is tried again, one whose error is caught, many at once."""
    hub.deploy(CHILD)
    run(
        hub,
        """
        do:
          - a: { call_workflow: child, version: ^1.0, with: 2, instance_id: "of-${ workflow.instance_id }", tags: { kind: x }, output: "${ result + 1 }" }
          - b:
              try: [ { x: { call_workflow: child, with: 1, retry: { attempts: 2, delay: 1m } } } ]
              catch: [ { errors: [perdure.SubWorkflowFailed], do: [ { output: "${ error.cause.type }" } ] } ]
          - c: { fan_out: [2, 4], do: [ { x: { call_workflow: child, with: "${ item }" } }, { output: "${ x }" } ] }
          - return: ${ [a, b, c.results] }
        """,
        seconds=100,
    )


@scenario
def run_without_being_deployed(hub: Hub) -> None:
    """The workflow that it calls is found beside it; its tasks wait in a queue of their own, which nobody serves."""
    child = hub.deploy("dsl: perdure/1\nname: child\nversion: 1.0.0\ndo: [ return: '${ input + 1 }' ]\n")
    parent = hub.deploy(
        "dsl: perdure/1\nname: parent\nversion: 1.0.0\n"
        "do: [ c: { call_workflow: child, with: 2 }, a: { call: Echo, with: '${ c }' }, return: '${ a }' ]\n"
    )
    Client(hub.store).run(parent.program, id="i", queue="@here", others=[child.program])
    hub.run()
    assert (hub.status(), [each.input for each in hub.scheduled()]) == ("Running", [3])


@scenario
def children_of_a_canceled_parent(hub: Hub) -> None:
    """One is terminated, one canceled, one goes on alone."""
    hub.deploy(WAITS)
    hub.start(
        """
        do:
          - p:
              parallel:
                a: [ { x: { call_workflow: waits, instance_id: ended, on_parent_close: terminate } } ]
                b: [ { y: { call_workflow: waits, instance_id: canceled, on_parent_close: cancel } } ]
                c: [ { z: { call_workflow: waits, instance_id: left, on_parent_close: abandon } } ]
        """
    )
    hub.run()
    hub.suspend()
    hub.run()
    hub.resume()
    hub.run()
    hub.cancel("enough")
    hub.run()
    assert [hub.status(each) for each in ("ended", "canceled", "left")] == [
        "Terminated",
        "Canceled",
        "Running",
    ]


@scenario
def child_that_is_shared(hub: Hub) -> None:
    """Two parents wait for the end of one."""
    hub.deploy(WAITS)
    for one in "ij":
        hub.start(
            "do: [ { c: { call_workflow: waits, instance_id: shared, if_exists: reuse } }, return: '${ c }' ]",
            id=one,
        )
    hub.run()
    hub.raise_event("Go", 5, id="shared")
    hub.run()
    assert (hub.output("i"), hub.output("j")) == (5, 5)


@scenario
def instances_that_speak_to_each_other(hub: Hub) -> None:
    """A detached start at a time, an event, a cancellation; the time has not come for another."""
    hub.deploy(WAITS)
    run(
        hub,
        """
        do:
          - one: { start_workflow: waits, instance_id: one, with: 1, tags: { kind: x } }
          - two: { start_workflow: waits, instance_id: two }
          - later: { start_workflow: waits, instance_id: later, start_at: "${ now() + duration('9000h') }" }
          - send_event: { to: one, event: Go, with: { n: 1 } }
          - cancel: { instance: two, reason: no more }
          - send_event: { to: nobody, event: Go }
          - gap: { wait: 1m }
          - return: ${ [one, two, later] }
        """,
        seconds=100,
    )
    assert [hub.status(each) for each in ("one", "two", "later")] == ["Completed", "Canceled", "Pending"]


@scenario
def started_by_the_calendar(hub: Hub) -> None:
    """What a schedule starts gets the time for which it was."""
    from perdure.engine.scheduling import Scheduling

    hub.deploy(
        "dsl: perdure/1\nname: nightly\nversion: 1.0.0\n"
        'schedule: [ { cron: "0 2 * * *", timezone: Europe/London, input: { at: "${ string(schedule.time) }" } } ]\n'
        "do: [ return: '${ input.at }' ]\n"
    )
    scheduling = Scheduling(hub.store, hub.programs)
    for tick in range(0, 3 * 86400, 3600):
        hub.clock.now += 3600 * 1_000_000
        scheduling.round(hub.worker, hub.slots, hub.clock.now, float(tick))
        hub.run()


@scenario
def waiting_for_a_place(hub: Hub) -> None:
    """So many instances of a key run at once; the second begins when the first has ended."""
    hub.deploy(
        "dsl: perdure/1\nname: single\nversion: 1.0.0\nconcurrency: { key: '${ input.k }', limit: 1 }\n"
        "do: [ go: { wait_for_event: Go, timeout: never } ]\n"
    )
    client = Client(hub.store)
    for one in ("i", "j", "k"):
        client.start("single", {"k": "x"}, id=one)
    hub.run()
    hub.raise_event("Go")
    hub.run()
    assert sorted(hub.status(each) for each in "ijk") == ["Completed", "Pending", "Running"]
