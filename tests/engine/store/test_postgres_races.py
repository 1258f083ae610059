"""Several writers at once: what is decided by rows is decided by those that are there in the end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from perdure.engine.errors import Busy, Conflict
from perdure.engine.instance import Status, slot_of
from perdure.engine.store.places import start_id
from perdure.engine.store.postgres import PostgresStore
from perdure.engine.store.rows import (
    WAITING,
    AuditEntry,
    EndedQuery,
    InstanceQuery,
    Message,
    Publication,
    QueueRow,
)
from tests.engine import facts
from tests.engine.facts import eventually
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    SECOND,
    batch,
    dead_letter,
    definition,
    first_turn,
    instance,
    message,
    payload,
    request,
    result,
    row,
    subscription,
    task,
    turn,
    worker,
)
from tests.postgres import Server, deadlocks, waits

pytestmark = pytest.mark.slow  # a server is started

LEASE = 120 * SECOND
"""However busy the machine is, no lock is waited for too long."""

Connect = Callable[..., PostgresStore]


@pytest.fixture
def before(sql: psycopg.Connection) -> int:
    """How many deadlocks there were before the test; its name stands before those of stores."""
    return deadlocks(sql)


@pytest.fixture
def store(connect: Connect) -> PostgresStore:
    """A store whose owner is the worker ``w1``."""
    store = connect()
    store.join(worker("w1"), LEASE)
    store.take_slots("w1")
    return store


@pytest.fixture
def other(connect: Connect) -> PostgresStore:
    """Another process, whose worker is ``w2``."""
    store = connect()
    store.join(worker("w2"), LEASE)
    return store


def start(store: PostgresStore, id_: str, **more: object) -> object:
    """Start an instance, as a client."""
    pending = instance(id_, status=Status.PENDING, **more)
    message_ = Message(
        id=start_id(pending.execution),
        instance=id_,
        slot=slot_of(id_),
        kind="ExecutionStarted",
        event="{}",
        execution=pending.execution,
        due=WAITING if pending.waits else 0,
    )
    return store.start(pending, payload(of=id_), message_, None)


# -- messages -------------------------------------------------------------------------------------


def test_late_committed_message_is_not_skipped(store: PostgresStore, sql: psycopg.Connection) -> None:
    """A message with a lower number may be committed later than one that was consumed long ago."""
    store.commit(batch(first_turn()))
    with sql.transaction():
        sql.execute(
            "INSERT INTO inbox (id, instance, slot, kind, due, held, event)"
            " VALUES ('early', 'i1', %s, 'EventRaised', 0, false, '{}')",
            [slot_of("i1")],
        )
        store.send(message("late"), None)
        assert [each.id for each in store.inbox(ALL, 10)] == ["late"]
        store.commit(batch(turn("i1", row(first_seq=2), consumed=("late",))))
        store.changed()
    assert store.changed()
    assert [each.id for each in store.inbox(ALL, 10)] == ["early"]


def test_mutual_signals_do_not_deadlock(
    before: int,
    store: PostgresStore,
    other: PostgresStore,
    beside: ThreadPoolExecutor,
    sql: psycopg.Connection,
) -> None:
    """Two owners whose instances signal each other in every commit, and consume what they have got."""
    mine = {"w1": [f"a{n}" for n in range(20)], "w2": [f"b{n}" for n in range(20)]}
    for id_, store_ in (("w1", store), ("w2", other)):
        store_.commit(batch(*(first_turn(each) for each in mine[id_]), worker=id_))
    both = threading.Barrier(2)

    def signal(store_: PostgresStore, me: str, them: str) -> None:
        for round_ in range(50):
            both.wait()
            got: dict[str, list[str]] = {each: [] for each in mine[me]}
            for each in store_.inbox(ALL, 1000):
                if each.instance in got:
                    got[each.instance].append(each.id)
            turns = [
                turn(each, row(each, first_seq=2 * (round_ + 1)), consumed=tuple(ids))
                for each, ids in got.items()
            ]
            sent = [message(f"{me}-{round_}-{to}", to) for to in reversed(mine[them])]
            store_.commit(batch(*turns, worker=me, messages=tuple(sent)))

    for each in [beside.submit(signal, store, "w1", "w2"), beside.submit(signal, other, "w2", "w1")]:
        each.result()
    assert deadlocks(sql, store, other) == before


def test_what_is_deleted_by_two_is_locked_in_one_order(
    before: int,
    store: PostgresStore,
    other: PostgresStore,
    beside: ThreadPoolExecutor,
    sql: psycopg.Connection,
) -> None:
    """An owner that closes tasks, and a recorder of their results: neither has to be tried again."""
    keys = [("i1-e1", seq) for seq in range(1, 101)]
    both = threading.Barrier(2)
    store.commit(batch(first_turn()))

    def close(round_: int) -> None:
        both.wait()
        closed = turn("i1", row(first_seq=2 * (round_ + 1)), tasks_closed=tuple(reversed(keys)))
        store.commit(batch(closed))

    def record() -> None:
        both.wait()
        other.record([result(seq) for _, seq in keys], keys)

    for round_ in range(20):
        sql.execute("DELETE FROM tasks; DELETE FROM inbox")
        store.commit(batch(adopt=tuple(task(seq) for _, seq in keys)))
        for each in [beside.submit(close, round_), beside.submit(record)]:
            each.result()
    assert deadlocks(sql, store, other) == before


def test_a_connection_that_another_test_left_open_is_named(
    store: PostgresStore, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who counted deadlocks once waited in vain for it to end, and did not say for what."""
    monkeypatch.setattr(facts, "WAIT", 0.1)
    with pytest.raises(AssertionError, match=r"nobody closes these.*\n\(\d+, '"):
        deadlocks(sql)


