"""The two examples that live on events: early, late, twice, and ten thousand of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perdure.compiler.build import build
from perdure.compiler.ir import Program
from perdure.dsl.source import Source
from perdure.engine.activities import Registry, load_activities
from perdure.engine.client import Client
from perdure.engine.errors import Ended
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker
from tests.checkout import ROOT
from tests.shares import turn

WAIT = 60.0

STORM = """
dsl: perdure/1
name: storm
version: 1.0.0
do:
  - readings:
      wait_for_event: Reading
      count: 10
      timeout: 1ms
      on_timeout:
        - output: ${ result }
  - noted: { call: Note, with: "${ readings }" }
  - n: { value: "${ input.n + 1 }" }
  - seen: { value: "${ input.seen + size(readings) }" }
  - if: ${ n >= 1000 && seen >= 10000 }
    then:
      - return: ${ n }
  - continue_as_new: { input: { n: "${ n }", seen: "${ seen }" } }
"""


def example(name: str) -> Program:
    """The Program of a shipped example."""
    path = ROOT / "workflows" / name / f"{name}.perdure.yaml"
    return build(Source(path.name, path.read_text("utf-8"))).workflows[0].program


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A new hub."""
    store = SqliteStore(tmp_path / "hub.db")
    yield store
    store.close()


def approval(store: SqliteStore) -> Worker:
    """A worker with the example's activities."""
    return Worker(store, load_activities(ROOT / "workflows" / "approval" / "activities.py"))


def leftovers(store: SqliteStore, instance: str) -> list[Any]:
    """Rows that an ended instance must not leave behind."""
    slots = range(256)
    return [*store.inbox(slots, 9), *store.timers(slots, 1 << 62, 9), *store.waiting_tasks(instance)]


def test_an_answer_before_the_wait(store: SqliteStore) -> None:
    """It is kept until the workflow comes to wait for it."""
    client = Client(store)
    client.run(example("approval"), {"subject": "x"}, id="a")
    client.raise_event("a", "ApprovalResponse", True)
    with approval(store) as worker:
        assert Client(store, worker).wait("a", WAIT)["output"] == "Approved"
    assert leftovers(store, "a") == []


def test_an_answer_during_the_wait(store: SqliteStore) -> None:
    """It ends the wait, and the timer with it."""
    with approval(store) as worker:
        client = Client(store, worker)
        client.run(example("approval"), {"subject": "x"}, id="a")
        while not any(each["kind"] == "event" for each in client.waiting("a")):
            client.wait("a", 0.01)
        client.raise_event("a", "ApprovalResponse", False)
        assert client.wait("a", WAIT)["output"] == "Rejected"
    assert leftovers(store, "a") == []


def test_an_answer_after_the_deadline(store: SqliteStore) -> None:
    """The instance has completed with TimedOut, hears nothing more and leaves nothing pending."""
    with approval(store) as worker:
        client = Client(store, worker)
        client.run(example("approval"), {"subject": "x", "timeout": "10ms"}, id="a")
        ended = client.wait("a", WAIT)
        assert (ended["status"], ended["output"]) == ("Completed", "TimedOut")
        with pytest.raises(Ended):
            client.raise_event("a", "ApprovalResponse", True)
    assert leftovers(store, "a") == []


def test_an_answer_twice_under_one_key(store: SqliteStore) -> None:
    """It is raised once."""
    client = Client(store)
    client.run(example("approval"), {"subject": "x"}, id="a")
    for _ in range(2):
        client.raise_event("a", "ApprovalResponse", True, request_key="k")
    with approval(store) as worker:
        client = Client(store, worker)
        assert client.wait("a", WAIT)["output"] == "Approved"
        kinds = [event["type"] for event in client.history("a")["items"]]
    assert kinds.count("EventRaised") == 1


@pytest.mark.slow
@turn("readings")
def test_ten_thousand_readings_over_a_thousand_generations(store: SqliteStore) -> None:
    """All are taken once and in order, and no generation costs more for those that wait in the inbox."""
    taken: list[int] = []
    registry = Registry()

    def note(readings: list[int]) -> None:
        taken.extend(readings)

    registry.add("Note", note)
    client = Client(store)
    client.run(build(Source("storm.yaml", STORM)).workflows[0].program, {"n": 0, "seen": 0}, id="s")
    for number in range(10_000):
        client.raise_event("s", "Reading", number)
    events: Counter[int] = Counter()
    carried: list[int] = []
    generation = 0

    def count(_id: str, documents: list[dict[str, Any]]) -> None:
        nonlocal generation
        for document in documents:
            if document["type"] == "ExecutionStarted":
                generation = document["generation"]
                carried.append(len(document["carried"]))
            events[generation] += document["type"] != "EventRaised"

    worker = Worker(store, registry)
    worker.on_event = count
    with worker:
        ended = Client(store, worker).wait("s", WAIT)
    assert (ended["output"], ended["generation"]) == (1000, 1000)
    assert taken == list(range(10_000))
    assert max(carried) <= 256
    assert max(events.values()) <= 8
    assert len(store.history("s", 1000, 0, 99)) <= 3
    assert leftovers(store, "s") == []
