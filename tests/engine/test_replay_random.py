"""Random workflows, random order, random crashes: the same result, everything once, nothing left."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from perdure.engine.activities import ActivityError
from perdure.engine.events import TaskCanceled, TaskCompleted, TaskFailed, TaskScheduled
from perdure.engine.linked import LinkedProgram
from perdure.engine.tasks import task_in
from tests.engine.driver import Hub, compiled

MAX_ROUNDS = 2000


class Maker:
    """Draws the steps of a document; every step has a name of its own."""

    def __init__(self, draw: st.DrawFn, *, chunks: bool) -> None:
        self._draw = draw
        self._chunks = chunks
        """Whether a fan-out may have chunks, which are instances of their own."""
        self._count = 0
        self._left = 18
        """How many more steps there may be."""

    def document(self) -> str:
        """A whole workflow. JSON is YAML."""
        steps = self.block(depth=0, concurrent=False, loop=False)
        names = [name for step in steps for name in step if name not in STATEMENTS]
        steps.append({"return": {name: f"${{ {name} }}" for name in names}})
        header = {"dsl": "perdure/1", "name": "flow", "version": "1.0.0", "vars": {"n": 0}}
        # A document begins with "dsl:", or the driver puts a header before it.
        return "\n".join(f"{name}: {json.dumps(value)}" for name, value in {**header, "do": steps}.items())

    def block(self, *, depth: int, concurrent: bool, loop: bool) -> list[dict[str, Any]]:
        """One to three steps, each with a value."""
        return [
            self.step(depth=depth, concurrent=concurrent, loop=loop)
            for _ in range(self._draw(st.integers(1, 3 if depth < 2 else 2)))
        ]

    def valued(self, **where: Any) -> list[dict[str, Any]]:
        """A block that ends with a value."""
        steps = self.block(**where)
        names = [name for step in steps for name in step if name not in STATEMENTS]
        return [*steps, {"output": [f"${{ {name} }}" for name in names]}]

    def step(self, *, depth: int, concurrent: bool, loop: bool) -> dict[str, Any]:
        """One step of any kind that may stand here."""
        self._left -= 1
        self._count += 1
        simple = ["call", "call", "call", "wait", "value", "event", "skip"]
        if not concurrent:
            simple.append("set")
        groups = ["do", "try", "switch", "fan_out", "parallel", "race", "for_each", "until", "bound"]
        kinds = simple + groups if depth < 3 and self._left > 0 else simple
        kind = self._draw(st.sampled_from(kinds))
        if kind == "set":
            return {"set": {"n": "${ vars.n + 1 }"}}
        where = {"depth": depth + 1, "concurrent": concurrent, "loop": loop}
        return {f"s{self._count}": getattr(self, f"_{kind}")(self._count, where)}

    def _call(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        activity = self._draw(st.sampled_from(["Good", "Good", "Bad", "Flaky"]))
        step: dict[str, Any] = {"call": activity, "with": number}
        if activity == "Flaky" or self._draw(st.booleans()):
            step["retry"] = {"attempts": 3, "delay": self._draw(st.sampled_from(["0s", "2s"]))}
        return step if activity == "Good" else self._guarded(step, number)

    def _guarded(self, step: dict[str, Any], number: int) -> dict[str, Any]:
        """Errors are caught at once half of the time."""
        if self._draw(st.booleans()):
            return step
        return {"try": [{f"c{number}": step}], "catch": [{"do": [{"output": "${ error.type }"}]}]}

    def _wait(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        return {"wait": f"{self._draw(st.integers(0, 5))}s"}

    def _value(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        return {"value": number}

    def _skip(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        return {"if": "${ vars.n < 0 }", "call": "Good", "with": number}

    def _event(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        step: dict[str, Any] = {"wait_for_event": "Go", "timeout": "7s", "on_timeout": [{"output": "late"}]}
        if self._draw(st.booleans()):
            step["count"] = 2
        return step

    def _do(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        step: dict[str, Any] = {"do": self.valued(**where)}
        if self._draw(st.booleans()):
            step["retry"] = {"attempts": 2, "delay": "1s"}
        return step

    def _bound(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        inner = {"timeout": f"{self._draw(st.integers(1, 9))}s", "do": self.valued(**where)}
        return {"try": [{f"b{number}": inner}], "catch": [{"do": [{"output": "${ error.type }"}]}]}

    def _try(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        step: dict[str, Any] = {"try": self.valued(**where), "finally": self.block(**where)}
        if self._draw(st.booleans()):
            step["catch"] = [{"do": [{"output": "${ [error.type, error.path] }"}]}]
        return step

    def _switch(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        cases = [{"when": f"${{ vars.n >= {n} }}", "do": self.valued(**where)} for n in (2, 1)]
        return {"switch": cases, "else": self.valued(**where)}

    def _fan_out(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        policy = self._draw(st.sampled_from(["collect", "fail_fast", {"tolerate": 1}]))
        width = self._draw(st.integers(1, 3))
        inner = {**where, "concurrent": True, "loop": False}
        chunk = self._draw(st.sampled_from(["off", 2] if self._chunks else ["off"]))
        step = {"fan_out": [1, 2, 3], "each": f"item{number}", "width": width, "on_failure": policy}
        return {**step, "chunk": chunk, "do": self.valued(**inner)}

    def _parallel(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        inner = {**where, "concurrent": True, "loop": False}
        policy = self._draw(st.sampled_from(["collect", "fail_fast"]))
        return {"parallel": {"a": self.valued(**inner), "b": self.valued(**inner)}, "on_failure": policy}

    def _race(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        inner = {**where, "concurrent": True, "loop": False}
        return {"race": {"a": self.valued(**inner), "b": self.valued(**inner)}}

    def _for_each(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        body = self.valued(**{**where, "loop": True})
        return {"for_each": [1, 2], "each": f"item{number}", "do": [*self._jump(number), *body]}

    def _until(self, number: int, where: dict[str, Any]) -> dict[str, Any]:
        body = self.valued(**{**where, "loop": True})
        return {"until": f"${{ round{number} >= 1 }}", "limit": 3, "at": f"round{number}", "do": body}

    def _jump(self, number: int) -> list[Any]:
        word = self._draw(st.sampled_from(["break", "continue", None]))
        return [{"if": f"${{ item{number} == 2 }}", "then": [word]}] if word else []


STATEMENTS = {"set", "output", "return", "if"}


@st.composite
def programs(draw: st.DrawFn, *, chunks: bool = True) -> LinkedProgram:
    """A random program that the checker accepts."""
    return compiled(Maker(draw, chunks=chunks).document())


class World:
    """A hub whose activities end in an order that a seed decides, and whose process may die at any time."""

    def __init__(self, program: LinkedProgram, memory: int) -> None:
        self.hub = Hub(memory=memory)
        self.hub.manual = True
        self.tries: Counter[str] = Counter()
        for name, function in (("Good", self._good), ("Bad", self._bad), ("Flaky", self._flaky)):
            self.hub.activity(name, function)
        self.hub.start(program)

    def _good(self, value: Any) -> Any:
        return value

    def _bad(self, value: Any) -> Any:
        raise ActivityError(str(value), type="Bad")

    def _flaky(self, value: Any, ctx: Any) -> Any:
        # It depends on the attempt alone, so that a second delivery does the same.
        if ctx.attempt < 2:
            raise ActivityError("once", type="Flaky")
        return value


def run(program: LinkedProgram, *, memory: int, seed: int, crashes: bool) -> World:
    """Run a program to its end. Time passes only when nothing else can be done."""
    world, chance = World(program, memory), random.Random(seed)
    hub = world.hub
    for _ in range(MAX_ROUNDS):
        if hub.status() not in {"Pending", "Running"}:
            break
        if crashes and chance.random() < 0.1:
            hub.crash()
        if crashes:
            _disturb(hub, chance)
        if crashes and chance.random() < 0.5:
            hub.round()
            continue
        hub.run()
        _claim(hub)
        if hub.open:
            hub.finish(chance.choice(hub.open) if crashes else hub.open[0])
        elif hub.status() == "Running":
            due = hub.store.next_timer(hub.slots)
            assert due is not None, "it waits for nothing that could come"
            hub.clock.now = max(hub.clock.now, due)
    hub.open.clear()
    hub.run()
    return world


def _disturb(hub: Hub, chance: random.Random) -> None:
    """An event, or a suspend that somebody takes back sooner or later."""
    if chance.random() < 0.1:
        hub.raise_event("Go", "event")
    if chance.random() < 0.05:
        hub.suspend()
        hub.run()
        for _ in range(chance.randrange(3)):
            hub.clock.now += 2_000_000
            hub.run()
        if not hub.instance().status.ended:
            hub.resume()


def _claim(hub: Hub) -> None:
    """Take the tasks whose worker died."""
    hub.open += [task_in(row) for row in hub.store.claim(hub.worker, ["Good", "Bad", "Flaky"], (), 100, 1000)]


def check(hub: Hub) -> None:
    """It ended by itself; each task has one end; all prefixes replay; nothing is left."""
    assert hub.status() in {"Completed", "Failed"}, (hub.status(), hub.instance().reason)
    events = hub.events()
    scheduled = [seq for seq, event in enumerate(events) if isinstance(event, TaskScheduled)]
    ends = [e.scheduled_seq for e in events if isinstance(e, TaskCompleted | TaskFailed | TaskCanceled)]
    assert sorted(ends) == scheduled
    keys = Counter((e.key, e.path, e.attempt) for e in events if isinstance(e, TaskScheduled))
    assert {letter.kind for letter in hub.store.dead_letters()} <= {
        "EventRaised",
        "ExecutionSuspended",
        "ExecutionResumed",
    }
    assert all(path for _, path, _ in keys)
    hub.check()


def outcome(hub: Hub) -> Any:
    """Status, output and error."""
    payloads = hub.store.payloads("i")
    return hub.status(), payloads.get("output"), payloads.get("error")


@hypothesis.settings(
    max_examples=60,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
@hypothesis.given(programs(), st.integers(0, 2**32))
def test_crashes_in_any_order_leave_a_whole_history(program: LinkedProgram, seed: int) -> None:
    """Random order of results and random crashes: it ends, each task once, and every prefix replays."""
    check(run(program, memory=64 << 20 if seed % 2 else 0, seed=seed, crashes=True).hub)


@hypothesis.settings(
    max_examples=40,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
@hypothesis.given(programs())
def test_memory_makes_no_difference(program: LinkedProgram) -> None:
    """The same history event for event, whether the state is kept or read again before every turn."""
    warm = run(program, memory=64 << 20, seed=0, crashes=False).hub
    cold = run(program, memory=0, seed=0, crashes=False).hub
    check(warm)
    assert (warm.events(), outcome(warm)) == (cold.events(), outcome(cold))


@pytest.mark.slow
@hypothesis.settings(
    max_examples=40,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
@hypothesis.given(programs(chunks=False), st.integers(0, 2**32))
def test_a_crash_after_every_round_changes_nothing(program: LinkedProgram, seed: int) -> None:
    """With the order of results kept, a process that dies after each round gives the same outcome.

    Within one instance: what chunks of a fan-out come to are messages, and which of them is first is up to
    the rounds.
    """
    calm = run(program, memory=64 << 20, seed=0, crashes=False).hub
    shaken = World(program, 0).hub
    chance = random.Random(seed)
    for _ in range(MAX_ROUNDS):
        if shaken.status() not in {"Pending", "Running"}:
            break
        if shaken.round():
            if chance.random() < 0.3:
                shaken.crash()
            continue
        _claim(shaken)
        if shaken.open:
            # After a crash tasks come back in another order than they were asked for.
            shaken.open.sort(key=lambda task: task.seq)
            shaken.finish(shaken.open[0])
            shaken.run()
        else:
            due = shaken.store.next_timer(shaken.slots)
            assert due is not None, "it waits for nothing that could come"
            shaken.clock.now = max(shaken.clock.now, due)
    shaken.open.clear()
    shaken.run()
    check(shaken)
    assert outcome(shaken) == outcome(calm)
