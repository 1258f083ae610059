"""How clients ask: in whatever process there is, or straight in the database, until there is an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from perdure.engine import clock
from perdure.engine.client import Client
from perdure.engine.errors import OutcomeUnknown, PerdureError, StoreError
from perdure.engine.store.protocol import Store
from perdure.engine.worker import Worker
from tests.sim.faults import FaultyStore, Network
from tests.sim.process import Process
from tests.sim.world import SECOND

PATIENCE = 86_400.0
"""Seconds that a client waits for an answer: it asks again while its key is remembered."""


@dataclass(frozen=True)
class Answer:
    """What came of a request: a value, or a refusal. ``doubtful``: it was tried before, with no answer."""

    value: Any = None
    error: PerdureError | None = None
    doubtful: bool = False

    @property
    def unknown(self) -> bool:
        """Whether nobody can tell if it was done."""
        return isinstance(self.error, StoreError)


class Asking:
    """What all clients of a run share."""

    def __init__(self, network: Network, processes: Sequence[Process]) -> None:
        self.unfinished = 0
        """How many clients want something yet."""
        self.world = network.world
        self._network = network
        self._processes = processes

    def spawn(self, name: str, act: Callable[[], None]) -> None:
        """Another client, that acts until it has what it wants."""
        self.unfinished += 1

        def acting() -> None:
            act()
            self.unfinished -= 1

        self.world.spawn(f"client {name}", acting, act)

    def rest(self, longest: int) -> None:
        """Let some time pass for the client that calls."""
        self.world.sleep(self.world.random.randrange(1, longest))

    def until_done(self, who: str, what: str, act: Callable[[Client], object]) -> Answer:
        """Ask again and again until there is an answer; ``act`` may be repeated."""
        doubtful = False
        while (answer := self.once(who, what, act)).unknown:
            doubtful = True
            self.rest(SECOND)
        return Answer(answer.value, answer.error, doubtful)

    def once(self, who: str, what: str, act: Callable[[Client], object]) -> Answer:
        """Ask once: the answer may be that nobody knows."""
        random = self.world.random
        there = [process for process in self._processes if not process.over]
        process = random.choice(there) if there and random.random() < 0.8 else None
        outcome: list[Answer] = []
        group = outcome if process is None else process
        asking = self.world.spawn(f"{who}: {what}", partial(self._ask, act, process, outcome), group)
        if not clock.wait(asking.done, PATIENCE):
            # What hangs for a day is ended by somebody.
            self.world.kill(outcome) if process is None else process.crash()
        answer = outcome[0] if outcome else Answer(error=OutcomeUnknown("the process ended"))
        self.world.note(f"client of {who}: {what}: {answer.error or 'done'}")
        return answer

    def _ask(self, act: Callable[[Client], object], process: Process | None, outcome: list[Answer]) -> None:
        try:
            if process is None:
                value = act(Client(self._outside(outcome)))
            else:
                value = act(Client(process.store, cast("Worker", process)))
            outcome.append(Answer(value))
        except PerdureError as error:
            outcome.append(Answer(error=error))

    def _outside(self, group: object) -> Store:
        """The store as a process without a worker sees it, which only asks and ends."""
        crash = partial(self.world.kill, group)
        return cast("Store", FaultyStore(self._network, "outside", crash=crash, outside=True))
