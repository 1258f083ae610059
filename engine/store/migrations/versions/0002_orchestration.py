"""Everything that entities, schedules, flow control and the life of an instance keep in tables."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WHERE = ("sqlite_where", "postgresql_where")
ORDERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_autoincrement": True}
Flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables and columns; what is there stays."""
    op.add_column("payloads", sa.Column("generation", sa.Integer(), nullable=True))
    _audit()
    _messages()
    _entities()
    _subscriptions()
    flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")
    op.add_column("definitions", sa.Column("retired", flag, nullable=False, server_default=sa.false()))
    # Since when it is the active one again.
    _added("definitions", "activated_at", "0", Long)
    # Which execution a dead letter answered, so that it is not delivered to another one.
    op.add_column("dead_letters", sa.Column("execution", Text, nullable=True))
    # Turns of the instance that were begun since its workers die.
    suspect = sa.Column("suspect", sa.Integer(), nullable=False, server_default=sa.text("0"))
    op.add_column("instances", suspect)
    suspected: dict[str, Any] = dict.fromkeys(WHERE, sa.text("suspect > 0"))
    op.create_index("instances_suspected", "instances", ["id"], **suspected)
    _retention()
    _flow()
    _schedules()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, Text, nullable=False)


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("ord", Long, primary_key=True, autoincrement=True),
        sa.Column("at", Long, nullable=False),
        _text("actor"),
        _text("action"),
        _text("target"),
        _text("details"),
        **ORDERED,
    )
    op.create_index("audit_by_target", "audit", ["target", "ord"])


def _messages() -> None:
    timed: dict[str, Any] = dict.fromkeys(WHERE, sa.text("due > 0"))
    op.create_index("inbox_timed", "inbox", ["instance", "due"], **timed)


def _maybe(name: str) -> sa.Column[str]:
    return sa.Column(name, Text, nullable=True)


def _long(name: str) -> sa.Column[int]:
    return sa.Column(name, Long, nullable=False)


def _entities() -> None:
    op.add_column(
        "definitions", sa.Column("kind", Text, nullable=False, server_default=sa.text("'workflow'"))
    )
    op.create_table(
        "entities",
        _text("id"),
        sa.Column("slot", sa.Integer(), nullable=False),
        _text("type"),
        _text("key"),
        _text("incarnation"),
        _long("version"),
        _long("created_at"),
        _long("updated_at"),
        _maybe("state"),
        _maybe("lock"),
        _maybe("task"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("entities_by_type", "entities", ["type", "key"])


def _retention() -> None:
    op.add_column("instances", sa.Column("purge_at", Long, nullable=True))
    op.add_column("instances", sa.Column("chunk_of", sa.Integer(), nullable=True))
    for name, columns, condition in (
        ("instances_by_parent", ["parent_id", "id"], "parent_id IS NOT NULL"),
        ("instances_by_end", ["ended_at", "id"], "ended_at IS NOT NULL"),
        ("instances_by_purge", ["purge_at", "id"], "purge_at IS NOT NULL"),
    ):
        where: dict[str, Any] = dict.fromkeys(WHERE, sa.text(condition))
        op.create_index(name, "instances", columns, **where)
    op.add_column("requests", sa.Column("at", Long, nullable=False, server_default=sa.text("0")))
    # Nobody knows how old they are: they are kept as if they were new.
    op.execute("UPDATE requests SET at = (SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'time')")
    op.create_index("requests_by_time", "requests", ["at"])


def _added(table: str, name: str, before: str, type_: sa.types.TypeEngine[Any]) -> None:
    op.add_column(table, sa.Column(name, type_, nullable=False, server_default=sa.text(before)))


def _flow() -> None:
    key = {"key": "token_key", "value": secrets.token_hex(32)}
    op.bulk_insert(sa.table("meta", sa.column("key"), sa.column("value")), [key])
    _added("workers", "queues", "'[]'", Text)
    _added("tasks", "rank", "0", Long)
    _added("tasks", "fairness_key", "''", Text)
    _added("tasks", "concurrency_key", "''", Text)
    _added("tasks", "concurrency_limit", "0", Long)
    _added("tasks", "heartbeat", "0", Long)
    op.add_column("instances", sa.Column("concurrency_key", Text, nullable=True))
    _added("instances", "concurrency_limit", "0", Long)
    _added("instances", "waits", "0", sa.Integer())
    placed: dict[str, Any] = dict.fromkeys(WHERE, sa.text("concurrency_key IS NOT NULL AND ended_at IS NULL"))
    columns = ["concurrency_key", "waits", "created_at", "id"]
    op.create_index("instances_by_concurrency", "instances", columns, **placed)
    op.add_column("tasks", sa.Column("silent_at", Long, nullable=True))
    waiting: dict[str, Any] = dict.fromkeys(WHERE, sa.text("worker IS NULL"))
    heard: dict[str, Any] = dict.fromkeys(WHERE, sa.text("worker IS NOT NULL AND silent_at IS NOT NULL"))
    again: dict[str, Any] = dict.fromkeys(WHERE, sa.text("worker IS NULL AND deliveries >= 2"))
    counted: dict[str, Any] = dict.fromkeys(WHERE, sa.text("worker IS NOT NULL AND concurrency_key <> ''"))
    keys, age = ["rank", "fairness_key", "concurrency_key"], ["due", "execution", "seq"]
    op.drop_index("tasks_by_name", "tasks")
    op.create_index("tasks_ready", "tasks", ["queue", "name", *keys, *age], **waiting)
    op.create_index("tasks_again", "tasks", ["queue", "name", "rank", *age], **again)
    op.create_index("tasks_by_concurrency", "tasks", ["concurrency_key"], **counted)
    op.create_index("tasks_by_silence", "tasks", ["silent_at", "execution", "seq"], **heard)
    op.create_table(
        "heartbeats",
        _text("instance"),
        _text("execution"),
        _text("path"),
        _text("details"),
        sa.PrimaryKeyConstraint("instance", "execution", "path"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "queues",
        _text("name"),
        _long("interval"),
        _long("burst"),
        _long("next_at"),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _subscriptions() -> None:
    op.create_table(
        "subscriptions",
        _text("execution"),
        sa.Column("number", sa.Integer(), nullable=False),
        _text("instance"),
        _text("name"),
        _text("digest"),
        sa.Column("op", sa.Integer(), nullable=False),
        _text("key"),
        sa.Column("once", sa.Boolean().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("execution", "number"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("subscriptions_by_key", "subscriptions", ["name", "digest", "op", "key"])


def _schedules() -> None:
    op.create_table(
        "schedules",
        _text("id"),
        sa.Column("slot", sa.Integer(), nullable=False),
        _text("workflow"),
        sa.Column("number", sa.Integer(), nullable=False),
        *(_text(name) for name in ("version", "program", "cron", "timezone", "overlap")),
        sa.Column("catch_up", Long, nullable=True),
        sa.Column("paused", Flag, nullable=False),
        sa.Column("due", Long, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        _text("progress"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    where: dict[str, Any] = dict.fromkeys(WHERE, sa.text("due IS NOT NULL"))
    op.create_index("schedules_by_time", "schedules", ["due"], **where)
