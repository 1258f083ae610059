"""What comes from outside: the calendar, events by their content, tokens."""

from __future__ import annotations

from functools import partial
from typing import Any

from perdure.engine.activities import Context, Pending, Registry
from perdure.engine.client import Client
from perdure.engine.errors import Conflict
from perdure.engine.store.rows import AuditQuery, InstanceQuery
from tests.crash_points.common import flow, start, work
from tests.crash_points.member import SECOND, Role
from tests.crash_points.points import Scenario
from tests.crash_points.world import World

HOURLY = flow(
    "hourly",
    """
    do:
      - a: { call: Work, with: { label: "${ input.at }" } }
      - return: ${ input.at }
    """,
    header="""
    schedule:
      - { cron: "0 * * * *", timezone: UTC, input: { at: "${ string(schedule.time) }" }, catch_up: 1d }
    """,
)


def schedule(world: World) -> None:
    """Three occurrences, each once; then a pause, in which a range is filled in."""
    world.until(lambda: len(world.ledger.keys) >= 3, "three occurrences")
    pause = lambda client: client.pause_schedule("hourly")["changed"]  # noqa: E731
    world.ask("pause", pause, again=False)
    started = len(world.eye.instances(InstanceQuery(limit=99)))
    (row,) = world.eye.schedules()
    assert row.paused
    world.clock.now += 2 * 3600 * SECOND
    world.rest(5 * SECOND)
    assert len(world.eye.instances(InstanceQuery(limit=99))) == started == 3
    world.ask("backfill", fill, outside=True, again=False)
    world.until(lambda: len(world.ledger.keys) == 4, "the range")
    world.ended(*[each.id for each in world.eye.instances(InstanceQuery(limit=99))])
    found = world.eye.instances(InstanceQuery(limit=99))
    assert {str(each.status) for each in found} == {"Completed"}
    assert len(found) == 4
    assert all(world.ledger.done(label) == 1 for label in world.ledger.keys)
    acts = sorted(each.action for each in world.eye.audit(AuditQuery(limit=99)))
    assert set(acts) == {"definition.deploy", "schedule.pause", "schedule.backfill"}


def fill(client: Client) -> Any:
    """One occurrence that was not."""
    now = "2023-11-15T02:00:00Z"
    return client.backfill_schedule("hourly", now, now)["changed"]


PAYS = flow(
    "pays",
    """
    do:
      - paid:
          wait_for_event: Paid
          correlate: ${ event.order == input.order }
          timeout: never
      - more: { call: Work, with: { label: "${ 'paid ' + string(input.order) }" } }
      - return: ${ paid.by }
    """,
)


def publish(world: World) -> None:
    """Events find who waits for them by their content, and start who does not."""
    for id_, order in (("a", 1), ("b", 1), ("c", 2)):
        start(world, "pays", {"order": order}, id=id_, outside=id_ == "b")
    world.until(lambda: world.disk.counts()["subscriptions"] == 3, "three subscriptions")
    first = lambda client: client.publish("Paid", {"order": 1, "by": "x"}, request_key="1")  # noqa: E731
    assert world.ask("publish", first, outside=True) == ["a", "b"]
    second = lambda client: client.publish("Paid", {"order": 2, "by": "y"}, request_key="2")  # noqa: E731
    assert world.ask("publish more", second) == ["c"]
    third = lambda client: client.publish(  # noqa: E731
        "Paid", {"order": 3, "by": "z"}, start="pays", request_key="3"
    )
    (new,) = world.ask("publish and start", third, outside=True)
    world.ended("a", "b", "c", new)
    assert [world.output(each) for each in ("a", "b", "c", new)] == ["x", "x", "y", "z"]
    assert world.ledger.totals == {"paid 1": 2, "paid 2": 1, "paid 3": 1}


ASKS = flow(
    "asks",
    """
    do:
      - a: { call: Ask, output: "${ result.n }" }
      - b: { call: Ask, queue: far }
      - c:
          try: [ { d: { call: Ask } } ]
          catch: [ { errors: [No], do: [ output: "${ error.message }" ] } ]
      - return: [ "${ a }", "${ b }", "${ c }" ]
    """,
)


def asking(world: World, registry: Registry) -> None:
    """``Ask`` gives its token away."""

    def one(ctx: Context) -> None:
        token = ctx.token()
        if token not in world.tokens:
            world.tokens.append(token)
        raise Pending

    registry.add("Ask", one)


def _has(world: World, count: int) -> bool:
    """Whether so many activities have given their tokens away."""
    return len(world.tokens) >= count


def tokens(world: World) -> None:
    """Three activities are completed by whoever has their tokens, each once."""
    start(world, "asks")
    for number, outside in ((0, True), (1, False), (2, True)):
        world.until(partial(_has, world, number + 1), "a token")
        token = world.tokens[number]

        def answer(client: Client, number: int = number, token: str = token) -> None:
            if number == 2:
                client.fail_token(token, "No", "no more", retryable=False)
            else:
                client.complete_token(token, {"n": number})

        world.ask(f"answer {number}", answer, outside=outside)
    world.ended("i")
    assert world.output("i") == [0, {"n": 1}, "no more"]
    assert len(world.tokens) == 3, "a token is the same for every delivery"
    world.refused("another answer", lambda client: client.complete_token(world.tokens[0], {"n": 9}), Conflict)


SCENARIOS = (
    Scenario("schedule", schedule, (HOURLY,), work),
    Scenario("publish", publish, (PAYS,), work),
    Scenario("tokens", tokens, (ASKS,), asking, (Role(queues=("far",)),)),
)
