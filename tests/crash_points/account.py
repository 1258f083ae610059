"""What must be so after every run, whatever has failed: the promises, read off the database.

What the scenario's workflows come to is asserted by its script.
"""

from __future__ import annotations

from typing import cast

from perdure.engine.addresses import is_entity
from perdure.engine.codec import whole_events
from perdure.engine.errors import NotFound
from perdure.engine.events import ExecutionMigrated, ExecutionStarted
from perdure.engine.instance import Instance
from perdure.engine.programs import Programs
from perdure.engine.replay import replay
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import InstanceQuery
from tests.crash_points.disks import ALL, LOUD
from tests.crash_points.world import World
from tests.engine.prefixes import check_prefixes
from tests.sim.checks import check_events


def check(world: World, *, prefixes: bool) -> None:
    """Everything, once the script has ended and nothing goes on."""
    twice = [message for message, count in world.consumed.items() if count > 1]
    assert not twice, f"I6: consumed twice: {twice}"
    programs = Programs(world.eye.program)
    rows = world.eye.instances(InstanceQuery(limit=1000))
    for row in rows:
        _check_instance(world, row, programs, prefixes=prefixes)
    _check_rest(world, rows)
    _check_repeated(world)


def _check_instance(world: World, row: Instance, programs: Programs, *, prefixes: bool) -> None:
    for generation in range(1, row.generation + 1):
        history = world.eye.history(row.id, generation, 0, 100_000)
        seq = at = 0
        events = []
        for each in history:
            assert each.first_seq == seq, f"I3: {row.id} goes on at {each.first_seq}, not {seq}"
            assert each.at >= at, f"I3: time goes back in {row.id}"
            seq, at = each.next_seq, each.at
            events += whole_events(each.events, each.values)
            assert len(events) == seq, f"I3: {row.id} miscounts its events"
        # I5, I7, I8: what is asked for ends once, no timer is early, locks are given back.
        check_events(cast("MemoryStore", world.eye), row.id, generation)
        first = next(iter(events), None)
        if isinstance(first, ExecutionStarted):
            moves = [each for each in events if isinstance(each, ExecutionMigrated)]
            program = programs.get(moves[-1].digest if moves else first.digest)
            # I4: a history that does not agree with its Program raises.
            if prefixes:
                check_prefixes(program, row.id, history)
            else:
                replay(program, row.id, history)
    if row.status.ended:
        payloads = world.eye.payloads(row.id)
        shown = {"Completed": "output", "Failed": "error"}.get(row.status)
        assert shown is None or shown in payloads, f"I13: {row.id} is {row.status} and has {list(payloads)}"


def _check_rest(world: World, rows: list[Instance]) -> None:
    counts = world.disk.counts()
    tables = ("inbox", "subscriptions", "tasks", "timers")
    left = {table: counts[table] for table in tables if counts[table]}
    assert not left, f"I9: rows of work are left: {left}\n{world.told()}"
    alive = {process.duties.id for process in world.processes}
    assert {worker.id for worker in world.eye.workers()} == alive, "I9: who is gone is a member"
    owned = world.eye.owned_slots()
    assert set(owned) <= alive, f"I9: slots belong to {set(owned) - alive}"
    assert sum(owned.values()) == len(ALL), f"I9: nobody has {len(ALL) - sum(owned.values())} slots"
    running = [row.id for row in rows if not row.status.ended]
    assert not running, f"I9: {running} have not ended"
    held = [row.id for row in world.entities() if row.lock or row.task]
    assert not held, f"I8: {held} are held by nobody"
    assert not any(is_entity(row.id) for row in rows), "an entity is no instance"


def _check_repeated(world: World) -> None:
    """I1: what was acknowledged is answered again as it was, and nothing happens."""
    for each in world.asked:
        before = world.disk.image()
        try:
            answer = world.ask(each.what, each.act, outside=each.outside, again=False)
        except NotFound as error:
            raise AssertionError(f"I1: {each.what} is forgotten: {error}") from None
        assert answer == each.answer, f"I1: {each.what} again gives {answer}, not {each.answer}"
        world.settle()
        after = world.disk.image()
        changed = [name for name in before if name.strip("_") not in {*LOUD, "crashes"}]
        changed = [name for name in changed if before[name] != after[name]]
        assert not changed, f"I1: {each.what} again has an effect on {changed}"
