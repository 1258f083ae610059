"""What other engines have paid for: each of these bugs was met in the field, and has a test of its name."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.errors import FenceLost, PerdureError, StoreError
from perdure.engine.events import EventRaised, TaskCompleted, TaskFailed
from perdure.engine.instance import slot_of
from perdure.engine.sealing import result_message
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Loaded, Message
from perdure.engine.store.rows import Worker as Member
from perdure.engine.tasks import Task
from perdure.engine.worker import Worker
from tests.engine.driver import Hub, VirtualClock, compiled
from tests.engine.facts import WAIT, eventually
from tests.engine.store import factory

CALL = 'do: [{ a: { call: Work, retry: { attempts: 1 } } }, { return: "${ a }" }]'
TWO = compiled(
    "do: [{ e: { wait_for_event: Go, timeout: never } }, { f: { wait_for_event: Go, timeout: never } },"
    ' { return: ["${ e }", "${ f }"] }]'
)
STORM = """
do:
  - n: { wait_for_event: Go, timeout: never }
  - if: ${ size(input) < 59 }
    then: [{ continue_as_new: { input: "${ input + [n] }", events: carry } }]
  - return: ${ input + [n] }
"""
TALKERS = """
do:
  - send_event: { to: "${ input }", event: Hello, with: 1 }
  - heard: { wait_for_event: Hello, timeout: never }
  - send_event: { to: "${ input }", event: Hello, with: "${ heard + 1 }" }
  - last: { wait_for_event: Hello, timeout: never }
  - return: ${ last }
"""


@pytest.fixture(params=["memory", "sqlite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[factory.Hub]:
    """A database of each kind."""
    hub = factory.memory_hub() if request.param == "memory" else factory.sqlite_hub(tmp_path / "hub.db")
    yield hub
    hub.close()


def owned(stores: factory.Hub) -> Store:
    """A store whose owner is ``w1``, with one instance."""
    store = stores.connect()
    store.join(factory.worker("w1"), factory.LEASE)
    store.take_slots("w1")
    store.commit(factory.batch(factory.first_turn()))
    return store


def late(hub: Hub, task: Task, value: Any) -> None:
    """A result that its worker records when the task was given to another, or is over."""
    event = TaskCompleted(scheduled_seq=task.seq, result=value)
    message = result_message(task.instance, hub.instance().slot, task.execution, event)
    hub.store.record([message], [task.id])


def given_open_call(hub: Hub, text: str = CALL) -> Task:
    """An instance that waits for an activity, which runs."""
    hub.activity("Work", lambda: "again")
    hub.manual = True
    hub.start(text)
    hub.run()
    (task,) = hub.open
    return task


def test_same_worker_reclaims_and_old_turn_is_fenced(stores: factory.Hub) -> None:
    """A stalled turn of a process that has joined anew writes nothing, though that process owns the slots."""
    store = owned(stores)
    stalled = factory.batch(factory.turn("i1", factory.row(first_seq=2)), worker="w1")
    assert len(store.rejoin(["w1"], factory.worker("w2"), factory.LEASE)) == 256
    with pytest.raises(FenceLost):
        store.commit(stalled)
    assert len(store.history("i1", 1, 0, 9)) == 1
    store.commit(factory.batch(factory.turn("i1", factory.row(first_seq=2)), worker="w2"))
    assert len(store.history("i1", 1, 0, 9)) == 2


def test_late_result_of_expired_delivery(hub: Hub) -> None:
    """It is a true result: the task is not run again, and its instance completes with it."""
    task = given_open_call(hub)
    hub.crash()
    hub.run()
    late(hub, task, "late")
    hub.manual = False
    hub.run()
    assert (hub.output(), hub.calls) == ("late", [task])


def test_superseded_result_is_counted_and_visible(hub: Hub) -> None:
    """The first result stands; the second one is counted, told, and nowhere in the history."""
    task = given_open_call(hub, "do: [{ a: { call: Work } }, { e: { wait_for_event: Go, timeout: never } }]")
    late(hub, task, "first")
    hub.run()
    before = hub.owner.superseded
    late(hub, task, "second")
    hub.run()
    assert hub.owner.superseded == before + 1
    assert [each.result for each in hub.events() if isinstance(each, TaskCompleted)] == ["first"]
    assert hub.store.inbox(hub.slots, 9) == []


def test_superseded_result_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The worker's log has the task and its instance."""
    caplog.set_level(logging.INFO, "perdure.worker")
    store = MemoryStore()
    with Worker(store, Registry()) as worker:
        client = Client(store, worker)
        client.run(TWO.program, id="i")
        execution = store.load(["i"])[0].instance.execution
        event = TaskCompleted(scheduled_seq=77)
        store.record([result_message("i", slot_of("i"), execution, event)], [])
        said = "task 77 of instance 'i' came when none was open: superseded"
        eventually(lambda: said in caplog.text)
    assert caplog.text.count(said) == 1


