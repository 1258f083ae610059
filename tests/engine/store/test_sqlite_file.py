from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from perdure.engine.errors import Busy, FenceLost, NotFound, OutcomeUnknown, StoreError, UserError
from perdure.engine.store import open_store
from perdure.engine.store import sqlite as module
from perdure.engine.store import statements as s
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.sqlite import SqliteStore
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    LEASE,
    SECOND,
    Clock,
    batch,
    dead_letter,
    first_turn,
    instance,
    payload,
    row,
    turn,
    worker,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database is, or will be."""
    return tmp_path / "hub.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A database that ``w1`` has joined."""
    store = SqliteStore(path)
    store.join(worker(), LEASE)
    yield store
    store.close()


def writer(store: SqliteStore) -> sqlite3.Connection:
    """The connection that a store writes with: these are white-box tests."""
    assert store._writer is not None
    return store._writer


def pragma(store: SqliteStore, name: str) -> object:
    """A setting of it."""
    return writer(store).execute(f"PRAGMA {name}").fetchone()[0]


def test_what_is_acknowledged_is_on_the_disk(store: SqliteStore) -> None:
    """A write-ahead log, flushed at each commit."""
    assert (pragma(store, "journal_mode"), pragma(store, "synchronous")) == ("wal", 2)


def test_a_user_may_choose_speed(path: Path) -> None:
    """And lose the last commits when the power fails."""
    store = SqliteStore(path, synchronous="NORMAL")
    setting = pragma(store, "synchronous")
    store.close()
    assert setting == 1


def test_rows_survive_the_process(path: Path, store: SqliteStore) -> None:
    """The next one that opens the file reads them."""
    store.commit(batch(first_turn()))
    store.close()
    again = SqliteStore(path)
    found = again.instance("i1")
    again.close()
    assert found == instance()


def test_time_survives_the_process(path: Path) -> None:
    """A clock that was set back while nothing ran does not make the store's time go back."""
    clock = Clock()
    clock.now += 5 * SECOND
    first = SqliteStore(path, clock=clock)
    first.join(worker(), LEASE)
    first.close()
    clock.now = BEGIN
    second = SqliteStore(path, clock=clock)
    time = second.time()
    second.close()
    assert time == BEGIN + 5 * SECOND


def test_readers_do_not_wait_for_the_writer(path: Path, store: SqliteStore) -> None:
    """Inside somebody's write they see what was before it."""
    other = SqliteStore(path)
    store.commit(batch(first_turn()))
    with store._write() as tx:
        tx._connection.execute("DELETE FROM instances")
        seen = (store.instance("i1"), other.instance("i1"))
    other.close()
    assert seen == (instance(), instance())


