from __future__ import annotations

import signal
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.engine.store.locks import Members
from perdure.engine.store.sqlite import SqliteStore
from tests.engine.store.factory import LEASE, batch, row, turn, worker
from tests.engine.store.process import go, heard, spawn

pytestmark = pytest.mark.slow  # Real processes on one file, which take their time.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database is, or will be."""
    return tmp_path / "hub.db"


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


def test_processes_that_write_at_once_take_turns(path: Path) -> None:
    """None of them ever hears that the database is locked."""
    SqliteStore(path).close()
    processes = [spawn("write", path, f"w{number}", "100") for number in range(2)]
    assert [heard(process) for process in processes] == ["ready", "ready"]
    for process in processes:
        go(process)
    assert [end(process) for process in processes] == [0, 0]
    store = SqliteStore(path)
    written = [len(store.history(f"w{number}-{one}", 1, 0, 999)) for number in range(2) for one in range(10)]
    store.close()
    assert written == [100] * 20


def test_processes_that_create_a_database_at_once_all_succeed(path: Path) -> None:
    """One creates the tables, the others wait for them."""
    processes = [spawn("create", path) for _ in range(3)]
    assert [heard(process) for process in processes] == ["ready"] * 3
    for process in processes:
        go(process)
    assert [(heard(process), end(process)) for process in processes] == [("0", 0)] * 3


def test_small_writer_is_not_starved(path: Path, store: SqliteStore) -> None:
    """Beside a busy committer one waits for a turn or two of it, not for a pause."""
    other = spawn("busy", path, "busy")
    assert heard(other) == "ready"
    waited = []
    for number in range(25):
        before = len(store.history("busy-0", 1, 0, 100_000))
        store.commit(batch(turn("i1", row(first_seq=2 * number)), worker="me"))
        waited.append(len(store.history("busy-0", 1, 0, 100_000)) - before)
    assert end(other) == 0
    assert statistics.median(waited) <= 10


def test_a_process_stopped_at_the_turnstile_keeps_nobody_out(path: Path, store: SqliteStore) -> None:
    """It has no transaction: the others pass it by after a while, and queue again when it goes on."""
    other = spawn("stand", path)
    assert heard(other) == "ready"
    other.send_signal(signal.SIGSTOP)
    for number in range(3):
        store.commit(batch(turn("i1", row(first_seq=2 * number)), worker="me"))
    other.send_signal(signal.SIGCONT)
    assert end(other) == 0
    store.commit(batch(turn("i1", row(first_seq=6)), worker="me"))
    assert store._turnstile._shared.stuck is False


def test_a_stopped_process_is_not_gone(path: Path, store: SqliteStore) -> None:
    """It may go on; only its lease can end."""
    other = spawn("hold", path, "other")
    assert heard(other) == "ready"
    other.send_signal(signal.SIGSTOP)
    answer = (store.gone("me"), store.take_over("me", "other", None))
    other.send_signal(signal.SIGKILL)
    end(other)
    assert answer == ([], False)


def test_closing_one_store_leaves_the_locks_of_another(path: Path, store: SqliteStore) -> None:
    """Though both are of one process, whose locks would fall with any descriptor."""
    second = SqliteStore(path)
    assert second.gone("someone") == []
    second.close()
    asked = spawn("gone", path, "someone")
    assert (heard(asked), end(asked)) == ("", 0)


def test_another_name_of_the_directory_is_no_other_hub(path: Path, store: SqliteStore) -> None:
    """A look through it neither calls one's own worker gone nor frees its lock."""
    others = Path(f"{path}.alias")
    others.symlink_to(f"{path}.workers")
    assert not Members(str(others)).surely_over("me")
    asked = spawn("gone", path, "someone")
    assert (heard(asked), end(asked)) == ("", 0)


def test_a_closed_store_takes_its_workers_with_it(path: Path) -> None:
    """They did not leave, but nothing of them is left."""
    store = SqliteStore(path)
    store.join(worker("w1"), LEASE)
    store.close()
    asked = spawn("gone", path, "someone")
    assert (heard(asked), end(asked)) == ("w1", 0)


def test_an_up_to_date_database_opens_without_alembic(path: Path) -> None:
    """It takes longer to load than to look at one row."""
    SqliteStore(path).close()
    asked = spawn("modules", path)
    assert (heard(asked), end(asked)) == ("False", 0)


def test_writes_of_another_process_are_news(path: Path, store: SqliteStore) -> None:
    """Once; one's own commits are not."""
    store.changed()
    store.commit(batch(turn("i1", row()), worker="me"))
    assert not store.changed()
    other = spawn("hold", path, "other")
    assert heard(other) == "ready"
    assert [store.changed(), store.changed()] == [True, False]
    end(other)


def test_news_are_not_lost_behind_own_commits(path: Path, store: SqliteStore) -> None:
    """A commit of one's own in between does not hide them."""
    store.changed()
    other = spawn("hold", path, "other")
    assert heard(other) == "ready"
    store.commit(batch(turn("i1", row()), worker="me"))
    assert store.changed()
    end(other)