def deadlock(
    sql: psycopg.Connection, more: list[psycopg.Connection], beside: ThreadPoolExecutor
) -> Future[None]:
    """Let whoever deletes the tasks 1, 2 and 3 close a circle: the server throws that one out."""
    first, second = more
    for connection in more:
        connection.execute("SET deadlock_timeout = '1min'")  # it is not these that look for the circle
    second.execute("BEGIN; DELETE FROM tasks WHERE seq = 2")
    first.execute("BEGIN; DELETE FROM tasks WHERE seq = 3")

    def go_on() -> None:
        eventually(lambda: waits(sql))
        waiting = beside.submit(first.execute, "DELETE FROM tasks WHERE seq = 1")
        eventually(lambda: waits(sql, 2))
        second.execute("ROLLBACK")
        waiting.result()
        first.execute("ROLLBACK")

    return beside.submit(go_on)


@pytest.fixture
def two(postgres: Server, url: str) -> Iterator[list[psycopg.Connection]]:
    """Two connections that get in the way."""
    with postgres.connect() as first, postgres.connect() as second:
        yield [first, second]


def test_a_deadlock_is_tried_again_by_a_client(
    before: int,
    store: PostgresStore,
    sql: psycopg.Connection,
    two: list[psycopg.Connection],
    beside: ThreadPoolExecutor,
) -> None:
    """Whoever called hears nothing of it."""
    store.commit(batch(first_turn(tasks=(task(1), task(2), task(3)))))
    other_side = deadlock(sql, two, beside)
    store.record([result(1)], [("i1-e1", seq) for seq in (1, 2, 3)])
    other_side.result()
    assert store.waiting_tasks("i1") == []
    assert [each.id for each in store.inbox(ALL, 9)] == [result(1).id]
    # On a busy machine it may close the circle once more before the other side goes on.
    assert deadlocks(sql, store) > before


def test_a_deadlock_costs_an_owner_its_batch_and_nothing_more(
    store: PostgresStore,
    sql: psycopg.Connection,
    two: list[psycopg.Connection],
    beside: ThreadPoolExecutor,
) -> None:
    """Nothing of it is written, and the same worker writes it again."""
    store.commit(batch(first_turn(tasks=(task(1), task(2), task(3)))))
    closing = batch(turn("i1", row(first_seq=2), tasks_closed=tuple(("i1-e1", seq) for seq in (1, 2, 3))))
    other_side = deadlock(sql, two, beside)
    with pytest.raises(Busy):
        store.commit(closing)
    other_side.result()
    assert len(store.waiting_tasks("i1")) == 3
    store.commit(closing)
    assert store.waiting_tasks("i1") == []


# -- clients --------------------------------------------------------------------------------------


