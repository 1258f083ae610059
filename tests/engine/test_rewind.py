"""Rewind: an instance that failed goes on; only what failed is done again, under the keys that it had."""

from __future__ import annotations

from typing import Any, cast

import pytest

from perdure.compiler.encode import encode
from perdure.engine.activities import ActivityError
from perdure.engine.client import Client
from perdure.engine.events import (
    ExecutionRewound,
    ExecutionStarted,
    TaskCompleted,
    TaskFailed,
    TimerCreated,
)
from perdure.engine.programs import Programs
from perdure.engine.store.memory import MemoryStore
from perdure.engine.tasks import task_in
from tests.engine.driver import SECOND, START, Hub, compiled
from tests.engine.functions import fail, finish_all, offer


class Shaky:
    """An activity that fails while it is ``broken``, and counts who asked it."""

    def __init__(self) -> None:
        self.broken = True
        self.asked: list[Any] = []

    def call(self, value: Any) -> Any:
        """What it is given."""
        self.asked.append(value)
        if self.broken:
            raise ActivityError(f"no {value}", type="Down", retryable=False)
        return value


@pytest.fixture
def shaky(hub: Hub) -> Shaky:
    """``Shaky`` and ``Echo`` are offered."""
    activity = Shaky()
    hub.activity("Shaky", activity.call)
    offer(hub)
    return activity


def repaired(hub: Hub, shaky: Shaky, **more: Any) -> None:
    """Rewound after what was broken was repaired."""
    shaky.broken = False
    hub.rewind(**more)
    hub.run()


CHAIN = """
do:
  - first: { call: Echo, with: 1 }
  - second: { call: Shaky, with: "${ first + 1 }" }
  - third: { call: Echo, with: "${ second + 1 }" }
  - return: ${ [first, second, third] }
"""


def test_only_what_failed_is_done_again(hub: Hub, shaky: Shaky) -> None:
    """What was done before stays done; the call has the key that it had."""
    hub.start(CHAIN)
    hub.run()
    assert hub.error()["type"] == "Down"
    repaired(hub, shaky)
    assert hub.output() == [1, 2, 3]
    assert [task.path for task in hub.calls] == ["do/0/first", "do/1/second", "do/1/second", "do/2/third"]
    assert hub.calls[1].key == hub.calls[2].key


def test_its_row_says_that_it_goes_on(hub: Hub, shaky: Shaky) -> None:
    """The generation stays; the execution is another, and nothing of the end is left."""
    hub.start(CHAIN)
    hub.run()
    before = hub.instance()
    hub.manual = True
    shaky.broken = False
    hub.advance(60)
    hub.rewind()
    hub.run()
    after = hub.instance()
    assert (after.status, after.generation, after.ended_at) == ("Running", before.generation, None)
    assert after.execution != before.execution
    assert after.started_at == before.started_at
    assert hub.store.payloads("i").keys() == {"input"}


def test_the_history_is_whole(hub: Hub, shaky: Shaky) -> None:
    """Of one generation, in the order and at the times in which things happened; the failure is told."""
    hub.start(CHAIN)
    hub.run()
    hub.advance(60)
    repaired(hub, shaky)
    events = hub.events()
    assert isinstance(events[0], ExecutionStarted)
    assert (events[0].execution, events[0].generation) == (hub.instance().execution, 1)
    assert not any(isinstance(event, TaskFailed) for event in events)
    rewound = next(event for event in events if isinstance(event, ExecutionRewound))
    assert rewound.error is not None
    assert rewound.error["message"] == "no 2"
    times = {row.at for row in hub.rows()}
    assert times == {START, START + 60 * SECOND}


def test_all_attempts_are_there_again(hub: Hub, shaky: Shaky) -> None:
    """A step that used them up begins with the first one."""
    failing = [True]

    def work() -> str:
        if failing[0]:
            raise ConnectionError("down")
        return "done"

    hub.activity("Work", work)
    hub.start("do: [{ a: { call: Work, retry: { attempts: 3, delay: 1s } } }, { return: '${ a }' }]")
    hub.advance(10)
    assert len(hub.calls) == 3
    hub.rewind()
    hub.advance(10)
    assert (hub.status(), len(hub.calls)) == ("Failed", 6)
    assert [event.attempt for event in hub.scheduled()] == [1, 2, 3]
    failing[0] = False
    hub.rewind()
    hub.run()
    assert (hub.output(), len({task.key for task in hub.calls})) == ("done", 1)


