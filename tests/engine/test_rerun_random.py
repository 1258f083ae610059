"""Random workflows that fail, are rewound and forked: they end, every history replays, nothing is left."""

from __future__ import annotations

import random
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from perdure.engine.activities import ActivityError
from perdure.engine.client import Client
from perdure.engine.errors import Conflict
from perdure.engine.events import TaskCompleted, TaskScheduled
from perdure.engine.linked import LinkedProgram
from perdure.engine.store.rows import InstanceQuery
from tests.engine.driver import Hub
from tests.engine.test_replay_random import MAX_ROUNDS, World, _claim, programs

SLOW = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large]


class Repairable(World):
    """What is bad can be put right."""

    broken = True

    def _bad(self, value: Any) -> Any:
        if self.broken:
            raise ActivityError(str(value), type="Bad")
        return value


def drive(hub: Hub, chance: random.Random) -> None:
    """Let all instances come to their ends; results come in a random order, and the process dies at times."""
    for _ in range(MAX_ROUNDS):
        if chance.random() < 0.1:
            hub.crash()
        hub.run()
        rows = hub.store.instances(InstanceQuery(limit=1000))
        if all(row.status.ended for row in rows):
            break
        _claim(hub)
        if hub.open:
            hub.finish(chance.choice(hub.open))
            continue
        due = hub.store.next_timer(hub.slots)
        assert due is not None, "it waits for nothing that could come"
        hub.clock.now = max(hub.clock.now, due)
    hub.open.clear()
    hub.run()


def done(hub: Hub, id: str = "i") -> dict[str, Any]:
    """The results of the calls that have one, by key and attempt."""
    events = hub.events(id)
    return {
        f"{task.key} {task.attempt}": event.result
        for event in events
        if isinstance(event, TaskCompleted) and isinstance(task := events[event.scheduled_seq], TaskScheduled)
    }


def rewound(hub: Hub) -> str | None:
    """Why it cannot be rewound, if it cannot."""
    try:
        Client(hub.store).rewind("i")
    except Conflict as refusal:
        return str(refusal)
    return None


def forked(hub: Hub, step: str) -> str | None:
    """Why it cannot be forked, if it cannot."""
    try:
        Client(hub.store).fork("i", step, id="j")
    except Conflict as refusal:
        return str(refusal)
    return None


@pytest.mark.slow
@hypothesis.settings(max_examples=25, suppress_health_check=SLOW)
@hypothesis.given(programs(), st.integers(0, 2**32))
def test_what_failed_goes_on_to_its_end(program: LinkedProgram, seed: int) -> None:
    """Repaired, it completes, and what was taken for done has the results that it had."""
    world, chance = Repairable(program, 64 << 20 if seed % 2 else 0), random.Random(seed)
    hub = world.hub
    drive(hub, chance)
    world.broken = False
    for _ in range(20):
        if hub.status() != "Failed":
            break
        before, refusal = done(hub), rewound(hub)
        if refusal is not None:
            assert "comes from the workflow itself" in refusal
            break
        hub.round()
        after = done(hub)
        assert after.items() <= before.items()
        drive(hub, chance)
    else:
        raise AssertionError("it fails again and again")
    for row in hub.store.instances(InstanceQuery(limit=1000)):
        hub.check(row.id)


@hypothesis.settings(max_examples=25, suppress_health_check=SLOW)
@hypothesis.given(programs(), st.integers(0, 2**32))
def test_a_fork_from_any_step_comes_to_an_end(program: LinkedProgram, seed: int) -> None:
    """The same Program always agrees with its own past; the fork waits at the step, and ends."""
    world, chance = World(program, 64 << 20 if seed % 2 else 0), random.Random(seed)
    hub = world.hub
    drive(hub, chance)
    paths = sorted({event.path for event in hub.events() if isinstance(event, TaskScheduled)})
    hypothesis.assume(paths)
    step = chance.choice(paths)
    if (refusal := forked(hub, step)) is not None:
        # It was asked for in the very turn that ended the instance, and not needed any more.
        assert "comes to its end at once" in refusal or "comes from the workflow itself" in refusal
        return
    while not hub.rows("j"):
        hub.round()
    assert step in {event.path for event in hub.events("j") if isinstance(event, TaskScheduled)}
    drive(hub, chance)
    assert hub.instance("j").status.ended
    for row in hub.store.instances(InstanceQuery(limit=1000)):
        hub.check(row.id)
