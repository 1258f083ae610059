"""C12: a model that is told of every write a database has carried out, and must come to the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from perdure.engine.errors import PerdureError
from perdure.engine.store.clock import StoreClock
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.protocol import Store
from tests.sim.calls import WRITES
from tests.sim.tables import Row, of_memory


class _Told(StoreClock):
    """Says what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0

    def now(self, not_before: int = 0) -> int:
        return self.time


class _Call(NamedTuple):
    name: str
    arguments: tuple[Any, ...]
    more: dict[str, Any]
    time: int
    outcome: object
    """What it has returned, or the type of what it has raised."""


class Mirror:
    """The model."""

    def __init__(self) -> None:
        self._clock = _Told()
        self._model = MemoryStore()
        self._model._clock = self._clock
        self._waiting: list[_Call] | None = None

    def kill(self, member: str) -> None:
        """The process of a member is over."""
        self._model.kill(member)

    def rows(self, table: str) -> list[Row]:
        """What the model has."""
        return of_memory(self._model, table)

    @contextmanager
    def paused(self) -> Iterator[Callable[[], None]]:
        """Let what is called meanwhile wait: it is carried out when the given function is called."""
        waiting: list[_Call] = []
        self._waiting = waiting
        try:
            yield lambda: self._catch_up(waiting)
        finally:
            self._waiting = None

    def _catch_up(self, calls: list[_Call]) -> None:
        for call in calls:
            self._repeat(call)

    def told(self, call: _Call) -> None:
        """A database has carried this out."""
        if self._waiting is None:
            self._repeat(call)
        else:
            self._waiting.append(call)

    def _repeat(self, call: _Call) -> None:
        self._clock.time = call.time
        outcome = _outcome(lambda: getattr(self._model, call.name)(*call.arguments, **call.more))
        assert outcome == call.outcome, f"C12: {call.name} gives {call.outcome}, and the model {outcome}"


class Mirrored:
    """A store whose writes a mirror is told of. ``said`` is the time that it has said last."""

    def __init__(self, store: Store, mirror: Mirror, said: Callable[[], int]) -> None:
        self.real = store
        self._mirror = mirror
        self._said = said

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.real, name)
        if name not in WRITES:
            return method  # type: ignore[no-any-return]

        def call(*arguments: Any, **more: Any) -> Any:
            try:
                outcome = answer = method(*arguments, **more)
            except PerdureError as error:
                outcome = type(error)
                self._mirror.told(_Call(name, arguments, more, self._said(), outcome))
                raise
            self._mirror.told(_Call(name, arguments, more, self._said(), outcome))
            return answer

        return call


def _outcome(act: Callable[[], object]) -> object:
    try:
        return act()
    except PerdureError as error:
        return type(error)
