"""How an instance's rows end: replaced by another instance of its id, or purged."""

from __future__ import annotations

import pytest

from perdure.engine.errors import Conflict, Refused
from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Checkpoint, Loaded
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    LEASE,
    SECOND,
    Hub,
    batch,
    dead_letter,
    first_turn,
    instance,
    message,
    payload,
    request,
    row,
    task,
    timer,
    turn,
    worker,
)

SOON = BEGIN + SECOND


def ended(id: str = "i1", status: Status = Status.COMPLETED) -> Checkpoint:
    """The turn that ends an instance; it leaves things behind that a real one would not."""
    return turn(
        id,
        row(id, first_seq=2),
        before=Status.RUNNING,
        instance=instance(id, status=status, ended_at=BEGIN, tags={"team": "x"}),
        payloads=(payload("1", of=id, key="output"),),
        timers=(timer(9, of=id),),
        tasks=(task(9, of=id),),
    )


def again(id: str = "i1", **more: object) -> Checkpoint:
    """The first turn of another instance of this id."""
    new = instance(id, execution=f"{id}-e2", name="another")
    return first_turn(id, instance=new, execution=f"{id}-e2", replaces=True, **more)


class _Fixtures:
    @pytest.fixture
    def used(self, hub: Hub) -> Store:
        """A store whose owner is ``w1``, with ``i1`` running."""
        used = hub.connect()
        used.join(worker("w1"), LEASE)
        used.take_slots("w1")
        used.commit(batch(first_turn(payloads=(payload(),))))
        return used


class Replacing(_Fixtures):
    """A new instance under the id of one that has ended."""

    def test_the_new_instance_has_the_id(self, used: Store) -> None:
        """Row and history are the new one's alone."""
        used.commit(batch(ended()))
        used.commit(batch(again()))
        new = instance(execution="i1-e2", name="another")
        assert used.load(["i1"]) == [Loaded(instance=new, history=(row(),))]

    def test_nothing_of_the_old_one_is_left(self, used: Store) -> None:
        """Not in any table, for the new one would read it as its own."""
        waits = (message("held", held=True), message("later", due=SOON))
        used.commit(batch(ended(), messages=waits, dead_letters=(dead_letter(),)))
        used.commit(batch(turn("i1", row(generation=2))))
        used.commit(batch(again()))
        assert used.payloads("i1") == {}
        assert used.history("i1", 2, 0, 9) == []
        assert (used.timers(ALL, 2**60, 9), used.waiting_tasks("i1")) == ([], [])
        assert (used.next_timer(ALL), used.dead_letters("i1")) == (None, [])
        assert (used.load(["i1"])[0].held, used.load(["i1"])[0].instance.tags) == (0, {})

    def test_what_can_be_handed_out_stays_in_the_inbox(self, used: Store) -> None:
        """Its owner may have it in memory, and says when it is gone."""
        used.commit(batch(ended(), messages=(message("now"),)))
        used.commit(batch(again()))
        assert [one.id for one in used.inbox(ALL, 9)] == ["now"]

    def test_other_instances_keep_their_rows(self, used: Store) -> None:
        """However alike they are."""
        other = first_turn(
            "i2", payloads=(payload(of="i2"),), timers=(timer(of="i2"),), tasks=(task(of="i2"),)
        )
        used.commit(batch(ended(), other, messages=(message("m2", "i2", held=True),)))
        before = used.load(["i2"]), used.payloads("i2"), used.waiting_tasks("i2")
        used.commit(batch(again()))
        assert (used.load(["i2"]), used.payloads("i2"), used.waiting_tasks("i2")) == before
        assert used.timers(ALL, 2**60, 9) == [timer(of="i2")]

    def test_what_has_not_ended_is_not_replaced(self, used: Store) -> None:
        """And nothing else of the batch is written."""
        before = used.load(["i1"])
        with pytest.raises(Refused):
            used.commit(batch(first_turn("i2"), again()))
        assert used.load(["i1", "i2"]) == before

    def test_an_end_in_the_same_batch_is_too_late(self, used: Store) -> None:
        """Whoever replaces has read that the other one has ended."""
        with pytest.raises(Refused):
            used.commit(batch(ended(), again()))

    def test_a_free_id_is_taken(self, used: Store) -> None:
        """The old one may have been purged meanwhile."""
        used.commit(batch(again("i2")))
        assert used.instance("i2") is not None

    def test_without_the_word_an_ended_instance_stays(self, used: Store) -> None:
        """A row that exists refuses another one."""
        used.commit(batch(ended()))
        with pytest.raises(Refused):
            used.commit(batch(first_turn()))

    def test_the_new_instance_goes_on_in_the_same_batch(self, used: Store) -> None:
        """Its later turns find the new row."""
        used.commit(batch(ended()))
        done = instance(execution="i1-e2", status=Status.COMPLETED)
        more = turn("i1", row(first_seq=2), execution="i1-e2", before=Status.RUNNING, instance=done)
        used.commit(batch(again(), more))
        assert used.load(["i1"])[0].instance.status is Status.COMPLETED


class Starting(_Fixtures):
    """What a client's start does when its id is in use."""

    def test_reuse_leaves_what_is_there(self, used: Store) -> None:
        """Ended or not; the start message is not written."""
        before = used.load(["i1"])
        pending = instance(status=Status.PENDING, execution="i1-e2")
        assert used.start(pending, payload("2"), message(), request(), if_exists="reuse") is None
        assert (used.load(["i1"]), used.payloads("i1"), used.inbox(ALL, 9)) == (
            before,
            {"input": '"in"'},
            [],
        )

    def test_reuse_is_remembered_under_its_key(self, used: Store) -> None:
        """The same key tells that it was carried out."""
        pending = instance(status=Status.PENDING, execution="i1-e2")
        used.start(pending, payload(), message(), request(), if_exists="reuse")
        assert used.start(pending, payload(), message(), request(), if_exists="reuse") == request()

    def test_reuse_of_a_free_id_starts(self, used: Store) -> None:
        """There is nothing to reuse."""
        pending = instance("i2", status=Status.PENDING)
        used.start(pending, payload(of="i2"), message(to="i2"), None, if_exists="reuse")
        assert (used.instance("i2"), len(used.inbox(ALL, 9))) == (pending, 1)

    def test_an_ended_instance_is_replaced(self, used: Store) -> None:
        """Its payloads and history go with it."""
        used.commit(batch(ended()))
        pending = instance(status=Status.PENDING, execution="i1-e2")
        used.start(pending, payload("2"), message(), None, if_exists="replace_ended")
        assert used.load(["i1"]) == [Loaded(instance=pending, history=())]
        assert used.payloads("i1") == {"input": "2"}

    def test_a_running_instance_is_not_replaced(self, used: Store) -> None:
        """The id is in use, and the key may be used again."""
        pending = instance(status=Status.PENDING, execution="i1-e2")
        with pytest.raises(Conflict):
            used.start(pending, payload(), message(), request(), if_exists="replace_ended")
        assert used.look_up([], [], [("start", "i1", "k1")]).requests == {}

    def test_by_default_an_ended_instance_keeps_its_id(self, used: Store) -> None:
        """Nothing is deleted that nobody asked to delete."""
        used.commit(batch(ended()))
        pending = instance(status=Status.PENDING, execution="i1-e2")
        with pytest.raises(Conflict):
            used.start(pending, payload(), message(), None)


class LifeConformance(Replacing, Starting):
    """All of it."""
