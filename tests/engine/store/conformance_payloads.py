"""What every store must do with values that are kept apart from the rows that refer to them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from perdure.engine.codec import LARGE, split_events, split_received, stored_value
from perdure.engine.events import EventRaised, ExecutionStarted, TaskCompleted
from perdure.engine.instance import Instance, Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import HistoryRow, InstanceQuery, Message, PayloadRow
from tests.engine.store.conformance_fixtures import Fixtures
from tests.engine.store.factory import (
    ALL,
    BEGIN,
    batch,
    first_turn,
    instance,
    message,
    payload,
    row,
    subscription,
    task,
    timer,
    turn,
)

BIG = "x" * LARGE
OTHER = "y" * LARGE


def key_of(value: str) -> str:
    """The key under which a large value is kept."""
    key = stored_value(value, {})
    assert key is not None
    return key


def big_row(value: str = BIG, *, first_seq: int = 0, generation: int = 1, of: str = "i1") -> HistoryRow:
    """A turn in which a task has given a large value."""
    text, values = split_events([TaskCompleted(scheduled_seq=1, result=value)])
    return row(of, first_seq, generation=generation, next_seq=first_seq + 1, events=text, values=values)


def renewed(generation: int) -> Instance:
    """The instance in a later generation."""
    return instance(generation=generation, execution=f"i1-e{generation}")


class PayloadConformance(Fixtures):
    """Large values: stored once an instance, read with what refers to them, gone with it."""

    def test_a_history_row_comes_with_its_values(self, store: Store) -> None:
        """Loaded, and read as a page."""
        store.commit(batch(first_turn(), turn("i1", big_row(first_seq=2))))
        (loaded,) = store.load(["i1"])
        assert loaded.history[0].values == {}
        assert loaded.history[1].values == {key_of(BIG): msgspec.json.encode(BIG).decode()}
        assert store.history("i1", 1, 2, 10) == [loaded.history[1]]

    def test_a_value_that_is_there_need_not_be_given_again(self, store: Store) -> None:
        """Every row that refers to it has it."""
        again = msgspec.structs.replace(big_row(first_seq=3), values={})
        store.commit(batch(first_turn(), turn("i1", big_row(first_seq=2))))
        store.commit(batch(turn("i1", again)))
        (loaded,) = store.load(["i1"])
        assert loaded.history[1].values == loaded.history[2].values != {}

    def test_a_taken_over_history_has_its_values(self, store: Store) -> None:
        """What a new owner must know is whole."""
        store.commit(batch(first_turn(), turn("i1", msgspec.structs.replace(big_row(first_seq=2), open=1))))
        (loaded,) = store.load_open(ALL).loaded
        assert key_of(BIG) in loaded.history[1].values

    def test_instances_share_nothing(self, store: Store) -> None:
        """Who has not stored a value does not find another's."""
        text = big_row(of="i2", first_seq=2)
        store.commit(batch(first_turn(), first_turn("i2"), turn("i1", big_row(first_seq=2))))
        store.commit(batch(turn("i2", msgspec.structs.replace(text, values={}))))
        assert store.payload("i1", key_of(BIG)) is not None
        assert store.payload("i2", key_of(BIG)) is None
        (loaded,) = store.load(["i2"])
        assert loaded.history[1].values == {}

    def test_a_chunk_reads_its_parents_values(self, store: Store) -> None:
        """In its history, in its inbox and in its tasks: what it does not have is the parent's."""
        store.commit(batch(first_turn(), turn("i1", big_row(first_seq=2))))
        key = key_of(BIG)
        child = instance("i2", parent_id="i1", chunk_of=1)
        text = msgspec.json.encode({"chunk": key}).decode()
        rows = row("i2", events=text)
        store.commit(
            batch(
                turn("i2", rows, instance=child, tasks=(task(of="i2", body=text),)),
                messages=(message(to="i2", event=text),),
            )
        )
        texts = {key: msgspec.json.encode(BIG).decode()}
        (loaded,) = store.load(["i2"])
        assert loaded.history[0].values == texts
        assert store.inbox(ALL, 10)[0].values == texts
        assert store.claim("w1", ["mail"], (), 10, 5)[0].values == texts
        assert store.payload("i2", key) is None

    def test_a_chunk_has_values_of_its_own_beside_its_parents(self, store: Store) -> None:
        """One row of its history may refer to both."""
        store.commit(batch(first_turn(), turn("i1", big_row(first_seq=2))))
        text = msgspec.json.encode({"chunk": key_of(BIG), "own": key_of(OTHER)}).decode()
        own = msgspec.json.encode(OTHER).decode()
        rows = msgspec.structs.replace(row("i2", events=text), values={key_of(OTHER): own})
        child = instance("i2", parent_id="i1", chunk_of=1)
        store.commit(batch(turn("i2", rows, instance=child)))
        (loaded,) = store.load(["i2"])
        assert loaded.history[0].values == {
            key_of(BIG): msgspec.json.encode(BIG).decode(),
            key_of(OTHER): own,
        }

    def test_chunks_of_two_parents_read_each_its_own(self, store: Store) -> None:
        """Though they are loaded together."""
        loaded = {}
        for parent, chunk, value in (("i1", "i2", BIG), ("i3", "i4", OTHER)):
            store.commit(batch(first_turn(parent), turn(parent, big_row(value, of=parent, first_seq=2))))
            text = msgspec.json.encode({"chunk": key_of(value)}).decode()
            child = instance(chunk, parent_id=parent, chunk_of=1)
            store.commit(batch(turn(chunk, row(chunk, events=text), instance=child)))
            loaded[chunk] = {key_of(value): msgspec.json.encode(value).decode()}
        found = store.load(["i2", "i4"])
        assert {each.instance.id: each.history[0].values for each in found} == loaded

    def test_forgotten_generations_take_their_chunks_along(self, store: Store) -> None:
        """Only those that have ended, and only of the generations that go."""
        store.commit(batch(first_turn()))
        children: dict[str, dict[str, Any]] = {
            "old": {"chunk_of": 1, "status": Status.COMPLETED},
            "runs": {"chunk_of": 1},
            "kept": {"chunk_of": 2, "status": Status.COMPLETED},
            "child": {"status": Status.COMPLETED},
        }
        for name, more in children.items():
            store.commit(batch(first_turn(name, instance=instance(name, parent_id="i1", **more))))
        later = turn(
            "i1", row("i1", generation=3), before=Status.RUNNING, instance=renewed(3), forget_before=2
        )
        store.commit(batch(later))
        assert store.instance("old") is None
        assert store.load(["old"]) == []
        assert all(store.instance(name) is not None for name in ("runs", "kept", "child"))

    @pytest.mark.parametrize("parent_first", [True, False])
    def test_a_chunk_may_end_in_the_batch_that_forgets_it(self, store: Store, *, parent_first: bool) -> None:
        """Its last turn finds its timer, whether its parent's turn comes before or after."""
        chunk = instance("i2", parent_id="i1", chunk_of=1)
        opened = {"timers": (timer(of="i2"),), "tasks": (task(of="i2"),)}
        beginning = first_turn("i2", instance=chunk, subscriptions=(subscription(of="i2"),), **opened)
        store.commit(batch(first_turn(), beginning))
        over = msgspec.structs.replace(chunk, status=Status.CANCELED, ended_at=BEGIN)
        ending = turn("i2", row("i2", 2), before=Status.RUNNING, instance=over, timers_closed=(("i2-e1", 1),))
        later = turn(
            "i1", row("i1", generation=3), before=Status.RUNNING, instance=renewed(3), forget_before=2
        )
        store.commit(batch(*((later, ending) if parent_first else (ending, later))))
        assert store.instance("i2") is None
        assert (store.next_timer(ALL), store.waiting_tasks("i2"), store.waited("Paid")) == (None, [], [])

    def test_chunks_are_listed_when_they_are_asked_for(self, store: Store) -> None:
        """A list has what people have started."""
        chunk = instance("i2", parent_id="i1", chunk_of=1)
        store.commit(batch(first_turn(), first_turn("i2", instance=chunk)))
        assert [each.id for each in store.instances(InstanceQuery(chunks=False))] == ["i1"]
        assert {each.id for each in store.instances(InstanceQuery())} == {"i1", "i2"}
        assert store.instance("i2") == chunk

    def test_a_claimed_task_comes_with_its_input(self, store: Store) -> None:
        """Its row only refers to it."""
        key = key_of(BIG)
        body = msgspec.json.encode({"stored": key}).decode()
        store.commit(batch(first_turn(), turn("i1", big_row(first_seq=2), tasks=(task(body=body), task(2)))))
        first, second = store.claim("w1", ["mail"], (), 10, 5)
        assert first.values == {key: msgspec.json.encode(BIG).decode()}
        assert second.values == {}

    def test_a_start_comes_with_its_values(self, store: Store) -> None:
        """The instance's input refers to the same row as its start."""
        event = ExecutionStarted(
            execution="i1-e1", name="order", version="1", digest="d", generation=1, key_seed="s", input=BIG
        )
        text, values = split_received(event)
        start = Message(id="m", instance="i1", slot=0, kind="ExecutionStarted", event=text, values=values)
        store.start(instance(status=Status.PENDING), payload(key_of(BIG)), start, None)
        assert store.payloads("i1") == {"input": msgspec.json.encode(BIG).decode()}
        (found,) = store.inbox(ALL, 10)
        assert found == start

    def test_a_message_that_looks_so_has_no_values(self, store: Store) -> None:
        """What a user writes is not taken for a reference."""
        event = msgspec.json.encode(EventRaised(name="go", input={"stored": key_of(BIG)})).decode()
        store.commit(batch(first_turn(), messages=(message(event=event),)))
        (found,) = store.inbox(ALL, 10)
        assert (found.event, found.values) == (event, {})

    def test_forgotten_generations_leave_no_values(self, store: Store) -> None:
        """What a later one refers to as well stays; what an instance shows for itself stays too."""
        store.commit(batch(first_turn(), turn("i1", big_row(first_seq=2))))
        output = PayloadRow(instance="i1", key="output", value=key_of(OTHER))
        kept = PayloadRow(instance="i1", key=key_of(OTHER), value=msgspec.json.encode(OTHER).decode())
        store.commit(batch(turn("i1", big_row(OTHER, first_seq=3), payloads=(output, kept))))
        second = turn("i1", big_row("z" * LARGE, generation=2), before=Status.RUNNING, instance=renewed(2))
        store.commit(batch(second))
        third = turn("i1", big_row(generation=3), before=Status.RUNNING, instance=renewed(3), forget_before=2)
        store.commit(batch(msgspec.structs.replace(third, execution="i1-e2")))
        there = {name: store.payload("i1", key_of(name * LARGE)) is not None for name in "xyz"}
        assert there == {"x": True, "y": True, "z": True}
        fourth = turn(
            "i1", row("i1", generation=4), before=Status.RUNNING, instance=renewed(4), forget_before=4
        )
        store.commit(batch(msgspec.structs.replace(fourth, execution="i1-e3")))
        there = {name: store.payload("i1", key_of(name * LARGE)) is not None for name in "xyz"}
        assert there == {"x": False, "y": True, "z": False}
        assert store.payloads("i1") == {"output": msgspec.json.encode(OTHER).decode()}
