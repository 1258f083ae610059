"""The owner: lost and refused batches, halving, takeovers, poison, late results, and its bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from perdure.engine import owner
from perdure.engine.errors import Busy, FenceLost, OutcomeUnknown, Refused, StoreError
from perdure.engine.events import (
    EventRaised,
    ExecutionTerminated,
    TaskCanceled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
)
from perdure.engine.hot import Sealed
from perdure.engine.instance import Instance, slot_of
from perdure.engine.sealing import result_message
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import Batch, InstanceQuery
from tests.engine.driver import Hub, VirtualClock, compiled
from tests.engine.functions import echo, flaky, offer

Fault = Callable[[int, Batch], StoreError | None]


class FaultyStore(MemoryStore):
    """A store whose commits fail as it is told; ``after``: it writes the batch first, and fails then."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.fault: Fault = lambda _, __: None
        self.after = False
        self.tried = 0

    def commit(self, batch: Batch) -> int:
        error = self.fault(self.tried, batch)
        self.tried += 1
        if error is None:
            return super().commit(batch)
        if self.after:
            super().commit(batch)
        raise error


class FaultyHub(Hub):
    """A hub over such a store."""

    def __init__(self, memory: int) -> None:
        clock = VirtualClock()
        self.faulty = FaultyStore(clock)
        super().__init__(self.faulty, clock=clock, memory=memory)


@pytest.fixture(params=["warm", "cold"])
def faulty(request: pytest.FixtureRequest) -> Iterator[FaultyHub]:
    """A hub whose store can be told to fail."""
    hub = FaultyHub(64 << 20 if request.param == "warm" else 0)
    yield hub
    for instance in hub.store.instances(InstanceQuery(limit=1000)):
        hub.check(instance.id)


def at(index: int, error: StoreError) -> Fault:
    """Fail the commit with this number, once."""
    return lambda tried, _: error if tried == index else None


def about(name: str) -> Fault:
    """Refuse every batch with a turn of this instance."""
    return lambda _, batch: Refused("no") if any(each.id == name for each in batch.checkpoints) else None


SCENARIO = """
vars: { rounds: 0 }
do:
  - order: { call: Echo, with: "${ input }" }
  - all:
      fan_out: [1, 2, 3, 4]
      width: 2
      do: [{ one: { call: Echo, with: "${ item * 10 }" } }]
  - work: { call: Flaky, retry: { attempts: 3, delay: 5s } }
  - first:
      race:
        answer: [{ reply: { wait_for_event: Go, timeout: 1h } }]
        timer: [{ pause: { wait: 1m } }]
  - t:
      timeout: 30s
      try: [{ long: { wait: 1h } }]
      catch: [{ errors: [perdure.Timeout], do: [{ output: "${ error.type }" }] }]
      finally: [{ clean: { call: Echo, with: clean } }]
  - late: { wait_for_event: Late, count: 2, timeout: 1h }
  - if: ${ input > 1 }
    then: [{ return: { all: "${ all.results }", first: "${ first.winner }", t: "${ t }",
          late: "${ late }" } }]
  - continue_as_new: { input: "${ input + 1 }" }
"""
PROGRAM = compiled(SCENARIO)
OUTPUT = {"all": [10, 20, 30, 40], "first": "timer", "t": "perdure.Timeout", "late": ["c", "d"]}


def play(hub: Hub) -> None:
    """Run the scenario to its end."""
    offer(hub)
    done: Counter[str] = Counter()

    def work(ctx: Any) -> str:
        done[ctx.idempotency_key] += 1
        if done[ctx.idempotency_key] < 2:
            raise ConnectionError("once")
        return "done"

    hub.activity("Flaky", work)
    hub.start(PROGRAM, 1)
    hub.run()
    for value in "abcd":
        hub.raise_event("Late", value)
        hub.run()
    hub.advance(600)


def each_task_has_one_end(hub: Hub) -> None:
    """Every scheduled task of the kept histories has exactly one terminal record."""
    for generation in (1, 2):
        events = hub.events(generation=generation)
        scheduled = [seq for seq, event in enumerate(events) if isinstance(event, TaskScheduled)]
        ends = [e.scheduled_seq for e in events if isinstance(e, TaskCompleted | TaskFailed | TaskCanceled)]
        assert sorted(scheduled) == sorted(ends)


