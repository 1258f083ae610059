"""A history that lacks a decision, or an event: replay says what is missing, in words for each kind."""

from __future__ import annotations

import re

import msgspec
import pytest

from perdure.engine.codec import Values, encode_events, whole_events
from perdure.engine.errors import NonDeterminismError
from perdure.engine.events import (
    CancelSent,
    Event,
    ExecutionRestarted,
    SubOrchestrationCanceled,
    TimerCreated,
    is_decided,
)
from perdure.engine.replay import replay
from perdure.engine.store.rows import HistoryRow
from tests.engine.driver import Hub, compiled
from tests.engine.functions import offer
from tests.engine.messages import WAITS

EVERYTHING = """
events: { Go: {} }
do:
  - first:
      race:
        task: [ { work: { call: Work } } ]
        timer: [ { pause: { wait: 1h } } ]
        child: [ { part: { call_workflow: waits } } ]
        operation: [ { asked: { call_entity: Slow@a, op: act } } ]
        lock: [ { alone: { lock_entities: [ Slow@b ], do: [ held: { value: 1 } ] } } ]
        event: [ { go: { wait_for_event: Go, timeout: never } } ]
  - other: { start_workflow: waits, instance_id: other }
  - send_event: { to: other, event: Go }
  - cancel: { instance: other }
  - signal_entity: { entity: Slow@c, op: act }
  - tried: { call: Fail, with: 1, retry: { attempts: 2, delay: 1s } }
"""
PARTS = """
do:
  - all: { fan_out: "${ input }", each: x, chunk: 2, width: 2, do: [ done: { call: Fail, with: "${ x }" } ] }
"""
TURNING = """
do:
  - if: ${ input == 1 }
    then: [ { continue_as_new: { input: 2 } } ]
  - go: { wait_for_event: Go, timeout: never }
"""


def _hub() -> Hub:
    hub = Hub()
    hub.deploy(WAITS)
    offer(hub)
    hub.activity("Work", lambda: None)
    return hub


def _everything() -> tuple[HistoryRow, ...]:
    hub = _hub()
    hub.manual = True
    hub.start(EVERYTHING)
    hub.run()
    hub.manual = False
    hub.raise_event("Go")
    hub.run()
    hub.advance(5)
    return tuple(hub.rows())


def _parts() -> tuple[HistoryRow, ...]:
    hub = _hub()
    hub.start(PARTS, [*range(8)])
    hub.run()
    return tuple(hub.rows())


def _turning() -> tuple[HistoryRow, ...]:
    hub = _hub()
    hub.start(TURNING, 1)
    hub.run()
    return tuple(hub.rows(generation=1))


HISTORIES = {EVERYTHING: _everything, PARTS: _parts, TURNING: _turning}
WORDS = {
    "TaskScheduled": r"call (Work|Fail|Fail \(attempt 2\))",
    "TaskCanceled": r"TaskCanceled of 1",
    "TimerCreated": r"timer for (wait|retry) of do/\S+ at 20\d\d-\d\d-\d\dT[\d:.]+Z",
    "TimerCanceled": r"TimerCanceled of 2",
    "SubOrchestrationInstanceCreated": r"call_workflow (waits|flow) \(i[:/].*\)",
    "SubOrchestrationCanceled": r"(cancel|terminate) i:.*",
    "EntityOperationCalled": r"call_entity Slow@a act",
    "EntityOperationSignaled": r"signal_entity Slow@c act",
    "EntityLockRequested": r"lock of Slow@b",
    "EntityUnlockSent": r"unlock of Slow@b",
    "InstanceStarted": r"start_workflow waits \(other\)",
    "EventSent": r"send_event Go to other",
    "CancelSent": r"cancel other",
    "FanOutSplit": r"fan_out over 8 items in chunks of 2",
    "ChunkCanceled": r"ChunkCanceled i:.*",
    "ContinueAsNew": r"continue_as_new \(.*\)",
    "ExecutionCompleted": r"end Failed",
}
"""How each decision is told."""


