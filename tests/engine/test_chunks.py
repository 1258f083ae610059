"""Long fan-outs in chunks: children that do slices, and nobody could tell from what comes out."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.activities import ActivityError
from perdure.engine.client import Client
from perdure.engine.errors import Conflict
from perdure.engine.events import (
    ChunkCanceled,
    ChunkStopped,
    ExecutionCanceled,
    ExecutionStarted,
    FanOutSplit,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
)
from perdure.engine.keys import idempotency_key
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import InstanceQuery
from tests.engine.driver import Hub

SIMPLE = """
do:
  - all:
      fan_out: ${ input }
      each: x
      width: 4
      chunk: CHUNK
      on_failure: POLICY
      keep: KEEP
      do:
        - done: { call: Do, with: "${ x }" }
  - return: ${ all }
"""


def flow(*, chunk: Any = 2, policy: str = "fail_fast", keep: str = "results") -> str:
    """A fan-out over the input."""
    return SIMPLE.replace("CHUNK", str(chunk)).replace("POLICY", policy).replace("KEEP", keep)


def double(x: int) -> int:
    """An activity that always works."""
    return x * 2


def length(x: str) -> int:
    """An activity that makes little of much."""
    return len(x)


def odd_fails(x: int) -> int:
    """An activity that fails for odd numbers."""
    if x % 2:
        raise ActivityError(f"{x} is odd", type="Odd", data={"x": x}, retryable=False)
    return x


def chunk_ids(hub: Hub, parent: str = "i") -> list[str]:
    """The children of an instance, in the order in which they were asked for."""
    created = [each for each in hub.events(parent) if isinstance(each, SubOrchestrationInstanceCreated)]
    return [each.instance for each in created]


# what comes out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["results", "errors", "counts"])
@pytest.mark.parametrize("policy", ["collect", "{ tolerate: 3 }", "{ tolerate: 40% }", "fail_fast"])
def test_chunks_change_nothing_of_what_comes_out(hub: Hub, policy: str, keep: str) -> None:
    """Values, errors with their indexes and paths, and counts are those of a fan-out in one piece."""
    hub.activity("Do", odd_fails if policy != "fail_fast" else double)
    items = [0, 1, 2, 4, 6, 3, 8, 10]
    hub.start(flow(chunk="off", policy=policy, keep=keep), items, id="whole")
    hub.start(flow(chunk=3, policy=policy, keep=keep), items, id="split")
    hub.run()
    assert hub.output("split") == hub.output("whole")
    assert len(chunk_ids(hub, "split")) == 3


BODY = """
vars:
  note: { value: hello }
do:
  - base: { value: { add: 100 } }
  - outer:
      for_each: [a, b]
      each: letter
      do:
        - all:
            fan_out: ${ input.items }
            each: x
            at: nth
            key: ${ x.id }
            chunk: CHUNK
            do:
              - first:
                  call: Do
                  with:
                    x: ${ x.n + base.add }
                    at: ${ nth }
                    text: "${ vars.note.value + letter + input.more }"
                    of: "${ [workflow.instance_id, workflow.name, string(workflow.generation)] }"
                    unique: ${ uuid('u') }
                  retry: { attempts: 3, delay: 1s, jitter: full }
              - second: { call: Do, with: "${ first }" }
              - return_: { value: "${ [second.x, nth, letter] }" }
              - output: ${ return_ }
        - output: ${ all.results }
  - return: ${ outer }
