"""Run random calls on every store and on the reference: the answers and the rows must be the same.

A run is made of worlds: new, empty hubs that get a thousand calls. What differs is shown with the fewest
calls that make it so.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from perdure.engine.errors import PerdureError, UserError
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import AuditEntry, AuditQuery, DeadLetter
from tests.differential.calls import METHODS, Call, Failure, outcome, resolved, shown
from tests.differential.script import Script
from tests.differential.shrink import shortened
from tests.differential.stores import STORES, Model, model_hub, snapshot
from tests.engine.store.factory import Hub

CALLS_OF_A_WORLD = 1000
CHECKED_EVERY = 25
"""After how many calls all rows are compared."""


class Difference(AssertionError):
    """A store does not do what the reference does; ``where`` is the method or the table that shows it."""

    def __init__(self, where: str, words: str) -> None:
        super().__init__(words)
        self.where = where


@dataclass
class Report:
    """How many calls of each kind ended how."""

    counts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    calls: int = 0
    worlds: int = 0

    def add(self, call: Call, answer: object) -> None:
        """Count a call."""
        self.calls += 1
        for kind in call.kinds:
            self.counts[kind][outcome(call, answer)] += 1

    def rarest(self) -> tuple[int, str]:
        """The method that succeeded least often, and how often that was."""
        return min((self.counts[kind]["succeeded"], kind) for kind in METHODS)

    def __str__(self) -> str:
        lines = [f"{self.calls} calls in {self.worlds} worlds", f"{'':44} succeeded  nothing  refused"]
        for kind in sorted(self.counts):
            each = self.counts[kind]
            lines.append(f"{kind:44} {each['succeeded']:9} {each['nothing']:8} {each['refused']:8}")
        return "\n".join(lines)


class _Subject:
    """One hub with two connections, and what there is to remember about it."""

    def __init__(self, name: str, hub: Hub) -> None:
        self.name = name
        self.hub = hub
        self.connections = [hub.connect(), hub.connect()]

    def answer(self, call: Call) -> object:
        """What a call answers, without numbers that are the store's own affair."""
        store = self.connections[call.connection]
        if call.method == "close":
            store.close()
            self.connections[call.connection] = self.hub.connect()
            return None
        try:
            return _plain(getattr(store, call.method)(*self._arguments(store, call), **call.options))
        except UserError as error:
            return Failure(_named(error), None if call.method in _NUMBERED else f"{error.code}: {error}")
        except PerdureError as error:
            return Failure(_named(error), None)
        except Exception as error:
            raise Difference(
                f"{call.method} of {self.name}", f"{shown(call)}\n  {self.name} raises {error!r}"
            ) from error

    def _arguments(self, store: Store, call: Call) -> list[Any]:
        if call.method not in _NUMBERED:
            return list(call.arguments)
        numbers = {
            "dead_letters": [row.ord for row in store.dead_letters(limit=10**6)],
            "audit": [row.ord for row in store.audit(_EVERYTHING)] if call.method == "audit" else [],
        }
        return [resolved(value, numbers) for value in call.arguments]


def _named(error: Exception) -> type[Exception]:
    """What a caller knows it as: a store may have finer kinds of its own."""
    kinds = type(error).__mro__
    return next((kind for kind in kinds if kind.__module__ == "perdure.engine.errors"), type(error))


_NUMBERED = {"redeliver", "discard", "dead_letter", "dead_letters", "audit"}


