"""The tables of a hub, for both dialects.

The migrations create them; a test compares the two. No foreign keys: a message may be older than its
instance. Text columns hold JSON as written. Times are microseconds since 1970 UTC.

``history`` and ``payloads`` keep a row id on SQLite: their rows are long, and appending them to one end
of a file dirties a tenth of the pages that sorting them by key would. The short rows need no second tree.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, text
from sqlalchemy.types import TypeEngine

METADATA = MetaData()

Long = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit integer. On SQLite every integer is one, and a STRICT table takes no other word for it."""

Flag = Boolean().with_variant(Integer(), "sqlite")

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Sorted by code points everywhere, as SQLite and Python do it."""


def _key(name: str, type_: TypeEngine[Any] | None = None) -> Column[Any]:
    return Column(name, type_ or Text, primary_key=True, autoincrement=False)


def _some(name: str, type_: TypeEngine[Any] | None = None) -> Column[Any]:
    return Column(name, type_ or Text, nullable=False)


def _maybe(name: str, type_: TypeEngine[Any] | None = None) -> Column[Any]:
    return Column(name, type_ or Text, nullable=True)


def _added(name: str, before: str, type_: TypeEngine[Any] | None = None) -> Column[Any]:
    """A column that a later migration has added, with the SQL of its value in the rows that were there."""
    return Column(name, type_ or Text, nullable=False, server_default=text(before))


def _short(name: str, *columns: Column[Any] | Index) -> Table:
    return Table(name, METADATA, *columns, sqlite_strict=True, sqlite_with_rowid=False)


def _long(name: str, *columns: Column[Any] | Index) -> Table:
    return Table(name, METADATA, *columns, sqlite_strict=True)


def _ordered(name: str, *columns: Column[Any] | Index) -> Table:
    """A table whose rows are numbered as they come; a number is never used twice."""
    ord_ = Column("ord", Long, primary_key=True, autoincrement=True)
    return Table(name, METADATA, ord_, *columns, sqlite_strict=True, sqlite_autoincrement=True)


meta = _short("meta", _key("key"), _some("value"))

workers = _short(
    "workers",
    _key("id"),
    _some("host"),
    _some("ir", Integer()),
    _some("turns", Flag),
    _some("reserve", Flag),
    _some("activities"),
    _some("state"),
    _some("lease_until", Long),
    _some("joined_at", Long),
    _added("queues", "'[]'"),
    Column("draining", Flag, nullable=False, server_default=sa.false()),
)

slots = _short("slots", _key("id", Integer()), _maybe("owner"), _some("crashes", Integer()))

definitions = _long(
    "definitions",
    _key("name"),
    _key("version"),
    _some("digest"),
    _some("program"),
    _some("created_at", Long),
    _some("active", Flag),
    _some("source"),
    Column("kind", Text, nullable=False, server_default=text("'workflow'")),
    Column("retired", Flag, nullable=False, server_default=sa.false()),
    _added("activated_at", "0", Long),
)

programs = _long("programs", _key("digest"), _some("program"))

_SUSPECTED: dict[str, Any] = {
    "sqlite_where": text("suspect > 0"),
    "postgresql_where": text("suspect > 0"),
}
instances = _long(
    "instances",
    _key("id"),
    _some("slot", Integer()),
    _some("name"),
    _some("version"),
    _some("digest"),
    _some("status"),
    _some("execution"),
    _some("generation", Integer()),
    _some("created_at", Long),
    _maybe("started_at", Long),
    _some("updated_at", Long),
    _maybe("ended_at", Long),
    _maybe("reason"),
    _maybe("custom_status"),
    _some("tags"),
    _maybe("parent_id"),
    Column("suspect", Integer(), nullable=False, server_default=text("0")),
    _maybe("purge_at", Long),
    _maybe("chunk_of", Integer()),
    _maybe("concurrency_key"),
    _added("concurrency_limit", "0", Long),
    _added("waits", "0", Integer()),
)
Index("instances_suspected", instances.c.id, **_SUSPECTED)
_PLACED: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("concurrency_key IS NOT NULL AND ended_at IS NULL")
)
Index(
    "instances_by_concurrency",
    instances.c.concurrency_key,
    instances.c.waits,
    instances.c.created_at,
    instances.c.id,
    **_PLACED,
)
Index("instances_by_time", instances.c.created_at, instances.c.id)
Index("instances_by_name", instances.c.name, instances.c.created_at, instances.c.id)
Index("instances_by_status", instances.c.status, instances.c.created_at, instances.c.id)
_WITH_PARENT: dict[str, Any] = {
    "sqlite_where": text("parent_id IS NOT NULL"),
    "postgresql_where": text("parent_id IS NOT NULL"),
}
_OVER: dict[str, Any] = {
    "sqlite_where": text("ended_at IS NOT NULL"),
    "postgresql_where": text("ended_at IS NOT NULL"),
}
_EXPIRING: dict[str, Any] = {
    "sqlite_where": text("purge_at IS NOT NULL"),
    "postgresql_where": text("purge_at IS NOT NULL"),
}
Index("instances_by_parent", instances.c.parent_id, instances.c.id, **_WITH_PARENT)
Index("instances_by_end", instances.c.ended_at, instances.c.id, **_OVER)
Index("instances_by_purge", instances.c.purge_at, instances.c.id, **_EXPIRING)

instance_tags = _short("instance_tags", _key("instance"), _key("tag"), _some("value"))
Index("instance_tags_by_value", instance_tags.c.tag, instance_tags.c.value, instance_tags.c.instance)

requests = _short(
    "requests",
    _key("route"),
    _key("target"),
    _key("key"),
    _some("fingerprint"),
    _some("answer"),
    Column("at", Long, nullable=False, server_default=text("0")),
)
Index("requests_by_time", requests.c.at)

payloads = _long("payloads", _key("instance"), _key("key"), _some("value"), _maybe("generation", Integer()))

history = _long(
    "history",
    _key("instance"),
    _key("generation", Integer()),
    _key("first_seq", Integer()),
    _some("next_seq", Integer()),
    _some("open", Integer()),
    _some("at", Long),
    _some("events"),
)

entities = _long(
    "entities",
    _key("id"),
    _some("slot", Integer()),
    _some("type"),
    _some("key"),
    _some("incarnation"),
    _some("version", Long),
    _some("created_at", Long),
    _some("updated_at", Long),
    _maybe("state"),
    _maybe("lock"),
    _maybe("task"),
)
Index("entities_by_type", entities.c.type, entities.c.key)

inbox = _ordered(
    "inbox",
    Column("id", Text, nullable=False, unique=True),
    _some("instance"),
    _some("slot", Integer()),
    _some("kind"),
    _some("due", Long),
    _some("held", Flag),
    _maybe("execution"),
    _some("event"),
)
_HELD: dict[str, Any] = {"sqlite_where": text("held = 1"), "postgresql_where": text("held")}
_READY: dict[str, Any] = {"sqlite_where": text("held = 0"), "postgresql_where": text("NOT held")}
Index("inbox_ready", inbox.c.due, inbox.c.ord, **_READY)
Index("inbox_held", inbox.c.instance, inbox.c.ord, **_HELD)
_TIMED: dict[str, Any] = {"sqlite_where": text("due > 0"), "postgresql_where": text("due > 0")}
Index("inbox_timed", inbox.c.instance, inbox.c.due, **_TIMED)

timers = _short(
    "timers",
    _key("execution"),
    _key("seq", Integer()),
    _some("instance"),
    _some("slot", Integer()),
    _some("due", Long),
)
Index("timers_by_time", timers.c.due, timers.c.execution, timers.c.seq)

tasks = _long(
    "tasks",
    _key("execution"),
    _key("seq", Integer()),
    _some("instance"),
    _some("slot", Integer()),
    _some("queue"),
    _some("name"),
    _some("due", Long),
    _maybe("worker"),
    _some("deliveries", Integer()),
    _some("body"),
    _added("rank", "0", Long),
    _added("fairness_key", "''"),
    _added("concurrency_key", "''"),
    _added("concurrency_limit", "0", Long),
    _added("heartbeat", "0", Long),
    _maybe("silent_at", Long),
)
_WAITING: dict[str, Any] = {
    "sqlite_where": text("worker IS NULL"),
    "postgresql_where": text("worker IS NULL"),
}
_TAKEN: dict[str, Any] = {
    "sqlite_where": text("worker IS NOT NULL"),
    "postgresql_where": text("worker IS NOT NULL"),
}
_AGAIN: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("worker IS NULL AND deliveries >= 2")
)
_HEARD: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("worker IS NOT NULL AND silent_at IS NOT NULL")
)
_COUNTED: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("worker IS NOT NULL AND concurrency_key <> ''")
)
_LANE = (tasks.c.queue, tasks.c.name)
_ORDER = (tasks.c.due, tasks.c.execution, tasks.c.seq)
Index("tasks_ready", *_LANE, tasks.c.rank, tasks.c.fairness_key, tasks.c.concurrency_key, *_ORDER, **_WAITING)
Index("tasks_again", *_LANE, tasks.c.rank, *_ORDER, **_AGAIN)
Index("tasks_by_concurrency", tasks.c.concurrency_key, **_COUNTED)
Index("tasks_by_instance", tasks.c.instance, **_WAITING)
Index("tasks_by_worker", tasks.c.worker, **_TAKEN)

Index("tasks_by_silence", tasks.c.silent_at, tasks.c.execution, tasks.c.seq, **_HEARD)

heartbeats = _short("heartbeats", _key("instance"), _key("execution"), _key("path"), _some("details"))

queues = _short("queues", _key("name"), _some("interval", Long), _some("burst", Long), _some("next_at", Long))

subscriptions = _short(
    "subscriptions",
    _key("execution"),
    _key("number", Integer()),
    _some("instance"),
    _some("name"),
    _some("digest"),
    _some("op", Integer()),
    _some("key"),
    _some("once", Flag),
)
Index(
    "subscriptions_by_key",
    subscriptions.c.name,
    subscriptions.c.digest,
    subscriptions.c.op,
    subscriptions.c.key,
)

dead_letters = _ordered(
    "dead_letters",
    _some("id"),
    _some("instance"),
    _some("reason"),
    _some("kind"),
    _some("event"),
    _some("at", Long),
    _maybe("execution"),
)
Index("dead_letters_by_instance", dead_letters.c.instance, dead_letters.c.ord)

audit = _ordered(
    "audit",
    _some("at", Long),
    _some("actor"),
    _some("action"),
    _some("target"),
    _some("details"),
)
Index("audit_by_target", audit.c.target, audit.c.ord)

schedules = _short(
    "schedules",
    _key("id"),
    _some("slot", Integer()),
    _some("workflow"),
    _some("number", Integer()),
    _some("version"),
    _some("program"),
    _some("cron"),
    _some("timezone"),
    _some("overlap"),
    _maybe("catch_up", Long),
    _some("paused", Flag),
    _maybe("due", Long),
    _some("revision", Integer()),
    _some("progress"),
)
_DUE: dict[str, Any] = {
    "sqlite_where": text("due IS NOT NULL"),
    "postgresql_where": text("due IS NOT NULL"),
}
Index("schedules_by_time", schedules.c.due, **_DUE)

api_keys = _short(
    "api_keys",
    _key("id"),
    _some("name"),
    _some("role"),
    _some("hash"),
    _some("created_at", Long),
    _maybe("expires_at", Long),
    _maybe("revoked_at", Long),
    _maybe("used_at", Long),
)
_UNREVOKED: dict[str, Any] = dict.fromkeys(("sqlite_where", "postgresql_where"), text("revoked_at IS NULL"))
Index("api_keys_by_name", api_keys.c.name, unique=True, **_UNREVOKED)