def commits_of(memory: int) -> int:
    """How many commits the scenario takes when nothing fails."""
    hub = FaultyHub(memory)
    play(hub)
    assert hub.output() == OUTPUT
    return hub.faulty.tried


COMMITS = {memory: commits_of(memory) for memory in (0, 64 << 20)}


@pytest.mark.parametrize("error", [Busy, FenceLost, OutcomeUnknown])
@pytest.mark.parametrize("memory", COMMITS, ids=["cold", "warm"])
def test_a_lost_batch_is_fed_again_and_nothing_is_doubled(error: type[StoreError], memory: int) -> None:
    """A commit that fails once, wherever, changes neither the result nor what is recorded."""
    assert COMMITS[memory] > 20
    for index in range(COMMITS[memory]):
        hub = FaultyHub(memory)
        hub.faulty.fault = at(index, error("lost"))
        play(hub)
        assert hub.output() == OUTPUT, index
        each_task_has_one_end(hub)
        assert hub.leftovers() == []


@pytest.mark.parametrize("memory", COMMITS, ids=["cold", "warm"])
def test_a_batch_that_was_written_though_the_answer_was_lost(memory: int) -> None:
    """After an unknown outcome the database is read: what was written is not written again."""
    for index in range(COMMITS[memory]):
        hub = FaultyHub(memory)
        hub.faulty.fault, hub.faulty.after = at(index, OutcomeUnknown("broken pipe")), True
        play(hub)
        assert hub.output() == OUTPUT, index
        each_task_has_one_end(hub)
        assert hub.leftovers() == []


@pytest.mark.parametrize("memory", COMMITS, ids=["cold", "warm"])
def test_a_crash_before_and_after_every_commit(memory: int) -> None:
    """A process that dies in any commit, before or after it is applied, changes neither result nor record."""
    for index in range(COMMITS[memory]):
        for after in (False, True):
            hub = FaultyHub(memory)
            hub.faulty.after = after

            class Died(Exception):
                """The process is over."""

            def fault(tried: int, _: Batch, index: int = index, died: type[Exception] = Died) -> Any:
                return died() if tried == index else None

            hub.faulty.fault = fault
            original = hub.round

            def round_(hub: Hub = hub, original: Callable[[], bool] = original, died: Any = Died) -> bool:
                try:
                    return original()
                except died:
                    hub.crash()
                    return True

            hub.round = round_  # type: ignore[method-assign]
            play(hub)
            assert hub.output() == OUTPUT, (index, after)
            each_task_has_one_end(hub)
            assert hub.leftovers() == []


def test_a_refused_turn_parks_its_instance_which_can_be_resumed(faulty: FaultyHub) -> None:
    """What the database will not take stops that instance, visibly; resumed it goes on where it was."""
    offer(faulty)
    faulty.start('do: [{ a: { call: Echo, with: 1 } }, { w: { wait: 1m } }, { return: "${ a }" }]')
    faulty.run()
    faulty.faulty.fault = lambda _, batch: (
        Refused("no") if any(each.history for each in batch.checkpoints) else None
    )
    faulty.advance(60)
    assert faulty.status() == "Suspended"
    assert (faulty.instance().reason or "").startswith("refused")
    faulty.faulty.fault = lambda _, __: None
    faulty.resume()
    faulty.run()
    assert faulty.output() == 1


def test_a_terminate_in_a_refused_turn_is_carried_out(faulty: FaultyHub) -> None:
    """Of a turn that cannot be written the terminate can be: it needs no machine."""
    offer(faulty)
    faulty.start("do: [{ e: { wait_for_event: Go, timeout: 1h } }, { a: { call: Echo, with: 1 } }]")
    faulty.run()
    faulty.faulty.fault = lambda _, batch: Refused("no") if "TaskScheduled" in str(batch) else None
    faulty.raise_event("Go")
    faulty.terminate("enough")
    faulty.run(1000)
    assert (faulty.status(), faulty.instance().reason) == ("Terminated", "enough")
    assert [letter.reason for letter in faulty.store.dead_letters("i")] == ["ended"]


