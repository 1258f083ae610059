"""How an instance's rows end: replaced by another instance of its id, or purged."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from perdure.engine.errors import Conflict, Ended, NotFound, Refused
from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import (
    AuditQuery,
    Checkpoint,
    EndedQuery,
    IfExists,
    InstanceQuery,
    Loaded,
    Purged,
)
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    LEASE,
    SECOND,
    Hub,
    audited,
    batch,
    dead_letter,
    first_turn,
    instance,
    message,
    payload,
    request,
    row,
    subscription,
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
        subscriptions=(subscription(9, of=id),),
    )


def again(id: str = "i1", **more: Any) -> Checkpoint:
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

    def test_two_of_one_family_are_replaced_in_one_batch(self, used: Store) -> None:
        """The child has gone with its parent; its id is free as well."""
        child = instance("i3", parent_id="i1", status=Status.COMPLETED, ended_at=BEGIN)
        used.commit(batch(ended(), first_turn("i3", instance=child)))
        used.commit(batch(again("i3"), again("i1")))
        assert [one.instance.name for one in used.load(["i1", "i3"])] == ["another", "another"]

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


class StartingWithAnEvent(_Fixtures):
    """A start that tells an event, to whoever has the id then."""

    def start(self, store: Store, if_exists: IfExists, id: str = "i1") -> None:
        pending = instance(id, status=Status.PENDING, execution=f"{id}-e2")
        event = message("told", to=id)
        store.start(
            pending, payload(of=id), message("start", to=id), request(), if_exists=if_exists, event=event
        )

    @pytest.mark.parametrize("if_exists", get_args(IfExists))
    def test_a_new_instance_hears_it_behind_its_start(self, used: Store, if_exists: IfExists) -> None:
        """Both are written, or neither."""
        self.start(used, if_exists, "i2")
        assert [one.id for one in used.inbox(ALL, 9)] == ["start", "told"]

    @pytest.mark.parametrize("if_exists", ["reuse", "replace_ended"])
    def test_an_instance_that_is_there_hears_it(self, used: Store, if_exists: IfExists) -> None:
        """And nothing is started; the request is remembered."""
        before = used.load(["i1"])
        self.start(used, if_exists)
        assert [one.id for one in used.inbox(ALL, 9)] == ["told"]
        assert used.load(["i1"]) == before
        assert used.look_up([], [], [("start", "i1", "k1")]).requests != {}

    def test_one_that_has_ended_is_replaced(self, used: Store) -> None:
        """The new one hears it."""
        used.commit(batch(ended()))
        self.start(used, "replace_ended")
        assert [one.id for one in used.inbox(ALL, 9)] == ["start", "told"]
        assert used.load(["i1"])[0].instance.execution == "i1-e2"

    def test_one_that_has_ended_hears_nothing(self, used: Store) -> None:
        """Reused, there is nobody to hear it; nothing is written."""
        used.commit(batch(ended()))
        with pytest.raises(Ended):
            self.start(used, "reuse")
        assert used.inbox(ALL, 9) == []
        assert used.look_up([], [], [("start", "i1", "k1")]).requests == {}

    def test_an_id_in_use_is_refused(self, used: Store) -> None:
        """By default the event is for the new instance alone."""
        with pytest.raises(Conflict):
            self.start(used, "reject")
        assert used.inbox(ALL, 9) == []


def over(id: str = "i1", at: int = BEGIN, **more: Any) -> Checkpoint:
    """The only turn of an instance that has ended."""
    status = more.pop("status", Status.COMPLETED)
    return first_turn(id, instance=instance(id, status=status, ended_at=at, **more))


def ids(store: Store) -> list[str]:
    """All instances, by id."""
    return sorted(one.id for one in store.instances(InstanceQuery()))


class Purging(_Fixtures):
    """The end of an instance, by its id."""

    def test_a_purge_counts_the_rows_of_each_table(self, used: Store) -> None:
        """And deletes them."""
        waits = (message("held", held=True), message("later", due=SOON), message("now"))
        used.commit(batch(ended(), messages=waits, dead_letters=(dead_letter(),)))
        used.commit(batch(turn("i1", row(generation=2))))
        assert used.purge("i1") == Purged(
            rows={
                "instances": 1,
                "instance_tags": 1,
                "payloads": 2,
                "history": 3,
                "timers": 1,
                "tasks": 1,
                "subscriptions": 1,
                "inbox": 2,
                "heartbeats": 0,
                "dead_letters": 1,
            }
        )
        assert (used.load(["i1"]), used.payloads("i1"), used.history("i1", 2, 0, 9)) == ([], {}, [])
        assert [one.id for one in used.inbox(ALL, 9)] == ["now"]

    def test_another_purge_finds_nothing(self, used: Store) -> None:
        """It is as if the instance had never been."""
        used.commit(batch(ended()))
        used.purge("i1")
        with pytest.raises(NotFound):
            used.purge("i1")

    @pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING, Status.SUSPENDED])
    def test_what_has_not_ended_is_not_purged(self, used: Store, status: Status) -> None:
        """Only its owner writes it."""
        used.commit(
            batch(turn("i1", row(first_seq=2), before=Status.RUNNING, instance=instance(status=status)))
        )
        before = used.load(["i1"])
        with pytest.raises(Conflict, match="has not ended"):
            used.purge("i1")
        assert used.load(["i1"]) == before

    def test_descendants_go_with_it(self, used: Store) -> None:
        """Of any generation; others of its parent stay."""
        children = [over("c1", parent_id="i1"), over("c2", parent_id="c1"), over("other", parent_id="i2")]
        used.commit(batch(ended(), *children))
        assert used.purge("i1").rows["instances"] == 3
        assert ids(used) == ["other"]

    def test_each_goes_once_though_they_are_each_others_children(self, used: Store) -> None:
        """One of them was replaced by a child of the other."""
        used.commit(batch(over("a", parent_id="b"), over("b", parent_id="a")))
        assert used.purge("a").rows["instances"] == 2
        assert ids(used) == ["i1"]

    def test_a_child_that_runs_keeps_its_parent(self, used: Store) -> None:
        """It may still read what is its parent's; nothing is deleted."""
        running = first_turn("c2", instance=instance("c2", parent_id="c1"))
        used.commit(batch(ended(), over("c1", parent_id="i1"), running))
        with pytest.raises(Conflict, match="child that has not ended: 'c2'"):
            used.purge("i1")
        assert ids(used) == ["c1", "c2", "i1"]

    def test_a_child_that_runs_can_be_left_behind(self, used: Store) -> None:
        """It goes on alone; its brothers that have ended are purged."""
        running = first_turn("c2", instance=instance("c2", parent_id="i1"))
        used.commit(batch(ended(), over("c1", parent_id="i1"), running))
        used.purge("i1", leave_running=True)
        assert ids(used) == ["c2"]

    def test_a_purge_is_audited(self, used: Store) -> None:
        """In its transaction; a purge that is refused is not."""
        with pytest.raises(Conflict):
            used.purge("i1", audit=audited())
        used.commit(batch(ended()))
        used.purge("i1", audit=audited())
        assert len(used.audit(AuditQuery())) == 1

    def test_replacing_takes_the_children_along(self, used: Store) -> None:
        """The new instance may start its own under their ids."""
        used.commit(batch(ended(), over("c1", parent_id="i1")))
        used.commit(batch(again()))
        assert ids(used) == ["i1"]

    def test_requests_stay(self, used: Store) -> None:
        """What was carried out under a key is not done again because its instance is gone."""
        used.commit(batch(ended(), requests=(request(),)))
        used.purge("i1")
        assert used.look_up([], [], [("start", "i1", "k1")]).requests == {("start", "i1", "k1"): request()}


