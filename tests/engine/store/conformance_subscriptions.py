"""What every store must do with subscriptions: a delivery and the end of a subscription are one."""

from __future__ import annotations

import pytest

from perdure.engine.errors import FenceLost
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Publication
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import ALL, batch, first_turn, request, row, subscription, turn


def publication(id: str = "p1", *to: tuple[str, int, str], name: str = "Paid") -> Publication:
    """An event for that wait, or for others."""
    return Publication(id=id, name=name, event="{}", to=to or (("d", 3, "1"),))


class SubscriptionConformance(Fixtures):
    """Who is found by what is in an event."""

    @pytest.fixture
    def waiting(self, store: Store) -> Store:
        """Two instances wait for the key 1."""
        store.commit(
            batch(
                first_turn("i1", subscriptions=(subscription(),)),
                first_turn("i2", subscriptions=(subscription(of="i2"),)),
            )
        )
        return store

    def test_it_is_known_who_waits(self, waiting: Store) -> None:
        """Each Program's instruction once."""
        more = (subscription(1, op=2), subscription(2, name="Other"))
        waiting.commit(batch(turn("i1", row(first_seq=2), subscriptions=more)))
        assert waiting.waited("Paid") == [("d", 2), ("d", 3)]
        assert waiting.waited("None") == []

    def test_a_publication_ends_what_it_finds(self, waiting: Store) -> None:
        """Each gets a message of its own, for its execution; then nobody is found."""
        assert waiting.publish(publication(), None) == (None, ("i1", "i2"))
        messages = waiting.inbox(ALL, 10)
        assert [(each.id, each.instance, each.execution) for each in messages] == [
            ("p1/i1-e1", "i1", "i1-e1"),
            ("p1/i2-e1", "i2", "i2-e1"),
        ]
        assert {(each.kind, each.event, each.held) for each in messages} == {("EventRaised", "{}", False)}
        assert waiting.publish(publication("p2"), None) == (None, ())

    @pytest.mark.parametrize(
        ("to", "name"),
        [(("d", 3, "2"), "Paid"), (("d", 2, "1"), "Paid"), (("e", 3, "1"), "Paid"), (("d", 3, "1"), "Pay")],
    )
    def test_everything_must_be_the_same(self, waiting: Store, to: tuple[str, int, str], name: str) -> None:
        """Name, Program, instruction and key."""
        assert waiting.publish(publication("p1", to, name=name), None) == (None, ())

    def test_one_that_takes_several_events_stays(self, store: Store) -> None:
        """Until its wait is over."""
        store.commit(batch(first_turn(subscriptions=(subscription(once=False),))))
        for id_ in ("p1", "p2"):
            assert store.publish(publication(id_), None) == (None, ("i1",))
        store.commit(batch(turn("i1", row(first_seq=2), subscriptions_closed=(("i1-e1", 0),))))
        assert store.publish(publication("p3"), None) == (None, ())

    def test_an_event_ends_one_subscription_of_an_instance(self, store: Store) -> None:
        """The oldest one."""
        both = (subscription(1), subscription(0, op=2))
        store.commit(batch(first_turn(subscriptions=both)))
        assert store.publish(publication("p1", ("d", 3, "1"), ("d", 2, "1")), None) == (None, ("i1",))
        assert store.waited("Paid") == [("d", 3)]

    def test_what_is_made_and_ended_in_one_batch_leaves_nothing(self, store: Store) -> None:
        """In one turn, or in two."""
        again = turn("i1", row(first_seq=2), subscriptions_closed=(("i1-e1", 0),))
        store.commit(batch(first_turn(subscriptions=(subscription(),)), again))
        assert store.waited("Paid") == []

    def test_a_subscription_may_be_made_again(self, waiting: Store) -> None:
        """Whether a delivery has taken it or not."""
        waiting.publish(publication("p1", ("d", 3, "1")), None)
        for seq in (2, 4):
            waiting.commit(batch(turn("i1", row(first_seq=seq), subscriptions=(subscription(),))))
        assert waiting.publish(publication("p2"), None) == (None, ("i1",))

    def test_all_of_an_execution_may_end(self, waiting: Store) -> None:
        """Those of others stay."""
        waiting.commit(batch(turn("i1", row(first_seq=2), unsubscribes=True)))
        assert waiting.publish(publication(), None) == (None, ("i2",))

    def test_a_repeated_request_finds_nobody(self, waiting: Store) -> None:
        """It is told who was found the first time; one that found nobody is not remembered."""
        assert waiting.publish(publication("p0", ("d", 3, "2")), request()) == (None, ())
        assert waiting.publish(publication("p1", ("d", 3, "1")), request())[1] == ("i1", "i2")
        waiting.commit(batch(turn("i1", row(first_seq=2), subscriptions=(subscription(),))))
        earlier, ids = waiting.publish(publication("p2"), request())
        assert ids == ()
        assert earlier is not None
        assert earlier.answer == '["i1","i2"]'
        assert len(waiting.inbox(ALL, 10)) == 2

    def test_a_fenced_worker_subscribes_nobody(self, store: Store) -> None:
        """It is part of the batch."""
        store.leave("w1")
        with pytest.raises(FenceLost):
            store.commit(batch(first_turn(subscriptions=(subscription(),))))
        assert store.waited("Paid") == []
