"""A file whose writers tell each other what is committed, as those of PostgreSQL do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from perdure.engine.store.clock import StoreClock
from perdure.engine.store.notices import Notice
from perdure.engine.store.protocol import Store
from perdure.engine.store.sqlite import _COMPILER
from perdure.engine.store.telling import Noting, Telling
from perdure.engine.store.transaction import Transaction
from tests.sim.hubs import Clock, SqliteHub, SteppedSqlite
from tests.sim.told.wire import Ear, Wire
from tests.sim.world import World


class ToldStore(Telling, SteppedSqlite):
    """A process's store. Who is gone is known by the lease alone: nobody sees the end of another machine."""

    shares_slots = True

    def __init__(self, path: Path, clock: Clock, wire: Wire) -> None:
        Telling.__init__(self)
        self.ear = Ear(wire, heard=self._hear, lost=self._deaf)
        self._wire = wire
        SteppedSqlite.__init__(self, path, clock)

    @property
    def listening(self) -> bool:
        return self.ear.hears

    def _listen_or_not(self) -> None:
        if self._told:
            self._wire.join(self.ear)
        else:
            self._wire.leave(self.ear)

    def _send(self, notice: Notice) -> None:
        self._wire.send(self.ear, notice.text())

    @contextmanager
    def _write(self, *, quiet: bool = False, member: str | None = None) -> Iterator[Transaction]:
        with super()._write(quiet=quiet, member=member) as tx:
            yield tx
        assert isinstance(tx, Noting), tx
        if member is None:
            self._tell(tx.notice, quiet=quiet)
        else:
            self._tell_of_own(tx.notice)

    def _transaction(self, connection: sqlite3.Connection) -> Transaction:
        return Noting(connection, _COMPILER, self._clock.now())

    def _exit(self, worker: str) -> None:
        self._slots.pop(worker, None)
        super()._exit(worker)

    def gone(self, worker: str) -> list[str]:
        return []


class ToldHub(SqliteHub):
    """A file, and a wire for what its writers tell."""

    kind = "told"

    def __init__(self, world: World, random: Random) -> None:
        # The time is that of the database, and no process's own.
        super().__init__(StoreClock(world).now)
        self.wire = Wire(world, random)

    def connect(self) -> Store:
        store = ToldStore(self._path, self._clock, self.wire)
        self._open.append(store)
        return store

    def compare(self) -> None:
        """C12 is watched where nobody is told."""