def test_threads_share_a_store(store: SqliteStore) -> None:
    """Writers queue; readers have connections of their own."""

    def work(name: str) -> None:
        for number in range(20):
            store.commit(batch(turn(name, row(name, first_seq=2 * number))))
            assert len(store.history(name, 1, 0, 99)) == number + 1

    threads = [threading.Thread(target=work, args=(f"i{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(store.history(f"i{number}", 1, 0, 99)) for number in range(4)] == [20] * 4


def test_a_database_that_somebody_locks_is_busy(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing happened, and it can be tried again; here by hand, past the turnstile."""
    monkeypatch.setattr(module, "BUSY_TIMEOUT", 0)
    other = SqliteStore(path)
    writer(store).execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy):
        other.pin("p", "{}")
    writer(store).execute("ROLLBACK")
    other.pin("p", "{}")
    found = other.program("p")
    other.close()
    assert found == "{}"


def test_a_full_disk_is_told_and_survived(store: SqliteStore) -> None:
    """When there is room again, the store goes on."""
    pages = pragma(store, "page_count")
    pragma(store, f"max_page_count = {pages}")
    with pytest.raises(Busy, match="disk is full"):
        store.commit(batch(first_turn(payloads=(payload("x" * 100_000),))))
    pragma(store, "max_page_count = 100000")
    store.commit(batch(first_turn()))
    assert store.payloads("i1") == {}


def test_a_database_that_may_not_be_written_says_so(store: SqliteStore) -> None:
    """Trying again would not help."""
    pragma_off = writer(store)
    pragma_off.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="may not be written"):
        store.commit(batch(first_turn()))


def test_a_commit_that_fails_while_committing_is_unknown(store: SqliteStore) -> None:
    """The connection is given up; the worker goes on under a new id."""
    store.take_slots("w1")
    connection = writer(store)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE a (id INTEGER REFERENCES b (id) DEFERRABLE INITIALLY DEFERRED)")
    connection.execute("CREATE TABLE b (id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TRIGGER late AFTER INSERT ON history BEGIN INSERT INTO a VALUES (1); END")
    with pytest.raises(OutcomeUnknown):
        store.commit(batch(first_turn()))
    assert store.rejoin(["w1"], worker("w2"), LEASE) == frozenset(ALL)
    assert store.instance("i1") is None
    with pytest.raises(FenceLost):
        store.commit(batch(first_turn()))


def test_a_commit_that_somebody_keeps_from_ending_changed_nothing(store: SqliteStore) -> None:
    """A statement of the transaction is still at work: it can be tried again, and nothing is unknown."""
    with pytest.raises(Busy), store._write():
        inserting = writer(store).execute("INSERT INTO programs VALUES ('p', '{}'), ('q', '{}') RETURNING 1")
    inserting.close()
    assert store.program("p") is None
    store.pin("p", "{}")
    assert store.program("p") == "{}"


def test_a_row_of_one_value_is_a_row(store: SqliteStore) -> None:
    """However its values are given."""
    store.commit(batch(dead_letters=(dead_letter("m1"), dead_letter("m2"), dead_letter("m3"))))
    with store._write() as tx:
        assert tx.mappings(s.DEAD_LETTER_DELETE, [{"the_ord": 1}, {"the_ord": 9}]) == 1
        assert tx.structs(s.DEAD_LETTER_DELETE, [SimpleNamespace(the_ord=2)]) == 1
    assert [letter.id for letter in store.dead_letters()] == ["m3"]


def test_a_connection_that_breaks_is_replaced(store: SqliteStore) -> None:
    """Nothing of its transaction is kept, and the next write has a new one."""

    def breaking() -> None:
        with store._write() as tx:
            tx.run(s.PROGRAM_PUT, digest="p", program="{}")
            writer(store).close()
            tx.run(s.PROGRAM_PUT, digest="q", program="{}")

    with pytest.raises(StoreError):
        breaking()
    assert store.program("p") is None
    store.pin("p", "{}")
    assert store.program("p") == "{}"


def test_a_reader_that_fails_is_not_used_again(path: Path, store: SqliteStore) -> None:
    """Whatever is wrong with it."""
    store.take_slots("w1")
    assert store.history("i1", 1, 0, 9) == []
    assert len(store._readers) == 1
    writer(store).execute("ALTER TABLE history RENAME TO away")
    with pytest.raises(StoreError, match="no such table"):
        store.history("i1", 1, 0, 9)
    assert store._readers == []


def test_a_reader_of_a_store_that_was_closed_meanwhile_is_closed(store: SqliteStore) -> None:
    """It reads to its end before."""
    store.pin("p", "{}")
    with store._read() as tx:
        store.close()
        assert tx.row(s.PROGRAM, the_digest="p") is not None
        connection = tx._connection
    assert store._readers == []
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_while_somebody_writes_there_is_news(store: SqliteStore) -> None:
    """Nobody waits for that thread to find out."""
    store.changed()
    with ThreadPoolExecutor() as beside:
        assert not beside.submit(store.changed).result()
        with store._write():
            assert beside.submit(store.changed).result()


def test_a_file_without_a_write_ahead_log_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where files cannot be shared; here SQLite is given none at all."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **how: connect(":memory:", **how))
    with pytest.raises(StoreError, match=r"write-ahead log \(memory\)"):
        SqliteStore(path)


def test_lock_files_go_with_their_workers(path: Path, store: SqliteStore) -> None:
    """Of those who left, were taken over, or took themselves over."""
    for id_ in ("left", "dead", "stays"):
        store.join(worker(id_), LEASE)
    store.leave("left")
    store._members.release("dead")
    store.take_over("w1", "dead", None)
    store.rejoin(["w1"], worker("w2"), LEASE)
    left = sorted(file.name for file in Path(f"{path}.workers").iterdir())
    assert left == ["stays", "w2"]


def test_a_refused_worker_leaves_no_lock_file(path: Path, store: SqliteStore) -> None:
    """Nor does it take that of the one that has the id."""
    store.leave("w1")
    with pytest.raises(StoreError):
        store.join(worker("w1"), LEASE)
    assert list(Path(f"{path}.workers").iterdir()) == []


def test_one_file_under_two_names_is_one_database(path: Path, store: SqliteStore) -> None:
    """Its locks are found through a link too."""
    link = path.with_name("link.db")
    link.symlink_to(path)
    other = SqliteStore(link)
    gone = other.gone("someone")
    other.close()
    assert gone == []


def test_ids_may_have_any_characters(path: Path, store: SqliteStore) -> None:
    """A worker's file stays in its directory."""
    store.join(worker("../x/é"), LEASE)
    assert len(list(Path(f"{path}.workers").iterdir())) == 2


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    """And left as it is."""
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="not a database"):
        SqliteStore(path)
    assert path.read_bytes().startswith(b"not a")


def test_somebody_elses_database_is_refused(path: Path) -> None:
    """Our tables do not go beside theirs."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE users (id INTEGER)")
    connection.close()
    with pytest.raises(StoreError, match="something else"):
        SqliteStore(path)


def test_a_newer_schema_is_refused(path: Path) -> None:
    """This version cannot know what it means."""
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="newer version of perdure"):
        SqliteStore(path)


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    """With the path."""
    with pytest.raises(StoreError, match="nowhere"):
        SqliteStore(tmp_path / "nowhere" / "hub.db")


def test_a_url_names_a_file(tmp_path: Path) -> None:
    """Its directory is made."""
    store = open_store(f"sqlite:///{tmp_path}/new/hub.db")
    store.close()
    assert (tmp_path / "new" / "hub.db").exists()


def test_who_only_looks_makes_no_file(tmp_path: Path) -> None:
    """Nor a hub in an empty one."""
    path = tmp_path / "new" / "hub.db"
    with pytest.raises(NotFound, match=f"there is no database {path}"):
        open_store(f"sqlite:///{path}", create=False)
    path.parent.mkdir()
    path.touch()
    with pytest.raises(NotFound, match=f"The file '{path}' holds no hub"):
        open_store(f"sqlite:///{path}", create=False)
    open_store(f"sqlite:///{path}").close()
    open_store(f"sqlite:///{path}", create=False).close()


@pytest.mark.parametrize("url", ["memory://", "sqlite://", "sqlite:///:memory:"])
def test_a_url_without_a_file_is_in_memory(url: str) -> None:
    """For tests."""
    assert isinstance(open_store(url), MemoryStore)


@pytest.mark.parametrize("url", ["mysql://x", "hub.db", ""])
def test_other_urls_are_refused(url: str) -> None:
    """With a hint at what there is."""
    with pytest.raises(UserError) as caught:
        open_store(url)
    assert "sqlite:///" in str(caught.value.hint)
