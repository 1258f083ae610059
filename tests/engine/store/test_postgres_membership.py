"""Whoever is a member of a hub in PostgreSQL is so by one connection."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from perdure.engine.errors import Busy, FenceLost, OutcomeUnknown, StoreError
from perdure.engine.instance import SLOTS
from perdure.engine.store import postgres, postgres_sessions
from perdure.engine.store import sql as sql_store
from perdure.engine.store import statements as s
from perdure.engine.store.postgres import PostgresStore
from perdure.engine.store.postgres_sessions import Session
from perdure.engine.store.transaction import Transaction
from perdure.engine.store.urls import postgres_url
from tests.engine.facts import eventually
from tests.engine.store.factory import (
    ALL,
    SECOND,
    batch,
    first_turn,
    instance,
    result,
    task,
    worker,
)
from tests.postgres import Server, waits
from tests.postgres_proxy import How, Proxy

pytestmark = pytest.mark.slow  # a server is started

LEASE = 120 * SECOND
"""However busy the machine is, no lock is waited for too long."""

SHORT = SECOND // 2
"""A lease; a lock is waited for half as long."""


def end_connection_of(sql: psycopg.Connection, store: PostgresStore, member: str) -> None:
    """As the server's end would, or a failover (white-box: the process at its other end)."""
    pid = store._members[member].connection.info.backend_pid
    assert sql.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchall() == [(True,)]


def connection_of(tx: Transaction) -> psycopg.Connection:
    """White-box: where its messages go."""
    found = vars(tx)["_cursor"].connection
    assert isinstance(found, psycopg.Connection)
    return found


@pytest.fixture
def owner(connect: Callable[..., PostgresStore]) -> PostgresStore:
    """A store whose owner is the worker ``w1``."""
    store = connect()
    store.join(worker("w1"), LEASE)
    store.take_slots("w1")
    return store


def test_a_new_connection_is_a_new_member(owner: PostgresStore, sql: psycopg.Connection) -> None:
    """Behind it may stand a server that knows less, so nothing is written under the old id any more."""
    end_connection_of(sql, owner, "w1")
    for _ in range(2):
        with pytest.raises(FenceLost):
            owner.commit(batch(first_turn()))
    assert owner.rejoin(["w1"], worker("w2"), LEASE) == frozenset(ALL)
    owner.commit(batch(first_turn(), worker="w2"))
    assert [each.id for each in owner.workers()] == ["w2"]


def test_a_read_goes_on_over_a_new_connection(owner: PostgresStore, sql: psycopg.Connection) -> None:
    """Whoever does not write under an id does not notice."""
    owner.commit(batch(first_turn()))
    assert owner.instance("i1") == instance()
    query = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    sql.execute(f"{query} AND application_name = 'perdure'")
    assert owner.instance("i1") == instance()
    owner.pin("p", "{}")


@pytest.mark.parametrize(
    ("how", "applied"), [("lose", False), ("deaf", True), ("late", True)], ids=["lost", "deaf", "late"]
)
def test_an_unknown_commit_is_known_after_joining_again(
    postgres: Server,
    connect: Callable[..., PostgresStore],
    beside: ThreadPoolExecutor,
    sql: psycopg.Connection,
    how: How,
    applied: bool,
) -> None:
    """Joining again waits for whatever of the old id the database still has; then it reads what is true."""
    with Proxy(postgres) as proxy:
        store, direct = connect(proxy.url()), connect()
        store.join(worker("w1"), LEASE)
        store.take_slots("w1")
        proxy.next = how
        with pytest.raises(OutcomeUnknown):
            store.commit(batch(first_turn()))
        joining = beside.submit(direct.rejoin, ["w1"], worker("w2"), LEASE)
        if how == "late":
            # To look for the instance now instead would be to decide too early.
            eventually(lambda: waits(sql))
            assert direct.instance("i1") is None
            proxy.let_go()
        assert joining.result() == frozenset(ALL)
        assert (direct.instance("i1") is not None) is applied
        store.close()


def test_a_commit_that_never_arrives_holds_up_nobody_for_ever(
    postgres: Server, connect: Callable[..., PostgresStore]
) -> None:
    """The server ends a transaction that says nothing for half a lease; joining again tries until then."""
    with Proxy(postgres) as proxy:
        store, direct = connect(proxy.url()), connect()
        store.join(worker("w1"), SHORT)
        store.take_slots("w1")
        proxy.next = "late"
        with pytest.raises(OutcomeUnknown):
            store.commit(batch(first_turn()))
        ids = ["w1"]

        def joined() -> bool:
            ids.append(f"w{len(ids) + 1}")
            try:
                return direct.rejoin(ids[:-1], worker(ids[-1]), SHORT) == frozenset(ALL)
            except StoreError:
                return False

        eventually(joined)
        assert direct.instance("i1") is None
        store.close()