"""


def test_an_item_sees_what_it_would_see_in_one_piece(hub: Hub) -> None:
    """Slots, variables, input, ``workflow``, paths, keys and random numbers do not tell."""
    failed: set[str] = set()

    def flaky(value: Any) -> Any:
        if "unique" in value and value["unique"] not in failed:
            failed.add(value["unique"])
            raise ConnectionError("first try")
        return value

    hub.activity("Do", flaky)
    items = {"items": [{"id": f"k/{n}", "n": n} for n in range(5)], "more": "!"}
    outputs, calls = [], []
    for chunk in ("off", "2"):
        failed.clear()
        hub.calls.clear()
        document = "dsl: perdure/1\nname: flow\nversion: 1.0.0" + BODY.replace("CHUNK", chunk)
        hub.start(document, items, id=f"i{chunk}")
        hub.advance(30)
        outputs.append(hub.output(f"i{chunk}"))
        calls.append(sorted((task.path, task.attempt) for task in hub.calls))
    assert outputs[0] == outputs[1]
    assert calls[0] == calls[1]
    inputs = [task.input for task in hub.calls if "of" in task.input]
    assert {tuple(each["of"]) for each in inputs} == {("i2", "flow", "1")}


def test_keys_are_those_of_a_fan_out_in_one_piece(hub: Hub) -> None:
    """With the same seed and path, whoever does the item."""
    hub.activity("Do", double)
    hub.start(flow(chunk=2), [1, 2, 3, 4, 5])
    hub.run()
    (started,) = [each for each in hub.events() if isinstance(each, ExecutionStarted)]
    assert sorted(task.key for task in hub.calls) == sorted(
        idempotency_key(started.key_seed, task.path) for task in hub.calls
    )
    assert {task.path for task in hub.calls} == {f"do/0/all[{n}]/do/0/done" for n in range(5)}


def test_chunks_of_chunks(hub: Hub) -> None:
    """A fan-out inside a chunk may be split again."""
    hub.activity("Do", double)
    text = """
    do:
      - all:
          fan_out: ${ input }
          each: row
          chunk: 2
          do:
            - inner:
                fan_out: ${ row }
                each: x
                chunk: 2
                do:
                  - done: { call: Do, with: "${ x }" }
            - output: ${ inner.results }
      - return: ${ all.results }
    """
    hub.start(text, [[1, 2, 3], [4], [5, 6, 7, 8]])
    hub.run()
    assert hub.output() == [[2, 4, 6], [8], [10, 12, 14, 16]]
    assert max(each.count(":") for each in ids(hub)) == 4


def ids(hub: Hub) -> list[str]:
    """All instances."""
    return sorted(each.id for each in hub.store.instances(InstanceQuery(limit=1000)))


def test_children_of_items_have_the_parents_name(hub: Hub) -> None:
    """The id of what an item starts says nothing of chunks."""
    hub.deploy("dsl: perdure/1\nname: child\nversion: 1.0.0\ndo:\n  - return: ${ input }")
    text = """
    do:
      - all:
          fan_out: ${ input }
          each: x
          chunk: 1
          do:
            - made: { call_workflow: child, with: "${ x }" }
      - return: ${ all.results }
    """
    hub.start(text, [7, 8])
    hub.run()
    assert hub.output() == [7, 8]
    assert [each for each in ids(hub) if "made" in each] == [
        "i:do.0.all[0].do.0.made",
        "i:do.0.all[1].do.0.made",
    ]


# how it is split --------------------------------------------------------------------------------------


def test_a_short_list_stays_in_one_piece(hub: Hub) -> None:
    """What fits one chunk needs no child."""
    hub.activity("Do", double)
    hub.start(flow(chunk=3), [1, 2, 3])
    hub.run()
    assert hub.output()["results"] == [2, 4, 6]
    assert chunk_ids(hub) == []


def test_the_history_says_how_it_was_split(hub: Hub) -> None:
    """Size, chunks at once and their width stand in one event; ids are made of the path."""
    hub.activity("Do", double)
    hub.start(flow(chunk=2), list(range(9)))
    hub.run()
    (parts,) = [each for each in hub.events() if isinstance(each, FanOutSplit)]
    assert (parts.total, parts.size, parts.at_once, parts.width) == (9, 2, 4, 1)
    assert chunk_ids(hub) == [f"i:do.0.all:{n}" for n in range(5)]


@pytest.mark.parametrize(("width", "expected"), [(500, (8, 62)), (8, (8, 1)), (3, (3, 1)), (1, (1, 1))])
def test_one_width_is_divided_among_the_chunks(hub: Hub, width: int, expected: tuple[int, int]) -> None:
    """Eight chunks at most, and never more items at once than the width."""
    hub.activity("Do", double)
    hub.start(flow(chunk=2).replace("width: 4", f"width: {width}"), list(range(40)))
    hub.run()
    (parts,) = [each for each in hub.events() if isinstance(each, FanOutSplit)]
    assert (parts.at_once, parts.width) == expected
    assert hub.output()["succeeded"] == 40


def test_no_more_items_run_at_once_than_the_width(hub: Hub) -> None:
    """The width is one for all chunks together."""
    hub.activity("Do", double)
    hub.manual = True
    hub.start(flow(chunk=3), list(range(20)))
    hub.run()
    seen = set()
    while hub.open:
        seen.add(len(hub.open))
        hub.finish(hub.open[0])
        hub.run()
    assert max(seen) == 4
    assert hub.output()["succeeded"] == 20


def test_auto_splits_what_is_over_a_thousand() -> None:
    """1,000 items stay, 1,001 are three chunks, and the parent's history stays short."""
    hub = Hub()
    hub.activity("Do", double)
    hub.start(flow(chunk="auto", keep="counts"), list(range(1000)), id="short")
    hub.start(flow(chunk="auto", keep="counts"), list(range(1001)), id="long")
    hub.run()
    assert chunk_ids(hub, "short") == []
    assert len(chunk_ids(hub, "long")) == 3
    assert hub.output("long") == {"results": [], "errors": [], "succeeded": 1001, "failed": 0, "total": 1001}
    assert len(hub.events("long")) < 12


