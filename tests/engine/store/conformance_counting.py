"""How much of everything there is: promises of every store."""

from __future__ import annotations

from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    batch,
    dead_letter,
    first_turn,
    message,
    task,
    timer,
)


class CountingConformance(Fixtures):
    """Counts, and their bound."""

    def test_an_empty_hub_has_nothing(self, store: Store) -> None:
        """Every status is there with its 0."""
        counts = store.counts(9)
        assert counts.instances == {str(each): 0 for each in Status}
        assert dict(counts.queues) == {}
        assert (counts.tasks_claimed, counts.messages, counts.messages_held, counts.timers) == (0, 0, 0, 0)
        assert counts.dead_letters == 0

    def test_everything_is_counted(self, store: Store) -> None:
        """Queues by their names; private ones belong to perdure."""
        waiting = (
            task(1),
            task(2, queue="q"),
            task(3, queue="q"),
            task(4, queue="q", name="sms"),
            task(5, queue="z"),
            task(6, queue="@i1"),
        )
        store.commit(
            batch(
                first_turn(tasks=waiting, timers=(timer(20), timer(21))),
                messages=(message("m1"), message("m2"), message("m3", held=True)),
                dead_letters=(dead_letter(),),
            )
        )
        (taken,) = store.claim("w1", ["mail"], [], 1, 9)
        counts = store.counts(9)
        assert counts.instances == {str(each): int(each is Status.RUNNING) for each in Status}
        assert taken.seq == 1
        assert dict(counts.queues) == {"q": 3, "z": 1}
        assert (counts.tasks_claimed, counts.messages, counts.messages_held) == (1, 2, 1)
        assert (counts.timers, counts.dead_letters) == (2, 1)

    def test_no_count_goes_beyond_its_bound(self, store: Store) -> None:
        """Then it is the bound."""
        store.commit(
            batch(
                first_turn(tasks=[task(each, queue="q") for each in (1, 2, 3)]),
                messages=[message(f"m{each}") for each in (1, 2, 3)],
            )
        )
        counts = store.counts(2)
        assert (dict(counts.queues), counts.messages) == ({"q": 2}, 2)
