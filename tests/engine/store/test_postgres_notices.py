"""What one process writes into PostgreSQL, others hear at once; and nothing is lost where they do not."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from perdure.engine.instance import SLOTS, slot_of
from perdure.engine.store import postgres_notices
from perdure.engine.store.notices import Notice, notice_in
from perdure.engine.store.postgres import PostgresStore
from perdure.engine.store.postgres_notices import Listener, Teller, channel
from perdure.engine.store.rows import QueueRow
from tests.engine.facts import eventually
from tests.engine.store.factory import LEASE, batch, definition, first_turn, message, task, worker
from tests.postgres import Server

pytestmark = pytest.mark.slow  # a server is started

Connect = Callable[..., PostgresStore]

HERE = slot_of("i1")
THERE = (HERE + 1) % SLOTS


@pytest.fixture
def store(connect: Connect) -> PostgresStore:
    """A process with a running instance ``i1`` and the slot of it."""
    store = connect()
    store.join(worker("w1"), LEASE)
    store.take_slots("w1", [HERE])
    store.commit(batch(first_turn()))
    return store


@pytest.fixture
def other(connect: Connect) -> PostgresStore:
    """Another process with a worker."""
    other = connect()
    other.join(worker("w2"), LEASE)
    return other


@pytest.fixture
def told(store: PostgresStore, other: PostgresStore) -> list[bool]:
    """What the first process hears from now on (white-box: what the other has said before is over)."""
    told: list[bool] = []
    store.listen(told.append)
    eventually(lambda: store.listening and told)
    told.clear()
    other._teller.tell(Notice(tasks=True))
    eventually(lambda: False in told)
    told.clear()
    return told


class Bystander:
    """Hears everything that is said about the hub."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute(f'LISTEN "{channel("hub")}"')

    def next(self) -> Notice:
        """The next notice that says more than who has come."""
        for notice in self._connection.notifies(timeout=60):
            if (found := notice_in(notice.payload.partition(" ")[2])) != Notice(members=True):
                return found
        raise AssertionError("nothing was said")


@pytest.fixture
def bystander(postgres: Server, url: str) -> Iterator[Bystander]:
    """One who hears everything."""
    with postgres.connect() as connection:
        yield Bystander(connection)


def _free_a_slot(store: PostgresStore) -> None:
    store.take_slots("w2", [THERE])
    store.release_slots("w2", [THERE], [])


WRITES: dict[str, tuple[Callable[[PostgresStore], object], bool]] = {
    "message": (lambda store: store.send(message(), None), False),
    "result": (lambda store: store.record([message()], []), False),
    "message of a turn": (lambda store: store.commit(batch(messages=(message(),), worker="w2")), False),
    "task": (
        lambda store: store.commit(batch(first_turn("i2", tasks=(task(of="i2"),)), worker="w2")),
        False,
    ),
    "definition": (lambda store: store.deploy([(definition(), "{}")]), False),
    "queue": (lambda store: store.set_queue("mail", QueueRow(name="mail", interval=1, burst=1)), False),
    "slot": (_free_a_slot, True),
    "drain": (lambda store: store.drain("w2"), True),
    "join": (lambda store: store.join(worker("w3"), LEASE), True),
    "leave": (lambda store: store.leave("w2"), True),
}
"""What is told, and whether it is about members and their slots."""


@pytest.mark.parametrize("write", WRITES)
def test_what_another_process_writes_is_heard(told: list[bool], other: PostgresStore, write: str) -> None:
    """At once, whatever it is that others may wait for."""
    act, members = WRITES[write]
    act(other)
    eventually(lambda: members in told)


def test_what_is_no_concern_of_a_process_is_not_heard(
    told: list[bool], other: PostgresStore, bystander: Bystander
) -> None:
    """Others' messages, and what nobody has told: the look from time to time finds the latter."""
    other.commit(batch(messages=(message(slot=THERE),), worker="w2"))
    assert bystander.next() == Notice(slots=frozenset({THERE}))
    other.deploy([(definition(), "{}")])
    eventually(lambda: told.count(False) == 1)


def test_who_writes_behind_the_backs_of_all_is_not_heard(
    told: list[bool], other: PostgresStore, bystander: Bystander, sql: psycopg.Connection
) -> None:
    """The test of the tests above: a row alone tells nothing."""
    other.commit(batch(messages=(message(slot=THERE),), worker="w2"))
    assert bystander.next() == Notice(slots=frozenset({THERE}))
    sql.execute("UPDATE inbox SET slot = %s", [HERE])
    other.deploy([(definition(), "{}")])
    eventually(lambda: told.count(False) == 1)