def test_a_list_is_written_once(hub: Hub) -> None:
    """Children are told where it lies, and have no copy."""
    hub.activity("Do", length)
    hub.start(flow(chunk=20), [str(n) * 300 for n in range(10, 60)])
    hub.run()
    assert isinstance(hub.store, MemoryStore)
    long = [row for row in hub.store._payloads.values() if len(row.value) > 10_000]
    assert {row.instance for row in long} == {"i"}
    assert len(long) <= 3


def test_two_items_with_one_key_start_nothing(hub: Hub) -> None:
    """Keys are looked at before there is any chunk."""
    hub.activity("Do", double)
    hub.start(flow().replace("width: 4", "width: 4\n      key: ${ x }"), [1, 2, 3, 1])
    hub.run()
    assert hub.error()["type"] == "perdure.Schema"
    assert ids(hub) == ["i"]


# failures ---------------------------------------------------------------------------------------------


def test_the_first_failure_is_raised_unchanged(hub: Hub) -> None:
    """Its path has the item's key; the chunks that run are canceled, no other is started."""
    hub.activity("Do", odd_fails)
    hub.start(flow().replace("width: 4", "width: 1"), [0, 2, 4, 5, 6, 7])
    hub.run()
    error = hub.error()
    assert (error["type"], error["data"], error["path"]) == ("Odd", {"x": 5}, "do/0/all[3]/do/0/done")
    assert len(chunk_ids(hub)) == 2


def test_a_failure_cancels_the_other_chunks(hub: Hub) -> None:
    """They end as canceled before the error goes on."""
    hub.activity("Do", odd_fails)
    hub.manual = True
    hub.start(flow(), [0, 2, 4, 1])
    hub.run()
    hub.finish(next(task for task in hub.open if task.input == 1))
    hub.run()
    assert hub.error()["type"] == "Odd"
    assert hub.status("i:do.0.all:0") == "Canceled"
    assert [each.instance for each in hub.events() if isinstance(each, ChunkCanceled)] == ["i:do.0.all:0"]


def test_the_budget_is_one_for_all_chunks(hub: Hub) -> None:
    """When it is exceeded no chunk starts another item, and what runs ends."""
    hub.activity("Do", odd_fails)
    hub.manual = True
    hub.start(flow(chunk=4, policy="{ tolerate: 1 }"), [1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0])
    hub.run()
    assert len(hub.open) == 3
    while hub.open:
        hub.finish(hub.open[0])
        hub.run()
    error = hub.error()
    assert (error["type"], error["data"]["total"]) == ("perdure.ToleranceExceeded", 12)
    assert error["data"]["failed"] == 2


def test_a_chunk_hears_that_the_budget_is_spent(hub: Hub) -> None:
    """Its running items end and are counted."""
    hub.activity("Do", odd_fails)
    hub.manual = True
    hub.start(flow(chunk=3, policy="{ tolerate: 0 }").replace("width: 4", "width: 2"), [1, 1, 1, 0, 2, 4])
    hub.run()
    first, second = hub.open
    hub.finish(first)
    hub.run()
    assert [each.instance for each in hub.events() if isinstance(each, ChunkStopped)] == ["i:do.0.all:1"]
    hub.finish(second)
    hub.run()
    assert hub.error()["data"] == {"succeeded": 1, "failed": 1, "total": 6}
    assert not hub.open


def test_a_chunk_that_somebody_terminates_fails_the_step(hub: Hub) -> None:
    """Nobody knows what it would have done, whatever failures are tolerated."""
    hub.activity("Do", double)
    hub.manual = True
    hub.start(flow(policy="collect"), [1, 2, 3, 4])
    hub.run()
    hub.terminate(id="i:do.0.all:0")
    hub.run()
    while hub.open:
        hub.finish(hub.open[0])
    hub.run()
    error = hub.error()
    assert error["type"] == "perdure.SubWorkflowFailed"
    assert error["data"] == {"instance_id": "i:do.0.all:0", "status": "Terminated"}