def test_unmatched_completion_is_reported(hub: Hub) -> None:
    """A completion of what was never scheduled changes nothing, is counted, and is gone."""
    hub.start(TWO)
    hub.run()
    before = hub.owner.superseded
    row = hub.instance()
    event = TaskCompleted(scheduled_seq=77, result="what?")
    hub.store.record([result_message("i", row.slot, row.execution, event)], [])
    hub.run()
    assert hub.owner.superseded == before + 1
    assert (hub.status(), hub.store.inbox(hub.slots, 9)) == ("Running", [])
    assert not any(isinstance(each, TaskCompleted) for each in hub.events())


def test_lost_lease_does_not_stop_the_worker() -> None:
    """Declared dead by another, it joins under a new id and goes on where it was."""
    store = MemoryStore()
    with Worker(store, Registry()) as worker:
        client = Client(store, worker)
        client.run(TWO.program, id="i")
        first = worker.id
        store.join(Member(id="other", host="test", ir=1, turns=False), 3600_000_000)
        store.kill(first)
        assert store.take_over("other", first, None)
        for value in (1, 2):
            client.raise_event("i", "Go", value)
        assert client.wait("i", WAIT)["output"] == [1, 2]
        assert worker.alive
        assert worker.id != first


def test_poison_delivery_limit_counts_crashes(hub: Hub) -> None:
    """Nobody answers, everybody dies: after five deliveries nobody gets the task any more."""
    given_open_call(hub)
    deliveries = 1
    for _ in range(4):
        hub.crash()
        hub.run()
        (row,) = hub.store.claim(hub.worker, ["Work"], (), 9, 5)
        deliveries = row.deliveries
    hub.crash()
    hub.run()
    assert (deliveries, hub.store.claim(hub.worker, ["Work"], (), 9, 5)) == (5, [])
    hub.run()
    assert [each.error for each in hub.events() if isinstance(each, TaskFailed)] == ["perdure.Poison"]
    assert hub.status() == "Failed"
    assert [each["kind"] for each in Client(hub.store).dead_letters()["items"]] == ["TaskScheduled"]


def test_no_runnable_unclaimable_state(stores: factory.Hub) -> None:
    """Whatever a dead worker held can be claimed the moment it is declared dead, whatever its lease was."""
    store = owned(stores)
    store.commit(
        factory.batch(factory.turn("i1", factory.row(first_seq=2), tasks=(factory.task(1), factory.task(2))))
    )
    store.claim("w1", ["mail"], [], 1, 5)
    store.join(factory.worker("w2"), factory.LEASE)
    stores.kill("w1")
    assert store.take_over("w2", "w1", None)
    live = {each.id for each in store.workers()}
    assert set(store.owned_slots()) <= live
    assert [row.seq for row in store.claim("w2", ["mail"], [], 9, 5)] == [1, 2]
    assert store.take_slots("w2") == frozenset(factory.ALL)


def test_signal_storm_across_continue_as_new(hub: Hub) -> None:
    """Sixty generations, each ended by an event, with crashes and a suspend between: all heard, in order."""
    hub.start(STORM, [])
    for number in range(60):
        hub.raise_event("Go", number)
        if number % 7 == 0:
            hub.run()
        if number % 13 == 5:
            hub.crash()
        if number == 30:
            hub.suspend()
        if number == 40:
            hub.resume()
    hub.run()
    assert hub.output() == list(range(60))
    assert hub.store.dead_letters() == []