def test_a_time_limit_begins_anew(hub: Hub, shaky: Shaky) -> None:
    """Days later, the attempt has all of its time, and can pass it again."""
    hub.manual = True
    hub.start("do: [{ a: { call: Echo, with: 1, timeout: 30s } }, { return: '${ a }' }]")
    hub.advance(31)
    assert hub.error()["type"] == "perdure.Timeout"
    hub.advance(86_400)
    hub.rewind()
    hub.run()
    hub.advance(29)
    assert hub.status() == "Running"
    hub.advance(2)
    assert hub.error()["type"] == "perdure.Timeout"
    hub.rewind()
    hub.run()
    hub.finish(hub.open[-1])
    hub.run()
    assert hub.output() == 1


def test_the_clock_of_the_workflow_begins_anew(hub: Hub) -> None:
    """An instance that passed its timeout has that time once more."""
    hub.manual = True
    offer(hub)
    hub.start("dsl: perdure/1\nname: flow\nversion: 1.0.0\ntimeout: 1h\ndo: [{ a: { call: Echo, with: 1 } }]")
    hub.advance(3601)
    assert hub.error()["type"] == "perdure.Timeout"
    hub.rewind()
    hub.advance(3599)
    assert hub.status() == "Running"
    hub.advance(2)
    assert hub.status() == "Failed"


def test_an_event_that_did_not_come_in_time(hub: Hub) -> None:
    """It is waited for once more."""
    hub.start("do: [{ e: { wait_for_event: Go, timeout: 1h } }, { return: '${ e }' }]")
    hub.advance(3601)
    assert hub.error()["type"] == "perdure.Timeout"
    hub.rewind()
    hub.advance(3599)
    hub.raise_event("Go", 7)
    hub.run()
    assert hub.output() == 7


def test_timers_that_had_passed_have_passed(hub: Hub, shaky: Shaky) -> None:
    """No wait is waited again."""
    hub.start("do: [{ w: { wait: 30d } }, { a: { call: Shaky, with: 1 } }, { return: '${ a }' }]")
    hub.advance(30 * 86_400)
    repaired(hub, shaky)
    assert hub.output() == 1


def test_what_ran_beside_it_runs_again(hub: Hub, shaky: Shaky) -> None:
    """A branch that was canceled goes on where it was: its call, its timer and its wait are open."""
    hub.manual = True
    hub.start(
        """
        do:
          - all:
              parallel:
                bad: [{ a: { call: Shaky, with: 1 } }]
                slow: [{ b: { call: Echo, with: 2 } }]
                timer: [{ c: { wait: 1h } }]
                event: [{ d: { wait_for_event: Go, timeout: 2h } }]
                done: [{ e: { call: Echo, with: 5 } }]
          - return: ${ all }
        """
    )
    hub.run()
    late = next(task for task in hub.open if task.input == 2)
    finish_all(hub, 5, 1)
    assert hub.status() == "Failed"
    hub.open.clear()
    shaky.broken = False
    hub.rewind()
    hub.run()
    assert sorted(task.input for task in hub.open) == [1, 2]
    hub.finish(late)
    hub.run()
    assert hub.owner.superseded == 1, "a result of the execution before is not heard"
    finish_all(hub, 2, 1)
    hub.raise_event("Go", 4)
    hub.advance(3600)
    assert hub.output() == {"bad": 1, "slow": 2, "timer": None, "event": 4, "done": 5}


def test_the_items_of_a_fan_out_that_failed(hub: Hub, shaky: Shaky) -> None:
    """Those that were done are not done again; those that were caught are not either."""
    hub.activity("Odd", lambda value: shaky.call(value) if value % 2 else value)
    hub.start(
        """
        do:
          - all:
              fan_out: "${ [0, 1, 2, 3] }"
              on_failure: { tolerate: 1 }
              do:
                - tried:
                    try: [{ x: { call: Fail, with: "${ item }" } }]
                    catch: [{ errors: [Broken], do: [{ y: { call: Odd, with: "${ item }" } }] }]
                - z: { call: Echo, with: "${ item }" }
          - return: ${ all.succeeded }
        """
    )
    hub.run()
    assert hub.error()["type"] == "perdure.ToleranceExceeded"
    before = len(hub.calls)
    repaired(hub, shaky)
    assert hub.output() == 4
    assert [(task.name, task.input) for task in hub.calls[before:]] == [
        ("Odd", 1),
        ("Odd", 3),
        ("Echo", 1),
        ("Echo", 3),
    ]


def test_what_the_error_caused_has_not_happened(hub: Hub, shaky: Shaky) -> None:
    """``catch`` and ``finally`` of what failed are dropped; an error that names its cause leads to it."""
    hub.start(
        """
        do:
          - all:
              try: [{ a: { call: Shaky, with: 1 } }]
              catch: [{ errors: ["*"], do: [{ told: { call: Echo, with: caught } },
                { raise: { error: Worse, cause: "${ error }" } }] }]
              finally: [{ last: { call: Echo, with: last } }]
          - return: ${ all }
        """
    )
    hub.run()
    assert hub.error()["type"] == "Worse"
    repaired(hub, shaky)
    assert hub.output() == 1
    assert [task.input for task in hub.calls] == [1, "caught", "last", 1, "last"]