def test_a_fan_out_may_be_tried_again(hub: Hub) -> None:
    """The chunks of the next try take the places of those before."""
    tries: list[int] = []

    def third_time(x: int) -> int:
        tries.append(x)
        if len(tries) < 6:
            raise ActivityError("not yet", type="Odd", retryable=True)
        return x

    hub.activity("Do", third_time)
    text = """
    do:
      - again:
          do:
            - all:
                fan_out: ${ input }
                each: x
                chunk: 1
                width: 1
                do:
                  - done: { call: Do, with: "${ x }" }
            - output: ${ all.results }
          retry: { attempts: 9, delay: 1s }
      - return: ${ again }
    """
    hub.start(text, [1, 2])
    hub.advance(60)
    assert hub.output() == [1, 2]


# lives ------------------------------------------------------------------------------------------------


def test_canceling_the_parent_cancels_the_items(hub: Hub) -> None:
    """``finally`` of each item runs before the parent ends."""
    hub.activity("Do", double)
    hub.activity("Clean", double)
    text = """
    do:
      - all:
          fan_out: ${ input }
          each: x
          chunk: 2
          do:
            - safe:
                try:
                  - done: { call: Do, with: "${ x }" }
                finally:
                  - cleaned: { call: Clean, with: "${ x }" }
    """
    hub.manual = True
    hub.start(text, [1, 2, 3])
    hub.run()
    hub.send(ExecutionCanceled())
    hub.run()
    running = [task for task in hub.open if task.name == "Clean"]
    assert sorted(task.input for task in running) == [1, 2, 3]
    assert hub.status() == "Running"
    for task in running:
        hub.finish(task)
    hub.run()
    assert hub.status() == "Canceled"
    assert {hub.status(each) for each in chunk_ids(hub)} == {"Canceled"}


def test_terminating_the_parent_terminates_the_chunks(hub: Hub) -> None:
    """Nothing goes on."""
    hub.activity("Do", double)
    hub.manual = True
    hub.start(flow(), [1, 2, 3, 4])
    hub.run()
    hub.terminate()
    hub.run()
    assert {hub.status(each) for each in ids(hub)} == {"Terminated"}


@pytest.mark.parametrize("width", [1, 4])
def test_a_rewound_fan_out_goes_on_in_its_chunks(hub: Hub, width: int) -> None:
    """What a chunk has done stays done; what failed is done again, under the same key."""
    broken = [True]

    def shaky(x: int) -> int:
        if x == 5 and broken:
            raise ActivityError("down", type="Down", retryable=False)
        return x * 2

    hub.activity("Do", shaky)
    hub.start(flow().replace("width: 4", f"width: {width}"), [1, 2, 3, 4, 5, 6])
    hub.run()
    assert hub.error()["type"] == "Down"
    broken.clear()
    hub.rewind()
    hub.run()
    assert hub.output()["results"] == [2, 4, 6, 8, 10, 12]
    keys = {task.path: task.key for task in hub.calls}
    assert len(keys) == 6
    assert {(task.path, task.key) for task in hub.calls} == set(keys.items())


def test_a_fan_out_that_was_too_slow_is_rewound(hub: Hub) -> None:
    """Chunks that its time limit has canceled begin again."""
    hub.activity("Do", double)
    hub.manual = True
    hub.start(flow().replace("width: 4", "width: 4\n      timeout: 10s"), [1, 2, 3])
    hub.run()
    hub.advance(11)
    assert hub.error()["type"] == "perdure.Timeout"
    hub.manual = False
    hub.rewind()
    hub.run()
    assert hub.output()["results"] == [2, 4, 6]


def test_a_chunk_that_was_terminated_goes_on_when_its_parent_is_rewound(hub: Hub) -> None:
    """It is the same instance."""
    hub.activity("Do", double)
    hub.manual = True
    hub.start(flow(policy="collect"), [1, 2, 3, 4])
    hub.run()
    hub.terminate(id="i:do.0.all:0")
    hub.run()
    while hub.open:
        hub.finish(hub.open[0])
    hub.run()
    assert hub.error()["type"] == "perdure.SubWorkflowFailed"
    hub.manual = False
    hub.rewind()
    hub.run()
    assert hub.output()["results"] == [2, 4, 6, 8]


def test_a_chunk_does_not_begin_again_by_itself(hub: Hub) -> None:
    """It is a part of another instance's work."""
    hub.activity("Do", double)
    hub.start(flow(), [1, 2, 3])
    hub.run()
    client = Client(hub.store)
    with pytest.raises(Conflict, match="a part of the work of 'i'"):
        client.restart("i:do.0.all:0")
    assert [each["id"] for each in client.instances()["items"]] == ["i"]
    assert len(client.instances(chunks=True)["items"]) == 3