def test_halving_isolates_the_one_that_is_refused(faulty: FaultyHub) -> None:
    """Its neighbours in the batch go on; it alone is parked."""
    offer(faulty)
    for number in range(9):
        faulty.start(
            'do: [{ a: { call: Echo, with: "${ input }" } }, { return: "${ a }" }]', number, id=f"n{number}"
        )
    faulty.faulty.fault = about("n4")
    faulty.run()
    assert [faulty.status(f"n{number}") for number in range(9)] == ["Completed"] * 4 + ["Suspended"] + [
        "Completed"
    ] * 4
    faulty.faulty.fault = lambda _, __: None
    faulty.resume(id="n4")
    faulty.run()
    assert faulty.output("n4") == 4


def test_a_batch_that_takes_too_long_is_tried_in_smaller_parts(faulty: FaultyHub) -> None:
    """A database that is too slow for so many turns at once would be so again, whoever tries."""
    offer(faulty)
    for number in range(9):
        faulty.start("do: [{ a: { call: Echo, with: 1 } }]", id=f"n{number}")
    faulty.faulty.fault = lambda _, batch: Busy("it took too long") if len(batch.checkpoints) > 2 else None
    faulty.run(1000)
    assert {faulty.status(f"n{number}") for number in range(9)} == {"Completed"}


def test_a_refused_start_is_answered_and_leaves_nothing(faulty: FaultyHub) -> None:
    """A client whose start cannot be written has to ask again; another start of that id is a new one."""
    offer(faulty)
    others = [faulty.begin("do: [{ a: { call: Echo, with: 1 } }]", id=f"n{number}") for number in range(3)]
    refused = faulty.begin("do: [{ a: { call: Echo, with: 1 } }]", id="bad")
    faulty.faulty.fault = about("bad")
    faulty.run()
    assert (faulty.asked, sorted(faulty.answered)) == ([refused], sorted(others))
    assert faulty.store.instance("bad") is None
    faulty.faulty.fault = lambda _, __: None
    again = faulty.begin("do: [{ a: { call: Echo, with: 1 } }]", id="bad")
    faulty.run()
    assert (again in faulty.answered, faulty.status("bad")) == (True, "Completed")


def test_a_start_whose_id_appears_meanwhile_is_answered(faulty: FaultyHub) -> None:
    """An id that somebody else inserts between look-up and commit is refused to the second."""
    offer(faulty)
    faulty.begin("do: [{ a: { call: Echo, with: mine } }]")
    faulty.start("do: [{ a: { call: Echo, with: other } }]")
    faulty.run()
    assert len(faulty.asked) == 1
    assert [task.input for task in faulty.calls] == ["other"]
    assert faulty.status() == "Completed"


def test_clients_of_this_process_are_answered_by_the_commit(faulty: FaultyHub) -> None:
    """A start and an event without rows are durable with the batch that takes them."""
    start = faulty.begin('do: [{ e: { wait_for_event: Go, timeout: 1h } }, { return: "${ e }" }]')
    event = faulty.say(EventRaised(name="Go", input=3))
    faulty.run()
    assert (set(faulty.answered), faulty.output()) == ({start, event}, 3)


def test_a_clients_message_is_fed_again_after_a_loss(faulty: FaultyHub) -> None:
    """What only this memory knows is not lost with a batch."""
    faulty.faulty.fault = lambda tried, _: Busy("later") if tried < 3 else None
    start = faulty.begin("do: [{ v: { value: 1 } }]")
    faulty.run()
    assert (faulty.answered, faulty.status()) == ([start], "Completed")


def test_a_client_is_told_when_the_outcome_is_unknown(faulty: FaultyHub) -> None:
    """A start of this process whose commit may have happened has to be asked for again."""
    faulty.faulty.fault, faulty.faulty.after = at(0, OutcomeUnknown("broken")), True
    start = faulty.begin("do: [{ w: { wait: 1m } }]")
    faulty.run()
    assert (faulty.asked, faulty.status()) == ([start], "Running")
    faulty.terminate()
    faulty.run()


def test_an_event_for_an_ended_instance_is_refused_to_its_client(faulty: FaultyHub) -> None:
    """A message without a row that comes too late goes back to who sent it, and is no dead letter."""
    faulty.begin("do: [{ v: { value: 1 } }]")
    faulty.run()
    late = faulty.say(EventRaised(name="Go"))
    faulty.run()
    assert faulty.refusals == [(late, "ended")]
    assert faulty.store.dead_letters() == []


