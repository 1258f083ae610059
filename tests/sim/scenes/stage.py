"""What a scene has: the world, a way to ask, and the database to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from perdure.compiler import compile_entity, compile_workflow
from perdure.compiler.encode import digest
from perdure.dsl import load
from perdure.dsl.source import Source
from perdure.engine.client import Client, Deployment
from perdure.engine.duties import REQUESTS_KEPT
from perdure.engine.errors import PerdureError
from perdure.engine.instance import Instance, Status
from perdure.engine.store.protocol import Store
from tests.sim.asking import Answer, Asking
from tests.sim.hubs import Hub
from tests.sim.ledger import Ledger
from tests.sim.world import World


@dataclass(frozen=True)
class Stage:
    """Of one run."""

    world: World
    hub: Hub
    asking: Asking
    ledger: Ledger
    poll: int
    long_time: bool
    at_peace: Callable[[], bool]
    shutdowns: Callable[[], int]
    """How many processes were told to stop."""
    written_at: Callable[[], int]
    """The store's time as whoever wrote last knew it: on a file the clocks of processes differ."""

    @property
    def store(self) -> Store:
        """The database, to look at."""
        return self.hub.look()

    def time(self, short: str, long: str) -> str:
        """A duration that suits the time of this run."""
        return long if self.long_time else short

    def row(self, instance: str) -> Instance | None:
        """An instance as it is."""
        return self.store.instance(instance)

    def done(self, who: str, what: str, act: Callable[[Client], object]) -> Answer:
        """Ask until there is an answer, which is no refusal.

        Unless nobody remembers the key any more: whoever asks again after weeks may find that it was done.
        """
        began = self.world.now
        answer = self.asking.until_done(who, what, act)
        late = answer.doubtful and self.world.now - began > REQUESTS_KEPT
        assert answer.error is None or late, f"{who}: {what} is refused: {answer.error!r}"
        return answer

    def refused(
        self, who: str, what: str, act: Callable[[Client], object], *kinds: type[PerdureError]
    ) -> bool:
        """Ask until there is an answer, which may be a refusal of these kinds; whether it is one."""
        answer = self.asking.until_done(who, what, act)
        assert answer.error is None or isinstance(answer.error, kinds), f"{who}: {what}: {answer.error!r}"
        return answer.error is not None

    def until_ended(self, instance: str) -> Status:
        """Wait for the end of an instance; its status."""
        while (row := self.row(instance)) is None or not row.status.ended:
            self.world.sleep(self.poll)
        return row.status

    def times_done(self, instance: str, label: str) -> int:
        """Under how many keys an activity of an instance was carried out."""
        return len(self.ledger.own.get((instance, label), ()))


class Scene:
    """Something that goes on beside the documents, with clients of its own."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.world = stage.world
        self.asking = stage.asking
        self.random = stage.world.random

    def begin(self) -> None:
        """Before anything fails."""

    def written(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        """A write was applied."""

    def account(self) -> None:
        """When everything has ended."""


@lru_cache(maxsize=200)
def deployed(text: str) -> Deployment:
    """What a document deploys."""
    loaded = load(Source("scene.perdure.yaml", text))
    assert loaded.ok, loaded.diagnostics
    program = compile_entity(loaded.entities[0]) if loaded.entities else compile_workflow(loaded.workflows[0])
    return Deployment(
        name=program.name, version=program.version, digest=digest(program), program=program, source=""
    )
