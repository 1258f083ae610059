"""Locks on the files beside an SQLite database, between this process and another one or none."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.engine import clock
from perdure.engine.errors import StoreError
from perdure.engine.store.locks import PATIENCE, Members, Turnstile
from perdure.engine.store.sqlite import SqliteStore
from tests.engine.store.factory import ALL, LEASE, new_database, worker
from tests.engine.store.process import heard, spawn


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database is."""
    path = tmp_path / "hub.db"
    path.write_bytes(new_database())
    return path


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A database that this process has joined as ``me``."""
    store = SqliteStore(path)
    store.join(worker("me"), LEASE)
    yield store
    store.close()


def end(process: subprocess.Popen[str]) -> int:
    """Close the process's input and wait for its end."""
    process.communicate()
    return process.returncode


class Waits:
    """A clock that goes on while somebody waits, and only then."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        """The time."""
        self.seconds += PATIENCE / 3
        return self.seconds

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Nobody waits on one here."""
        raise AssertionError("a turnstile is looked at, not waited for")


def test_who_stands_in_the_turnstile_is_passed_by(path: Path) -> None:
    """After a while, and by the next ones at once; when it has gone on they queue again."""
    other = spawn("stand", path)
    assert heard(other) == "ready"
    turnstile = Turnstile(f"{path}.turnstile")
    with clock.driven_by(Waits()):
        for _ in range(2):
            with turnstile:
                assert (turnstile._shared.held, turnstile._shared.stuck) == (False, True)
    assert end(other) == 0
    with turnstile:
        assert (turnstile._shared.held, turnstile._shared.stuck) == (True, False)
    turnstile.close()


class Interrupted(Waits):
    """A clock that somebody looks at who is interrupted then."""

    def monotonic(self) -> float:
        """Never the time."""
        raise KeyboardInterrupt


def test_who_is_interrupted_at_the_turnstile_keeps_nobody_out(path: Path) -> None:
    """Ctrl-C while another process writes: this one can still write its last."""
    turnstile = Turnstile(f"{path}.turnstile")
    with clock.driven_by(Interrupted()), pytest.raises(KeyboardInterrupt), turnstile:
        raise AssertionError("it did not come through")
    assert not turnstile._shared.threads.locked()
    turnstile.close()


def test_a_killed_process_is_gone_at_once(path: Path, store: SqliteStore) -> None:
    """Its slots are taken without waiting for its lease."""
    other = spawn("hold", path, "other")
    assert heard(other) == "ready"
    assert store.gone("me") == []
    assert store.take_slots("me") == frozenset()
    other.send_signal(signal.SIGKILL)
    end(other)
    assert store.gone("me") == ["other"]
    assert store.take_over("me", "other", None)
    assert store.take_slots("me") == frozenset(ALL)


def test_a_store_is_not_carried_over_a_fork(path: Path) -> None:
    """The child is told to open it again, and can."""
    assert end(spawn("fork", path)) == 0


def test_a_lock_file_that_cannot_be_made_is_told(store: SqliteStore) -> None:
    """And the worker does not join without one."""
    with pytest.raises(StoreError, match="Cannot make the lock file"):
        store.join(worker("w" * 256), LEASE)
    assert [each.id for each in store.workers()] == ["me"]


def test_what_is_no_lock_file_says_nothing(tmp_path: Path) -> None:
    """Nor does one that is missing: the lease decides."""
    members = Members(str(tmp_path))
    (tmp_path / "w1").mkdir()
    assert [members.surely_over(each) for each in ("w1", "w2")] == [False, False]
