"""The first schema of a hub."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SLOTS = 256

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")
SHORT: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
LONG: dict[str, Any] = {"sqlite_strict": True}
WHERE = ("sqlite_where", "postgresql_where")
ORDERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_autoincrement": True}


def upgrade() -> None:
    """Create all tables; write the slots once."""
    _members()
    _definitions()
    _instances()
    _messages()
    _tasks()
    op.bulk_insert(
        sa.table("meta", sa.column("key"), sa.column("value")),
        [
            {"key": "slots", "value": str(SLOTS)},
            {"key": "time", "value": "0"},
        ],
    )
    op.bulk_insert(
        sa.table("slots", sa.column("id"), sa.column("owner"), sa.column("crashes")),
        [{"id": slot, "owner": None, "crashes": 0} for slot in range(SLOTS)],
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, Text, nullable=False)


def _int(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _long(name: str) -> sa.Column[int]:
    return sa.Column(name, Long, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, Flag, nullable=False)


def _maybe(name: str) -> sa.Column[str]:
    return sa.Column(name, Text, nullable=True)


def _ord() -> sa.Column[int]:
    return sa.Column("ord", Long, primary_key=True, autoincrement=True)


def _members() -> None:
    op.create_table("meta", _text("key"), _text("value"), sa.PrimaryKeyConstraint("key"), **SHORT)
    op.create_table(
        "workers",
        _text("id"),
        _text("host"),
        _int("ir"),
        _flag("turns"),
        _flag("reserve"),
        _text("activities"),
        _text("state"),
        _long("lease_until"),
        _long("joined_at"),
        sa.PrimaryKeyConstraint("id"),
        **SHORT,
    )
    op.create_table(
        "slots",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        _maybe("owner"),
        _int("crashes"),
        sa.PrimaryKeyConstraint("id"),
        **SHORT,
    )
    op.create_table(
        "requests",
        _text("route"),
        _text("target"),
        _text("key"),
        _text("fingerprint"),
        _text("answer"),
        sa.PrimaryKeyConstraint("route", "target", "key"),
        **SHORT,
    )


def _definitions() -> None:
    op.create_table(
        "definitions",
        _text("name"),
        _text("version"),
        _text("digest"),
        _text("program"),
        _long("created_at"),
        _flag("active"),
        _text("source"),
        sa.PrimaryKeyConstraint("name", "version"),
        **LONG,
    )
    op.create_table("programs", _text("digest"), _text("program"), sa.PrimaryKeyConstraint("digest"), **LONG)


def _instances() -> None:
    op.create_table(
        "instances",
        _text("id"),
        _int("slot"),
        _text("name"),
        _text("version"),
        _text("digest"),
        _text("status"),
        _text("execution"),
        _int("generation"),
        _long("created_at"),
        sa.Column("started_at", Long, nullable=True),
        _long("updated_at"),
        sa.Column("ended_at", Long, nullable=True),
        _maybe("reason"),
        _maybe("custom_status"),
        _text("tags"),
        _maybe("parent_id"),
        sa.PrimaryKeyConstraint("id"),
        **LONG,
    )
    op.create_index("instances_by_time", "instances", ["created_at", "id"])
    op.create_index("instances_by_name", "instances", ["name", "created_at", "id"])
    op.create_index("instances_by_status", "instances", ["status", "created_at", "id"])
    op.create_table(
        "instance_tags",
        _text("instance"),
        _text("tag"),
        _text("value"),
        sa.PrimaryKeyConstraint("instance", "tag"),
        **SHORT,
    )
    op.create_index("instance_tags_by_value", "instance_tags", ["tag", "value", "instance"])
    op.create_table(
        "payloads",
        _text("instance"),
        _text("key"),
        _text("value"),
        sa.PrimaryKeyConstraint("instance", "key"),
        **LONG,
    )
    op.create_table(
        "history",
        _text("instance"),
        _int("generation"),
        _int("first_seq"),
        _int("next_seq"),
        _int("open"),
        _long("at"),
        _text("events"),
        sa.PrimaryKeyConstraint("instance", "generation", "first_seq"),
        **LONG,
    )


def _messages() -> None:
    op.create_table(
        "inbox",
        _ord(),
        _text("id"),
        _text("instance"),
        _int("slot"),
        _text("kind"),
        _long("due"),
        _flag("held"),
        _maybe("execution"),
        _text("event"),
        sa.UniqueConstraint("id"),
        **ORDERED,
    )
    op.create_index(
        "inbox_ready",
        "inbox",
        ["due", "ord"],
        sqlite_where=sa.text("held = 0"),
        postgresql_where=sa.text("NOT held"),
    )
    op.create_index(
        "inbox_held",
        "inbox",
        ["instance", "ord"],
        sqlite_where=sa.text("held = 1"),
        postgresql_where=sa.text("held"),
    )
    op.create_table(
        "dead_letters",
        _ord(),
        _text("id"),
        _text("instance"),
        _text("reason"),
        _text("kind"),
        _text("event"),
        _long("at"),
        **ORDERED,
    )
    op.create_index("dead_letters_by_instance", "dead_letters", ["instance", "ord"])


def _tasks() -> None:
    op.create_table(
        "timers",
        _text("execution"),
        _int("seq"),
        _text("instance"),
        _int("slot"),
        _long("due"),
        sa.PrimaryKeyConstraint("execution", "seq"),
        **SHORT,
    )
    op.create_index("timers_by_time", "timers", ["due", "execution", "seq"])
    op.create_table(
        "tasks",
        _text("execution"),
        _int("seq"),
        _text("instance"),
        _int("slot"),
        _text("queue"),
        _text("name"),
        _long("due"),
        _maybe("worker"),
        _int("deliveries"),
        _text("body"),
        sa.PrimaryKeyConstraint("execution", "seq"),
        **LONG,
    )
    waiting: dict[str, Any] = dict.fromkeys(WHERE, sa.text("worker IS NULL"))
    taken: dict[str, Any] = dict.fromkeys(WHERE, sa.text("worker IS NOT NULL"))
    op.create_index("tasks_by_name", "tasks", ["queue", "name", "due", "execution", "seq"], **waiting)
    op.create_index("tasks_by_instance", "tasks", ["instance"], **waiting)
    op.create_index("tasks_by_worker", "tasks", ["worker"], **taken)