def test_two_batches_under_way_are_taken_back_in_order(faulty: FaultyHub) -> None:
    """When the first of two is lost so is the second; both are taken again, in order."""
    offer(faulty)
    faulty.start('do: [{ e: { wait_for_event: Go, count: 4, timeout: 1h } }, { return: "${ e }" }]')
    faulty.run()
    batches: list[Sealed] = []
    for value in (1, 2):
        faulty.raise_event("Go", value)
        faulty.owner.accept(faulty.store.inbox(faulty.slots, 100))
        _load(faulty)
        sealed = faulty.owner.run_ready(faulty.store.time())
        assert sealed is not None
        batches.append(sealed)
    assert faulty.owner.lost(batches, refused=False, now=faulty.store.time()) == []
    faulty.raise_event("Go", 3)
    faulty.run()
    faulty.raise_event("Go", 4)
    faulty.run()
    assert faulty.output() == [1, 2, 3, 4]


def test_slots_that_are_given_away_take_what_no_turn_has_heard_with_them(hub: Hub) -> None:
    """A result without a row is fed again, whoever sent without a row asks again, a timer is in its table."""
    offer(hub)
    hub.manual = True
    hub.start(
        """
        do:
          - all:
              parallel:
                work: [ { done: { call: Echo, with: 7 } } ]
                heard: [ { go: { wait_for_event: Go, timeout: never } } ]
                later: [ { pause: { wait: 1s } } ]
          - return: ${ all.work + all.heard }
        """
    )
    hub.run()
    (task,) = hub.open
    hub.finish(task)
    message = hub.say(EventRaised(name="Go", input=5))
    hub.clock.now += 1_000_000
    hub.owner.fire(hub.clock.now)
    (result,), unanswered = hub.owner.let_go(hub.slots)
    assert (result[0], type(result[1].event), unanswered) == ("i", TaskCompleted, [message])
    hub.crash()
    hub.owner.result(result[0], task.execution, result[1].event)
    hub.say(EventRaised(name="Go", input=5))
    hub.run()
    assert hub.output() == 12


def _load(hub: Hub) -> None:
    wanted = hub.owner.wanted()
    found = hub.store.load(wanted)
    programs = hub.programs.all({each.instance.digest for each in found})
    hub.owner.loaded(wanted, found, programs, hub.store.time())


def test_a_lost_batch_of_a_generation_that_was_left_for_later(faulty: FaultyHub) -> None:
    """A next generation whose start was only in a lost batch begins once."""
    faulty.faulty.fault = lambda tried, _: Busy("later") if tried % 2 else None
    faulty.start(
        "do: [{ if: '${ input <= 0 }', then: [{ return: '${ workflow.generation }' }] }, "
        "{ continue_as_new: { input: '${ input - 1 }' } }]",
        100,
    )
    faulty.raise_event("Noise", 1)
    faulty.run()
    assert faulty.output() == 101


# -- takeovers, poison, late results -----------------------------------------------------------------


def test_a_takeover_adopts_open_tasks_as_delivered_once(hub: Hub) -> None:
    """An activity that only the dead worker's memory knew gets a row, with that delivery counted."""
    hub.activity("Echo", echo)
    hub.manual = True
    hub.start("do: [{ a: { call: Echo, with: 1 } }]")
    hub.run()
    assert hub.leftovers() == []
    hub.crash()
    hub.run()
    assert [(row.name, row.deliveries, row.worker) for row in hub.leftovers()] == [("Echo", 1, None)]
    hub.manual = False
    hub.run()
    assert hub.status() == "Completed"


