"""Several instances, or several processes: children, sagas, queues, poison."""

from __future__ import annotations

from perdure.engine.errors import Ended
from perdure.engine.events import TaskScheduled
from perdure.engine.store.rows import InstanceQuery
from tests.crash_points.common import flow, start, work
from tests.crash_points.member import SECOND, Role
from tests.crash_points.points import Scenario
from tests.crash_points.world import World

CHILD = flow(
    "child",
    """
    do:
      - a: { call: Work, with: { label: "${ 'child' + string(input) }", n: "${ input * 10 }" } }
      - return: ${ a }
    """,
)
WAITS = flow(
    "waits",
    """
    do:
      - inner: { call_workflow: deep }
    """,
)
DEEP = flow(
    "deep",
    """
    do:
      - go: { wait_for_event: Go, timeout: never }
    """,
)
PARENT = flow(
    "parent",
    """
    do:
      - one: { call_workflow: child, with: 1 }
      - two: { fan_out: [2, 3], each: n, do: [ { c: { call_workflow: child, with: "${ n }" } } ] }
      - three: { start_workflow: child, with: 4, instance_id: four }
      - four: { call_workflow: waits, instance_id: waiting }
      - return: [ "${ one }", "${ two.results }" ]
    """,
)


def children(world: World) -> None:
    """A family grows, and is terminated down to the last one; what is detached goes on."""
    start(world, "parent", outside=True)
    world.until(lambda: "Running" in world.status("waiting:do.0.inner"), "the last descendant")
    world.ask("terminate", lambda client: client.terminate("i", "enough", request_key="t"))
    world.ended("i", "waiting", "waiting:do.0.inner", "four")
    assert world.status("i") == world.status("waiting") == world.status("waiting:do.0.inner") == "Terminated"
    assert world.output("four") == 40
    assert [world.output(f"i:do.{path}") for path in ("0.one", "1.two[0].do.0.c")] == [10, 20]
    assert world.ledger.totals == {f"child{n}": 1 for n in (1, 2, 3, 4)}
    assert len(world.eye.instances(InstanceQuery(limit=99))) == 7


SAGA = flow(
    "saga",
    """
    do:
      - trip:
          saga:
            - hotel:
                call: Work
                with: { label: hotel }
                compensate:
                  call: Work
                  with: { label: no_hotel, fails: 1 }
                  retry: { attempts: 2, delay: 1s }
            - flight:
                call: Work
                with: { label: flight }
                compensate: { on: attempted, call: Work, with: { label: no_flight } }
            - go: { wait_for_event: Go, timeout: never }
      - return: done
    """,
)


def saga(world: World) -> None:
    """A saga is canceled while it waits: all of it is undone, once and in reverse."""
    start(world, "saga")
    world.until(lambda: world.ledger.done("flight") == 1)
    # Whatever it is about when it hears of it, it is undone.
    world.until_event("i", TaskScheduled, 2)
    world.ask("cancel", lambda client: client.cancel("i", "no", request_key="c"), outside=True)
    world.ended("i")
    assert world.status("i") == "Canceled"
    assert world.ledger.totals == {"flight": 1, "hotel": 1, "no_flight": 1, "no_hotel": 1}
    undone = [each.input["label"] for each in world.events("i") if isinstance(each, TaskScheduled)][2:]
    assert undone == ["no_flight", "no_hotel", "no_hotel"]
    world.refused("to cancel it again", lambda client: client.cancel("i"), Ended)


SHARED = flow(
    "shared",
    """
    do:
      - all:
          fan_out: ${ input }
          each: x
          do:
            - a: { call: Far, with: { label: "${ 'far' + string(x) }", n: "${ x }" }, queue: far }
      - keyed:
          fan_out: ${ input }
          each: x
          do:
            - b:
                call: Work
                with: { label: "${ 'keyed' + string(x) }", n: "${ x }" }
                concurrency: { key: k, limit: 1 }
      - c: { call: Beat, with: beat, heartbeat: 1m, retry: { attempts: 2, delay: 1s } }
      - return: [ "${ all.results }", "${ keyed.results }", "${ c }" ]
    """,
)


def queues(world: World) -> None:
    """Tasks of a queue and of a key, in two processes, one of which is stopped and comes back."""
    world.takes = lambda task: SECOND if task.name == "Far" else 0
    start(world, "shared", [1, 2, 3])
    world.until(lambda: any(each.activities.running for each in world.processes), "a claim")
    far = next((each for each in world.processes if each.role.queues), None)
    if far is not None:
        world.stop(far, restart=True)
    world.ended("i")
    assert world.output("i") == [[1, 2, 3], [1, 2, 3], "beaten"]
    assert world.ledger.totals == {
        "beat": 1,
        **{f"{kind}{n}": 1 for kind in ("far", "keyed") for n in (1, 2, 3)},
    }


POISON = flow(
    "poison",
    """
    do:
      - both:
          parallel:
            bad:
              - tried:
                  try: [ { a: { call: Bomb, queue: far } }, { output: "${ a }" } ]
                  catch: [ { errors: [perdure.Poison], do: [ output: poison ] } ]
              - output: ${ tried }
            good:
              - b: { call: Work, with: { label: good, n: 5 }, queue: far }
              - output: ${ b }
      - go: { wait_for_event: Go, timeout: never }
      - return: [ "${ both.bad }", "${ both.good }", "${ go }" ]
    """,
)


def poison(world: World) -> None:
    """An activity that kills whoever runs it ends as poison, and as a letter; its neighbour goes on."""
    world.deadly = lambda task: task.name == "Bomb"
    start(world, "poison")
    world.until(lambda: bool(world.eye.dead_letters()), "a dead letter")
    (letter,) = world.eye.dead_letters()
    assert letter.is_task
    world.ask("discard", lambda client: client.discard_dead_letter(letter.ord, request_key="d"), outside=True)
    assert not world.eye.dead_letters()
    world.ask("event", lambda client: client.raise_event("i", "Go", 1, request_key="1"))
    world.ended("i")
    assert world.output("i") == ["poison", 5, 1]
    assert world.ledger.totals == {"good": 1}


FAR = (
    Role(offers=("Work", "Beat"), places=2),
    Role(offers=("Far", "Bomb", "Work"), queues=("far",), places=1),
)

SCENARIOS = (
    Scenario("children", children, (CHILD, WAITS, DEEP, PARENT), work),
    Scenario("saga", saga, (SAGA,), work),
    Scenario("queues", queues, (SHARED,), work, FAR),
    Scenario("poison", poison, (POISON,), work, FAR),
)