class PurgingMany(_Fixtures):
    """The end of all instances that match."""

    @pytest.fixture
    def many(self, used: Store) -> Store:
        """Beside ``i1``, which runs: four that ended one after the other."""
        states = (Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.TERMINATED)
        turns = [
            over(
                f"e{number}",
                BEGIN + number,
                status=status,
                name=f"n{number % 2}",
                tags={"k": f"v{number % 2}"},
            )
            for number, status in enumerate(states)
        ]
        used.commit(batch(*turns))
        return used

    @pytest.mark.parametrize(
        ("query", "gone"),
        [
            (EndedQuery(), ["e0", "e1", "e2", "e3"]),
            (EndedQuery(statuses=(Status.FAILED, Status.RUNNING)), ["e1"]),
            (EndedQuery(name="n0"), ["e0", "e2"]),
            (EndedQuery(tags=(("k", "v1"),)), ["e1", "e3"]),
            (EndedQuery(ended_from=BEGIN + 1, ended_before=BEGIN + 3), ["e1", "e2"]),
            (EndedQuery(created_from=BEGIN + 1), []),
            (EndedQuery(created_from=BEGIN, created_to=BEGIN, name="n1"), ["e1", "e3"]),
            (EndedQuery(after=(BEGIN + 1, "e1")), ["e2", "e3"]),
            (EndedQuery(name="nobody"), []),
        ],
    )
    def test_what_matches_is_purged(self, many: Store, query: EndedQuery, gone: list[str]) -> None:
        """And nothing else: a running instance never matches."""
        before = ids(many)
        done = many.purge_ended(query)
        assert (done.after, done.left) == (None, ())
        assert ids(many) == sorted(set(before) - set(gone))

    def test_counting_deletes_nothing(self, many: Store) -> None:
        """It says how many would be purged."""
        assert many.count_ended(EndedQuery(statuses=(Status.FAILED, Status.CANCELED), limit=1)) == 2
        assert many.count_ended(EndedQuery()) == 4
        assert len(ids(many)) == 5

    def test_a_slice_is_bounded(self, many: Store) -> None:
        """It says where the next one begins; the last one says that there is nothing more."""
        first = many.purge_ended(EndedQuery(limit=3))
        assert (first.rows["instances"], first.after) == (3, (BEGIN + 2, "e2"))
        second = many.purge_ended(EndedQuery(limit=3, after=first.after))
        assert (second.rows["instances"], second.after) == (1, None)

    def test_a_slice_is_over_after_so_many_rows(self, many: Store) -> None:
        """A transaction does not grow with the histories of those who match."""
        done = many.purge_ended(EndedQuery(rows=4))
        assert (done.rows["instances"], done.after) == (2, (BEGIN + 1, "e1"))

    def test_who_waits_for_a_child_is_passed_over(self, many: Store) -> None:
        """And named; a slice goes on behind it."""
        many.commit(batch(first_turn("c", instance=instance("c", parent_id="e0"))))
        done = many.purge_ended(EndedQuery(limit=2))
        assert (done.left, done.rows["instances"], done.after) == (("e0",), 1, (BEGIN + 1, "e1"))

    def test_a_family_goes_at_once(self, many: Store) -> None:
        """Though its members match one by one."""
        many.commit(batch(over("c", BEGIN + 9, parent_id="e0")))
        done = many.purge_ended(EndedQuery())
        assert (done.rows["instances"], done.left, ids(many)) == (5, (), ["i1"])

    def test_a_slice_is_audited_if_it_did_anything(self, many: Store) -> None:
        """Nothing was done to nobody."""
        many.purge_ended(EndedQuery(name="nobody"), audited())
        many.commit(batch(first_turn("c", instance=instance("c", parent_id="e0"))))
        assert many.purge_ended(EndedQuery(limit=1), audited()).left == ("e0",)
        assert many.audit(AuditQuery()) == []
        many.purge_ended(EndedQuery(), audited())
        assert len(many.audit(AuditQuery())) == 1


