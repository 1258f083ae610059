"""Every kind of message to an instance of every status: how to get there, what is sent, what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast, get_args

import perdure
from perdure.compiler.encode import encode
from perdure.engine import events as ev
from perdure.engine.activities import ActivityError
from perdure.engine.client import Client
from perdure.engine.programs import Programs
from perdure.engine.store.memory import MemoryStore
from tests.engine.driver import Hub, compiled

WAITS = """
dsl: perdure/1
name: waits
version: 1.0.0
events: { Go: {} }
do: [ { go: { wait_for_event: Go, timeout: never } } ]
"""
ALL = """
dsl: perdure/1
name: all
version: {version}
events: {{ Go: {{}} }}
do:
  - first:
      race:
        task: [ {{ work: {{ call: Work }} }} ]
        timer: [ {{ pause: {{ wait: 1h }} }} ]
        child: [ {{ part: {{ call_workflow: waits }} }} ]
        operation: [ {{ asked: {{ call_entity: Slow@a, op: act }} }} ]
        lock: [ {{ alone: {{ lock_entities: [ Slow@b ], do: [ held: {{ value: 1 }} ] }} }} ]
        event: [ {{ go: {{ wait_for_event: Go, timeout: never }} }} ]
  - return: ${{ first.winner }}
"""
"""Waits for an answer of every kind; the first one ends it. Nobody answers: see ``Office``."""

GO = "do/0/first/race/event/0/go"

KINDS = tuple(kind.__name__ for kind in get_args(ev.Message))
"""By the name of the row: whatever may lie in an inbox."""


class Office(Hub):
    """Activities go on for ever, and entities of the type that is asked are not deployed."""

    def __init__(self) -> None:
        super().__init__()
        self.manual = True
        self.activity("Work", self.work)
        self.deploy(WAITS)
        self.other = self.deploy(ALL.format(version="1.1.0"))
        self.all = self.deploy(ALL.format(version="1.0.0"))

    def work(self) -> None:
        """Fails, where it ends at all."""
        raise ActivityError("down", type="Down", retryable=False)


def _begun(hub: Office, ids: Sequence[str]) -> None:
    for one in ids:
        hub.start(hub.all, id=one)
    hub.run()


def _after(act: Callable[[Office, str], object]) -> Callable[[Office, Sequence[str]], None]:
    def arrange(hub: Office, ids: Sequence[str]) -> None:
        _begun(hub, ids)
        for one in ids:
            act(hub, one)
        hub.run()

    return arrange


def _failed(hub: Office, ids: Sequence[str]) -> None:
    _begun(hub, ids)
    for task in [*hub.open]:
        hub.finish(task)
    hub.open.clear()
    hub.run()


def _parked(hub: Office, ids: Sequence[str]) -> None:
    """Its Program is replaced by another one, as only a fault or another hand could do it."""
    _begun(hub, ids)
    other = compiled(ALL.format(version="1.0.0").replace("call: Work", "call: Other"))
    cast("MemoryStore", hub.store)._programs[hub.all.digest] = encode(other.program)
    hub.programs = Programs(hub.store.program)
    hub.crash()
    for one in ids:
        hub.raise_event("Nobody", id=one)
    hub.run()


def _pending(hub: Office, ids: Sequence[str]) -> None:
    """Its start is not due yet."""
    for one in ids:
        Client(hub.store).start("all@1.0.0", id=one, delay=3600)
    hub.run()


STATUSES: dict[str, tuple[str, Callable[[Office, Sequence[str]], None]]] = {
    "unknown": ("gone", lambda hub, ids: None),
    "Pending": ("Pending", _pending),
    "Running": ("Running", _begun),
    "Suspended": ("Suspended", _after(lambda hub, one: hub.suspend(id=one))),
    "parked": ("Suspended", _parked),
    "Completed": ("Completed", _after(lambda hub, one: hub.raise_event("Go", id=one))),
    "Failed": ("Failed", _failed),
    "Canceled": ("Canceled", _after(lambda hub, one: hub.cancel(id=one))),
    "Terminated": ("Terminated", _after(lambda hub, one: hub.terminate(id=one))),
}
"""By the name of the column: the status, and how several instances get there."""


def given(column: str) -> tuple[Office, dict[str, str]]:
    """A hub with an instance of this status for each kind of message, by the kind."""
    status, arrange = STATUSES[column]
    hub = Office()
    ids = {kind: f"i{number}" for number, kind in enumerate(KINDS)}
    arrange(hub, list(ids.values()))
    assert {_status(hub, one) for one in ids.values()} == {status}
    return hub, ids


def _status(hub: Hub, id: str) -> str:
    found = hub.store.instance(id)
    return "gone" if found is None else str(found.status)


# -- messages --------------------------------------------------------------------------------------

ASKER = ev.Asker("elsewhere", "x0", 3)
ANSWERED: dict[Any, tuple[Any, dict[str, Any]]] = {
    ev.TaskCompleted: (ev.TaskScheduled, {}),
    ev.TaskFailed: (ev.TaskScheduled, {"error": "Down", "message": "down", "retryable": False}),
    ev.TimerFired: (ev.TimerCreated, {}),
    ev.SubOrchestrationInstanceCompleted: (ev.SubOrchestrationInstanceCreated, {}),
    ev.SubOrchestrationInstanceFailed: (
        ev.SubOrchestrationInstanceCreated,
        {"error": "Down", "message": "down"},
    ),
    ev.EntityOperationCompleted: (ev.EntityOperationCalled, {}),
    ev.EntityOperationFailed: (ev.EntityOperationCalled, {"error": "Down", "message": "down"}),
    ev.EntityLockGranted: (ev.EntityLockRequested, {}),
}
"""What an answer is to, and what it says beside."""


def message(hub: Office, kind: Any, id: str) -> tuple[Any, str | None]:
    """A message of a kind, as whoever sends it would, and the execution that it is for.

    Answers are to what the instance has asked, or to nothing where it has not begun.
    """
    row = hub.store.instance(id)
    execution = "x9" if row is None else row.execution
    if kind in ANSWERED:
        asked, more = ANSWERED[kind]
        events = [] if row is None else hub.events(id)
        seq = next((number for number, each in enumerate(events) if isinstance(each, asked)), 1)
        return kind(scheduled_seq=seq, **more), execution
    if kind is ev.ExecutionRestarted:
        return kind(version="1.0.0", digest=hub.all.digest), execution
    if kind is ev.ExecutionRewound:
        return kind(), execution
    made: dict[Any, Any] = {
        ev.ExecutionStarted: lambda: ev.ExecutionStarted(
            execution="x9", name="all", version="1.0.0", digest=hub.all.digest, generation=1, key_seed="x9"
        ),
        ev.EventRaised: lambda: ev.EventRaised(name="Go", input=7),
        ev.ParentAttached: lambda: ev.ParentAttached(asker=ASKER),
        ev.StepResolved: lambda: ev.StepResolved(path=GO, result=7),
        ev.ExecutionMigrated: lambda: ev.ExecutionMigrated(version="1.1.0", digest=hub.other.digest),
        ev.ExecutionForked: lambda: ev.ExecutionForked(source="other", step="first"),
        ev.StartRequested: lambda: ev.StartRequested(name="waits", version="1.0.0", execution="x9"),
        ev.OperationRequested: lambda: ev.OperationRequested(operation="act"),
        ev.LockRequested: lambda: ev.LockRequested(holder=ASKER),
        ev.LockReleased: lambda: ev.LockReleased(holder=ASKER),
    }
    return made.get(kind, kind)(), None


def outcome(hub: Office, kind: str, id: str) -> str:
    """What becomes of a message, and of the instance if its status is another one then."""
    before = _status(hub, id), hub.kinds(id).count(kind) if hub.store.instance(id) else 0
    event, execution = message(hub, getattr(ev, kind), id)
    row = hub._message(id, event, execution)
    hub.store.post(row, None)
    hub.run()
    after = _status(hub, id), hub.kinds(id).count(kind) if hub.store.instance(id) else 0
    letters = {each.id: each.reason for each in hub.store.dead_letters(limit=1000)}
    if hub.store.in_inbox(row.id):
        comes = "waits"
    elif row.id in letters:
        comes = f"dead letter, {letters[row.id]}"
    elif after[1] > before[1]:
        comes = "heard"
    else:
        comes = "dropped" if after[0] == before[0] else "done"
    return comes if after[0] == before[0] else f"{comes}: {after[0]}"


def table() -> list[list[str]]:
    """A row for each kind, a column for each status."""
    columns = []
    for column in STATUSES:
        hub, ids = given(column)
        columns.append([outcome(hub, kind, one) for kind, one in ids.items()])
    return [list(row) for row in zip(*columns, strict=True)]


# -- entities --------------------------------------------------------------------------------------

DESK = """
name: Desk
state: { schema: { type: integer }, initial: 0 }
operations: { act: { set: "${ state + 1 }" } }
"""


@perdure.entity("Shop")
class Shop:
    """One in Python, whose operations take as long as the test likes."""

    value: int = 0

    def act(self) -> None:
        """Count."""
        self.value += 1


ENTITIES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "not deployed": ("Nobody", ()),
    "without a state": ("Desk", ()),
    "with a state": ("Desk", (ev.OperationRequested(operation="act"),)),
    "locked": ("Desk", (ev.OperationRequested(operation="act"), ev.LockRequested(holder=ASKER))),
    "at work": ("Shop", (ev.OperationRequested(operation="act"),)),
}
"""By the name of the column: the type, and what the entity has heard before. One at work is in Python."""


def entity_outcome(hub: Office, kind: str, entity: str) -> str:
    """What becomes of a message to an entity, and of its row."""
    before = hub.row(entity)
    event, _ = message(hub, getattr(ev, kind), "nobody")
    sent = hub.post(entity, event)
    hub.run()
    after = hub.row(entity)
    letters = {each.id: each.reason for each in hub.store.dead_letters(limit=1000)}
    if hub.store.in_inbox(sent):
        return "waits"
    if sent in letters:
        return f"dead letter, {letters[sent]}"
    if after == before:
        return "dropped"
    if after is None:
        return "heard: gone"
    return "heard: " + ("at work" if after.task else "locked" if after.lock else "idle")


def entity_table() -> list[list[str]]:
    """A row for each kind, a column for each state of an entity."""
    columns = []
    for type_, before in ENTITIES.values():
        hub = Office()
        hub.entity(DESK)
        hub.registry.add_entity(Shop)
        entities = {kind: f"{type_}@{kind}" for kind in KINDS}
        for each in before:
            for entity in entities.values():
                hub.post(entity, each)
        hub.run()
        columns.append([entity_outcome(hub, kind, entity) for kind, entity in entities.items()])
    return [list(row) for row in zip(*columns, strict=True)]