def test_of_two_that_suspect_each_other_nobody_waits(
    connect: Callable[..., PostgresStore], sql: psycopg.Connection, owner: PostgresStore
) -> None:
    """Whoever holds a row in a commit, perhaps stopped there, is not declared dead, nor waited for."""
    other = connect()
    other.join(worker("w2"), LEASE)
    sql.execute("UPDATE workers SET lease_until = 1")
    with sql.transaction():
        sql.execute("SELECT FROM workers WHERE id = 'w1' FOR SHARE")
        assert not other.take_over("w2", "w1", 1)
    assert other.take_over("w2", "w1", 1)
    with pytest.raises(FenceLost):
        owner.take_over("w1", "w2", 1)


def test_a_takeover_waits_for_no_commit_and_a_commit_for_no_takeover(
    connect: Callable[..., PostgresStore],
    sql: psycopg.Connection,
    owner: PostgresStore,
    beside: ThreadPoolExecutor,
) -> None:
    """A commit that was begun before a takeover is applied; one that comes behind it is refused."""
    sql.execute("UPDATE workers SET lease_until = 1")
    other = connect()
    other.join(worker("w2"), LEASE)
    with sql.transaction():
        sql.execute("LOCK TABLE history IN EXCLUSIVE MODE")
        committing = beside.submit(owner.commit, batch(first_turn()))
        eventually(lambda: waits(sql))
        assert not other.take_over("w2", "w1", 1)
    committing.result()
    assert other.take_over("w2", "w1", 1)
    with pytest.raises(FenceLost):
        owner.commit(batch(first_turn("i2")))
    assert [other.instance(id_) is not None for id_ in ("i1", "i2")] == [True, False]