class Aging(_Fixtures):
    """What goes because its time has come."""

    def test_retention_ends(self, hub: Hub, used: Store) -> None:
        """At its very time, by the store's clock; who has none stays."""
        used.commit(batch(over("a", purge_at=SOON), over("b", purge_at=SOON + 1), over("c")))
        assert used.groom(9, 999).rows == {}
        hub.clock.now = SOON
        assert used.groom(9, 999).rows["instances"] == 1
        assert ids(used) == ["b", "c", "i1"]

    def test_those_whose_time_came_first_go_first(self, hub: Hub, used: Store) -> None:
        """And no more than asked for, of instances or of rows."""
        turns = [over(f"a{number}", purge_at=BEGIN + 9 - number) for number in range(6)]
        used.commit(batch(*turns))
        hub.clock.now = SOON
        used.groom(2, 999)
        assert ids(used) == ["a0", "a1", "a2", "a3", "i1"]
        used.groom(9, 3)
        assert ids(used) == ["a0", "a1", "i1"]

    def test_what_goes_on_stays(self, hub: Hub, used: Store) -> None:
        """A time that was written when it had ended says nothing of one that runs again."""
        running = instance(purge_at=BEGIN)
        used.commit(batch(turn("i1", row(first_seq=2), before=Status.RUNNING, instance=running)))
        hub.clock.now = SOON
        assert (used.groom(9, 999).rows, ids(used)) == ({}, ["i1"])

    def test_a_family_whose_time_has_come_goes_at_once(self, hub: Hub, used: Store) -> None:
        """Its members are counted once, whoever comes first."""
        used.commit(batch(over("a", purge_at=BEGIN), over("c", parent_id="a", purge_at=BEGIN)))
        hub.clock.now = SOON
        assert used.groom(9, 999).rows["instances"] == 2
        assert ids(used) == ["i1"]

    def test_who_waits_for_a_child_takes_no_place(self, hub: Hub, used: Store) -> None:
        """Others go while it cannot."""
        child = first_turn("c", instance=instance("c", parent_id="a"))
        used.commit(batch(over("a", purge_at=BEGIN), child, over("b", purge_at=BEGIN + 1)))
        hub.clock.now = SOON
        used.groom(1, 999)
        assert ids(used) == ["a", "c", "i1"]

    def test_old_requests_are_forgotten(self, hub: Hub, used: Store) -> None:
        """Oldest first, as many as asked for; a batch and a client date theirs."""
        used.commit(batch(requests=(request("k1"),)))
        hub.clock.now += SECOND
        used.send(message(), request("k2", route="event"))
        used.send(message("m2"), request("k3", route="event"))
        keys = [("start", "i1", "k1"), ("event", "i1", "k2"), ("event", "i1", "k3")]
        assert used.forget_requests(BEGIN + SECOND, 9) == 1
        assert set(used.look_up([], [], keys).requests) == set(keys[1:])
        assert used.forget_requests(BEGIN + 2 * SECOND, 1) == 1
        assert set(used.look_up([], [], keys).requests) == {keys[2]}
        assert used.forget_requests(BEGIN + SECOND, 9) == 0


class LifeConformance(Replacing, Starting, StartingWithAnEvent, Purging, PurgingMany, Aging):
    """All of it."""