def test_a_chunk_does_not_go_on_by_itself(hub: Hub) -> None:
    """Nobody would count what it does, and its parent may forget what it reads."""
    hub.activity("Do", odd_fails)
    hub.start(flow(), [1, 2, 3, 4])
    hub.run()
    client = Client(hub.store)
    assert hub.status("i:do.0.all:0") == "Failed"
    with pytest.raises(Conflict, match="a part of the work of 'i'") as raised:
        client.rewind("i:do.0.all:0")
    assert raised.value.code == "chunk"


def test_a_purge_takes_the_chunks_along(hub: Hub) -> None:
    """They read the parent's values, so they go with it; while one runs, nothing goes."""
    hub.activity("Do", double)
    hub.manual = True
    hub.start(flow(), [1, 2, 3])
    hub.run()
    client = Client(hub.store)
    hub.terminate()
    while hub.status() == "Running":
        hub.round()
    assert hub.status("i:do.0.all:0") == "Running"
    with pytest.raises(Conflict):
        client.purge("i")
    hub.run()
    client.purge("i")
    assert ids(hub) == []


GENERATIONS = """
do:
  - all:
      fan_out: ${ lists.range(3) }
      each: x
      chunk: 2
      do:
        - done: { call: Do, with: "${ x }" }
  - if: ${ input < LAST }
    then:
      - continue_as_new: { input: "${ input + 1 }" }
  - return: ${ all.succeeded }
"""


def test_generations_leave_no_chunks_behind(hub: Hub) -> None:
    """Those of the last two are there, as their histories are."""
    hub.activity("Do", double)
    hub.start(GENERATIONS.replace("LAST", "9"), 1)
    hub.run()
    assert hub.output() == 3
    assert len(ids(hub)) == 5


def test_a_time_limit_reaches_the_items(hub: Hub) -> None:
    """The step's timeout cancels the chunks, and is raised when they have ended."""
    hub.activity("Do", double)
    hub.manual = True
    hub.start(flow().replace("width: 4", "width: 4\n      timeout: 10s"), [1, 2, 3])
    hub.run()
    hub.advance(11)
    assert hub.error()["type"] == "perdure.Timeout"
    assert {hub.status(each) for each in chunk_ids(hub)} == {"Canceled"}


def test_suspending_the_parent_suspends_the_chunks(hub: Hub) -> None:
    """Results are kept and acted on when all go on."""
    hub.activity("Do", double)
    hub.manual = True
    hub.start(flow().replace("width: 4", "width: 2"), [1, 2, 3, 4, 5, 6])
    hub.run()
    hub.suspend()
    hub.run()
    assert {hub.status(each) for each in chunk_ids(hub)} == {"Suspended"}
    for task in list(hub.open):
        hub.finish(task)
    hub.run()
    assert not hub.open
    hub.resume()
    hub.run()
    while hub.open:
        hub.finish(hub.open[0])
        hub.run()
    assert hub.output()["results"] == [2, 4, 6, 8, 10, 12]


def test_a_generation_after_another_has_chunks_of_its_own(hub: Hub) -> None:
    """Their ids say which generation they belong to."""
    hub.activity("Do", double)
    hub.start(GENERATIONS.replace("LAST", "2"), 1)
    hub.run()
    assert hub.output() == 3
    assert ids(hub) == ["i", *(f"i:{path}:{n}" for path in ("2:do.0.all", "do.0.all") for n in range(2))]


@pytest.mark.parametrize("at", range(1, 9))
def test_crashes_on_the_way_lose_and_repeat_nothing(hub: Hub, at: int) -> None:
    """Whatever is in the air when the process dies, each item is counted once."""
    hub.activity("Do", double)
    hub.start(flow(chunk=2, policy="collect"), list(range(7)))
    rounds = 0
    while hub.round() or rounds < at:
        rounds += 1
        if rounds in (at, at + 5):
            hub.crash()
    assert hub.output()["results"] == [0, 2, 4, 6, 8, 10, 12]
    keys = [
        each.key for child in chunk_ids(hub) for each in hub.events(child) if isinstance(each, TaskScheduled)
    ]
    assert len(keys) == len(set(keys)) == 7


def test_five_thousand_items_leave_a_short_history() -> None:
    """The parent tells of ten chunks, not of items, and counts need no memory for values."""
    hub = Hub()
    hub.activity("Do", double)
    hub.start(flow(chunk="auto", keep="counts").replace("width: 4", "width: 500"), list(range(5000)))
    hub.run()
    assert hub.output()["succeeded"] == 5000
    assert len(hub.events()) < 30
    assert max(len(hub.events(child)) for child in chunk_ids(hub)) < 1_010