def test_a_process_tells_nobody_what_only_itself_needs(store: PostgresStore, bystander: Bystander) -> None:
    """Messages to its own slots are those of nearly every commit."""
    store.commit(batch(messages=(message("m1"),)))
    store.commit(batch(messages=(message("m2"), message("m3", slot=THERE))))
    assert bystander.next() == Notice(slots=frozenset({THERE}))


def test_a_slot_that_was_given_away_is_others_concern(store: PostgresStore, bystander: Bystander) -> None:
    """From then on its messages are told."""
    store.release_slots("w1", [HERE], [])
    store.commit(batch(messages=(message(),)))
    assert HERE in bystander.next().slots


def test_a_process_that_closes_its_hub_says_its_last_word(
    store: PostgresStore, connect: Connect, bystander: Bystander
) -> None:
    """A command ends as soon as it has written."""
    command = connect()
    command.send(message(), None)
    command.close()
    assert bystander.next() == Notice(slots=frozenset({HERE}))


def test_its_own_clients_are_heard_without_a_notice(connect: Connect) -> None:
    """Though nobody listens to the database."""
    store = connect()
    store.join(worker("w1"), LEASE)
    store.take_slots("w1", [HERE])
    store.commit(batch(first_turn()))
    told: list[bool] = []
    store.listen(told.append)
    eventually(lambda: store.listening and told)
    told.clear()
    store.send(message(), None)
    assert told == [False]


LISTENERS = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"


def test_a_lost_connection_is_told_and_made_anew(
    store: PostgresStore, told: list[bool], sql: psycopg.Connection, other: PostgresStore
) -> None:
    """Once to look as before, and once more for what was missed."""
    assert sql.execute(LISTENERS).fetchall() == [(True,)]
    eventually(lambda: store.listening and told.count(False) == 1)
    other.commit(batch(messages=(message(),), worker="w2"))
    eventually(lambda: told.count(False) == 2)


def test_a_process_with_a_thousand_open_files_hears_too(store: PostgresStore) -> None:
    """As a server has that many clients keep a connection to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    told: list[bool] = []
    with contextlib.ExitStack() as files:
        for _ in range(1100):
            files.callback(os.close, os.dup(0))
        files.callback(store.listen(told.append))
        eventually(lambda: store.listening and told)


def test_nobody_listens_longer_than_somebody_wants_to_know(
    store: PostgresStore, told: list[bool], sql: psycopg.Connection
) -> None:
    """And a second one who wants to know needs no second connection."""
    undo = store.listen(told.append)
    assert len(sql.execute(LISTENERS.replace("pg_terminate_backend(pid, 10000)", "pid")).fetchall()) == 1
    undo()
    undo()
    assert store.listening
    store.close()
    assert not store.listening


def test_behind_a_pooler_nobody_listens(url: str, connect: Connect) -> None:
    """Unless it is said where the database itself is."""
    pooled, direct = connect(f"{url}&pooled=true"), connect(f"{url}&pooled=true&direct={_directory(url)}")
    for each in (pooled, direct):
        each.listen(lambda _members: None)
    eventually(lambda: direct.listening)
    assert not pooled.listening


def _directory(url: str) -> str:
    return url.partition("host=")[2].partition("&")[0]


def test_who_does_not_hear_itself_is_deaf(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a pooler that nobody has named; it tries again on a new connection."""
    monkeypatch.setattr(postgres_notices, "PROVE_WITHIN", 0.01)
    monkeypatch.setattr(postgres_notices, "AGAIN_AFTER", (0.0,))
    tries = threading.Semaphore(0)

    def connect() -> psycopg.Connection[Any]:
        tries.release()
        return postgres.connect()

    heard: list[Notice] = []
    teller = Teller(lambda _channel, _text: None, "c")
    listener = Listener(connect, "c", teller, heard=heard.append, lost=lambda: heard.append(Notice()))
    assert all(tries.acquire(timeout=30) for _ in range(3))
    assert (listener.hears, heard) == (False, [])
    listener.close()
    teller.close()


def test_nothing_is_said_inside_the_transaction_of_the_data(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it would make all commits queue: whoever is told finds the rows committed."""
    seen: list[bool] = []
    there = Notice(slots=frozenset({THERE})).text()

    def notify(_channel: str, text: str) -> None:
        if text.endswith(there):
            seen.append(store.in_inbox("m1"))

    monkeypatch.setattr(store._teller, "_send", notify)
    store.commit(batch(messages=(message("m1", slot=THERE),)))
    eventually(lambda: seen == [True])
