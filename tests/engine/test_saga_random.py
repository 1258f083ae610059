"""Random nestings of sagas with everything else, canceled and crashed anywhere: each undo once, none lost.

``books`` reads the histories from outside, so nothing of the engine's own bookkeeping is trusted.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from perdure.engine.activities import ActivityError
from perdure.engine.linked import LinkedProgram
from perdure.engine.tasks import task_in
from tests.engine.books import UNDO, audit
from tests.engine.driver import Hub, compiled
from tests.shares import in_turn

MAX_ROUNDS = 4000


class Maker:
    """The steps of a random document; every step has a name of its own, and most calls can be undone."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._count = 0
        self._left = 16
        """How many more steps there may be."""

    def document(self) -> str:
        """A whole workflow: a saga with all kinds of things in it. JSON is YAML."""
        header = {"dsl": "perdure/1", "name": "flow", "version": "1.0.0", "do": [self._named(self._saga(0))]}
        return "\n".join(f"{name}: {json.dumps(value)}" for name, value in header.items())

    def _item(self) -> str:
        self._count += 1
        return f"i{self._count}"

    def _named(self, task: dict[str, Any]) -> dict[str, Any]:
        self._count += 1
        return {f"s{self._count}": task}

    def _block(self, depth: int) -> list[dict[str, Any]]:
        count = self._chance.randint(1, 3 if depth < 3 else 2)
        return [*(self._named(self._task(depth)) for _ in range(count)), {"output": 1}]

    def _task(self, depth: int) -> dict[str, Any]:
        self._left -= 1
        simple = [self._call, self._call, self._call, self._wait]
        groups = [
            self._saga,
            self._saga,
            self._again,
            self._caught,
            self._finally,
            self._limited,
            self._parallel,
            self._race,
            self._fan_out,
            self._for_each,
        ]
        task = self._chance.choice(simple if depth > 3 or self._left <= 0 else simple + groups)
        return task(depth + 1)

    def _call(self, depth: int) -> dict[str, Any]:
        name = self._chance.choices(["Good", "Flaky", "Bad"], [8, 2, 2])[0]
        on = self._chance.choice(["success", "success", "attempted"])
        step: dict[str, Any] = {"call": name, "with": self._count}
        if self._chance.random() < 0.9:
            step["compensate"] = {"on": on, "call": "Undo", "with": "${ step.idempotency_key }"}
        if name == "Flaky" or self._chance.random() < 0.2:
            step["retry"] = {"attempts": 2, "delay": self._chance.choice(["0s", "2s"])}
        return step

    def _wait(self, depth: int) -> dict[str, Any]:
        return {"wait": f"{self._chance.randint(0, 5)}s"}

    def _saga(self, depth: int) -> dict[str, Any]:
        body = self._block(depth)
        self._count += 1
        body.insert(-1, {f"mark{self._count}": {"call": "Mark", "with": 1}})
        return {"saga": body, "compensation": {"retry": {"attempts": 3, "delay": "1s"}}}

    def _again(self, depth: int) -> dict[str, Any]:
        return {"do": self._block(depth), "retry": {"attempts": 2, "delay": "0s"}}

    def _caught(self, depth: int) -> dict[str, Any]:
        return {"try": self._block(depth), "catch": [{"do": self._block(depth)}]}

    def _finally(self, depth: int) -> dict[str, Any]:
        return {"try": self._block(depth), "finally": self._block(depth)[:-1]}

    def _limited(self, depth: int) -> dict[str, Any]:
        limited = self._named({"do": self._block(depth), "timeout": f"{self._chance.randint(1, 6)}s"})
        return {"try": [limited], "catch": [{"do": [{"output": 1}]}]}

    def _branches(self, depth: int) -> dict[str, Any]:
        return {name: self._block(depth) for name in ("a", "b")}

    def _parallel(self, depth: int) -> dict[str, Any]:
        policy = self._chance.choice(["collect", "fail_fast"])
        return {"parallel": self._branches(depth), "on_failure": policy}

    def _race(self, depth: int) -> dict[str, Any]:
        return {"race": self._branches(depth)}

    def _fan_out(self, depth: int) -> dict[str, Any]:
        policy = self._chance.choice(["collect", "fail_fast", {"tolerate": 1}])
        step = {"fan_out": [1, 2, 3], "width": self._chance.randint(1, 3), "on_failure": policy}
        if self._chance.random() < 0.3:
            step["until"] = "${ succeeded >= 1 }"
        return {**step, "each": self._item(), "do": self._block(depth)}

    def _for_each(self, depth: int) -> dict[str, Any]:
        item = self._item()
        word = self._chance.choice(["break", "continue"])
        jump = {"if": f"${{ {item} == 2 }}", "then": [word]}
        body = self._block(depth)
        body.insert(self._chance.randrange(len(body)), jump)
        return {"for_each": [1, 2], "each": item, "do": body}


