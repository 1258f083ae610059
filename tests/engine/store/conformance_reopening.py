"""Instances that have ended and go on: the order to do so, and the rows that it replaces."""

from __future__ import annotations

import pytest

from perdure.engine.errors import Conflict, NotFound
from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import AuditQuery, Checkpoint, Message
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    LEASE,
    Hub,
    audited,
    batch,
    first_turn,
    instance,
    message,
    payload,
    request,
    row,
    turn,
    worker,
)


def ended(**more: object) -> Checkpoint:
    """The turn that ends ``i1``."""
    done = instance("i1", status=Status.FAILED, ended_at=BEGIN)
    values = (payload("1", of="i1", key="output"), payload("2", of="i1", key="error"))
    return turn("i1", row("i1", first_seq=2), before=Status.RUNNING, instance=done, payloads=values, **more)


def order(id: str = "m1", execution: str = "i1-e1", to: str = "i1") -> Message:
    """An order to go on."""
    return message(id, to=to, execution=execution)


class ReopeningConformance:
    """What every store promises of instances that go on."""

    @pytest.fixture
    def failed(self, hub: Hub) -> Store:
        """A store whose owner is ``w1``, where ``i1`` has failed."""
        failed = hub.connect()
        failed.join(worker("w1"), LEASE)
        failed.take_slots("w1")
        failed.commit(batch(first_turn(payloads=(payload(of="i1"),))))
        failed.commit(batch(ended()))
        return failed

    def test_an_order_reaches_what_has_ended(self, failed: Store) -> None:
        """With the request and the entry of the audit, all at once."""
        assert failed.reopen(order(), request(), audited()) is None
        assert failed.reopen(order("m2"), request(), audited()) == request()
        assert [(each.id, each.execution) for each in failed.inbox(ALL, 10)] == [("m1", "i1-e1")]
        assert len(failed.audit(AuditQuery())) == 1

    def test_an_order_for_another_execution(self, failed: Store) -> None:
        """Somebody else was faster; nothing is written."""
        with pytest.raises(Conflict, match="goes on already"):
            failed.reopen(order(execution="i1-e0"), request(), audited())
        assert (failed.inbox(ALL, 10), failed.audit(AuditQuery())) == ([], [])
        assert failed.look_up([], [], [("start", "i1", "k1")]).requests == {}

    def test_an_order_for_what_runs(self, failed: Store) -> None:
        """It has to end first."""
        failed.commit(batch(first_turn("i2")))
        with pytest.raises(Conflict, match="has not ended"):
            failed.reopen(order(to="i2", execution="i2-e1"), None)

    def test_an_order_for_nobody(self, failed: Store) -> None:
        """An unknown id."""
        with pytest.raises(NotFound):
            failed.reopen(order(to="nobody"), None)

    def test_values_that_are_true_no_more(self, failed: Store) -> None:
        """They are deleted before those of the same commit are written."""
        again = turn(
            "i1",
            row("i1", generation=2),
            before=Status.FAILED,
            instance=instance("i1", execution="i1-e2", generation=2),
            payloads=(payload("3", of="i1", key="output"),),
            payloads_dropped=("error", "output", "input"),
        )
        failed.commit(batch(again))
        assert failed.payloads("i1") == {"output": "3"}

    def test_a_history_that_is_written_anew(self, failed: Store) -> None:
        """The rows of the same generation make room; other generations and instances keep theirs."""
        failed.commit(batch(first_turn("i2")))
        again = turn(
            "i1",
            row("i1", next_seq=1),
            row("i1", first_seq=1, next_seq=9),
            before=Status.FAILED,
            instance=instance("i1", execution="i1-e2"),
            rewrites=True,
        )
        failed.commit(batch(again))
        assert [each.next_seq for each in failed.history("i1", 1, 0, 10)] == [1, 9]
        assert len(failed.history("i2", 1, 0, 10)) == 1

    def test_rows_that_are_not_written_anew_stay(self, failed: Store) -> None:
        """A turn appends."""
        assert [each.first_seq for each in failed.history("i1", 1, 0, 10)] == [0, 2]