def test_of_two_starts_of_one_id_the_slower_hears_of_the_other(
    store: PostgresStore, sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """Though it saw none when it looked."""
    with sql.transaction():
        # What another client's start has inserted and not yet committed.
        sql.execute("LOCK TABLE instances IN SHARE MODE")
        starting = [beside.submit(start, store, "i1") for _ in range(2)]
        eventually(lambda: waits(sql, 2))
    errors = [each.exception() for each in starting]
    assert [type(error) for error in errors if error] == [Conflict]


def test_a_request_that_comes_twice_at_once_is_carried_out_once(
    store: PostgresStore, sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """The slower one gets the answer of the other."""
    store.commit(batch(first_turn()))
    with sql.transaction():
        sql.execute("LOCK TABLE inbox IN SHARE MODE")
        first = beside.submit(store.send, message("m1"), request())
        eventually(lambda: waits(sql))
        second = beside.submit(store.send, message("m2"), request())
        eventually(lambda: waits(sql, 2))
    assert [first.result(), second.result()] == [None, request()]
    assert [each.id for each in store.inbox(ALL, 9)] == ["m1"]


def test_places_are_counted_one_after_the_other(
    connect: Connect, beside: ThreadPoolExecutor, store: PostgresStore
) -> None:
    """Of many that start at once under one key, as many begin as there are places."""
    stores = [connect() for _ in range(4)]
    more = {"concurrency_key": "k", "concurrency_limit": 3, "waits": True}
    starting = [beside.submit(start, stores[n % 4], f"i{n}", created_at=BEGIN + n, **more) for n in range(24)]
    for each in starting:
        each.result()
    waiting = [each.waits for each in store.instances(InstanceQuery(limit=100))]
    assert Counter(waiting) == {False: 3, True: 21}
    assert len(store.inbox(ALL, 100)) == 3


def test_of_two_deployments_at_once_one_version_is_active(
    connect: Connect, sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """The one that was committed last."""
    stores = [connect(), connect()]
    stores[0].deploy([(definition("0"), "{}")])
    with sql.transaction():
        sql.execute("LOCK TABLE programs IN SHARE MODE")
        deploying = [
            beside.submit(store.deploy, [(definition(version), "{}")])
            for store, version in zip(stores, "12", strict=True)
        ]
        eventually(lambda: waits(sql, 2))
    assert [each.result() for each in deploying] == [[None], [None]]
    assert [each.active for each in stores[0].definitions()].count(True) == 1


def test_one_event_wakes_one_wait(
    store: PostgresStore, other: PostgresStore, sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """Of two that come at once, the slower finds nobody any more."""
    store.commit(batch(first_turn(subscriptions=(subscription(),))))
    to = (("d", 3, "1"),)
    with sql.transaction():
        sql.execute("LOCK TABLE inbox IN SHARE MODE")
        telling = [
            beside.submit(each.publish, Publication(id=id_, name="Paid", event="{}", to=to), None)
            for each, id_ in ((store, "p1"), (other, "p2"))
        ]
        eventually(lambda: waits(sql, 2))
    assert sorted(ids for _, ids in (each.result() for each in telling)) == [(), ("i1",)]
    assert len(store.inbox(ALL, 9)) == 1


def test_a_dead_letter_is_redelivered_once(
    store: PostgresStore, sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """Though two operators ask for it at once."""
    store.commit(batch(first_turn(), dead_letters=(dead_letter("m0"),)))
    (letter,) = store.dead_letters()
    with sql.transaction():
        sql.execute("SELECT FROM dead_letters FOR UPDATE")
        asking = [beside.submit(store.redeliver, letter.ord, id_, None) for id_ in ("m1", "m2")]
        eventually(lambda: waits(sql, 2))
    assert sorted(each.exception() is None for each in asking) == [False, True]
    assert len(store.inbox(ALL, 9)) == 1


# -- tasks ----------------------------------------------------------------------------------------


def test_two_claim_at_once_and_neither_waits(
    store: PostgresStore, other: PostgresStore, sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """What one looks at, the other passes over."""
    store.commit(batch(first_turn(tasks=tuple(task(seq) for seq in range(1, 9)))))
    with sql.transaction():
        sql.execute("SELECT FROM tasks WHERE seq <= 4 FOR UPDATE")
        assert [each.seq for each in other.claim("w2", ["mail"], [], 3, 5)] == [5, 6, 7]
        assert [each.seq for each in store.claim("w1", ["mail"], [], 9, 5)] == [8]
    assert [each.seq for each in store.claim("w1", ["mail"], [], 9, 5)] == [1, 2, 3, 4]


def test_a_task_is_handed_out_once(
    store: PostgresStore, other: PostgresStore, beside: ThreadPoolExecutor
) -> None:
    """However many ask at once."""
    store.commit(batch(first_turn(tasks=tuple(task(seq) for seq in range(1, 301)))))

    def claim(store_: PostgresStore, id_: str) -> list[int]:
        got: list[int] = []
        while found := store_.claim(id_, ["mail"], [], 7, 5):
            got += [each.seq for each in found]
        return got

    claiming = [beside.submit(claim, store, "w1"), beside.submit(claim, other, "w2")]
    assert sorted(seq for each in claiming for seq in each.result()) == list(range(1, 301))


def test_a_concurrency_key_is_counted_by_one_at_a_time(
    store: PostgresStore, connect: Connect, beside: ThreadPoolExecutor
) -> None:
    """Never more than its limit are claimed, though four ask for them at once."""
    keyed: dict[str, Any] = {"concurrency_key": "k", "concurrency_limit": 2}
    store.commit(batch(first_turn(tasks=tuple(task(seq, **keyed) for seq in range(1, 61)))))
    most, claimed, lock = [0], set[int](), threading.Lock()

    def work(number: int) -> None:
        store_, id_ = connect(), f"c{number}"
        store_.join(worker(id_), LEASE)
        while len(claimed) < 60:
            for each in store_.claim(id_, ["mail"], [], 5, 5):
                with lock:
                    claimed.add(each.seq)
                    most[0] = max(most[0], store_.claimed_count("k"))
                store_.record([result(each.seq)], [(each.execution, each.seq)])

    for each in [beside.submit(work, number) for number in range(4)]:
        each.result()
    assert most[0] <= 2


def test_a_rate_is_kept_by_all_together(
    store: PostgresStore, other: PostgresStore, sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """Both look at the settings of the queue, one after the other."""
    store.set_queue("q", QueueRow(name="q", interval=3600 * SECOND, burst=5))
    store.commit(batch(first_turn(tasks=tuple(task(seq, queue="q") for seq in range(1, 21)))))
    with sql.transaction():
        sql.execute("SELECT FROM queues FOR UPDATE")
        claiming = [
            beside.submit(store_.claim, id_, ["mail"], [], 9, 5, queues=["q"])
            for store_, id_ in ((store, "w1"), (other, "w2"))
        ]
        eventually(lambda: waits(sql, 2))
    assert sorted(len(each.result()) for each in claiming) == [0, 5]


# -- the end --------------------------------------------------------------------------------------


def ended(store: PostgresStore, *ids: str) -> None:
    """Instances that have ended, whose retention is over."""
    for id_ in ids:
        over = instance(id_, status=Status.COMPLETED, ended_at=BEGIN, purge_at=BEGIN)
        store.commit(batch(first_turn(id_, instance=over)))


def test_grooming_passes_over_what_others_hold(store: PostgresStore, sql: psycopg.Connection) -> None:
    """It waits for nobody; what it left is found the next time."""
    ended(store, "a", "b", "c")
    store.commit(batch(requests=(request("k1"), request("k2"))))
    with sql.transaction():
        sql.execute("SELECT FROM instances WHERE id = 'b' FOR UPDATE")
        sql.execute("SELECT FROM requests WHERE key = 'k2' FOR UPDATE")
        assert store.groom(10, 1000).rows["instances"] == 2
        assert store.forget_requests(2**62, 10) == 1
    assert store.groom(10, 1000).rows["instances"] == 1
    assert store.forget_requests(2**62, 10) == 1


def test_a_purge_leaves_alone_what_goes_on_again(
    store: PostgresStore, sql: psycopg.Connection, beside: ThreadPoolExecutor
) -> None:
    """The owner was faster: the purge hears that it has not ended."""
    ended(store, "a")
    again = instance("a", status=Status.RUNNING)
    going_on = batch(turn("a", row("a", first_seq=2), before=Status.COMPLETED, instance=again))
    with sql.transaction():
        sql.execute("LOCK TABLE history IN SHARE MODE")
        reopening = beside.submit(store.commit, going_on)
        eventually(lambda: waits(sql))
        purging = beside.submit(store.purge, "a")
        eventually(lambda: waits(sql, 2))
    reopening.result()
    assert isinstance(purging.exception(), Conflict)
    assert store.instance("a") == again
    assert len(store.history("a", 1, 0, 10)) == 2


def test_a_slice_is_purged_though_somebody_purges_the_same(
    store: PostgresStore, other: PostgresStore, beside: ThreadPoolExecutor
) -> None:
    """Each instance goes once; both are told the truth."""
    ids = [f"i{number:03}" for number in range(60)]
    ended(store, *ids)
    entry = AuditEntry(actor="ann", action="instances.purge", target="*")
    purging = [
        beside.submit(each.purge_ended, EndedQuery(limit=100, rows=10_000), entry) for each in (store, other)
    ]
    rows = [each.result().rows.get("instances", 0) for each in purging]
    assert sum(rows) == 60
    assert store.instances(InstanceQuery(limit=100)) == []