def test_events_are_kept(hub: Hub, shaky: Shaky) -> None:
    """Whenever they came: before the failure, or between it and the end."""
    hub.start(
        """
        do:
          - a: { call: Shaky, with: 1 }
          - e: { wait_for_event: Go, timeout: 1h }
          - return: ${ e }
        """
    )
    hub.raise_event("Go", "early")
    hub.run()
    assert hub.status() == "Failed"
    repaired(hub, shaky)
    assert hub.output() == "early"


def test_a_terminated_instance_goes_on_where_it_was(hub: Hub, shaky: Shaky) -> None:
    """Also one that was suspended: what it was told then is acted on."""
    hub.manual = True
    hub.start(
        "do: [{ a: { call: Echo, with: 1 } }, { b: { call: Echo, with: 2 } }, { return: '${ a + b }' }]"
    )
    hub.run()
    hub.suspend()
    hub.run()
    finish_all(hub, 1)
    hub.terminate("by mistake")
    hub.run()
    assert hub.status() == "Terminated"
    hub.rewind()
    hub.run()
    assert (hub.status(), hub.instance().reason) == ("Running", None)
    finish_all(hub, 2)
    assert hub.output() == 3


def test_a_rewind_of_a_rewind(hub: Hub, shaky: Shaky) -> None:
    """It may fail again, and be rewound again."""
    hub.start(CHAIN)
    hub.run()
    for _ in range(3):
        hub.rewind()
        hub.run()
        assert hub.status() == "Failed"
    repaired(hub, shaky)
    assert hub.output() == [1, 2, 3]
    assert len({task.key for task in hub.calls if task.name == "Shaky"}) == 1


def test_a_crash_before_and_after(hub: Hub, shaky: Shaky) -> None:
    """The order lies in the inbox; the history that it makes is what the next owner reads."""
    hub.start(CHAIN)
    hub.run()
    shaky.broken = False
    hub.manual = True
    hub.rewind()
    hub.crash()
    hub.run()
    assert hub.status() == "Running"
    hub.crash()
    hub.manual = False
    hub.run()
    assert hub.output() == [1, 2, 3]


def test_a_lost_batch(hub: Hub, shaky: Shaky) -> None:
    """The history stays as it was until the whole new one is written."""
    hub.start(CHAIN)
    hub.run()
    before = hub.kinds()
    shaky.broken = False
    hub.reopen(ExecutionRewound())
    hub.lose_next()
    hub.round()
    assert hub.kinds() == before
    hub.run()
    assert hub.output() == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("do: [{ v: { value: 1 } }]", "it is Completed: nothing failed"),
        ("do: [{ raise: { error: Mine, message: so it is } }]", "comes from the workflow itself"),
        ("do: [{ a: { call: Echo, with: '${ input.nothing }' } }]", "comes from the workflow itself"),
    ],
)
def test_what_cannot_go_on_says_why(hub: Hub, shaky: Shaky, text: str, why: str) -> None:
    """Nothing is changed then."""
    hub.start(text, {})
    hub.run()
    before = (hub.instance(), hub.kinds())
    message = hub.reopen(ExecutionRewound())
    hub.run()
    assert [each for each, _ in hub.refusals] == [message]
    assert why in hub.refusals[0][1]
    assert (hub.instance(), hub.kinds()) == before


def test_what_was_undone_cannot_be_taken_for_done(hub: Hub, shaky: Shaky) -> None:
    """A saga has run its compensations: there is nothing left to go on with."""
    hub.start(
        """
        do:
          - trip:
              saga:
                - flight: { call: Echo, with: 1, compensate: { call: Echo, with: back } }
                - hotel: { call: Shaky, with: 2 }
        """
    )
    hub.run()
    assert hub.status() == "Failed"
    hub.reopen(ExecutionRewound())
    hub.run()
    assert hub.refusals[0][1] == "what it had done was undone by its compensations"


def test_a_canceled_instance_stays_canceled(hub: Hub, shaky: Shaky) -> None:
    """It has cleaned up after itself."""
    hub.start("do: [{ w: { wait: 1h } }]")
    hub.run()
    hub.cancel()
    hub.run()
    hub.reopen(ExecutionRewound())
    hub.run()
    assert "it is Canceled" in hub.refusals[0][1]


def test_large_values_are_found_again(hub: Hub, shaky: Shaky) -> None:
    """They are kept for the new history as they were for the old one."""
    hub.activity("Big", lambda: "x" * 20_000)
    hub.start(
        """
        do:
          - big: { call: Big }
          - a: { call: Shaky, with: 1 }
          - return: ${ size(big) + a }
        """
    )
    hub.run()
    hub.crash()
    repaired(hub, shaky)
    hub.crash()
    assert hub.output() == 20_001


