"""Every statement finds its rows by an index, and a commit is few messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import psycopg
import pytest
from sqlalchemy.sql.expression import Executable

from perdure.engine.store import (
    counting,
    entities,
    grooming,
    listing,
    places,
    postgres,
    purge,
    schedules,
    statements,
    subscriptions,
)
from perdure.engine.store.postgres import _COMPILER, PostgresStore
from perdure.engine.store.rows import AuditQuery, Batch, EndedQuery, EntityQuery
from perdure.engine.store.transaction import Compiled
from tests.engine.store.factory import LEASE, batch, first_turn, message, task, timer, worker
from tests.engine.store.test_commit_statements import everything, step
from tests.engine.store.test_sqlite_plans import GROWING, QUERIES, every_statement

pytestmark = pytest.mark.slow  # a server is started

Connect = Callable[..., PostgresStore]


@pytest.fixture
def planner(store: PostgresStore, sql: psycopg.Connection) -> psycopg.Connection:
    """It reads a table through only where no index helps, however few rows there are."""
    sql.execute("UPDATE instances SET status = 'Completed' WHERE id > 'i12'")
    sql.execute("SET enable_seqscan = off; ANALYZE")
    return sql


def scans(planner: psycopg.Connection, compiled: Compiled, values: dict[str, Any]) -> list[str]:
    """Parts of the plan that look at all rows of a growing table, or of an index without stopping early."""
    text, parameters = compiled.bind(values)
    plan = [line for (line,) in planner.execute(f"EXPLAIN {text}", parameters)]
    tables = "|".join(GROWING)
    found = []
    for number, line in enumerate(plan):
        through = re.search(rf"Seq Scan on ({tables})\b", line)
        index = re.search(rf"Index (Only )?Scan .*on ({tables})\b", line)
        conditions = "".join(plan[number + 1 : number + 3])
        limited = any("Limit" in before for before in plan[:number])
        of_few = "using instances_suspected" in line  # it has no others
        if through or (index and "Index Cond" not in conditions and not (limited or of_few)):
            found.append(line.strip())
    return found


MODULES = (statements, counting, entities, purge, grooming, places, schedules, subscriptions, postgres)


def test_no_statement_reads_a_growing_table_through(planner: psycopg.Connection) -> None:
    """What a hub holds costs nothing until it is asked for."""
    found = {}
    lists = {"slots": [1], "keys": ["k"], "instances": ["i"], "names": ["q"]}
    for name, statement in every_statement("listed", *MODULES):
        compiled = _COMPILER(statement)
        values: dict[str, Any] = {key: _value(compiled, key) for key in compiled.parameters}
        found[name] = scans(planner, compiled, values | lists)
    assert len(found) > 80
    assert {name: steps for name, steps in found.items() if steps} == {}


def test_a_plan_made_in_an_empty_hub_is_good_for_a_full_one(
    connect: Connect, sql: psycopg.Connection
) -> None:
    """Plans are kept: to read a queue through costs nothing while it is short (white-box: a session)."""
    sql.execute("VACUUM (ANALYZE)")
    store = connect()
    lists = {"slots": [1], "keys": ["k"], "instances": ["i"], "names": ["q"]}
    plans = {}
    with store._read() as tx:
        cursor = tx._cursor  # type: ignore[attr-defined]
        for name, statement in every_statement("listed", *MODULES):
            compiled = _COMPILER(statement)
            text, parameters = compiled.bind({k: _value(compiled, k) for k in compiled.parameters} | lists)
            plans[name] = "\n".join(line for (line,) in cursor.execute(f"EXPLAIN {text}", parameters))
    through = re.compile(rf"Seq Scan on ({'|'.join(GROWING)})\b")
    assert {name: plan for name, plan in plans.items() if through.search(plan)} == {}
    found = "\n".join(line for (line,) in sql.execute("EXPLAIN DELETE FROM inbox WHERE id = 'm1'"))
    assert through.search(found), "the planner's own choice"


def _value(compiled: Compiled, name: str) -> Any:
    """One of the type that the parameter has."""
    kind = compiled._compiled.binds[name].type.python_type
    return {str: "x", bool: True}.get(kind, 1)


@pytest.mark.parametrize(
    "statement",
    [
        *map(listing.instances, QUERIES),
        grooming.ended(EndedQuery()),
        grooming.ended(EndedQuery(name="order", after=(1, "i1"))),
        statements.audit(AuditQuery(before=9)),
        statements.audit(AuditQuery(target="i1")),
        entities.entities(EntityQuery(after=("Counter", "a"))),
        entities.entities(EntityQuery(type="Counter", key_prefix="a")),
    ],
)
def test_every_list_has_an_index(planner: psycopg.Connection, statement: Executable) -> None:
    """And a cursor instead of an offset."""
    assert scans(planner, _COMPILER.once(statement), {}) == []


def test_the_test_sees_a_table_that_is_read_through(planner: psycopg.Connection) -> None:
    """Without the index of the timers, their statement is found out."""
    with planner.transaction(force_rollback=True):
        planner.execute("DROP INDEX timers_by_time")
        due = _COMPILER(statements.TIMERS_DUE.all)
        assert scans(planner, due, {"until": 1, "limit": 1}) != []


# -- messages of a commit -------------------------------------------------------------------------


class Listening:
    """A cursor that writes down what it is told, and does it."""

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor
        self.heard: list[str] = []

    def execute(self, sql: Any, *more: Any, **options: Any) -> Any:
        self.heard.append(sql.decode() if isinstance(sql, bytes) else sql)
        return self.cursor.execute(sql, *more, **options)

    def executemany(self, sql: str, rows: Any) -> Any:
        self.heard.append(sql)
        return self.cursor.executemany(sql, rows)

    def copy(self, sql: str) -> Any:
        self.heard.append(sql)
        return self.cursor.copy(sql)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)


@pytest.fixture
def store(connect: Connect) -> PostgresStore:
    """A database with 200 running instances, each with a message, a timer and a task."""
    store = connect()
    store.join(worker(), LEASE)
    ids = [f"i{number}" for number in range(200)]
    turns = [first_turn(id_, timers=(timer(of=id_),), tasks=(task(of=id_),)) for id_ in ids]
    store.commit(batch(*turns, messages=tuple(message(f"to-{id_}", id_) for id_ in ids)))
    return store


def said(store: PostgresStore, written: Batch) -> list[str]:
    """The first words of what a commit says to the database (white-box: on the worker's connection)."""
    session = store._members["w1"]
    listening = Listening(session.cursor)
    session.cursor = cast("Any", listening)
    store.commit(written)
    session.cursor = listening.cursor
    return [text.split()[0] for text in listening.heard]


def test_a_chain_step_is_four_messages(store: PostgresStore) -> None:
    """BEGIN with all settings, the fence, one row, COMMIT."""
    assert said(store, batch(step(0))) == ["BEGIN", "SELECT", "INSERT", "COMMIT"]


def test_renewing_costs_nothing_more(store: PostgresStore) -> None:
    """It takes the place of the fence."""
    assert said(store, batch(step(0), lease=LEASE)) == ["BEGIN", "UPDATE", "INSERT", "COMMIT"]


@pytest.mark.parametrize("make", [step, everything])
def test_a_batch_costs_as_many_statements_as_one_turn(store: PostgresStore, make: Any) -> None:
    """However many turns are in it; many rows are copied."""
    one = said(store, batch(make(0)))
    many = said(store, batch(*(make(number) for number in range(1, 200))))
    assert [word.replace("COPY", "INSERT") for word in many] == one
    assert "COPY" in many
