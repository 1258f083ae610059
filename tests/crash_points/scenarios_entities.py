"""Entities: calls, signals and locks, of YAML and in Python, from clients and from instances."""

from __future__ import annotations

from functools import partial

from perdure import entity
from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.errors import OperationFailed
from tests.crash_points.common import flow, start, work
from tests.crash_points.member import Role
from tests.crash_points.points import Scenario
from tests.crash_points.world import World

ACCOUNT = """\
dsl: perdure/1
kind: entity
name: Account
version: 1.0.0
state: { initial: 0 }
operations:
  get: { readonly: true, return: "${ state }" }
  add: { input: { type: integer }, set: "${ state + input }", return: "${ state + input }" }
  take:
    input: { type: integer }
    require: [ { check: "${ state >= input }", error: TooLittle, message: "there is ${ state }" } ]
    set: "${ state - input }"
    signal: [ { entity: Account@fees, op: add, with: 1 } ]
    return: "${ state - input }"
"""


@entity
class Counted:
    """In Python."""

    value: int = 0

    def add(self, amount: int) -> int:
        """Add."""
        self.value += amount
        return self.value


def counting(world: World, registry: Registry) -> None:
    """As ``work``, with an entity in Python."""
    work(world, registry)
    registry.add_entity(Counted)


USES = flow(
    "uses",
    """
    do:
      - put: { call_entity: Account@a, op: add, with: 10 }
      - signal_entity: { entity: Account@b, op: add, with: 5 }
      - signal_entity: { entity: Account@b, op: add, with: 1, at: "${ now() + duration('10s') }" }
      - counted: { call_entity: Counted@c, op: add, with: 2 }
      - tried:
          try: [ { bad: { call_entity: Account@a, op: take, with: 99 } } ]
          catch: [ { errors: [TooLittle], do: [ output: "${ error.message }" ] } ]
      - taken: { call_entity: Account@a, op: take, with: 4 }
      - again: { call_entity: Counted@c, op: add, with: 3 }
      - return: [ "${ put }", "${ counted }", "${ tried }", "${ taken }", "${ again }" ]
    """,
)


def call(client: Client, *, entity: str, operation: str, value: int, key: str) -> object:
    """Call an entity."""
    found = client.call_entity(entity, operation, value, request_key=key)
    assert found is not None, "without a timeout there is an answer"
    return found["result"]


def entities(world: World) -> None:
    """Each operation counts once; one that fails changes nothing; a signal comes when it is due."""
    start(world, "uses")
    put = partial(call, entity="Account@d", operation="add", value=7, key="1")
    assert world.ask("call", put) == 7
    assert world.ask("call outside", partial(put.func, **{**put.keywords, "key": "2"}), outside=True) == 14
    world.ask("signal", lambda client: client.signal_entity("Account@d", "add", 1, request_key="3"))
    take = partial(call, entity="Account@d", operation="take", value=100, key="4")
    world.refused("too much", take, OperationFailed)
    world.ended("i")
    assert world.output("i") == [10, 2, "there is 10", 6, 5]
    world.settle()
    found = {key: world.state(f"Account@{key}") for key in ("a", "b", "d", "fees")}
    assert found == {"a": 6, "b": 6, "d": 15, "fees": 1}
    assert world.state("Counted@c") == {"value": 5}
    world.ask("delete", lambda client: client.delete_entity("Account@d", request_key="5")["id"])
    world.until(lambda: world.state("Account@d") is None, "the end of an entity")


MOVES = flow(
    "moves",
    """
    do:
      - moved:
          lock_entities: [ "Account@${ input.from }", "Account@${ input.to }" ]
          do:
            - a: { call_entity: "Account@${ input.from }", op: get }
            - b: { call: Work, with: { label: "${ 'move ' + input.from }" } }
            - c: { call_entity: "Account@${ input.from }", op: add, with: "${ -input.amount }" }
            - d: { call_entity: "Account@${ input.to }", op: add, with: "${ input.amount }" }
            - output: [ "${ a }", "${ c }" ]
      - return: ${ moved[0] - moved[1] }
    """,
)
HOLDS = flow(
    "holds",
    """
    do:
      - held:
          lock_entities: [ Account@x, Account@y ]
          do:
            - go: { wait_for_event: Go, timeout: never }
    """,
)


def locks(world: World) -> None:
    """Two lock the same entities in turn; one that holds them is terminated; nobody holds them in the end."""
    start(world, "holds", id="h")
    world.until(lambda: any(row.lock for row in world.entities()), "a lock")
    start(world, "moves", {"from": "x", "to": "y", "amount": 2}, id="i", outside=True)
    start(world, "moves", {"from": "y", "to": "x", "amount": 1}, id="j")
    world.ask("terminate", lambda client: client.terminate("h", request_key="t"))
    world.ended("h", "i", "j")
    assert [world.output(each) for each in ("i", "j")] == [2, 1]
    world.settle()
    assert [world.state(f"Account@{each}") for each in ("x", "y")] == [-1, 1]
    assert world.ledger.totals == {"move x": 1, "move y": 1}


SCENARIOS = (
    Scenario("entities", entities, (ACCOUNT, USES), counting),
    Scenario("locks", locks, (ACCOUNT, MOVES, HOLDS), work, roles=(Role(), Role())),
)
