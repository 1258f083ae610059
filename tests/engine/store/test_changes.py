"""What PostgreSQL's snapshots and its time tell, without a server."""

from __future__ import annotations

import threading

import pytest

from perdure.engine import clock
from perdure.engine.store.changes import _MANY, Changes
from perdure.engine.store.clock import RECENT, HeardClock


@pytest.fixture
def changes() -> Changes:
    """After a first look, when 5 was under way."""
    changes = Changes()
    assert changes.seen("5:10:5")
    return changes


@pytest.mark.parametrize(
    ("mine", "snapshot", "news"),
    [
        ((), "5:10:5", False),
        ((), "5:11:5,10", False),
        ((), "5:11:5", True),
        ((10,), "5:11:5", False),
        ((10,), "5:12:5", True),
        ((), "10:10:", True),
        ((5,), "10:10:", False),
        ((), "5:9999:5", True),
    ],
    ids=["nothing", "begun", "another", "mine", "both", "ended", "mine ended", "many"],
)
def test_what_others_have_ended_is_news(
    changes: Changes, mine: tuple[int, ...], snapshot: str, news: bool
) -> None:
    """Not what only began, nor what was one's own; and it is told once."""
    for number in mine:
        changes.mine(number)
    assert changes.seen(snapshot) is news
    assert changes.seen(snapshot) is False


def test_of_very_many_it_does_not_matter_whose_they_are(changes: Changes) -> None:
    """That some were others' is taken for granted."""
    for number in range(10, 11 + _MANY):
        changes.mine(number)
    assert changes.seen(f"5:{11 + _MANY}:5")


class Standing:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        """The time."""
        return self.seconds

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Nobody waits."""
        return event.is_set()


def test_a_time_that_was_heard_is_good_for_a_moment() -> None:
    """And never earlier than one before."""
    time, heard = Standing(), HeardClock()
    with clock.driven_by(time):
        assert heard.recent() is None
        assert [heard.heard(7), heard.heard(5), heard.recent()] == [7, 7, 7]
        time.seconds += 2 * RECENT
        assert heard.recent() is None
        assert heard.heard(9) == 9


def test_a_time_that_is_given_is_believed() -> None:
    """Whatever a database says."""
    now = [50]
    heard = HeardClock(lambda: now[0])
    assert heard.recent() == heard.heard(99) == 50
    now[0] = 60
    assert heard.recent() == 60
