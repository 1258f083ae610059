"""Events, other instances and operators: what comes from outside."""

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


@scenario
def canceled_with_cleaning_up(hub: Hub) -> None:
    """What waits is canceled; ``finally`` and a ``catch`` of the cancellation run to their ends."""
    hub.manual = True
    hub.start(
        """
        do:
          - p:
              parallel:
                a: [ { t: { try: [ { x: { call: Echo, with: 1 } } ], finally: [ { f: { call: Echo, with: 2 } } ] } } ]
                b: [ { u: { try: [ { y: { wait: 1h } } ], catch: [ { errors: [perdure.Canceled], do: [ { c: { call: Echo, with: 3 } } ] } ] } } ]
        """
    )
    hub.run()
    hub.cancel("enough")
    hub.run()
    finish(hub, 2, 3)
    assert hub.status() == "Canceled"


@scenario
def canceled_before_it_began(hub: Hub) -> None:
    """Its start was for later."""
    hub.deploy("dsl: perdure/1\nname: later\nversion: 1.0.0\ndo: [ a: { call: Echo, with: 1 } ]\n")
    client = Client(hub.store)
    client.start("later", id="i", delay=3600)
    client.cancel("i", "no more")
    hub.advance(4000)
    assert hub.status() == "Canceled"


@scenario
def terminated(hub: Hub) -> None:
    """It ends at once, and cleans nothing up."""
    hub.manual = True
    hub.start(
        "do: [ t: { try: [ { x: { call: Echo, with: 1 } } ], finally: [ { f: { call: Echo, with: 2 } } ] } ]"
    )
    hub.run()
    hub.terminate("enough")
    hub.run()
    assert hub.status() == "Terminated"


@scenario
def resolved_by_hand(hub: Hub) -> None:
    """Operators end a call, a wait, an event, a child's wait: with results and with errors."""
    hub.manual = True
    hub.deploy(
        "dsl: perdure/1\nname: child\nversion: 1.0.0\ndo: [ w: { wait_for_event: Go, timeout: never } ]\n"
    )
    hub.start(
        """
        do:
          - a: { call: Echo, with: 1 }
          - b: { wait_for_event: Go, timeout: 1h }
          - c: { wait: 1h }
          - d: { call_workflow: child }
          - e: { try: [ { x: { call: Echo, with: 2, retry: { attempts: 3 } } } ], catch: [ { do: [ { output: "${ error.type }" } ] } ] }
          - return: ${ [a, b, d, e] }
        """
    )
    hub.run()
    for step, result, error in (
        ("do/0/a", "by hand", None),
        ("do/1/b", {"n": 1}, None),
        ("do/2/c", None, None),
        ("do/3/d", "child", None),
        ("do/4/e/try/0/x", None, "Broken"),
    ):
        hub.resolve(step, result, error=error)
        hub.run()
    assert hub.output() == ["by hand", {"n": 1}, "child", "Broken"]
    hub.start("do: [ a: { wait: 9h } ]", id="j")
    hub.run()
    fault = {"type": "Broken", "message": "no", "data": {"n": 1}}
    Client(hub.store).resolve("j", "a", error=fault, reason="asked to")
    hub.run()
    assert hub.error("j")["data"] == {"n": 1}


@scenario
def rewound(hub: Hub) -> None:
    """It goes on as if what failed had not happened; what was done is not done again."""
    works: list[bool] = []

    def shaky(value: int) -> int:
        if not works:
            raise ValueError("down")
        return value

    hub.activity("Shaky", shaky)
    hub.start(
        """
        do:
          - a: { call: Echo, with: 1 }
          - all: { fan_out: [1, 2], on_failure: fail_fast, do: [ { one: { call: Echo, with: "${ item }" } }, { two: { call: Shaky, with: "${ item }", retry: { attempts: 2, delay: 1s } } }, { output: "${ two }" } ] }
          - return: ${ [a, all.results] }
        """
    )
    hub.advance(10)
    assert hub.status() == "Failed"
    works.append(True)
    hub.rewind("repaired")
    hub.run()
    assert hub.output() == [1, [1, 2]]


@scenario
def rewound_with_a_child(hub: Hub) -> None:
    """The child that failed goes on too."""
    works: list[bool] = []

    def shaky(value: int) -> int:
        if not works:
            raise ValueError("down")
        return value

    hub.activity("Shaky", shaky)
    hub.deploy(
        "dsl: perdure/1\nname: child\nversion: 1.0.0\ndo: [ a: { call: Shaky, with: 1 }, return: '${ a }' ]\n"
    )
    hub.start("do: [ c: { call_workflow: child }, return: '${ c }' ]")
    hub.run()
    assert hub.status() == "Failed"
    works.append(True)
    hub.rewind()
    hub.run()
    assert hub.output() == 1


CHAIN = """\
dsl: perdure/1
name: chain
version: {version}
do:
  - first: {{ call: Echo, with: 1 }}
  - pause: {{ wait: 1h }}
  - go: {{ wait_for_event: Go, timeout: never }}
  - second: {{ call: Echo, with: "${{ first + {add} }}" }}
  - return: ${{ [first, second] }}
"""


@scenario
def forked(hub: Hub) -> None:
    """Another instance begins with the past of one, up to a step, under another version."""
    for version, add in (("1.0.0", 1), ("2.0.0", 10)):
        hub.deploy(CHAIN.format(version=version, add=add))
    client = Client(hub.store)
    client.start("chain@1.0.0", {"x": 1}, id="i")
    hub.advance(3600)
    hub.raise_event("Go", 1)
    hub.run()
    client.fork("i", "second", id="j", version="2.0.0", reason="what if")
    hub.run()
    assert (hub.output("i"), hub.output("j")) == ([1, 2], [1, 11])


@scenario
def migrated(hub: Hub) -> None:
    """It runs another version, which replays everything before."""
    for version, add in (("1.0.0", 1), ("1.1.0", 10)):
        hub.deploy(CHAIN.format(version=version, add=add))
    client = Client(hub.store)
    client.start("chain@1.0.0", id="i")
    hub.advance(3600)
    client.migrate("i", "1.1.0", "a fix")
    hub.run()
    hub.raise_event("Go", 1)
    hub.run()
    assert hub.output() == [1, 11]


@scenario
def restarted(hub: Hub) -> None:
    """An operator orders the next generation, with another input."""
    hub.start("do: [ a: { call: Fail, with: '${ input }' } ]", 1)
    hub.run()
    hub.restart(input=2)
    hub.run()
    assert (hub.status(), hub.instance().generation) == ("Failed", 2)


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