@pytest.mark.parametrize("text", HISTORIES, ids=["everything", "parts", "turning"])
def test_a_decision_that_a_history_lacks_is_told(text: str) -> None:
    """Whatever it is: a history that ends before it is not what the program does."""
    program, rows = compiled(text), HISTORIES[text]()
    for number, row in enumerate(rows):
        events = whole_events(row.events, row.values, Values())
        for place, event in enumerate(events):
            if not is_decided(event):
                continue
            short = msgspec.structs.replace(
                row, events=encode_events(events[:place]), next_seq=row.first_seq + place
            )
            with pytest.raises(NonDeterminismError) as caught:
                replay(program, "i", [*rows[:number], short])
            words = WORDS[type(event).__name__]
            assert re.search(f"expected nothing, program decides {words}$", str(caught.value)), caught.value


def test_a_history_with_a_gap_is_not_replayed() -> None:
    """A row that is missing is told by the events that should be there."""
    rows = _everything()
    with pytest.raises(NonDeterminismError, match=f"the history has no event {rows[1].first_seq}"):
        replay(compiled(EVERYTHING), "i", [rows[0], *rows[2:]])


def test_a_decision_before_anything_was_heard_is_told() -> None:
    """What a history says was decided, and nothing decided it."""
    (first, *_) = _turning()
    events = whole_events(first.events, first.values, Values())
    moved = msgspec.structs.replace(first, events=encode_events(events[::-1]))
    with pytest.raises(NonDeterminismError, match=r"expected continue_as_new .*, program decides nothing"):
        replay(compiled(TURNING), "i", [moved])


def test_what_a_program_cannot_take_is_told_and_not_raised() -> None:
    """An order is for an owner, and no machine hears of it."""
    hub = _hub()
    hub.start(WAITS)
    hub.run()
    (row,) = hub.rows()
    order = encode_events([ExecutionRestarted(version="1.0.0", digest="d")])
    second = msgspec.structs.replace(row, first_seq=1, next_seq=2, events=order)
    with pytest.raises(NonDeterminismError, match=r"ExecutionRestarted.*: the program cannot take it"):
        replay(compiled(WAITS), "i", [row, second])


def test_two_decisions_of_the_same_words_are_told_apart_by_their_kinds() -> None:
    """To cancel a child, and to ask another instance to end."""
    text = """
    events: { Go: {} }
    do:
      - first:
          race:
            child: [ { part: { call_workflow: waits, on_parent_close: cancel } } ]
            event: [ { go: { wait_for_event: Go, timeout: never } } ]
    """
    hub = _hub()
    hub.start(text)
    hub.run()
    hub.raise_event("Go")
    hub.run()
    first, last = hub.rows()
    events: list[Event] = [
        CancelSent(instance=event.instance, path="do.0")
        if isinstance(event, SubOrchestrationCanceled)
        else event
        for event in whole_events(last.events, last.values, Values())
    ]
    other = msgspec.structs.replace(last, events=encode_events(events))
    words = r"expected (cancel i:\S+), program decides \1 \(SubOrchestrationCanceled, not CancelSent\)"
    with pytest.raises(NonDeterminismError, match=words):
        replay(compiled(text), "i", [first, other])


def test_a_time_that_no_calendar_has_is_told_by_its_number() -> None:
    """Another hand may have written it into the history."""
    hub = _hub()
    hub.start("do: [ { pause: { wait: 1h } } ]")
    hub.run()
    (row,) = hub.rows()
    events: list[Event] = [
        msgspec.structs.replace(event, fire_at=10**18) if isinstance(event, TimerCreated) else event
        for event in whole_events(row.events, row.values, Values())
    ]
    with pytest.raises(NonDeterminismError, match=f"expected timer for wait of .* at {10**18}, "):
        replay(
            compiled("do: [ { pause: { wait: 1h } } ]"),
            "i",
            [msgspec.structs.replace(row, events=encode_events(events))],
        )