def test_two_take_slots_at_once(
    connect: Callable[..., PostgresStore], sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """One gets them all."""
    stores = [connect() for _ in range(4)]
    for number, store in enumerate(stores):
        store.join(worker(f"w{number}"), LEASE)
    taking: list[Future[frozenset[int]]] = []
    with sql.transaction():
        sql.execute("SELECT FROM slots WHERE id = 100 FOR UPDATE")
        taking += [beside.submit(store.take_slots, f"w{number}") for number, store in enumerate(stores)]
        eventually(lambda: waits(sql, 4))
    assert sorted(len(each.result()) for each in taking) == [0, 0, 0, SLOTS]


def test_slots_are_taken_with_one_look(
    owner: PostgresStore, sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """A result that moves from the tasks to the inbox meanwhile is seen in one of them, and not in both."""
    owner.commit(batch(first_turn(open=1, tasks=(task(1),))))
    assert owner.load_open(ALL).tasks == {("i1-e1", 1)}
    moved = result(1)
    with sql.transaction():
        sql.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        looking = beside.submit(owner.load_open, ALL)
        eventually(lambda: waits(sql))
        sql.execute("DELETE FROM tasks")
        sql.execute(
            "INSERT INTO inbox (id, instance, slot, kind, due, held, event)"
            " VALUES (%s, 'i1', 1, %s, 0, false, %s)",
            [moved.id, moved.kind, moved.event],
        )
    found = looking.result()
    assert (set(found.tasks), set(found.results)) == ({("i1-e1", 1)}, set())
    found = owner.load_open(ALL)
    assert (set(found.tasks), set(found.results)) == (set(), {("i1-e1", 1)})


def test_very_many_instances_are_looked_at_in_parts(
    owner: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a lease can be renewed in between."""
    ids = ["i1", "i2", "i3", "\U0010ffff"]
    owner.commit(batch(*(first_turn(id_, open=int(id_ != "i2")) for id_ in ids)))
    monkeypatch.setattr(sql_store, "INSTANCES_AT_ONCE", 1)
    looks: list[int] = []
    found = owner.load_open(ALL, lambda: looks.append(1))
    assert [one.instance.id for one in found.loaded] == ["i1", "i3", "\U0010ffff"]
    assert len(looks) > 1


def test_a_member_stopped_in_a_commit_is_thrown_out_by_the_server(
    connect: Callable[..., PostgresStore], owner: PostgresStore, sql: psycopg.Connection
) -> None:
    """After half its lease; what it says then is refused (white-box: a transaction that is left open)."""
    stopped, other = connect(), connect()
    stopped.join(worker("w2"), SHORT)
    other.join(worker("w3"), LEASE)
    with pytest.raises(FenceLost), stopped._fenced("w2") as tx:  # noqa: PT012 -- the last line raises
        (lease,) = (each.lease_until for each in other.workers() if each.id == "w2")
        eventually(lambda: other.take_over("w3", "w2", lease))
        tx.lock("anything")
    with pytest.raises(FenceLost):
        stopped.commit(batch(first_turn(), worker="w2"))


@pytest.mark.parametrize("said", ["SELECT 1", None])
def test_a_member_stopped_between_two_messages_that_belong_together_is_thrown_out(
    connect: Callable[..., PostgresStore], owner: PostgresStore, said: str | None
) -> None:
    """No limit of the server counts there, and the stopped one's kernel still answers for it.

    If it has only flushed, or forgotten a plan, the server says of it that it is idle.
    """
    stopped, other = connect(), connect()
    stopped.join(worker("w2"), SHORT)
    other.join(worker("w3"), 2 * SECOND)
    with pytest.raises(FenceLost), stopped._fenced("w2") as tx:  # noqa: PT012 -- the last line raises
        (lease,) = (each.lease_until for each in other.workers() if each.id == "w2")
        with connection_of(tx).pipeline():
            if said is None:
                connection_of(tx).pgconn.send_flush_request()
                connection_of(tx).pgconn.flush()
            else:
                connection_of(tx).execute(said)
            eventually(lambda: other.take_over("w3", "w2", lease))
    with pytest.raises(FenceLost):
        stopped.commit(batch(first_turn(), worker="w2"))


def test_a_client_stopped_between_two_messages_that_belong_together_is_thrown_out(
    connect: Callable[..., PostgresStore], owner: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold an instance, which could not go on otherwise. Who only reads is left alone."""
    owner.commit(batch(first_turn()))
    client, reader = connect(), connect()
    monkeypatch.setattr(postgres, "TIMEOUT", 0.2)
    monkeypatch.setattr(postgres, "PATIENCE", 1.0)
    other = connect()

    def is_free() -> bool:
        with suppress(Busy), other._write() as tx:
            return bool(tx.rows(s.INSTANCE.with_for_update(), the_id="i1"))
        return False

    with reader._read() as reading, connection_of(reading).pipeline():
        answer = connection_of(reading).execute("SELECT 7")
        with pytest.raises(StoreError), client._write() as tx:  # noqa: PT012 -- the last line raises
            assert tx.rows(s.INSTANCE.with_for_update(), the_id="i1")
            assert not is_free()
            with connection_of(tx).pipeline():
                connection_of(tx).execute("SELECT 1")
                eventually(is_free)
        assert answer.fetchall() == [(7,)]


def test_a_commit_that_gave_up_waiting_for_the_standby_is_unknown(
    owner: PostgresStore, sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """It is on this server, but after a failover it might not be: the worker joins again and looks."""
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    commits = [beside.submit(owner.commit, batch(first_turn("i0")))]

    def one_waits() -> bool:
        """The server begins to wait for standbys some moments after it was told."""
        if commits[-1].done():
            commits.append(beside.submit(owner.commit, batch(first_turn(f"i{len(commits)}"))))
        return bool(sql.execute(waiting).fetchall())

    sql.execute("SET synchronous_commit = local")
    sql.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    sql.execute("SELECT pg_reload_conf()")
    try:
        eventually(one_waits)
        sql.execute(f"SELECT pg_cancel_backend(pid) FROM ({waiting}) AS waiting")
        assert isinstance(commits[-1].exception(), OutcomeUnknown)
    finally:
        sql.execute("ALTER SYSTEM RESET synchronous_standby_names")
        sql.execute("SELECT pg_reload_conf()")
    assert owner.rejoin(["w1"], worker("w2"), LEASE) == frozenset(ALL)
    assert owner.instance(f"i{len(commits) - 1}") is not None


def test_a_connection_that_cannot_be_set_up_is_closed(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was open for as long as anybody held the error."""
    url = f"{postgres.new_hub()}&application_name=unplanned"
    monkeypatch.setattr(postgres_sessions, "PLANNING", "SET no_such_setting = 1")
    with pytest.raises(StoreError) as held:
        Session(postgres_url(url), timeout=5.0, patience=5.0)
    with postgres.connect() as sql:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'unplanned'"
        eventually(lambda: sql.execute(query).fetchall() == [(0,)])
    assert "no_such_setting" in str(held.value)
