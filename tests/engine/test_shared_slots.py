"""Several workers have slots of one hub: they come and go, and nothing is lost, run twice or done by two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest

from perdure.engine import joining
from perdure.engine.activities import Pending
from perdure.engine.errors import Busy, OutcomeUnknown, StoreError
from perdure.engine.instance import SLOTS, slot_of
from perdure.engine.owner import Owner
from perdure.engine.sharing import PATIENCE
from perdure.engine.store.rows import Takeover
from perdure.engine.tasks import Task
from tests.engine.driver import SECOND, compiled
from tests.engine.facts import WAIT
from tests.engine.sharers import LEASE, Sharers, id_in, sharers
from tests.engine.test_entity_python import Tally

MARK = compiled("do: [{ m: { call: Mark, with: '${ input }' } }, { return: '${ m }' }]").program
ASKS = compiled("do: [{ a: { call: Ask, with: 1 } }, { return: '${ a }' }]").program
CHAIN = compiled(
    "do: [{ a: { call: Mark, with: 1 } }, { b: { call: Mark, with: '${ a }' } }, { return: '${ b }' }]"
).program
WAITS = compiled("do: [{ w: { wait: 40s } }, { return: done }]").program
HEARS = compiled(
    """
    events: { Go: {} }
    do:
      - a: { wait_for_event: Go, timeout: never }
      - b: { wait_for_event: Go, timeout: never }
      - return: ${ [a, b] }
    """
).program
BOTH = compiled(
    """
    events: { Go: {} }
    do:
      - p:
          parallel:
            a: [{ m: { call: Mark, with: 1 } }, { output: '${ m }' }]
            b: [{ w: { wait_for_event: Go, timeout: never } }, { output: '${ w }' }]
      - return: ${ p }
    """
).program
PING = compiled(
    """
    events: { Ping: {} }
    do:
      - f:
          for_each: ${ lists.range(20) }
          each: n
          do:
            - send_event: { to: '${ input }', event: Ping, with: '${ n }' }
            - got: { wait_for_event: Ping, timeout: never }
            - output: ${ got }
      - return: ${ f }
    """
).program


@pytest.fixture
def hub() -> Iterator[Sharers]:
    """A hub without workers, whose activity gives what it is given."""
    with sharers() as found:
        found.registry.add("Mark", lambda given: given)
        yield found


def test_slots_are_shared_by_all_who_come(hub: Sharers) -> None:
    """Each gets as many; who leaves gives its own back."""
    hub.join()
    assert hub.counts() == [SLOTS]
    for expected in ([128, 128], [85, 85, 86], [64, 64, 64, 64]):
        hub.join()
        hub.settle()
        assert sorted(hub.counts()) == expected
    hub.leave(hub.all[1])
    hub.settle()
    assert sorted(hub.counts()) == [85, 85, 86]


def test_who_finds_very_many_instances_in_its_slots_keeps_its_lease(hub: Sharers) -> None:
    """It looks at some slots at a time, and renews the lease in between."""
    hub.store.looks = (4.0,) * 16
    who = hub.join()
    hub.act()
    assert len(who.slots) == SLOTS


@pytest.mark.parametrize("fails", [None, Busy("no"), OutcomeUnknown("no")], ids=["", "busy", "unknown"])
def test_who_replays_very_many_histories_of_a_dead_owner_keeps_its_lease(
    hub: Sharers, monkeypatch: pytest.MonkeyPatch, fails: StoreError | None
) -> None:
    """The next owner lost it over them too, and so on: nobody ever took a turn. Nothing is written twice."""
    monkeypatch.setattr(joining, "REPLAYED_AT_ONCE", 2)
    dead = hub.join()
    hub.settle()
    ids = hub.via(dead).run_many(MARK, list(range(12)))
    hub.settle(0.5)
    dead.awake = False
    replay = Owner.take_over

    def slowly(owner: Owner, takeover: Takeover, *args: Any) -> None:
        assert all(each.lease_until > hub.clock.now for each in hub.store.workers() if each.id != gone)
        if takeover.loaded:
            hub.clock.now += LEASE // 4
            hub.store.renewal_fails = pending.pop() if pending else hub.store.renewal_fails
        replay(owner, takeover, *args)

    gone, pending = dead.duties.id, [] if fails is None else [fails]
    other = hub.join()
    monkeypatch.setattr(Owner, "take_over", slowly)
    hub.settle(4 * LEASE / SECOND)
    assert len(other.slots) == SLOTS
    other.end()
    hub.settle(1)
    assert sorted(hub.client.instance(each)["output"] for each in ids) == list(range(12))
    assert len(other.activities.begun) == 12
    assert (pending, hub.store.renewal_fails) == ([], None)


def test_what_runs_goes_on_where_it_runs_when_its_slot_moves(hub: Sharers) -> None:
    """Nothing runs twice: its row says who has it, and its result reaches the new owner."""
    first = hub.join()
    ids = [hub.client.run(MARK, f"x{n}", id=f"i{n}")["id"] for n in range(40)]
    hub.settle(0.5)
    second = hub.join()
    hub.settle()
    moved = [id_ for id_ in ids if second.owns(id_)]
    assert len(first.activities.open) == len(ids)
    assert 0 < len(moved) < len(ids)
    assert second.activities.begun == []
    first.end()
    assert [hub.client.wait(id_, WAIT)["output"] for id_ in ids] == [f"x{n}" for n in range(40)]
    assert len(hub.begun()) == len(ids)
    assert hub.store.claimed(first.duties.id) == frozenset()


def test_few_slots_are_given_at_once_when_much_runs_in_them(
    hub: Sharers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is read and written in one step: of very much that took longer than the lease."""
    monkeypatch.setattr(joining, "GIVEN_TASKS", 3)
    first = hub.join()
    hub.settle()
    ids = hub.via(first).run_many(MARK, list(range(60)))
    hub.settle(0.5)
    second = hub.join()
    hub.settle(20)
    assert hub.counts() == [SLOTS // 2, SLOTS // 2]
    assert sum(tasks for _, tasks in hub.store.given) > 3
    assert all(slots == 1 or tasks <= 3 for slots, tasks in hub.store.given)
    first.end()
    hub.settle(1)
    assert second.activities.begun == []
    assert sorted(hub.client.instance(each)["output"] for each in ids) == list(range(60))


def test_what_runs_when_its_slot_moves_is_delivered_again_if_its_worker_dies(hub: Sharers) -> None:
    """Its row was claimed by who runs it, so whoever takes over frees it."""
    first = hub.join()
    id_ = hub.client.run(MARK, 1, id=id_in(range(192, SLOTS)))["id"]
    hub.settle(0.5)
    second = hub.join()
    hub.settle()
    assert (second.owns(id_), len(first.activities.open)) == (True, 1)
    first.awake = False
    hub.settle(20)
    assert [task.instance for task in second.activities.begun] == [id_]
    assert len(second.slots) == SLOTS
    second.end()
    assert hub.client.wait(id_, WAIT)["output"] == 1
    first.end()
    first.awake = True
    hub.settle(1)
    assert hub.client.instance(id_)["output"] == 1


def test_a_result_that_no_commit_has_taken_reaches_the_new_owner(hub: Sharers) -> None:
    """The old one has it in memory alone when the slot moves."""
    first = hub.join()
    id_ = hub.client.run(MARK, 1, id=id_in(range(192, SLOTS)))["id"]
    hub.settle(0.5)
    hub.store.busy = True
    first.end()
    hub.settle(0.5)
    second = hub.join()
    hub.settle()
    assert second.owns(id_)
    hub.store.busy = False
    assert hub.client.wait(id_, WAIT)["output"] == 1
    assert len(hub.begun()) == 1


def test_what_ended_while_its_instance_was_parked_does_not_run_again_when_its_slot_moves(
    hub: Sharers,
) -> None:
    """Its result is set aside in the inbox: nothing of it runs any more, whoever leaves then."""
    first = hub.join()
    id_ = hub.client.run(BOTH, id=id_in(range(192, SLOTS)))["id"]
    hub.settle(0.5)
    hub.store.refuses = True
    hub.client.raise_event(id_, "Go", 2)
    hub.settle(0.5)
    hub.store.refuses = False
    assert hub.client.instance(id_)["status"] == "Suspended"
    first.end()
    hub.settle(0.5)
    second = hub.join()
    hub.settle()
    assert second.owns(id_)
    assert hub.store.claimed(first.duties.id) == frozenset()
    hub.leave(first)
    hub.settle()
    hub.client.resume(id_)
    assert hub.client.wait(id_, WAIT)["output"] == {"a": 1, "b": 2}
    assert hub.begun() == []


@pytest.mark.parametrize("breaks", ["before", "after"])
def test_what_was_handed_over_does_not_run_again_when_its_worker_joins_again(
    hub: Sharers, breaks: Literal["before", "after"]
) -> None:
    """Whoever has its token will answer. The row that says so was lost with the worker's memory."""

    def ask(value: int) -> None:
        raise Pending

    hub.registry.add("Ask", ask)
    only = hub.join()
    hub.settle()
    id_ = hub.via(only).run(ASKS)["id"]
    hub.settle(0.5)
    before, hub.store.breaks = only.duties.id, breaks
    (task,) = only.activities.open.values()
    assert isinstance(task, Task)
    token = only.activities.token(task)
    only.end()
    hub.settle(2 * LEASE / SECOND)
    assert only.duties.id != before
    assert hub.begun() == ["Ask"]
    hub.client.complete_token(token, 7)
    hub.settle(1)
    assert hub.client.instance(id_)["output"] == 7


def test_a_slot_that_comes_back_hears_what_was_waiting_there(hub: Sharers) -> None:
    """An entity's owner remembers what it cannot act on yet; a later owner hears of it by the inbox."""
    hub.registry.add_entity(Tally)
    first = hub.join()
    key = next(f"k{n}" for n in range(999) if slot_of(f"@Tally@k{n}") >= 192)
    for amount in (1, 2, 4):
        hub.client.signal_entity(f"Tally@{key}", "add", amount)
        hub.settle(0.5)
    second = hub.join()
    hub.settle()
    assert second.owns(f"@Tally@{key}")
    hub.leave(second)
    hub.settle()
    assert first.owns(f"@Tally@{key}")
    for _ in range(3):
        first.end()
        hub.settle(0.5)
    assert hub.client.entity(f"Tally@{key}")["state"] == {"value": 7}


def test_a_timer_fires_in_time_wherever_its_slot_is(hub: Sharers) -> None:
    """The new owner reads those that are due before it looks again, and the old one lets none fire."""
    hub.join()
    ids = [hub.client.run(WAITS, id=f"i{n}")["id"] for n in range(20)]
    began = hub.clock.now
    hub.settle(1)
    other = hub.join()
    hub.settle(5)
    moved = {id_ for id_ in ids if other.owns(id_)}
    assert moved
    hub.leave(other)
    hub.settle(5)
    again = hub.join()
    hub.settle(5)
    assert {id_ for id_ in ids if again.owns(id_)} & moved, "some were here, there and somewhere else"
    hub.settle(40)
    for id_ in ids:
        row = hub.store.instance(id_)
        assert row is not None
        assert row.ended_at is not None
        late = row.ended_at - began - 40_000_000
        assert 0 <= late < 2_000_000, f"{id_} is {late} us late"


def test_instances_of_two_owners_signal_each_other(hub: Sharers) -> None:
    """Each is told by a row in the inbox of the other, in order."""
    one, two = hub.join(), hub.join()
    hub.settle()
    a, b = id_in(one.slots, "a"), id_in(two.slots, "b")
    hub.via(two).run(PING, b, id=a)
    hub.via(one).run(PING, a, id=b)
    assert [hub.client.wait(id_, WAIT)["status"] for id_ in (a, b)] == ["Completed", "Completed"]
    assert [hub.client.instance(id_)["output"] for id_ in (a, b)] == [list(range(20))] * 2


def test_a_client_is_answered_though_the_slot_moves_before_its_turn(hub: Sharers) -> None:
    """Whoever owns the slot then finds what it has asked in the inbox."""
    first = hub.join()
    hub.settle(0.5)
    hub.join()
    first.late = 2.0
    id_ = id_in(range(192, SLOTS))
    assert first.owns(id_)
    hub.via(first).run(HEARS, id=id_)
    assert not first.owns(id_)
    for number in (1, 2):
        hub.via(first).raise_event(id_, "Go", number)
    assert hub.client.wait(id_, WAIT)["output"] == [1, 2]


def test_a_worker_keeps_its_lease_though_much_is_asked_for_slots_that_it_gave_away(hub: Sharers) -> None:
    """Each of it is a transaction of its own: a round of all of them would outlast the lease."""
    first = hub.join()
    hub.settle(0.5)
    hub.join()
    hub.store.slow, first.late = 0.02, 2.0
    ids = hub.via(first).run_many(WAITS, [None] * 2000)
    hub.settle(0.5)
    assert all(hub.store.instance(id_) for id_ in ids)
    assert sum(map(first.owns, ids)) < len(ids)
    assert 0 < first.longest < LEASE // 2, "some was carried out for others, a part at a time"


def test_chores_are_one_workers(hub: Sharers) -> None:
    """What is to be done once for the hub is done by who owns the first slot."""
    for count in (1, 2, 3):
        hub.join()
        hub.settle()
        assert [each.duties._has_chores for each in hub.all].count(True) == 1, count


def test_who_is_asked_to_leave_gives_all_its_slots_and_ends_what_it_runs(hub: Sharers) -> None:
    """It takes nothing more, and may go when its last activity is recorded."""
    first = hub.join()
    id_ = hub.client.run(CHAIN, id=id_in([0]))["id"]
    hub.settle(0.5)
    second = hub.join()
    hub.settle()
    assert hub.store.drain(first.duties.id)
    hub.settle()
    assert hub.counts() == [0, SLOTS]
    assert (first.duties.leaving, first.duties.giving, len(first.activities.open)) == (True, False, 1)
    first.end()
    hub.settle(1)
    assert hub.store.claimed(first.duties.id) == frozenset()
    assert [task.instance for task in second.activities.begun] == [id_], "the second step runs there"
    second.end()
    assert hub.client.wait(id_, WAIT)["output"] == 1


def test_who_is_asked_to_leave_stays_while_there_is_nobody_else(hub: Sharers) -> None:
    """Its slots would be nobody's."""
    only = hub.join()
    assert hub.store.drain(only.duties.id)
    hub.settle()
    assert (hub.counts(), only.duties.giving) == ([SLOTS], False)
    hub.join()
    hub.settle()
    assert (hub.counts(), only.duties.giving) == ([0, SLOTS], False)


def test_a_slot_that_nobody_takes_is_taken_by_anybody(hub: Sharers) -> None:
    """Whoever it was for is silent, and not for so long that it is dead."""
    first, silent, leaving = hub.join(), hub.join(), hub.join()
    hub.settle()
    silent.awake = False
    hub.leave(leaving)
    hub.settle(PATIENCE / 2)
    assert len(hub.store.slot_owners()) < SLOTS
    hub.settle(PATIENCE)
    assert len(hub.store.slot_owners()) == SLOTS
    assert len(first.slots) == SLOTS - len(silent.slots)
    hub.settle(PATIENCE * 3)
    assert len(first.slots) == SLOTS - len(silent.slots), "they are not given to who does not take them"
    silent.awake = True
    hub.settle(PATIENCE * 5)
    assert hub.counts() == [128, 128]


def test_a_reserve_gives_everything_to_a_server(hub: Sharers) -> None:
    """And has slots only while there is none."""
    reserve = hub.join(reserve=True)
    assert hub.counts() == [SLOTS]
    other = hub.join(reserve=True)
    hub.settle()
    assert hub.counts() == [SLOTS, 0], "one of them is enough"
    server = hub.join()
    hub.settle()
    assert hub.counts() == [0, 0, SLOTS]
    hub.leave(server)
    hub.settle()
    assert sorted(hub.counts()) == [0, SLOTS]
    assert {reserve, other} == set(hub.all)