def test_the_answers_of_before_are_in_the_new_history(hub: Hub, shaky: Shaky) -> None:
    """With the numbers that their calls have now."""
    hub.start(CHAIN)
    hub.run()
    repaired(hub, shaky)
    answers = [event for event in hub.events() if isinstance(event, TaskCompleted)]
    assert [event.result for event in answers] == [1, 2, 3]
    assert not [event for event in hub.events() if isinstance(event, TimerCreated)]


def test_its_private_queue_is_kept(hub: Hub, shaky: Shaky) -> None:
    """What is done again goes where everything of the instance goes."""
    program = compiled("do: [{ a: { call: Shaky, with: 1 } }, { return: '${ a }' }]")
    client = Client(hub.store)
    client.run(program.program, id="i", queue="mine")
    for repaired in (False, True):
        shaky.broken = not repaired
        hub.run()
        (row,) = hub.store.waiting_tasks("i")
        assert row.queue == "@mine"
        hub.store.claim(hub.worker, [], [row.queue], 1, 5)
        hub.finish(task_in(row))
        hub.run()
        if not repaired:
            hub.rewind()
    assert hub.output() == 1


def test_after_a_move_to_another_version(hub: Hub, shaky: Shaky) -> None:
    """It goes on with the version that it failed with, and its history still says that it moved."""
    head = "dsl: perdure/1\nname: flow\nversion: {}\nevents: {{ Go: {{}} }}\n"
    steps = "do:\n  - go: {{ wait_for_event: Go, timeout: 1h }}\n  {}- return: ${{ workflow.version }}\n"
    hub.deploy((head + steps).format("1.0.0", ""))
    hub.deploy((head + steps).format("2.0.0", "- a: { call: Shaky, with: 1 }\n  "))
    client = Client(hub.store)
    client.start("flow@1.0.0", id="i")
    hub.run()
    client.migrate("i", "2.0.0")
    hub.run()
    hub.raise_event("Go")
    hub.run()
    assert hub.status() == "Failed"
    client.fork("i", "a", id="j")
    repaired(hub, shaky)
    assert (hub.output(), hub.instance().version) == ("2.0.0", "2.0.0")
    assert "ExecutionMigrated" in hub.kinds()
    assert (hub.output("j"), hub.instance("j").version) == ("2.0.0", "2.0.0")
    assert "ExecutionMigrated" not in hub.kinds("j")


def test_an_earlier_fan_out_that_bore_its_losses_is_left_alone(hub: Hub, shaky: Shaky) -> None:
    """Only the items of the one that the instance failed of are done again."""
    hub.start(
        """
        do:
          - some:
              fan_out: "${ [1, 2] }"
              on_failure: { tolerate: 1 }
              do: [{ a: { call: Fail, with: "${ item }" , if: "${ item == 1 }" } }]
          - all:
              fan_out: "${ [3, 4] }"
              on_failure: { tolerate: 1 }
              do: [{ b: { call: Shaky, with: "${ item }" } }]
          - return: ${ [some.failed, all.failed] }
        """
    )
    hub.run()
    assert hub.error()["path"] == "do/1/all"
    before = len(hub.calls)
    repaired(hub, shaky)
    assert hub.output() == [1, 0]
    assert [(task.name, task.input) for task in hub.calls[before:]] == [("Shaky", 3), ("Shaky", 4)]


def test_a_history_that_its_program_cannot_have_made_is_not_told_again() -> None:
    """Who orders it is told why, and the instance stays as it is."""
    hub = Hub()
    hub.activity("Fail", fail)
    program = compiled("do: [ { a: { call: Fail, with: 1 } } ]")
    hub.start(program)
    hub.run()
    other = compiled("do: [ { b: { wait: 1h } } ]")
    cast("MemoryStore", hub.store)._programs[program.digest] = encode(other.program)
    hub.programs = Programs(hub.store.program)
    hub.crash()
    asked = hub.reopen(ExecutionRewound())
    hub.run()
    ((told, reason),) = hub.refusals
    assert (told, "its history cannot be replayed" in reason, hub.status()) == (asked, True, "Failed")


def test_an_instance_whose_history_is_gone_is_not_rewound() -> None:
    """There is nothing that could go on, and nobody else is stopped by that."""
    hub = Hub()
    hub.activity("Fail", fail)
    hub.start("do: [ { a: { call: Fail, with: 1 } } ]")
    hub.run()
    cast("MemoryStore", hub.store)._history.clear()
    hub.crash()
    asked = hub.reopen(ExecutionRewound())
    hub.run()
    assert hub.refusals == [(asked, "it never began")]
    assert hub.status() == "Failed"
