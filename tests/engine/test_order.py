"""What one instance tells another comes in its order, whatever was set aside meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perdure.engine import clock
from tests.engine.driver import compiled
from tests.engine.test_poison_turns import World, end

HEARS = compiled(
    "do: [ { a: { wait_for_event: E, timeout: never } }, { b: { wait_for_event: E, timeout: never } },"
    ' { return: ["${ a }", "${ b }"] } ]'
).program
TELLS = compiled(
    """
    do:
      - a: { wait_for_event: A, timeout: never }
      - send_event: { to: hears, event: E, with: 1 }
      - b: { wait_for_event: B, timeout: never }
      - send_event: { to: hears, event: E, with: 2 }
    """
).program


@pytest.fixture
def world() -> Iterator[World]:
    """Nobody has joined."""
    world = World()
    with clock.driven_by(world.time):
        yield world


def test_what_was_set_aside_comes_first(world: World) -> None:
    """It is handed out again by the very commit that sends the next event."""
    world.client.run(HEARS, id="hears")
    world.client.run(TELLS, id="tells")
    end(world, world.run())
    digest = world.store.instance("hears").digest  # type: ignore[union-attr]
    program = world.store._programs.pop(digest)
    duties = world.process()
    world.client.raise_event("tells", "A")
    assert world.lives(duties)
    assert world.status("hears") == "Suspended"
    world.store._programs[digest] = program
    world.client.resume("hears")
    duties.round()
    world.client.raise_event("tells", "B")
    assert world.lives(duties)
    assert world.client.instance("hears")["output"] == [1, 2]
