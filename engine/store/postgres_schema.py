"""The schema of a hub in PostgreSQL: looked at when a store is opened, and made or upgraded then."""

from __future__ import annotations

from psycopg import sql

from perdure.engine.errors import NotFound, StoreError
from perdure.engine.store.closing import check_open, is_closed, opening
from perdure.engine.store.migrations import HEAD, check_known
from perdure.engine.store.postgres_errors import ERRORS, translated
from perdure.engine.store.postgres_sessions import Session
from perdure.engine.store.urls import PostgresUrl

_LOOK = (
    "SELECT count(*), count(*) FILTER (WHERE relname = 'alembic_version') FROM pg_class"
    " WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p')"
)


def prepare(session: Session, url: PostgresUrl, *, reopen: bool = False, create: bool = True) -> None:
    """Of several processes that find a schema missing or old, one makes it, and the others wait.

    The session is closed if that fails. Raises ``NotFound`` for none that is not to be created.
    """
    try:
        session.begin(write=False)
        found = _revision(session, url)
        session.undo()
        if reopen and is_closed(found):
            found = _open_again(session, url)
        check_open(found, f"The schema {url.schema!r}")
        if found is None and not create:
            raise NotFound(f"The schema {url.schema!r} holds no hub.")
        if found != HEAD:
            _upgrade(session, url)
    except BaseException as error:
        session.close()
        if isinstance(error, ERRORS):
            raise translated(error) from error
        raise


def _revision(session: Session, url: PostgresUrl) -> str | None:
    """The revision of the schema; None where there is nothing. Raises ``StoreError`` for somebody else's."""
    name = sql.Identifier(url.schema).as_string()
    ((tables, ours),) = session.cursor.execute(_LOOK, [name]).fetchall()
    if not ours:
        if tables:
            raise StoreError(
                f"The schema {url.schema!r} has tables of something else.",
                hint="give a schema of its own: ?schema=NAME",
            )
        return None
    rows = session.cursor.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(rows[0][0]) if rows else None


def _upgrade(session: Session, url: PostgresUrl) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    from perdure.engine.store.migrations.upgrade import upgrade

    engine = create_engine("postgresql+psycopg://", creator=lambda: session.connection, poolclass=StaticPool)
    try:
        with engine.connect() as alchemy, alchemy.begin():
            # The connection does not begin by itself, but it commits and rolls back when SQLAlchemy says so.
            session.begin(write=True)
            found = _lock(session, url)
            check_open(found, f"The schema {url.schema!r}")
            if found != HEAD:
                upgrade(alchemy)
    except DBAPIError as error:
        raise error.orig or error from None


def _open_again(session: Session, url: PostgresUrl) -> str | None:
    session.begin(write=True)
    revision = _lock(session, url)
    if revision is not None and is_closed(revision):
        for statement in opening(revision):
            session.cursor.execute(statement)
        revision = _revision(session, url)
    session.commit()
    return revision


def _lock(session: Session, url: PostgresUrl) -> str | None:
    """Be the only one who changes this schema, and make it if there is none; returns its revision by then."""
    cursor, name = session.cursor, sql.Identifier(url.schema)
    cursor.execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"perdure {url.schema} schema"])
    if cursor.execute("SELECT to_regnamespace(%s)", [name.as_string()]).fetchall() == [(None,)]:
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    revision = _revision(session, url)
    if not is_closed(revision):
        check_known(revision, f"The schema {url.schema!r}")
    return revision
