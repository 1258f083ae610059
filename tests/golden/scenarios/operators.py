"""What operators order: ends, results by hand, going on again, other versions."""

from __future__ import annotations

from perdure.engine.client import Client
from tests.engine.driver import Hub
from tests.golden.scenarios.scenario import finish, scenario


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
