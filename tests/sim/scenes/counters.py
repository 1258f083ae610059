"""Clients that count with one entity, each for itself: what they see agrees with real time (C6)."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import msgspec

from perdure.engine.client import Client
from perdure.engine.errors import NotFound
from tests.sim.asking import Answer
from tests.sim.linear import Operation, linearizable
from tests.sim.scenes.stage import Scene, Stage
from tests.sim.world import SECOND

CLIENTS, CALLS = 3, 5
PATIENCE = 30.0
"""Seconds that a client waits who does not ask again."""


class Counters(Scene):
    """Some ask again until they know; others ask once, and it stays unknown what became of it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._moments = itertools.count()
        self._entity = f"{self.random.choice(['Tally', 'Count'])}@shared"
        self._seen: list[Operation] = []

    def begin(self) -> None:
        """Each client has a number, by which its requests are told apart."""
        for number in range(CLIENTS):
            self.asking.spawn(f"counter {number}", partial(self._count, number))

    def _count(self, number: int) -> None:
        for call in range(CALLS):
            self.asking.rest(3 * SECOND)
            name = self.random.choice(["next", "next", "get", "put"])
            given = None if name == "get" else self.random.randint(1, 9)
            self._call(name, given, f"{number}/{call}" if self.random.random() < 0.7 else None)

    def _call(self, name: str, given: Any, key: str | None) -> None:
        call, begin = partial(self._ask, name, given, key), next(self._moments)
        answer = Answer(error=NotFound("not asked yet"))
        # Where no worker is there, nobody knows a class in Python.
        while isinstance(answer.error, NotFound):
            ask = self.asking.once if key is None else self.asking.until_done
            answer = ask(self._entity, f"{name} {given}", call)
            self.asking.rest(SECOND)
        known = answer.error is None and answer.value is not None
        assert known or answer.unknown or answer.error is None, f"{name} of {self._entity}: {answer}"
        end = next(self._moments) if known else None
        self._seen.append(Operation(name, given, begin, end, answer.value["result"] if known else None))

    def _ask(self, name: str, given: Any, key: str | None, client: Client) -> Any:
        timeout = PATIENCE if key is None else None
        return client.call_entity(self._entity, name, given, timeout=timeout, request_key=key)

    def account(self) -> None:
        """What is there in the end is what somebody would read then."""
        rows = self.stage.store.load_entities([f"@{self._entity}"])
        state = msgspec.json.decode(rows[0].state) if rows and rows[0].state else 0
        value = state["value"] if isinstance(state, dict) else state
        last = Operation("get", None, next(self._moments), next(self._moments), value)
        assert linearizable([*self._seen, last], 0, counter), f"C6: {self._entity}: {[*self._seen, last]}"


def counter(state: int, operation: Operation) -> tuple[int, Any]:
    """The model: a number."""
    match operation.name:
        case "next":
            return state + operation.given, state + operation.given
        case "put":
            return operation.given, None
        case _:
            return state, state
