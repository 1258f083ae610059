"""Steps of one instance: calls, fan-outs, events, generations, large values."""

from __future__ import annotations

from perdure.engine.activities import Context, Registry
from perdure.engine.errors import Ended
from perdure.engine.events import TaskCompleted, TimerFired
from tests.crash_points.common import flow, start, tell, work
from tests.crash_points.member import Role
from tests.crash_points.points import Scenario
from tests.crash_points.world import World

CHAIN = flow(
    "chain",
    """
    do:
      - a: { call: Work, with: { label: a, n: "${ input + 1 }" } }
      - b:
          call: Work
          with: { label: b, n: "${ a + 1 }", fails: 1 }
          retry: { attempts: 3, delay: 2s }
      - c: { call: Work, with: { label: c, n: "${ b + 1 }", fails: 1 }, retry: { attempts: 2, delay: 0s } }
      - return: [ "${ a }", "${ b }", "${ c }" ]
    """,
)


def chain(world: World) -> None:
    """Three calls, one after the other, two of which are tried again."""
    start(world, "chain", 1)
    world.ended("i")
    assert world.output("i") == [2, 3, 4]
    assert world.ledger.totals == {"a": 1, "b": 1, "c": 1}


FAN_OUT = flow(
    "fan",
    """
    do:
      - wide:
          fan_out: ${ input }
          each: x
          width: 2
          do:
            - one: { call: Work, with: { label: "${ 'wide' + string(x) }", n: "${ x * 2 }" } }
      - chunked:
          fan_out: ${ input }
          each: x
          chunk: 2
          width: 4
          do:
            - two: { call: Work, with: { label: "${ 'chunk' + string(x) }", n: "${ x * 3 }" } }
      - return: [ "${ wide.results }", "${ chunked.results }" ]
    """,
)


def fan_out(world: World) -> None:
    """Items two at a time, and in chunks that are children."""
    start(world, "fan", [1, 2, 3])
    world.ended("i")
    assert world.output("i") == [[2, 4, 6], [3, 6, 9]]
    labels = [f"{kind}{x}" for kind in ("chunk", "wide") for x in (1, 2, 3)]
    assert world.ledger.totals == dict.fromkeys(labels, 1)


EVENTS = flow(
    "events",
    """
    do:
      - first: { call: Work, with: { label: first } }
      - early: { wait_for_event: Go, timeout: 1h }
      - late: { wait_for_event: Late, timeout: 10s, on_timeout: [ output: timeout ] }
      - more: { wait_for_event: Go, timeout: never }
      - return: [ "${ early }", "${ late }", "${ more }" ]
    """,
)


def events(world: World) -> None:
    """One event is there before it is waited for, one comes too late, one ends the wait."""
    start(world, "events", outside=True)
    tell(world, "Go", "early", "1", outside=True)
    world.until_event("i", TimerFired)
    tell(world, "Late", "too late", "2")
    tell(world, "Go", "more", "3")
    world.ended("i")
    assert world.output("i") == ["early", "timeout", "more"]
    world.refused("an event too late", lambda client: client.raise_event("i", "Go", 4), Ended)


GENERATIONS = flow(
    "loop",
    """
    do:
      - one: { call: Work, with: { label: "${ 'round' + string(input.round) }" } }
      - a: { wait_for_event: Go, timeout: never }
      - if: ${ input.round < 3 }
        then:
          - continue_as_new:
              events: carry
              input: { round: "${ input.round + 1 }", heard: "${ input.heard + [a] }" }
      - return: ${ input.heard + [a] }
    """,
)


def generations(world: World) -> None:
    """Three generations hear three events in order, whenever they come."""
    start(world, "loop", {"round": 1, "heard": []})
    for number in (1, 2, 3):
        tell(world, "Go", number, str(number), outside=number == 2)
    world.ended("i")
    assert world.output("i") == [1, 2, 3]
    assert world.row("i").generation == 3
    assert world.ledger.totals == {"round1": 1, "round2": 1, "round3": 1}


LARGE = flow(
    "large",
    """
    do:
      - made: { call: Big, with: "${ input }" }
      - told: { wait_for_event: Go, timeout: never }
      - again: { call: Big, with: "${ made + told }" }
      - if: ${ workflow.generation < 2 }
        then: [ { continue_as_new: { input: "${ again }" , events: carry } } ]
      - return: ${ again }
    """,
)
SIZE = 50_000


def big(world: World, registry: Registry) -> None:
    """``Big`` gives back the beginning of what it is given, and more."""

    def one(value: str, ctx: Context) -> str:
        world.ledger.add("big", ctx)
        return value[: 2 * SIZE] + "x" * SIZE

    registry.add("Big", one)


def large(world: World) -> None:
    """Values that are kept apart from the history, over two generations."""
    start(world, "large", "a" * SIZE)
    tell(world, "Go", "b" * SIZE, "1")
    tell(world, "Go", "c" * SIZE, "2", outside=True)
    world.ended("i")
    assert world.output("i") == "a" * SIZE + "x" * SIZE + "x" * SIZE
    assert world.ledger.totals == {"big": 4}
    assert len([each for each in world.events("i") if isinstance(each, TaskCompleted)]) == 2


SCENARIOS = (
    Scenario("chain", chain, (CHAIN,), work),
    Scenario("fan-out", fan_out, (FAN_OUT,), work),
    Scenario("events", events, (EVENTS,), work, roles=(Role(memory=0),)),
    Scenario("generations", generations, (GENERATIONS,), work),
    Scenario("large", large, (LARGE,), big),
)
