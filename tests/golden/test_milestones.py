"""I10: the database of every release opens, goes on and comes to the end that it would have come to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from perdure.engine.store.migrations import HEAD
from tests.golden import milestones
from tests.golden.histories import RELEASE
from tests.golden.milestones import HERE, finished, kept, opened, releases, written

ALL = releases()
LARGEST = 200_000
"""Bytes of one of them, packed."""


@pytest.mark.parametrize("release", ALL)
def test_a_database_of_a_release_goes_on(release: str) -> None:
    """It is migrated; each history replays; everything ends as it was to end."""
    with opened(release) as path:
        assert finished(path) == kept(release).after
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)


@pytest.mark.parametrize("release", ALL)
def test_a_migration_of_a_release_never_changes(release: str) -> None:
    """Whoever has run it has run it: what is missing is the next one's."""
    now = milestones.migrations()
    assert {name: now.get(name) for name in kept(release).migrations} == kept(release).migrations


@pytest.mark.parametrize("release", ALL)
def test_a_database_is_small(release: str) -> None:
    """It is there for ever."""
    assert (HERE / release / "hub.db.gz").stat().st_size < LARGEST


def test_this_version_has_one() -> None:
    """``python -m tests.golden milestone RELEASE`` makes it."""
    assert RELEASE in ALL


def test_everything_that_can_wait_is_in_it() -> None:
    """Statuses, generations, entities, dead letters and schedules."""
    before = kept(RELEASE).before
    statuses = {each["status"] for each in before["instances"].values()}
    assert statuses == {"Pending", "Running", "Suspended", "Completed", "Failed", "Canceled", "Terminated"}
    assert all(before[each] for each in ("entities", "dead letters", "schedules"))
    with opened(RELEASE) as path, closing(sqlite3.connect(path)) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        empty = {
            name for name in tables if connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)
        }
    assert empty == set()


@pytest.mark.slow
def test_the_next_one_can_be_made(tmp_path: Path) -> None:
    """What this version writes has the same instances, and this version finishes it."""
    shown = written(tmp_path / "hub.db")
    assert shown["instances"].keys() == kept(RELEASE).before["instances"].keys()
    assert finished(tmp_path / "hub.db")["entities"] == kept(RELEASE).after["entities"]


def test_a_row_that_is_lost_is_found() -> None:
    """The negative control: without its messages, an instance does not come to its end."""
    with opened(RELEASE) as path:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DELETE FROM inbox WHERE instance = 'waits'")
            connection.commit()
        with pytest.raises(AssertionError, match="waits is Running"):
            finished(path)