class World:
    """A hub of each store beside the reference, which all of them must agree with."""

    def __init__(self, names: Sequence[str], directory: Path) -> None:
        reference = model_hub(directory)
        model = reference.connect()
        assert isinstance(model, Model)
        self.model = model
        self._subjects = [_Subject("memory", reference)]
        self._subjects += [_Subject(name, STORES[name](directory)) for name in names]
        self._news = [False, False]
        self._keys: dict[str, object] = {}

    def close(self) -> None:
        for subject in self._subjects:
            subject.hub.close()

    def perform(self, call: Call) -> object:
        """Do it everywhere; returns the reference's answer. Raises ``Difference``."""
        if call.method == "pass_time":
            for subject in self._subjects:
                subject.hub.clock.now += call.arguments[0]
            return None
        if call.method == "kill":
            if call.arguments[0] in {one.id for one in self.model.workers()}:
                for subject in self._subjects:
                    subject.hub.kill(*call.arguments)
            return None
        first, *others = self._subjects
        expected = self._expected(first, call)
        for other in others:
            answer = other.answer(call)
            if not self._agrees(call, expected, answer, other.name):
                raise Difference(
                    f"{call.method} {_kind(expected)} {_kind(answer)}",
                    f"{shown(call)}\n  memory answers {expected!r}\n  {other.name} answers {answer!r}",
                )
        return expected

    def _expected(self, model: _Subject, call: Call) -> object:
        if call.method == "changed":
            news, self._news[call.connection] = self._news[call.connection], False
            return news
        self.model.written = False
        if call.method == "close":
            self._news[call.connection] = False  # it was told nothing yet
        answer = model.answer(call)
        if self.model.written:
            self._news[1 - call.connection] = True
        return answer

    def _agrees(self, call: Call, expected: object, answer: object, name: str) -> bool:
        if call.method == "changed":
            return bool(answer) or not expected  # it may be said in vain
        if call.method == "token_key":
            return self._keys.setdefault(name, answer) == answer
        return expected == answer

    def compare(self) -> None:
        """All rows of all tables are the same. Raises ``Difference``."""
        first, *others = self._subjects
        expected = snapshot(first.connections[0])
        for other in others:
            found = snapshot(other.connections[0])
            for table in expected.keys() | found.keys():
                if expected.get(table) != found.get(table):
                    raise Difference(
                        table, _rows(table, other.name, expected.get(table, []), found.get(table, []))
                    )


def _rows(table: str, name: str, expected: list[Any], found: list[Any]) -> str:
    missing = [row for row in expected if row not in found]
    more = [row for row in found if row not in expected]
    return f"the rows of {table} differ\n  only memory has {missing}\n  only {name} has {more}"


def _kind(answer: object) -> str:
    return answer.type.__name__ if isinstance(answer, Failure) else type(answer).__name__


def _plain(answer: Any) -> object:
    """The answer without the numbers and orders that are the store's own affair."""
    match answer:
        case DeadLetter() | AuditEntry():
            return msgspec.structs.replace(answer, ord=0)
        case [DeadLetter() | AuditEntry(), *_]:
            return [_plain(each) for each in answer]
        case [(_, _, _, _), *_]:
            return sorted(answer)
        case _:
            return answer


@contextmanager
def _folder() -> Iterator[Path]:
    """Where files of hubs lie: in memory, where the machine offers that."""
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="perdure-", dir=memory if memory.is_dir() else None))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run(operations: int, seed: int, names: Sequence[str] = tuple(STORES), at_least: int = 0) -> Report:
    """So many calls, and more until each method has succeeded ``at_least`` so often.

    Raises ``Difference``.
    """
    report = Report()
    while report.calls < operations or report.rarest()[0] < at_least:
        if report.calls > 4 * operations + 20_000:
            raise AssertionError(f"hardly ever succeeds: {report.rarest()}\n{report}")
        _world(names, f"{seed}/{report.worlds}", report)
        report.worlds += 1
    return report


def _world(names: Sequence[str], seed: str, report: Report) -> None:
    calls: list[Call] = []
    with _folder() as directory:
        world = World(names, directory)
        script = Script(seed, world.model)
        try:
            for number in range(1, CALLS_OF_A_WORLD + 1):
                call = script.next()
                calls.append(call)
                answer = world.perform(call)
                if call.method in METHODS:
                    report.add(call, answer)
                if number % CHECKED_EVERY == 0:
                    world.compare()
        except Difference as difference:
            found = difference
        else:
            return
        finally:
            world.close()

    def shows(some: list[Call]) -> bool:
        difference = _difference(names, some)
        return difference is not None and difference.where == found.where

    shortest = shortened(calls, shows)
    last = _difference(names, shortest) or found
    listing = "\n".join(f"  {shown(call)}" for call in shortest)
    raise Difference(
        found.where,
        f"world {seed}, after {len(calls)} calls, {len(shortest)} of which do:\n{listing}\n{last}",
    )


def _difference(names: Sequence[str], calls: Sequence[Call]) -> Difference | None:
    """What these calls show."""
    with _folder() as directory:
        world = World(names, directory)
        try:
            for number, call in enumerate(calls, 1):
                world.perform(call)
                if number % CHECKED_EVERY == 0 or number == len(calls):
                    world.compare()
        except Difference as difference:
            return difference
        finally:
            world.close()
    return None


_EVERYTHING = AuditQuery(limit=10**6)
