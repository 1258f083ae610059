from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from perdure.engine.instance import Status
from perdure.engine.store.rows import Batch, Checkpoint
from perdure.engine.store.sqlite import SqliteStore
from tests.engine.store.factory import (
    LEASE,
    batch,
    first_turn,
    instance,
    message,
    payload,
    row,
    task,
    timer,
    turn,
    worker,
)


class Listening:
    """A connection that writes down what it is told, and does it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.heard: list[str] = []

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        self.heard.append(sql)
        return self.connection.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any) -> Any:
        self.heard.append(sql)
        return self.connection.executemany(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A database with 200 running instances, each with a message, a timer and a task."""
    store = SqliteStore(tmp_path / "hub.db")
    store.join(worker(), LEASE)
    ids = [f"i{number}" for number in range(200)]
    turns = [first_turn(id_, timers=(timer(of=id_),), tasks=(task(of=id_),)) for id_ in ids]
    store.commit(batch(*turns, messages=tuple(message(f"to-{id_}", id_) for id_ in ids)))
    yield store
    store.close()


def statements(store: SqliteStore, written: Batch) -> list[str]:
    """What a commit says to the database (white-box: on the writer's connection)."""
    listening = Listening(store._writer)
    store._writer = cast("Any", listening)
    store.commit(written)
    store._writer = listening.connection
    return listening.heard


def step(number: int) -> Checkpoint:
    """A turn of a chain: nothing but a history row."""
    return turn(f"i{number}", row(f"i{number}", first_seq=2))


def everything(number: int) -> Checkpoint:
    """A turn that touches every table."""
    id_ = f"i{number}"
    return turn(
        id_,
        row(id_, first_seq=2),
        before=Status.RUNNING,
        instance=instance(id_, status=Status.SUSPENDED, tags={"a": "b"}),
        payloads=(payload(of=id_),),
        consumed=(f"to-{id_}",),
        timers=(timer(9, of=id_),),
        timers_closed=((f"{id_}-e1", 1),),
        tasks=(task(9, of=id_),),
        tasks_closed=((f"{id_}-e1", 1),),
    )


def test_a_chain_step_costs_the_fence_and_one_insert(store: SqliteStore) -> None:
    """Between BEGIN and COMMIT, beside the look at whether others have written."""
    heard = statements(store, batch(step(0)))
    assert [sql.split()[0] for sql in heard] == ["BEGIN", "PRAGMA", "SELECT", "INSERT", "COMMIT"]


@pytest.mark.parametrize("make", [step, everything])
def test_a_batch_costs_as_many_statements_as_one_turn(store: SqliteStore, make: Any) -> None:
    """However many turns are in it: each statement is sent once with all its rows."""
    one = statements(store, batch(make(0)))
    many = statements(store, batch(*(make(number) for number in range(1, 200))))
    assert many == one


def test_nothing_is_read_but_the_fence(store: SqliteStore) -> None:
    """The owner knows the rest."""
    heard = statements(store, batch(*(everything(number) for number in range(50)), lease=LEASE))
    assert sum(sql.startswith("SELECT") for sql in heard) == 1
