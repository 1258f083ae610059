from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from perdure.engine.errors import NotFound, StoreError
from perdure.engine.store.migrations import HEAD
from perdure.engine.store.postgres import PostgresStore
from perdure.engine.store.tables import METADATA
from tests.engine.store.factory import LEASE, batch, first_turn, worker
from tests.postgres import Server

pytestmark = pytest.mark.slow  # a server is started

Connect = Callable[..., PostgresStore]

COLUMNS = """
    SELECT table_name, column_name, data_type, collation_name, column_default, is_nullable
    FROM information_schema.columns WHERE table_schema = %s
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = %s"


@pytest.fixture
def schema(postgres: Server) -> Iterator[str]:
    """The name of a schema that is not there, and is gone in the end."""
    yield "Büro-1"
    with postgres.connect() as connection:
        connection.execute('DROP SCHEMA IF EXISTS "Büro-1" CASCADE')


def described(connection: psycopg.Connection, schema: str, query: str) -> list[str]:
    """All rows of a look at a schema, but for its name, and what alembic keeps."""
    rows = [tuple(map(str, row)) for row in connection.execute(query, [schema])]
    texts = [" | ".join(row).replace(f'"{schema}".', "").replace(f"{schema}.", "") for row in rows]
    return sorted(text for text in texts if not text.startswith("alembic_version"))


def test_migrations_make_what_the_statements_expect(postgres: Server, connect: Connect, schema: str) -> None:
    """The migrated schema is that of ``tables``: columns, collations, defaults and indexes."""
    connect(postgres.url(schema)).close()
    with postgres.connect() as connection:
        connection.execute('CREATE SCHEMA expected; SET search_path TO "expected"')
        engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
        METADATA.create_all(engine)
        for query in (COLUMNS, INDEXES):
            made = described(connection, schema, query)
            assert len(made) > 40
            assert made == described(connection, "expected", query)
        connection.execute("DROP SCHEMA expected CASCADE")


def test_of_many_that_open_a_new_hub_one_makes_it(
    postgres: Server, connect: Connect, schema: str, beside: ThreadPoolExecutor, sql: psycopg.Connection
) -> None:
    """The others wait, and find it made."""
    opening = [beside.submit(connect, postgres.url(schema)) for _ in range(5)]
    for each in opening:
        each.result()
    assert sql.execute('SELECT version_num FROM "Büro-1".alembic_version').fetchall() == [(HEAD,)]


def test_who_looks_at_a_schema_that_is_not_there_makes_none(
    postgres: Server, schema: str, sql: psycopg.Connection
) -> None:
    """Its name may be misspelt."""
    with pytest.raises(NotFound, match="holds no hub"):
        PostgresStore(postgres.url(schema), create=False)
    assert sql.execute("SELECT to_regnamespace('\"Büro-1\"')").fetchall() == [(None,)]
    PostgresStore(postgres.url(schema)).close()
    PostgresStore(postgres.url(schema), create=False).close()


def test_hubs_in_one_database_know_nothing_of_each_other(
    postgres: Server, connect: Connect, url: str, schema: str
) -> None:
    """Not even of each other's locks: an id may be in use in both."""
    for each in (connect(), connect(postgres.url(schema))):
        each.join(worker("w1"), LEASE)
        assert len(each.take_slots("w1")) == 256
        each.commit(batch(first_turn()))


def test_a_schema_of_something_else_is_left_alone(
    postgres: Server, connect: Connect, schema: str, sql: psycopg.Connection
) -> None:
    """With a hint."""
    sql.execute('CREATE SCHEMA "Büro-1"; CREATE TABLE "Büro-1".mine (x integer)')
    with pytest.raises(StoreError) as caught:
        connect(postgres.url(schema))
    assert "schema=" in str(caught.value.hint)


def test_a_schema_that_is_there_already_is_enough(
    postgres: Server, connect: Connect, schema: str, sql: psycopg.Connection
) -> None:
    """Whoever opens the hub first needs no right to make one."""
    sql.execute(
        'CREATE SCHEMA "Büro-1"; CREATE ROLE clerk LOGIN; GRANT ALL ON SCHEMA "Büro-1" TO clerk;'
        "REVOKE CREATE ON DATABASE postgres FROM PUBLIC"
    )
    store = connect(postgres.url(schema).replace("perdure@", "clerk@"))
    store.join(worker("w1"), LEASE)
    members = [each.id for each in store.workers()]
    store.close()
    sql.execute('DROP SCHEMA "Büro-1" CASCADE; DROP ROLE clerk')
    assert members == ["w1"]


def test_a_newer_schema_is_refused(connect: Connect, sql: psycopg.Connection) -> None:
    """With the advice to upgrade; nothing is changed."""
    sql.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer version of perdure"):
        connect()
    sql.execute("UPDATE alembic_version SET version_num = %s", [HEAD])
    connect()


def test_texts_are_sorted_by_code_points(connect: Connect, sql: psycopg.Connection) -> None:
    """Whatever the collation of the database."""
    assert sql.execute(
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'hub'"
        " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
    ).fetchall() == [(0,)]
