from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import ClauseElement
from sqlalchemy.sql.expression import Executable

from perdure.engine.instance import Status
from perdure.engine.store import counting, entities, grooming, listing, purge, statements
from perdure.engine.store.rows import AuditQuery, Condition, EndedQuery, EntityQuery, InstanceQuery
from perdure.engine.store.sqlite import _COMPILER, SqliteStore
from perdure.engine.store.statements import BySlot
from perdure.engine.store.tables import METADATA
from perdure.engine.store.transaction import Compiled
from tests.engine.store.factory import SECOND, batch, first_turn, instance, worker

GROWING = (
    "audit",
    "entities",
    "history",
    "inbox",
    "instances",
    "instance_tags",
    "payloads",
    "requests",
    "tasks",
    "timers",
)
QUERIES = [
    InstanceQuery(),
    InstanceQuery(after=(1, "i1")),
    InstanceQuery(name="order", after=(1, "i1")),
    InstanceQuery(statuses=(Status.RUNNING, Status.FAILED)),
    InstanceQuery(tags=(("team", "x"), ("tier", "1"))),
    InstanceQuery(created_from=1, created_to=2),
    InstanceQuery(id_prefix="order-"),
    InstanceQuery(where=(Condition(field="parent_id", prefixes=("",), negated=True),)),
    InstanceQuery(where=(Condition(field="tag.team", values=("x",)),)),
    InstanceQuery(order="ended_at", after=(1, "i1")),
    InstanceQuery(order="id", ascending=True, after=("i1", "i1")),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """An empty database."""
    store = SqliteStore(tmp_path / "hub.db")
    yield store
    store.close()


def plan(store: SqliteStore, compiled: Compiled, values: dict[str, object]) -> list[str]:
    """What SQLite does for a statement."""
    text, parameters = compiled.bind(values)
    assert store._writer is not None
    return [row[3] for row in store._writer.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]


def scans(store: SqliteStore, compiled: Compiled, values: dict[str, object]) -> list[str]:
    """The growing tables that a statement reads from end to end."""
    return [step for step in plan(store, compiled, values) if step in {f"SCAN {table}" for table in GROWING}]


def every_statement(some: str, *modules: ModuleType) -> Iterator[tuple[str, Executable]]:
    """All statements that modules build at import, with their names.

    ``some`` is the form that the dialect takes of a SELECT over some slots.
    """
    for name, found in [(name, found) for module in modules for name, found in vars(module).items()]:
        for statement in [found.all, getattr(found, some)] if isinstance(found, BySlot) else [found]:
            if isinstance(statement, ClauseElement) and isinstance(statement, Executable) and name[0] != "_":
                yield name, statement


def test_no_statement_reads_a_growing_table_through(store: SqliteStore) -> None:
    """What a hub holds costs nothing until it is asked for."""
    found = {}
    for name, statement in every_statement("some", statements, counting, entities, purge, grooming):
        compiled = _COMPILER(statement)
        values: dict[str, object] = dict.fromkeys(compiled.parameters, 1)
        lists = {"slots": [1], "keys": ["k"], "instances": ["i"], "names": ["q"]}
        found[name] = scans(store, compiled, values | lists)
    assert len(found) > 50
    assert {name: steps for name, steps in found.items() if steps} == {}


@pytest.mark.parametrize("query", QUERIES)
def test_every_list_has_an_index(store: SqliteStore, query: InstanceQuery) -> None:
    """And a cursor instead of an offset."""
    assert scans(store, _COMPILER.once(listing.instances(query)), {}) == []


def test_a_tag_that_very_many_have_once_gathered_and_sorted_them_all(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds among a million, for a page: now the first ones are looked at before, if that may be enough."""
    monkeypatch.setattr(listing, "MANY", 2)
    monkeypatch.setattr(listing, "NEAR", 3)
    tags = [{"all": "x", "old": "x"}, {"all": "x", "old": "x"}, {"all": "x"}, {"all": "x", "one": "x"}]
    store.join(worker("w1"), 120 * SECOND)
    store.take_slots("w1")
    rows = [instance(f"i{number}", created_at=number, tags=each) for number, each in enumerate(tags)]
    store.commit(batch(*[first_turn(each.id, instance=each) for each in rows]))

    def found(limit: int, *names: str) -> str | None:
        query = InstanceQuery(tags=tuple((each, "x") for each in names), limit=limit)
        with store._read() as tx:
            rows, all_ = store._near(tx, query), tx.rows_once(listing.instances(query))
        assert rows in (None, all_)
        return None if rows is None else "".join(row[0] for row in rows)

    assert [found(2, "all"), found(1, "old")] == ["i3i2", "i1"]
    assert [found(4, "all"), found(2, "old"), found(1, "one"), found(1, "all", "one"), found(1)] == [None] * 5


@pytest.mark.parametrize(
    "query",
    [
        EndedQuery(),
        EndedQuery(name="order", statuses=(Status.FAILED,), after=(1, "i1")),
        EndedQuery(ended_from=1, ended_before=2, tags=(("team", "x"),)),
    ],
)
def test_what_has_ended_is_found_by_its_end(store: SqliteStore, query: EndedQuery) -> None:
    """A slice, and how many there are."""
    for statement in (grooming.ended(query), grooming.count_ended(query)):
        assert scans(store, _COMPILER.once(statement), {}) == []


def test_a_purge_reads_no_table_through(store: SqliteStore) -> None:
    """Each of its deletions goes by an index."""
    for statement in (*purge.BY_INSTANCE.values(), *purge.BY_EXECUTION.values()):
        assert scans(store, _COMPILER(statement), {"key": "i1"}) == []


def test_a_purge_knows_every_table_that_has_rows_of_an_instance() -> None:
    """Whoever adds a table decides what becomes of it."""
    owned = {
        name for name, table in METADATA.tables.items() if {"instance", "execution"} & set(table.c.keys())
    }
    assert owned == {"instances", "inbox", *purge.BY_INSTANCE, *purge.BY_EXECUTION}


@pytest.mark.parametrize("query", [AuditQuery(before=9), AuditQuery(target="i1", action="x", actor="y")])
def test_the_audit_is_read_by_number_or_target(store: SqliteStore, query: AuditQuery) -> None:
    """A page of it, or what was done to one thing."""
    assert scans(store, _COMPILER.once(statements.audit(query)), {}) == []


@pytest.mark.parametrize(
    "query",
    [
        EntityQuery(),
        EntityQuery(after=("Counter", "a")),
        EntityQuery(type="Counter", key_prefix="a", after=("Counter", "a")),
    ],
)
def test_a_list_of_entities_has_an_index(store: SqliteStore, query: EntityQuery) -> None:
    """And needs no sorting."""
    steps = plan(store, _COMPILER.once(entities.entities(query)), {})
    assert all("entities_by_type" in step for step in steps), steps
