"""Purging an instance that really ran, while its hub goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.errors import Conflict, NotFound, UserError
from perdure.engine.instance import slot_of
from perdure.engine.residents import MAX_BUFFER, MAX_PENDING
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker
from tests.engine.driver import Hub, compiled
from tests.engine.functions import offer

RICH = """
dsl: perdure/1
name: rich
version: 1.0.0
tags: { team: sales }
do:
- big: { call: Big }
- if: ${ input > 0 }
  then: [{ continue_as_new: { input: "${ input - 1 }" } }]
- first:
    race:
      slow: [{ nap: { wait: 30d } }]
      quick: [{ said: { wait_for_event: Go, timeout: never } }]
- return: ${ big }
"""
WAITS = "do: [{ said: { wait_for_event: Go, timeout: never } }]"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the hub is."""
    return tmp_path / "hub.db"


@pytest.fixture
def client(path: Path) -> Iterator[Client]:
    """A client of a hub in a file, with a worker."""
    store, registry = SqliteStore(path), Registry()
    registry.add("Big", lambda: "x" * 100_000)
    with closing(store), Worker(store, registry) as worker:
        yield Client(store, worker)


def sizes(path: Path) -> dict[str, int]:
    """How many rows each table has of instances."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in (
                "instances",
                "instance_tags",
                "payloads",
                "history",
                "inbox",
                "timers",
                "tasks",
                "dead_letters",
            )
        }


def given_ended(client: Client, *ids: str) -> None:
    """Instances that went through two generations, a timer, an event and a large value."""
    program = compiled(RICH).program
    for id_ in ids:
        client.run(program, 1, id=id_)
        client.raise_event(id_, "Go")
        assert client.wait(id_, 60)["status"] == "Completed"


def test_rows_of_every_table_shrink(client: Client, path: Path) -> None:
    """What a purge counts is what is missing then; of another instance nothing is."""
    given_ended(client, "other")
    before = sizes(path)
    given_ended(client, "gone")
    full = sizes(path)
    assert all(full[table] > before[table] for table in ("instances", "instance_tags", "payloads", "history"))
    rows = client.purge("gone")["rows"]
    assert sizes(path) == before
    assert rows == {table: full[table] - before[table] for table in rows}
    with pytest.raises(NotFound):
        client.instance("gone")


def test_the_last_purge_leaves_nothing(client: Client, path: Path) -> None:
    """By a filter, a slice at a time: all tables are empty then."""
    given_ended(client, "a", "b", "c")
    first = client.purge_many(tags={"team": "sales"}, limit=2)
    assert (first["instances"], first["left"]) == (2, [])
    second = client.purge_many(tags={"team": "sales"}, limit=2, cursor=first["next"])
    assert (second["instances"], second["next"]) == (1, None)
    assert set(sizes(path).values()) == {0}


def test_a_dry_run_counts(client: Client, path: Path) -> None:
    """And deletes nothing."""
    given_ended(client, "a", "b")
    before = sizes(path)
    assert client.purge_many(name="rich", dry_run=True)["instances"] == 2
    assert client.purge_many(name="rich", older_than=3600, dry_run=True)["instances"] == 0
    assert sizes(path) == before


def test_times_of_the_end_bound_a_purge(client: Client) -> None:
    """The first belongs to the range, the last does not."""
    given_ended(client, "a", "b")
    ends = [client.instance(id_)["ended_at"] for id_ in ("a", "b")]
    assert client.purge_many(ended_from=ends[0], ended_before=ends[1])["instances"] == 1
    with pytest.raises(NotFound):
        client.instance("a")


def test_the_id_is_free_then(client: Client) -> None:
    """Another instance may have it, with another execution and nothing of the old one."""
    given_ended(client, "a")
    client.purge("a")
    given_ended(client, "a")
    assert client.instance("a")["generation"] == 2


def test_what_runs_is_not_purged(client: Client) -> None:
    """It has to end first."""
    client.run(compiled(WAITS).program, id="a")
    with pytest.raises(Conflict) as refused:
        client.purge("a")
    assert refused.value.code == "not_ended"
    assert client.instance("a")["ended_at"] is None


def test_a_purge_says_what_it_means(client: Client) -> None:
    """Everything that has ended is never meant by saying nothing."""
    with pytest.raises(UserError) as refused:
        client.purge_many()
    assert refused.value.code == "no_filter"
    with pytest.raises(UserError, match="Running is not purged"):
        client.purge_many(statuses=["running"])
    with pytest.raises(UserError, match="is no time"):
        client.purge_many(ended_before="yesterday")


def test_purges_are_audited(client: Client) -> None:
    """With the reason, and what was looked for."""
    given_ended(client, "a", "b")
    client.purge("a", reason="privacy")
    client.purge_many(statuses=["Completed"], reason="old")
    said = [(each["action"], each["target"], each["details"]) for each in client.audit()["items"]]
    assert said == [
        ("instance.purge", "*", {"reason": "old", "filter": {"statuses": ["Completed"]}}),
        ("instance.purge", "a", {"reason": "privacy"}),
    ]


# -- beside the owner of the slot ------------------------------------------------------------------


def test_what_comes_for_a_purged_instance_is_a_dead_letter(hub: Hub) -> None:
    """Though it was in the owner's memory, or on its way, when the rows went."""
    hub.start(WAITS)
    hub.run()
    hub.raise_event("Go")
    hub.raise_event("Go")
    hub.raise_event("Late")
    waiting = hub.store.inbox([slot_of("i")], 9)
    hub.owner.accept(waiting)
    hub.run()
    hub.store.purge("i")
    hub.crash()
    hub.run()
    assert hub.store.inbox(hub.slots, 9) == []
    assert hub.store.load(["i"]) == []


def test_events_that_were_set_aside_are_no_hindrance(hub: Hub) -> None:
    """An instance ends with more events than it can keep, is purged at once, and its id is used again."""
    offer(hub)
    for _ in range(2):
        hub.begin(WAITS)
        hub.run()
        for number in range(MAX_BUFFER + MAX_PENDING + 50):
            hub.raise_event("Other", number)
        hub.run()
        assert hub.store.load(["i"])[0].held > 0
        hub.terminate()
        hub.round()
        hub.store.purge("i")
        hub.run()
    assert hub.store.load(["i"]) == []
    assert hub.store.inbox(hub.slots, 9) == []


def test_a_crash_after_a_purge_brings_nothing_back(hub: Hub) -> None:
    """Who takes over finds no such instance."""
    hub.start("do: [{ return: 1 }]")
    hub.run()
    hub.store.purge("i")
    hub.crash()
    hub.run()
    assert hub.store.instance("i") is None