def test_very_many_open_tasks_of_a_dead_owner_get_their_rows_in_parts(
    faulty: FaultyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database took too long for all of them, again and again, whoever had the slots.

    No turn comes between them: it may end a task that has no row yet, which somebody would run afterwards.
    """
    monkeypatch.setattr(owner, "MOST_ADOPTED", 2)
    faulty.activity("Echo", echo)
    faulty.manual = True
    sizes = list[int]()

    def too_many(_number: int, batch: Batch) -> StoreError | None:
        sizes.append(len(batch.adopt))
        return Busy("it took too long") if len(batch.adopt) > 2 else None

    ids = [f"n{number}" for number in range(7)]
    for each in ids:
        race = "{ a: [{ x: { call: Echo, with: 1 } }], b: [{ w: { wait_for_event: Go, timeout: never } }] }"
        faulty.start(f"do: [{{ r: {{ race: {race} }} }}, {{ return: '${{ r.winner }}' }}]", id=each)
    faulty.run()
    for each in ids[3:]:
        faulty.raise_event("Go", id=each)
    faulty.faulty.fault = too_many
    faulty.crash()
    faulty.run(1000)
    assert [each for each in sizes if each] == [2, 2, 2, 1]
    assert {faulty.output(each) for each in ids[3:]} == {"b"}
    assert [len(faulty.leftovers(each)) for each in ids] == [1, 1, 1, 0, 0, 0, 0]


def test_a_takeover_adopts_nothing_that_has_a_result(hub: Hub) -> None:
    """A result that lies in the inbox is taken; the activity does not run again."""
    hub.activity("Echo", echo)
    hub.manual = True
    hub.start('do: [{ a: { call: Echo, with: 1 } }, { return: "${ a }" }]')
    hub.run()
    task = hub.open[0]
    event = TaskCompleted(scheduled_seq=task.seq, result=5)
    hub.store.record([result_message("i", slot_of("i"), task.execution, event)], [])
    hub.crash()
    hub.manual = False
    hub.run()
    assert (hub.output(), len(hub.calls)) == (5, 1)


def test_an_activity_that_kills_its_worker_is_poison(hub: Hub) -> None:
    """After five deliveries without an answer it fails with ``perdure.Poison`` and is a dead letter."""
    hub.activity("Bomb", echo)
    hub.manual = True
    hub.start(
        """
        do:
          - t:
              try: [{ a: { call: Bomb, with: 1, retry: { attempts: 9 } } }]
              catch: [{ do: [{ output: "${ error.type }" }] }]
          - return: ${ t }
        """
    )
    hub.run()
    deliveries = 1
    while hub.status() == "Running" and deliveries < 20:
        hub.crash()
        hub.run()
        deliveries += len(hub.store.claim(hub.worker, ["Bomb"], (), 10, 5))
        hub.run()
    assert (hub.output(), deliveries) == ("perdure.Poison", 5)
    letters = hub.store.dead_letters("i")
    assert len(letters) == 1
    assert letters[0].reason.startswith("perdure.Poison")


def test_a_late_result_is_counted_and_changes_nothing(hub: Hub) -> None:
    """The first result of a task wins; a second one is superseded, and that is seen."""
    hub.activity("Echo", echo)
    hub.manual = True
    hub.start('do: [{ a: { call: Echo, with: 1 } }, { w: { wait: 1m } }, { return: "${ a }" }]')
    hub.run()
    task = hub.open[0]
    hub.finish(task)
    hub.run()
    hub.owner.result("i", task.execution, TaskCompleted(scheduled_seq=task.seq, result="late"))
    hub.run()
    assert hub.owner.superseded == 1
    hub.advance(60)
    assert hub.output() == 1


def test_two_results_in_one_turn(hub: Hub) -> None:
    """The same, when both come together."""
    hub.activity("Echo", echo)
    hub.manual = True
    hub.start('do: [{ a: { call: Echo, with: 1 } }, { return: "${ a }" }]')
    hub.run()
    task = hub.open[0]
    for value in ("first", "second"):
        hub.owner.result("i", task.execution, TaskCompleted(scheduled_seq=task.seq, result=value))
    hub.run()
    assert hub.output() == "first"


def test_an_answer_to_another_execution_is_superseded(hub: Hub) -> None:
    """A result that carries the execution of an instance that is no more does not reach its namesake."""
    hub.activity("Echo", echo)
    hub.manual = True
    hub.start('do: [{ a: { call: Echo, with: 1 } }, { return: "${ a }" }]')
    hub.run()
    task = hub.open[0]
    hub.owner.result("i", "another", TaskCompleted(scheduled_seq=task.seq, result="foreign"))
    hub.run()
    hub.finish(task)
    hub.run()
    assert hub.output() == 1


def test_a_result_of_a_task_that_was_never_scheduled(hub: Hub) -> None:
    """An answer without a question changes nothing, and is counted."""
    hub.start("do: [{ w: { wait: 1m } }]")
    hub.run()
    hub.owner.result("i", hub.instance().execution, TaskCompleted(scheduled_seq=77, result=1))
    hub.run()
    assert (hub.owner.superseded, hub.kinds()) == (1, ["ExecutionStarted", "TimerCreated"])
    hub.advance(60)


def test_a_task_with_a_row_is_claimed(hub: Hub) -> None:
    """An activity that this process does not offer waits in the table for one that does."""
    hub.start('do: [{ a: { call: Later, with: 1 } }, { return: "${ a }" }]')
    hub.run()
    assert [row.name for row in hub.leftovers()] == ["Later"]
    hub.activity("Later", echo)
    hub.run()
    assert hub.output() == 1


# -- memory ------------------------------------------------------------------------------------------


def test_memory_is_bounded_by_forgetting_the_longest_idle() -> None:
    """Of more instances than fit the ones that were idle longest are forgotten; they go on when needed."""
    hub = Hub(memory=2000)
    offer(hub)
    for number in range(50):
        hub.start(
            'do: [{ a: { call: Echo, with: "${ input }" } }, '
            '{ e: { wait_for_event: Go, timeout: 1h } }, { return: "${ a }" }]',
            number,
            id=f"n{number}",
        )
        hub.run()
    warm = [name for name, hot in hub.owner._hot.items() if hot.running is not None]
    assert 0 < len(warm) < 20
    assert warm == [f"n{number}" for number in range(50 - len(warm), 50)]
    for number in range(50):
        hub.raise_event("Go", id=f"n{number}")
    hub.run()
    assert [hub.output(f"n{number}") for number in range(50)] == list(range(50))


@pytest.mark.parametrize("memory", [0, 64 << 20])
def test_nothing_is_remembered_of_what_has_ended(memory: int) -> None:
    """When all instances have ended the owner's memory is empty."""
    hub = Hub(memory=memory)
    offer(hub)
    hub.activity("Flaky", flaky(1))
    for number in range(20):
        hub.start("do: [{ a: { call: Echo, with: 1 } }, { w: { wait: 1m } }]", id=f"n{number}")
    hub.start("do: [{ a: { call: Flaky, timeout: 1m, retry: { attempts: 2 } } }]", id="flaky")
    hub.advance(120)
    assert (hub.owner._hot, hub.owner._used, hub.owner._accepted) == ({}, 0, set())
    assert hub.owner.timers.next() is None


def test_many_instances_share_a_batch(hub: Hub) -> None:
    """Turns of instances that are ready together are one commit."""
    for number in range(200):
        hub.start("do: [{ v: { value: 1 } }]", id=f"n{number}")
    hub.run()
    assert hub.commits <= 2
    assert {hub.status(f"n{number}") for number in range(200)} == {"Completed"}


def test_an_instance_that_runs_over_is_left_for_the_next_batch(hub: Hub) -> None:
    """A terminate that meets a start in one batch is carried out after it."""
    hub.start("do: [{ w: { wait: 1m } }]")
    hub.send(ExecutionTerminated(reason="now"))
    hub.run()
    instance: Instance = hub.instance()
    assert (instance.status, instance.reason) == ("Terminated", "now")
    assert msgspec.json.decode(hub.store.payloads("i")["input"]) is None


def test_a_turn_that_comes_to_nothing_keeps_nothing_in_memory() -> None:
    """White-box: a late result of this process writes no row, so no commit lets its instance go."""
    hub = Hub(memory=0)
    offer(hub)
    hub.manual = True
    hub.start("do: [{ a: { call: Echo, with: 1 } }, { w: { wait: 1h } }]")
    hub.run()
    hub.resolve("do/0/a")
    hub.run()
    hub.finish(hub.open[0])
    hub.run()
    assert hub.owner.superseded == 1
    assert not hub.owner._hot


def test_what_is_said_before_slots_are_taken_over_is_heard_once(faulty: FaultyHub) -> None:
    """The takeover brings the instance into memory, and whoever was to read it finds it there."""
    faulty.manual = True
    faulty.activity("Echo", echo)
    faulty.start("do: [{ a: { call: Echo, with: 1 } }, { e: { wait_for_event: Go, timeout: 1h } }]")
    faulty.run()
    faulty.owner.reset()
    faulty.say(EventRaised(name="Go", input=2))
    faulty._take_slots()
    faulty.run()
    assert faulty.kinds().count("EventRaised") == 1
    faulty.finish(faulty.open[0])
    faulty.run()
    assert faulty.status() == "Completed"
