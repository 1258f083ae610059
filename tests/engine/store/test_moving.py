"""A hub is moved to another database with all that runs in it, or not at all."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from perdure.engine.client import Client
from perdure.engine.errors import Conflict, StoreError, UserError
from perdure.engine.instance import Status
from perdure.engine.store.moving import PAGE, SqlMoving
from perdure.engine.store.postgres import PostgresStore
from perdure.engine.store.rows import OUTSIDE, Batch
from perdure.engine.store.sql import SqlStore
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.store.tables import METADATA, tasks
from tests.engine.driver import SECOND, START, VirtualClock
from tests.engine.store.factory import LEASE, instance, message, payload, task, worker
from tests.golden import milestones
from tests.golden.milestones import LATER, finished, kept
from tests.postgres import Server

RELEASE = milestones.releases()[-1]
Opening = Callable[..., SqliteStore | PostgresStore]


def later() -> VirtualClock:
    """When whoever wrote the database of a release is surely gone."""
    clock = VirtualClock()
    clock.now = START + LATER * SECOND
    return clock


def in_file(path: Path) -> Opening:
    """Opens a hub in a file."""
    return lambda clock=None, **options: SqliteStore(path, synchronous="NORMAL", clock=clock, **options)


def exported(store: SqlMoving) -> bytes:
    """What the hub is written as; it is closed then."""
    file = BytesIO()
    store.export(file.write, lambda: None)
    return file.getvalue()


def taken_in(store: SqlMoving, data: bytes) -> dict[str, int]:
    """How many rows of each table came from what was exported."""
    return store.take_in(data.splitlines(keepends=True))


def moved(source: Opening, target: Opening) -> bytes:
    """Export one hub into another; what was written meanwhile."""
    with closing(source(later())) as store:
        data = exported(store)
    with closing(target(later())) as store:
        taken_in(store, data)
    return data


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    """A schema of its own: a closed hub is of no use to other tests."""
    yield postgres.url("moved")
    with postgres.connect() as connection:
        connection.execute("DROP SCHEMA IF EXISTS moved CASCADE")


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A hub with something in every table."""
    with milestones.opened(RELEASE) as path:
        return path.rename(tmp_path / "full.db")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A hub with a start in it that nobody has taken yet."""
    path = tmp_path / "small.db"
    with closing(SqliteStore(path)) as store:
        start(store, "a")
    return path


def said(data: bytes) -> list[bytes]:
    """What a file says of a hub, without when."""
    return [line for line in data.splitlines()[1:-1] if not line.startswith(b'["time"')]


def start(store: SqlStore, id_: str) -> None:
    """Start an instance, as a client."""
    pending = instance(id_, status=Status.PENDING)
    store.start(pending, payload(of=id_), message(f"start {id_}", to=id_), None)


def rows(store: SqlStore) -> dict[str, list[Any]]:
    """Everything in it but the time, and who has what."""
    found = {}
    with store._read() as tx:
        for table in METADATA.sorted_tables:
            columns = [
                column for column in table.columns if column.name not in {"owner", "worker", "silent_at"}
            ]
            found[table.name] = [
                row for row in tx.rows(select(*columns).order_by(*table.primary_key)) if row[0] != "time"
            ]
    return {name: found[name] for name in found if name != "workers"}


# -- all of it goes on ----------------------------------------------------------------------------


def test_what_ran_ends_where_it_was_moved_to(full: Path, tmp_path: Path) -> None:
    """Whatever it waited for, as if nothing had happened."""
    moved(in_file(full), in_file(tmp_path / "new.db"))
    assert finished(tmp_path / "new.db") == kept(RELEASE).after


@pytest.mark.slow
def test_what_ran_in_a_file_ends_in_a_server(full: Path, url: str) -> None:
    """A user who outgrows a file loses nothing."""
    moved(in_file(full), lambda clock: PostgresStore(url, clock=clock))
    assert finished(lambda clock: PostgresStore(url, clock=clock)) == kept(RELEASE).after


@pytest.mark.slow
def test_what_ran_in_a_server_ends_in_a_file(full: Path, url: str, tmp_path: Path) -> None:
    """And back."""
    there = moved(in_file(full), lambda clock: PostgresStore(url, clock=clock))
    with closing(PostgresStore(url, clock=later())) as store:
        before = rows(store)
    back = moved(lambda clock: PostgresStore(url, clock=clock), in_file(tmp_path / "new.db"))
    assert said(there) == said(back), "a file says the same of both"
    with closing(SqliteStore(tmp_path / "new.db", clock=later())) as store:
        assert rows(store) == before
    assert finished(tmp_path / "new.db") == kept(RELEASE).after


def test_every_row_is_moved(full: Path, tmp_path: Path) -> None:
    """Those of all tables, as they are."""
    with closing(SqliteStore(full, clock=later())) as store:
        Client(store).create_key("k", "viewer")
        before = rows(store)
        data = exported(store)
    with closing(SqliteStore(tmp_path / "new.db", clock=later())) as store:
        counts = taken_in(store, data)
        assert rows(store) == before
    assert all(before.values()), "an empty table shows nothing"
    assert counts == {name: len(found) + (name == "meta") for name, found in before.items()}


def test_what_is_completed_from_outside_is_handed_to_nobody_where_it_was_moved_to(
    small: Path, tmp_path: Path
) -> None:
    """Whoever has its token does it; what a worker had is handed out again."""
    with closing(SqliteStore(small)) as store:
        store.join(worker("w"), LEASE)
        store.commit(Batch(worker="w", adopt=(task(1, of="a", heartbeat=SECOND), task(2, of="a"))))
        store.claim("w", ["mail"], [], 2, 3)
        outside = task(1, of="a").execution, 1
        store.hand_over("w", [outside])
        with store._write() as tx:
            tx.run(update(tasks).where(tasks.c.seq == 1).values(silent_at=7))
        store.leave("w")
        data = exported(store)
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        taken_in(store, data)
        assert store.claimed(OUTSIDE) == {outside}
        with store._read() as tx:
            found = tx.rows(select(tasks.c.seq, tasks.c.worker, tasks.c.silent_at).order_by(tasks.c.seq))
        assert found == [(1, OUTSIDE, 7), (2, None, None)], "it is missed when it is silent, as before"


def many_tasks(path: Path) -> None:
    """Give the hub more of them than are read at once, under keys of two columns."""
    with closing(SqliteStore(path, synchronous="NORMAL")) as store:
        store.join(worker("w"), LEASE)
        some = (task(number, of=f"é{number % 3}") for number in range(2 * PAGE + 5))
        store.commit(Batch(worker="w", adopt=tuple(some)))
        store.leave("w")


def test_a_table_of_several_pages_is_moved_whole(small: Path, tmp_path: Path) -> None:
    """Each row once."""
    many_tasks(small)
    with closing(SqliteStore(small)) as store:
        before = rows(store)
        data = exported(store)
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        assert taken_in(store, data)["tasks"] == 2 * PAGE + 5
        assert rows(store) == before


@pytest.mark.slow
def test_a_table_of_several_pages_is_moved_whole_by_a_server(small: Path, url: str, tmp_path: Path) -> None:
    """In the order of its keys, whatever that is there."""
    many_tasks(small)
    with closing(SqliteStore(small)) as store:
        before = rows(store)
        data = exported(store)
    with closing(PostgresStore(url)) as store:
        taken_in(store, data)
        data = exported(store)
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        taken_in(store, data)
        assert rows(store) == before


def test_a_number_is_not_used_again(small: Path, tmp_path: Path) -> None:
    """Somebody may have read up to it."""
    with closing(SqliteStore(small)) as store:
        with store._write() as tx:
            store._number_from(tx, "inbox", 41)
        data = exported(store)
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        taken_in(store, data)
        start(store, "b")
        with store._read() as tx:
            assert store._last_number(tx, "inbox") == 42


# -- nothing of it goes on in two places ----------------------------------------------------------


def test_a_closed_hub_says_so(small: Path) -> None:
    """To whoever opens it."""
    with closing(SqliteStore(small)) as store:
        exported(store)
    with pytest.raises(Conflict, match="was exported, and is closed"):
        SqliteStore(small)


def test_nothing_is_acknowledged_by_a_closed_hub_to_whoever_had_it_open(small: Path) -> None:
    """A client that ran meanwhile gets an error: what it asks for would be lost."""
    with closing(SqliteStore(small)) as store, closing(SqliteStore(small)) as other:
        exported(store)
        client = Client(other)
        for act in (
            lambda: start(other, "b"),
            lambda: client.raise_event("a", "Go"),
            lambda: client.terminate("a", "enough"),
            lambda: client.set_queue("slow", "1/s"),
            lambda: client.create_key("k", "viewer"),
        ):
            with pytest.raises(StoreError):
                act()


def test_a_worker_that_was_stopped_for_long_writes_nothing_to_a_closed_hub(small: Path) -> None:
    """It goes on in the middle of a turn that hears a timer: nothing of that would be said to anybody."""
    clock = VirtualClock()
    with closing(SqliteStore(small, clock=clock)) as store, closing(SqliteStore(small, clock=clock)) as other:
        other.join(worker("w"), LEASE)
        other.take_slots("w")
        clock.now += 2 * LEASE
        exported(store)
        with pytest.raises(StoreError):
            other.commit(Batch(worker="w", lease=LEASE, adopt=(task(1, of="a"),)))
        with pytest.raises(StoreError):
            other.rejoin(["w"], worker("w2"), LEASE)
        with pytest.raises(StoreError):
            other.join(worker("w3"), LEASE)


def test_a_hub_that_is_opened_again_is_as_it_was(full: Path) -> None:
    """It ends as if it had never been closed."""
    with closing(SqliteStore(full, clock=later())) as store:
        before = rows(store)
        exported(store)
    with closing(SqliteStore(full, clock=later(), reopen=True)) as store:
        assert rows(store) == before
    assert finished(full) == kept(RELEASE).after


def test_a_hub_on_which_a_worker_works_is_not_exported(small: Path) -> None:
    """It would go on with what it has in memory."""
    with closing(SqliteStore(small)) as store:
        store.join(worker("w"), LEASE)
        with pytest.raises(Conflict, match="1 live worker works on this hub"):
            exported(store)
        store.leave("w")
        assert exported(store)


@pytest.mark.slow
def test_nobody_writes_to_a_server_while_it_is_exported(url: str) -> None:
    """Whoever has a connection is refused, and nothing of it is in the file."""
    with closing(PostgresStore(url)) as store, closing(PostgresStore(url)) as other:
        start(store, "a")
        start(other, "b")
        data = exported(store)
        with pytest.raises(StoreError):
            start(other, "c")
        with pytest.raises(StoreError):
            other.join(worker("w"), LEASE)
    with pytest.raises(Conflict, match="is closed"):
        PostgresStore(url)
    with closing(PostgresStore(url, reopen=True)) as again:
        assert [again.instance(each) is not None for each in "abc"] == [True, True, False]
        start(again, "c")
    assert b'"c"' not in data


@pytest.mark.slow
def test_a_server_waits_until_a_large_file_is_on_the_disk(url: str) -> None:
    """It ends what others begin and leave: an export would fail when all is written."""
    with closing(PostgresStore(url)) as store, store._write() as tx:
        store._alone(tx)
        assert tx.rows(text("SHOW idle_in_transaction_session_timeout")) == [("0",)]


# -- all or nothing -------------------------------------------------------------------------------


def test_a_hub_stays_open_whose_file_cannot_be_finished(small: Path) -> None:
    """Nobody has a file that is whole."""

    def full_disk() -> None:
        raise OSError(28, "No space left on device")

    with closing(SqliteStore(small)) as store:
        with pytest.raises(OSError, match="No space left"):
            store.export(lambda line: None, full_disk)
        start(store, "b")
    SqliteStore(small).close()


def test_a_file_that_ends_early_is_refused_wherever_it_ends(small: Path, tmp_path: Path) -> None:
    """At a line, and within one; nothing of it is taken in."""
    with closing(SqliteStore(small)) as store:
        lines = exported(store).splitlines(keepends=True)
    few = [*range(0, len(lines), 40), len(lines) - 1]
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        before = rows(store)
        for end in few:
            for cut in (lines[:end], [*lines[:end], lines[end][:-3]]):
                with pytest.raises(UserError, match=r"cut off, or changed|no hub that was"):
                    store.take_in(cut)
        assert rows(store) == before
        store.take_in(lines)


@pytest.mark.parametrize("change", ["row", "lost", "twice", "more"])
def test_a_file_that_was_changed_is_refused(small: Path, tmp_path: Path, change: str) -> None:
    """By whatever carried it."""
    with closing(SqliteStore(small)) as store:
        lines = exported(store).splitlines(keepends=True)
    at = next(index for index, line in enumerate(lines) if line.startswith(b'{"table":"inbox"')) + 1
    changed = {
        "row": [*lines[:at], lines[at].replace(b'"a",', b'"b",'), *lines[at + 1 :]],
        "lost": [*lines[:at], *lines[at + 1 :]],
        "twice": [*lines[: at - 1], b'{"table":"inbox","columns":[]}\n', *lines[at:]],
        "more": [*lines, b"\n"],
    }[change]
    assert changed != lines
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        with pytest.raises(UserError, match="was cut off, or changed"):
            store.take_in(changed)
        assert store.instance("a") is None


def test_a_hub_that_was_used_takes_nothing_in(small: Path, tmp_path: Path) -> None:
    """Two hubs are not mixed."""
    with closing(SqliteStore(small)) as store:
        data = exported(store)
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        start(store, "mine")
        with pytest.raises(Conflict, match="this hub has been used"):
            taken_in(store, data)
        assert store.instance("a") is None


def test_the_file_of_another_schema_says_so(small: Path, tmp_path: Path) -> None:
    """The message says which."""
    with closing(SqliteStore(small)) as store:
        data = exported(store).replace(b'"schema":"', b'"schema":"9', 1)
    with closing(SqliteStore(tmp_path / "new.db")) as store, pytest.raises(UserError, match="schema 9"):
        taken_in(store, data)


def test_another_file_is_no_export(tmp_path: Path) -> None:
    """Whatever it is."""
    with closing(SqliteStore(tmp_path / "new.db")) as store:
        for data in (b"", b"{}\n", b"[1]\n", gzip.compress(b"{}"), b"dsl: perdure/1\n"):
            with pytest.raises(UserError):
                taken_in(store, data)
