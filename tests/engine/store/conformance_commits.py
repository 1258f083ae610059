"""What a commit writes, wholly or not at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from perdure.engine.errors import Refused
from perdure.engine.instance import Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Checkpoint, Parking
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    LEASE,
    SECOND,
    Hub,
    batch,
    continued,
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


class CommitConformance(Fixtures):
    """A batch is written wholly or not at all."""

    def test_a_first_turn_inserts_the_instance(self, store: Store) -> None:
        """The row is read back as it was given."""
        full = instance(
            tags={"team": "a"},
            custom_status='{"at":1}',
            reason="why",
            parent_id="p1",
            started_at=BEGIN,
            ended_at=BEGIN + 1,
            generation=3,
            status=Status.SUSPENDED,
        )
        store.commit(batch(first_turn(instance=full)))
        assert store.instance("i1") == full

    def test_history_is_appended(self, store: Store) -> None:
        """One row a turn, as it was given."""
        store.commit(batch(first_turn(open=2)))
        store.commit(batch(turn("i1", row(first_seq=2))))
        assert store.history("i1", 1, 0, 10) == [row(open=2), row(first_seq=2)]

    def test_payloads_are_kept_apart(self, store: Store) -> None:
        """Each under its key; a later one replaces it."""
        store.commit(batch(first_turn(payloads=(payload("1"), payload("2", key="output")))))
        store.commit(batch(turn("i1", row(first_seq=2), payloads=(payload("3"),))))
        assert store.payloads("i1") == {"input": "3", "output": "2"}
        found = store.with_payloads(["i1", "nobody"])
        assert found == {"i1": (store.instance("i1"), {"input": "3", "output": "2"})}
        assert store.with_payloads([]) == {}

    def test_an_id_that_exists_is_refused(self, store: Store) -> None:
        """A second insert of an instance fails its batch."""
        store.commit(batch(first_turn()))
        with pytest.raises(Refused):
            store.commit(batch(turn("i1", row(first_seq=2), instance=instance())))

    def test_a_refused_batch_leaves_nothing(self, store: Store) -> None:
        """So halves of it can be tried: the innocent half is as new."""
        store.commit(batch(first_turn("i1")))
        innocent = first_turn(
            "i2", payloads=(payload(of="i2"),), timers=(timer(of="i2"),), tasks=(task(of="i2"),)
        )
        with pytest.raises(Refused):
            store.commit(
                batch(innocent, first_turn("i1"), messages=(message(),), requests=(request(),), lease=1)
            )
        assert store.instance("i2") is None
        assert store.workers()[0].lease_until == BEGIN + LEASE
        store.commit(batch(innocent, messages=(message(),), requests=(request(),)))
        assert store.history("i2", 1, 0, 10) == [row("i2")]

    def test_a_turn_changes_the_status(self, store: Store) -> None:
        """Where the row was as expected, it is as the turn says."""
        store.commit(batch(first_turn()))
        done = instance(status=Status.COMPLETED, ended_at=BEGIN + 5, updated_at=BEGIN + 5)
        store.commit(batch(turn("i1", row(first_seq=2), before=Status.RUNNING, instance=done)))
        assert store.instance("i1") == done

    @pytest.mark.parametrize(
        "guard",
        [{"before": Status.PENDING}, {"execution": "another"}],
        ids=["status", "execution"],
    )
    def test_an_instance_that_is_not_as_expected_is_not_changed(
        self, store: Store, guard: dict[str, Any]
    ) -> None:
        """Status and execution must be those that the turn found."""
        store.commit(batch(first_turn()))
        done = instance(status=Status.COMPLETED)
        with pytest.raises(Refused):
            store.commit(
                batch(turn("i1", row(first_seq=2), **{"before": Status.RUNNING, "instance": done, **guard}))
            )
        assert store.instance("i1") == instance()

    def test_an_instance_that_is_not_there_is_not_changed(self, store: Store) -> None:
        """A purge in between fails the batch."""
        with pytest.raises(Refused):
            store.commit(batch(first_turn(before=Status.RUNNING)))

    def test_name_and_birth_never_change(self, store: Store) -> None:
        """An update leaves slot, name, creation and parent as they were."""
        store.commit(batch(first_turn()))
        other = instance(name="other", created_at=1, parent_id="p", slot=1, version="2")
        store.commit(batch(turn("i1", row(first_seq=2), before=Status.RUNNING, instance=other)))
        assert store.instance("i1") == instance(version="2")

    def test_the_history_key_is_a_second_guard(self, store: Store) -> None:
        """Two turns at one place of a history: the second is refused."""
        store.commit(batch(first_turn()))
        with pytest.raises(Refused):
            store.commit(batch(turn("i1", row(next_seq=9))))
        assert store.history("i1", 1, 0, 10) == [row()]

    def test_a_consumed_message_is_gone(self, store: Store) -> None:
        """Exactly the named ones are deleted."""
        store.commit(batch(first_turn(), messages=(message("m1"), message("m2"))))
        store.commit(batch(turn("i1", row(first_seq=2), consumed=("m1",))))
        assert store.inbox(ALL, 10) == [message("m2")]

    def test_a_message_is_consumed_once(self, store: Store) -> None:
        """The count of deleted rows must be right, or nothing is written."""
        store.commit(batch(first_turn(), messages=(message("m1"),)))
        with pytest.raises(Refused):
            store.commit(batch(turn("i1", row(first_seq=2), consumed=("m1", "m2"))))
        assert store.inbox(ALL, 10) == [message("m1")]
        assert len(store.history("i1", 1, 0, 10)) == 1

    def test_two_turns_do_not_consume_one_message(self, store: Store) -> None:
        """Not even in one batch."""
        store.commit(batch(first_turn("i1"), first_turn("i2"), messages=(message("m1"),)))
        with pytest.raises(Refused):
            store.commit(
                batch(
                    turn("i1", row("i1", first_seq=2), consumed=("m1",)),
                    turn("i2", row("i2", first_seq=2), consumed=("m1",)),
                )
            )

    def test_a_request_is_carried_out_once(self, store: Store) -> None:
        """A second effect under the same key fails its batch."""
        store.commit(batch(first_turn("i1"), requests=(request(),)))
        with pytest.raises(Refused):
            store.commit(batch(first_turn("i2"), requests=(request(answer="a2"),)))
        assert store.look_up([], [], [("start", "i1", "k1")]).requests == {("start", "i1", "k1"): request()}

    def test_timers_are_opened_and_closed(self, store: Store) -> None:
        """By execution and seq."""
        store.commit(batch(first_turn(timers=(timer(1), timer(2)))))
        store.commit(batch(turn("i1", row(first_seq=2), timers_closed=(("i1-e1", 1),))))
        assert store.timers(ALL, BEGIN, 10) == [timer(2)]

    def test_a_timer_is_closed_once(self, store: Store) -> None:
        """Firing what is canceled fails the batch."""
        store.commit(batch(first_turn()))
        with pytest.raises(Refused):
            store.commit(batch(turn("i1", row(first_seq=2), timers_closed=(("i1-e1", 1),))))

    def test_what_one_batch_opens_and_closes_is_not_there(self, store: Store) -> None:
        """Several turns of one instance may share a batch."""
        opening = first_turn(timers=(timer(1), timer(2)), tasks=(task(3), task(4)))
        closing = turn("i1", row(first_seq=2), timers_closed=(("i1-e1", 1),), tasks_closed=(("i1-e1", 3),))
        store.commit(batch(opening, closing))
        assert store.timers(ALL, BEGIN, 10) == [timer(2)]
        assert store.waiting_tasks("i1") == [task(4)]

    def test_one_batch_may_begin_and_end_an_instance(self, store: Store) -> None:
        """Its turns are applied in order."""
        done = instance(status=Status.COMPLETED)
        store.commit(batch(first_turn(), turn("i1", row(first_seq=2), before=Status.RUNNING, instance=done)))
        assert store.instance("i1") == done

    def test_a_closed_task_need_not_be_there(self, store: Store) -> None:
        """Whoever recorded its result may have been first."""
        store.commit(batch(first_turn(tasks=(task(1),))))
        store.commit(batch(turn("i1", row(first_seq=2), tasks_closed=(("i1-e1", 1), ("i1-e1", 7)))))
        assert store.waiting_tasks("i1") == []

    def test_a_task_is_opened_once(self, store: Store) -> None:
        """Its key is execution and seq."""
        store.commit(batch(first_turn(tasks=(task(1),))))
        with pytest.raises(Refused):
            store.commit(batch(adopt=(task(1),)))

    def test_adopted_tasks_are_written(self, store: Store) -> None:
        """With the deliveries that they had."""
        store.commit(batch(first_turn(), adopt=(task(1, deliveries=1),)))
        assert store.waiting_tasks("i1") == [task(1, deliveries=1)]

    def test_messages_keep_their_order(self, store: Store) -> None:
        """That of the batch, whatever their ids."""
        sent = [message("z"), message("a"), message("m")]
        store.commit(batch(messages=tuple(sent)))
        assert store.inbox(ALL, 10) == sent

    def test_a_message_is_sent_once(self, store: Store) -> None:
        """An id that lies in the inbox is refused."""
        store.commit(batch(messages=(message("m1"),)))
        with pytest.raises(Refused):
            store.commit(batch(messages=(message("m2"), message("m1"))))
        assert store.inbox(ALL, 10) == [message("m1")]

    @pytest.mark.parametrize("how", [{}, {"held": True}, {"due": BEGIN + SECOND}])
    def test_whether_a_message_waits(self, store: Store, how: dict[str, Any]) -> None:
        """However it does, until it is taken."""
        store.commit(batch(messages=(message("m1", **how),)))
        assert (store.in_inbox("m1"), store.in_inbox("m2")) == (True, False)
        store.commit(batch(discard=("m1",)))
        assert not store.in_inbox("m1")

    def test_a_held_message_is_set_aside(self, store: Store) -> None:
        """It is in the inbox, but not handed out; an unknown id is nothing."""
        store.commit(batch(first_turn(), messages=(message("m1"), message("m2"))))
        store.commit(batch(hold=("m1", "unknown")))
        assert store.inbox(ALL, 10) == [message("m2")]
        assert store.load(["i1"])[0].held == 1

    def test_held_messages_come_back_oldest_first(self, store: Store) -> None:
        """As many as are asked for, in the place that they had."""
        ids = ("m1", "m2", "m3", "m4")
        store.commit(batch(first_turn(), messages=tuple(message(id_) for id_ in ids)))
        store.commit(batch(hold=("m3", "m1", "m2")))
        store.commit(batch(unhold=(("i1", 2), ("i2", 1))))
        assert [one.id for one in store.inbox(ALL, 10)] == ["m1", "m2", "m4"]

    def test_a_message_may_arrive_held(self, store: Store) -> None:
        """Its sender's batch knows that the receiver cannot take it."""
        store.commit(batch(first_turn(), messages=(message("m1", held=True),)))
        assert store.inbox(ALL, 10) == []
        assert store.load(["i1"])[0].held == 1

    @pytest.mark.parametrize("how", [{}, {"held": True}, {"due": BEGIN + SECOND}])
    def test_the_first_message_of_a_generation_is_found(self, store: Store, how: dict[str, Any]) -> None:
        """However it waits, until the generation has begun."""
        pending = instance(status=Status.PENDING)
        first = message("i1-e1/start", **how)
        store.commit(
            batch(Checkpoint(id="i1", slot=pending.slot, execution="i1-e1", instance=pending, history=()))
        )
        assert store.load(["i1"])[0].first is None
        store.commit(batch(messages=(first,)))
        (loaded,) = store.load(["i1"])
        assert loaded.first == msgspec.structs.replace(first, held=False)

    def test_a_held_message_can_be_consumed(self, store: Store) -> None:
        """By its id, as any other."""
        store.commit(batch(first_turn(), messages=(message("m1", held=True),)))
        store.commit(batch(turn("i1", row(first_seq=2), consumed=("m1",))))
        assert store.load(["i1"])[0].held == 0

    def test_discarded_messages_become_dead_letters(self, store: Store) -> None:
        """A discarded id need not be there: it may have been in memory only."""
        store.commit(batch(messages=(message("m1"),)))
        store.commit(batch(discard=("m1", "m2"), dead_letters=(dead_letter("m1"),)))
        assert store.inbox(ALL, 10) == []
        assert store.dead_letters() == [dead_letter("m1", ord=1)]

    def test_dead_letters_are_listed_newest_first(self, store: Store) -> None:
        """Of all instances or one, up to a limit; the same id may die twice."""
        letters = [dead_letter("m2"), dead_letter("m1"), dead_letter("m3", of="i2"), dead_letter("m1")]
        store.commit(batch(dead_letters=tuple(letters)))
        assert [one.ord for one in store.dead_letters(limit=2)] == [4, 3]
        assert [one.ord for one in store.dead_letters(limit=2, before=3)] == [2, 1]
        assert [one.id for one in store.dead_letters("i1")] == ["m1", "m1", "m2"]

    def test_parking_changes_the_row_alone(self, store: Store) -> None:
        """There is no turn, so no history."""
        store.commit(batch(first_turn()))
        parked = instance(status=Status.SUSPENDED, reason="non_determinism: x")
        store.commit(batch(parkings=(Parking(instance=parked, before=Status.RUNNING),)))
        assert store.instance("i1") == parked
        assert len(store.history("i1", 1, 0, 10)) == 1

    def test_parking_is_guarded(self, store: Store) -> None:
        """As every other change of a row."""
        store.commit(batch(first_turn()))
        parked = instance(status=Status.SUSPENDED)
        with pytest.raises(Refused):
            store.commit(batch(parkings=(Parking(instance=parked, before=Status.PENDING),)))

    def test_a_turn_follows_a_parking_of_its_batch(self, store: Store) -> None:
        """What is parked may end in the same transaction."""
        store.commit(batch(first_turn()))
        parked = instance(status=Status.SUSPENDED, reason="non_determinism: x")
        ended = instance(status=Status.TERMINATED)
        last = turn("i1", row(first_seq=2), before=Status.SUSPENDED, instance=ended)
        store.commit(batch(last, parkings=(Parking(instance=parked, before=Status.RUNNING),)))
        assert store.instance("i1") == ended

    def test_a_turn_may_begin_the_next_generation(self, store: Store) -> None:
        """One row in the old one, the first of the new, and a new execution."""
        store.commit(batch(first_turn()))
        store.commit(batch(continued()))
        loaded = store.load(["i1"])[0]
        assert (loaded.instance.execution, loaded.instance.generation) == ("i1-e2", 2)
        assert loaded.history == (row(generation=2),)
        assert len(store.history("i1", 1, 0, 10)) == 2

    def test_earlier_generations_are_forgotten_on_request(self, store: Store) -> None:
        """Of this instance only, before the given one."""
        store.commit(batch(first_turn("i1"), first_turn("i2")))
        store.commit(batch(continued(forget_before=2)))
        assert store.history("i1", 1, 0, 10) == []
        assert len(store.history("i1", 2, 0, 10)) == 1
        assert len(store.history("i2", 1, 0, 10)) == 1

    def test_a_commit_tells_the_time(self, hub: Hub, store: Store) -> None:
        """The store's, which never goes back."""
        hub.clock.now += SECOND
        assert store.commit(batch()) == BEGIN + SECOND
        hub.clock.now -= 5 * SECOND
        assert store.commit(batch()) == BEGIN + SECOND
        assert store.time() == BEGIN + SECOND

    def test_time_is_told_alike_to_another_process(self, hub: Hub, store: Store) -> None:
        """When a lease was renewed, nobody who joins or commits later hears an earlier time."""
        other = hub.connect()
        other.join(worker("w2"), LEASE)
        hub.clock.now += SECOND
        store.commit(batch(lease=LEASE))
        hub.clock.now -= 5 * SECOND
        assert other.commit(batch(worker="w2")) == BEGIN + SECOND

    @pytest.mark.parametrize("text", ["a\0b", "\U0001f600", "\ufeff\u202e", "\ud7ff\ue000", "'\"\\;--"])
    def test_any_text_is_kept_as_it_is(self, store: Store, text: str) -> None:
        """All of Unicode but halves of surrogate pairs."""
        store.commit(batch(first_turn(payloads=(payload(text),)), messages=(message("m1", event=text),)))
        assert store.payloads("i1") == {"input": text}
        assert store.inbox(ALL, 10)[0].event == text

    @pytest.mark.parametrize(
        "more",
        [
            {"payloads": (payload("\ud800"),)},
            {"instance": instance(custom_status="\udfff")},
            {"instance": instance(tags={"\ud800": "x"})},
            {"tasks": (task(body="x\ud800"),)},
            {"timers": (timer(due=2**63),)},
        ],
        ids=["payload", "status", "tag", "task", "number"],
    )
    def test_what_no_database_takes_is_refused(self, store: Store, more: dict[str, Any]) -> None:
        """Half a surrogate pair, or a number beyond 64 bits; nothing is written."""
        with pytest.raises(Refused):
            store.commit(batch(first_turn("i2"), first_turn(**more)))
        assert store.load(["i1", "i2"]) == []

    def test_the_store_works_after_a_refusal(self, store: Store) -> None:
        """The failed transaction is over."""
        with pytest.raises(Refused):
            store.commit(batch(first_turn(before=Status.RUNNING)))
        store.commit(batch(first_turn()))
        assert store.instance("i1") == instance()
