"""Large values: written once, whatever refers to them, and the machine never knows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from perdure.engine.codec import LARGE
from perdure.engine.errors import NonDeterminismError
from perdure.engine.events import ExecutionStarted
from perdure.engine.payload import MAX_BYTES
from perdure.engine.replay import replay
from perdure.engine.store.memory import MemoryStore
from perdure.engine.views import SHOWN, row_views
from tests.engine.driver import Hub

THROUGH = """
do:
  - made:
      call: Make
      with: ${ input }
  - used:
      call: Use
      with: ${ made }
  - return: ${ used }
"""


def big(letter: str) -> str:
    """A value that is kept apart."""
    return letter * LARGE


def same(value: Any) -> Any:
    """An activity that returns what it gets."""
    return value


def length(value: str) -> int:
    """An activity that makes something small of something large."""
    return len(value)


def payload_keys(hub: Hub) -> list[str]:
    """What is stored of the instance, by key."""
    assert isinstance(hub.store, MemoryStore)
    return sorted(key for instance, key in hub.store._payloads if instance == "i")


def stored_bytes(hub: Hub) -> int:
    """Characters in all tables of the instance."""
    assert isinstance(hub.store, MemoryStore)
    values = sum(len(row.value) for row in hub.store._payloads.values())
    tasks = sum(len(row.body) for row in hub.store._tasks.values())
    inbox = sum(len(row.event) for _, row in hub.store._inbox.values())
    return values + tasks + inbox + sum(len(row.events) for row in hub.rows())


def test_a_value_is_written_once(hub: Hub) -> None:
    """Input, arguments, results and output are the same megabyte, and it is there once."""
    hub.activity("Make", same)
    hub.activity("Use", same)
    value = "x" * (MAX_BYTES - 10)
    hub.start(THROUGH, value)
    hub.run()
    assert hub.output() == value
    assert stored_bytes(hub) < len(value) + 5_000
    assert [key[:7] for key in payload_keys(hub)] == ["input", "output", "sha256:"]


def test_each_step_writes_only_what_is_new(hub: Hub) -> None:
    """Two values, each once."""
    hub.activity("Make", lambda value: value.upper())
    hub.activity("Use", same)
    hub.start(THROUGH, big("x"))
    hub.run()
    assert hub.output() == big("X")
    assert stored_bytes(hub) < 2 * LARGE + 5_000


def test_a_small_value_stays_where_it_is(hub: Hub) -> None:
    """Below the threshold nothing is kept apart."""
    hub.activity("Make", same)
    hub.activity("Use", same)
    hub.start(THROUGH, "x" * (LARGE - 3))
    hub.run()
    assert payload_keys(hub) == ["input", "output"]


def test_a_waiting_task_refers_to_its_input(hub: Hub) -> None:
    """Its row is small, and whoever claims it has the whole input."""
    hub.activity("Make", same)
    hub.start(THROUGH, big("x"))
    hub.run()
    assert isinstance(hub.store, MemoryStore)
    (row,) = hub.store._tasks.values()
    assert len(row.body) < 1_000
    hub.activity("Use", length)
    hub.run()
    assert hub.output() == LARGE


def test_a_crash_between_turns_loses_no_value(hub: Hub) -> None:
    """The activity that was open runs again, with its whole input."""
    hub.activity("Make", same)
    hub.activity("Use", same)
    hub.manual = True
    hub.start(THROUGH, big("x"))
    hub.run()
    assert [len(task.input) for task in hub.open] == [LARGE]
    hub.crash()
    hub.manual = False
    hub.run()
    assert hub.output() == big("x")
    assert [len(task.input) for task in hub.calls] == [LARGE] * 3


def test_a_lost_commit_is_written_again(hub: Hub) -> None:
    """What a batch that was not written knew to be stored is not believed any more."""
    hub.activity("Make", same)
    hub.activity("Use", same)
    hub.start(THROUGH, big("x"))
    owner = hub.owner
    for _ in range(20):
        now = hub.store.time()
        owner.accept(hub.store.inbox(hub.slots, 1000))
        found = hub.store.load(owner.wanted())
        programs = hub.programs.all({each.instance.digest for each in found})
        owner.loaded(owner.wanted(), found, programs, now)
        sealed = owner.run_ready(now)
        if sealed is not None:
            owner.lost([sealed], refused=False, now=now)
            break
    hub.run()
    assert hub.output() == big("x")


def test_generations_leave_nothing_behind(hub: Hub) -> None:
    """Fifty generations with a value each keep those of the last two."""
    hub.activity("Make", lambda n: f"{n}" * LARGE)
    hub.start(
        """
        do:
          - made: { call: Make, with: "${ input }" }
          - if: ${ input < 50 }
            then:
              - continue_as_new: { input: "${ input + 1 }" }
          - return: ${ made }
        """,
        1,
    )
    hub.run()
    assert hub.output() == "50" * LARGE
    assert len([key for key in payload_keys(hub) if key.startswith("sha256:")]) == 2


def test_an_event_that_waits_is_carried_whole(hub: Hub) -> None:
    """Events that the next generation takes over are apart too."""
    hub.start(
        """\
dsl: perdure/1
name: flow
version: 1.0.0
events:
  Go: {}
do:
  - if: ${ input }
    then:
      - pause: { wait: 1m }
      - continue_as_new: { input: false }
  - got: { wait_for_event: Go, timeout: never }
  - return: ${ got }
""",
        True,
    )
    hub.run()
    hub.raise_event("Go", big("e"))
    hub.advance(60)
    assert hub.output() == big("e")
    (started,) = [each for each in hub.events() if isinstance(each, ExecutionStarted)]
    assert started.carried[0].input == big("e")
    assert all(len(row.events) < LARGE for row in hub.rows())


def test_an_error_keeps_its_large_data_apart(hub: Hub) -> None:
    """Data of an error is a value as any other."""
    hub.start(
        """
        do:
          - raise: { error: Broken, data: "${ input }" }
        """,
        big("d"),
    )
    hub.run()
    assert hub.error()["data"] == big("d")
    assert all(len(row.events) < LARGE for row in hub.rows())


def test_a_value_that_is_gone_stops_the_replay(hub: Hub) -> None:
    """Nothing goes on with half of what it knew."""
    hub.activity("Make", same)
    hub.activity("Use", same)
    hub.start(THROUGH, big("x"))
    hub.run()
    rows = [msgspec.structs.replace(row, values={}) for row in hub.rows()]
    program = hub.programs.get(hub.instance().digest)
    with pytest.raises(NonDeterminismError, match=r"the value sha256:.* is not there"):
        replay(program, "i", rows)


def test_what_looks_like_a_reference_is_a_value(hub: Hub) -> None:
    """A user may write what the text of a history has for its own use."""
    value = {"stored": {"result": "sha256:" + "0" * 64}, "x": 1}
    hub.activity("Make", same)
    hub.activity("Use", same)
    hub.start(THROUGH, value)
    hub.run()
    assert hub.output() == value


def test_a_history_shows_values_or_their_keys(hub: Hub) -> None:
    """Those that fit a page, and of others what fetches them."""
    hub.activity("Make", lambda _: "m" * SHOWN)
    hub.activity("Use", length)
    hub.start(THROUGH, big("x"))
    hub.run()
    events = [view for row in hub.rows() for view in row_views(row)]
    started, scheduled, made = events[0], events[1], events[2]
    assert (started["input"], scheduled["input"]) == (big("x"), big("x"))
    assert made["result"] is None
    (key,) = made["stored"].values()
    assert hub.store.payload("i", key) == f'"{"m" * SHOWN}"'