def world(program: LinkedProgram, memory: int) -> Hub:
    """A hub that has started the program. A third of the undos need a second attempt."""

    def bad(value: Any) -> None:
        raise ActivityError(str(value), type="Bad")

    def flaky(value: Any, ctx: Any) -> Any:
        if ctx.attempt < 2:
            raise ActivityError("once", type="Flaky")
        return value

    def undo(value: Any, ctx: Any) -> None:
        if ctx.attempt < 2 and int(value, 16) % 3 == 0:
            raise ActivityError("not yet", type="Flaky")

    hub = Hub(memory=memory)
    hub.manual = True
    hub.activity("Good", _good)
    hub.activity("Mark", _good)
    hub.activity("Bad", bad)
    hub.activity("Flaky", flaky)
    hub.activity("Undo", undo)
    hub.start(program)
    return hub


def _good(value: Any) -> Any:
    return value


def run(hub: Hub, chance: random.Random) -> None:
    """Run to the end: results in any order, a process that dies now and then, and perhaps a cancel."""
    canceled_at = chance.randrange(60)
    for turn in range(MAX_ROUNDS):
        if hub.instance().status.ended:
            break
        if chance.random() < 0.05:
            hub.crash()
        if turn == canceled_at:
            hub.cancel("enough")
        if chance.random() < 0.4:
            hub.round()
            continue
        hub.run()
        hub.open += [
            task_in(row) for row in hub.store.claim(hub.worker, sorted(hub.registry.names), (), 100, 9999)
        ]
        if hub.open:
            hub.finish(chance.choice(hub.open))
        elif not hub.instance().status.ended:
            due = hub.store.next_timer(hub.slots)
            assert due is not None, "it waits for nothing that could come"
            hub.clock.now = max(hub.clock.now, due)
    hub.open.clear()
    hub.run()


def check(seed: int) -> Hub:
    """Make, run and audit the document of a seed."""
    chance = random.Random(seed)
    hub = world(compiled(Maker(chance).document()), 64 << 20 if seed % 2 else 0)
    run(hub, chance)
    assert hub.status() in {"Completed", "Failed", "Canceled"}, (hub.status(), hub.instance().reason)
    books = audit(hub.programs.get(hub.instance().digest), hub.events())
    assert not any(books.lists.values()), books.lists
    if hub.status() != "Completed":
        assert all(each["outcome"] == "undone" for each in hub.error()["compensation"])
    undos = [each for each in hub.scheduled() if each.path.endswith(UNDO)]
    assert len({each.key for each in undos}) == len({(each.key, each.input) for each in undos})
    hub.check()
    return hub


@pytest.mark.parametrize("seeds", range(0, 80, 20))
def test_nothing_is_lost_and_nothing_is_undone_twice(seeds: int) -> None:
    """Whatever fails, loses a race, runs out of time or is canceled, in which order ever."""
    for seed in range(seeds, seeds + 20):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", in_turn(range(1000, 2000, 200)))
def test_nothing_is_lost_in_a_thousand_documents(seeds: int) -> None:
    """The same for many more, all ends among them."""
    found = {check(seed).status() for seed in range(seeds, seeds + 200)}
    assert found == {"Completed", "Failed", "Canceled"}