class Shaky(MemoryStore):
    """A store that cannot decode what it loads, for a while."""

    broken = 0

    def load(self, ids: Sequence[str]) -> list[Loaded]:
        if self.broken and ids:
            self.broken -= 1
            raise StoreError("the key of the payloads is away")
        return super().load(ids)


def test_codec_failure_retries_the_turn() -> None:
    """What cannot be read now is read later: nothing is parked for it, least of all as non-determinism."""
    store = Shaky()
    with Worker(store, Registry(), memory=0) as worker:
        client = Client(store, worker)
        client.run(TWO.program, id="i")
        for value in (1, 2):
            store.broken = 3
            client.raise_event("i", "Go", value)
        assert client.wait("i", WAIT)["output"] == [1, 2]
        assert store.broken == 0
        assert "ExecutionSuspended" not in [each["type"] for each in client.history("i")["items"]]


TEXTS = [
    "",
    "plain",
    "\0",
    "a\0b",
    "\x7f\x1b[2J",
    "\ufeff",
    "\uffff",
    "ä",
    "a\u0308",
    "\U0001f600",
    "\ud800",
    "'\";--",
]


def test_text_domain_equal_on_all_stores(tmp_path: Path) -> None:
    """Each text is kept as it is by every store, or refused by every store."""

    def outcome(hub: factory.Hub, number: int, text: str) -> object:
        store = hub.connect()
        payload = factory.payload(text, f"i{number}")
        turn = factory.first_turn(f"i{number}", payloads=(payload,))
        try:
            store.commit(
                factory.batch(turn, messages=(factory.message(f"m{number}", f"i{number}", event=text),))
            )
        except PerdureError as error:
            return type(error)
        return store.payloads(f"i{number}"), [each.event for each in store.inbox(factory.ALL, 99)]

    hubs = [factory.memory_hub(), factory.sqlite_hub(tmp_path / "hub.db")]
    for hub in hubs:
        store = hub.connect()
        store.join(factory.worker("w1"), factory.LEASE)
        store.take_slots("w1")
    for number, text in enumerate(TEXTS):
        model, file = (outcome(hub, number, text) for hub in hubs)
        assert model == file, ascii(text)
        assert isinstance(model, type) == (text == "\ud800"), ascii(text)
    for hub in hubs:
        hub.close()


class Slow(MemoryStore):
    """A store in which some messages become visible late, as rows of a long transaction do."""

    hidden: frozenset[str] = frozenset()

    def inbox(self, slots: Any, limit: int) -> list[Message]:
        return [each for each in super().inbox(slots, limit) if each.id not in self.hidden][:limit]


@pytest.mark.parametrize("memory", [0, 64 << 20])
def test_late_committed_message_is_not_skipped(memory: int) -> None:
    """A row with a lower number that is seen after a higher one is heard of all the same."""
    clock = VirtualClock()
    store = Slow(clock)
    hub = Hub(store, clock=clock, memory=memory)
    hub.start(TWO)
    hub.run()
    hub.raise_event("Go", "early number")
    (message,) = store.inbox(hub.slots, 9)
    store.hidden = frozenset([message.id])
    hub.raise_event("Go", "late number")
    hub.run()
    hub.crash()
    hub.run()
    store.hidden = frozenset()
    hub.run()
    assert hub.output() == ["late number", "early number"]
    assert sum(isinstance(each, EventRaised) for each in hub.events()) == 2
    hub.check()


def test_mutual_signals_do_not_deadlock(hub: Hub) -> None:
    """Two instances tell each other in one batch, twice, with a crash between."""
    program = compiled(TALKERS)
    hub.start(program, "b", id="a")
    hub.start(program, "a", id="b")
    hub.round()
    hub.crash()
    hub.run()
    assert [msgspec.json.decode(hub.store.payloads(id_)["output"]) for id_ in "ab"] == [2, 2]
