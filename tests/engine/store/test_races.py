"""What several writers at once may do to each other: on SQLite they take turns, so by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.engine.store.letters import _take
from perdure.engine.store.purge import remove
from perdure.engine.store.races import ATTEMPTS, Duplicate, Raced, retried
from perdure.engine.store.sqlite import SqliteStore
from tests.engine.store.factory import instance, new_database


class Contested:
    """Its method fails so many times before nobody is in the way."""

    def __init__(self, fails: int, error: type[Exception]) -> None:
        self.fails = fails
        self.error = error
        self.tried = 0

    @retried
    def method(self, result: int) -> int:
        """What it is given."""
        self.tried += 1
        if self.tried <= self.fails:
            raise self.error("in the way")
        return result


@pytest.mark.parametrize("error", [Raced, Duplicate])
def test_a_method_is_tried_again_while_others_are_in_its_way(error: type[Exception]) -> None:
    """What was looked at before the race was lost is looked at again."""
    contested = Contested(ATTEMPTS - 1, error)
    assert (contested.method(7), contested.tried) == (7, ATTEMPTS)


def test_a_method_that_always_loses_says_so() -> None:
    """Whoever called it may try later."""
    contested = Contested(ATTEMPTS, Raced)
    with pytest.raises(Raced):
        contested.method(7)
    assert contested.tried == ATTEMPTS


def test_another_error_is_no_race() -> None:
    """It would only come again."""
    contested = Contested(1, ValueError)
    with pytest.raises(ValueError, match="in the way"):
        contested.method(7)
    assert contested.tried == 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """An empty database."""
    path = tmp_path / "hub.db"
    path.write_bytes(new_database())
    store = SqliteStore(path)
    yield store
    store.close()


def test_what_somebody_else_has_deleted_meanwhile_is_a_race(store: SqliteStore) -> None:
    """A dead letter that was there when one looked, and an instance that was to be purged."""
    with store._write() as tx:
        with pytest.raises(Raced):
            _take(tx, 1)
        with pytest.raises(Raced):
            remove(tx, [instance()])
