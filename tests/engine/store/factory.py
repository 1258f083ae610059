"""Short ways to make the records that a store takes, and a hub that tests can break."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from perdure.engine.codec import encode_received
from perdure.engine.events import EventRaised, TaskCompleted
from perdure.engine.instance import SLOTS, Instance, Status, slot_of
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.postgres import PostgresStore
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import (
    AuditEntry,
    Batch,
    Checkpoint,
    DeadLetter,
    Definition,
    HistoryRow,
    Message,
    PayloadRow,
    Request,
    SubscriptionRow,
    TaskRow,
    TimerRow,
    Worker,
)
from perdure.engine.store.sqlite import SqliteStore

SECOND = 1_000_000
LEASE = 10 * SECOND
BEGIN = 1_700_000_000 * SECOND
ALL = range(SLOTS)


class Clock:
    """A wall clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> int:
        return self.now


class Hub:
    """One database. ``connect`` opens it as another process would.

    ``kill`` ends a worker's process, where others can see that.
    """

    def __init__(self, connect: Callable[[], Store], kill: Callable[[str], None], clock: Clock) -> None:
        self._connect = connect
        self._opened: list[Store] = []
        self.kill = kill
        self.clock = clock

    def connect(self) -> Store:
        store = self._connect()
        self._opened.append(store)
        return store

    def take_over(self, store: Store, heir: str, victim: str) -> bool:
        """Let a worker's process end, and another one declare it dead."""
        self.kill(victim)
        return store.take_over(heir, victim, None)

    def close(self) -> None:
        for store in self._opened:
            store.close()


def memory_hub() -> Hub:
    """A hub in dictionaries."""
    clock = Clock()
    store = MemoryStore(clock)
    return Hub(lambda: store, store.kill, clock)


@cache
def new_database() -> bytes:
    """A file as the migrations make it; copying it saves each test a twentieth of a second."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "new.db"
        SqliteStore(path).close()
        return path.read_bytes()


def sqlite_hub(path: Path, *, synchronous: Literal["FULL", "NORMAL"] = "FULL") -> Hub:
    """Its workers' processes are this one, so a kill frees a lock as the end of the process would."""
    clock = Clock()
    path.write_bytes(new_database())
    first = SqliteStore(path, clock=clock, synchronous=synchronous)
    hub = Hub(lambda: SqliteStore(path, clock=clock, synchronous=synchronous), first._members.release, clock)
    hub._opened.append(first)
    return hub


class PostgresHub(Hub):
    """There a process that has ended looks like one that is silent: its lease ends."""

    def take_over(self, store: Store, heir: str, victim: str) -> bool:
        (lease,) = (one.lease_until for one in store.workers() if one.id == victim)
        self.clock.now = max(self.clock.now, lease + 1)
        return store.take_over(heir, victim, lease)


def postgres_hub(url: str) -> PostgresHub:
    """A hub that others have made, in PostgreSQL."""
    clock = Clock()
    return PostgresHub(lambda: PostgresStore(url, clock=clock), lambda _worker: None, clock)


def worker(id: str = "w1", **more: Any) -> Worker:
    """A worker that runs turns."""
    return Worker(id=id, host="here", ir=1, **more)


def instance(id: str = "i1", **more: Any) -> Instance:
    """A running instance in its first generation."""
    fields: dict[str, Any] = {
        "slot": slot_of(id),
        "name": "order",
        "version": "1",
        "digest": "d1",
        "status": Status.RUNNING,
        "execution": f"{id}-e1",
        "created_at": BEGIN,
        "updated_at": BEGIN,
    }
    return Instance(id=id, **{**fields, **more})


def row(id: str = "i1", first_seq: int = 0, **more: Any) -> HistoryRow:
    """A history row of two events."""
    fields: dict[str, Any] = {
        "generation": 1,
        "next_seq": first_seq + 2,
        "open": 0,
        "at": BEGIN,
        "events": "[]",
    }
    return HistoryRow(instance=id, first_seq=first_seq, **{**fields, **more})


def turn(id: str = "i1", *history: HistoryRow, **more: Any) -> Checkpoint:
    """A turn of a running instance that changes nothing but its history."""
    fields: dict[str, Any] = {"slot": slot_of(id), "execution": f"{id}-e1"}
    return Checkpoint(id=id, history=history, **{**fields, **more})


def first_turn(id: str = "i1", **more: Any) -> Checkpoint:
    """The turn that inserts a running instance."""
    open_ = more.pop("open", 0)
    return turn(id, row(id, open=open_), **{"instance": instance(id), **more})


def batch(*turns: Checkpoint, worker: str = "w1", **more: Any) -> Batch:
    """What ``w1`` commits."""
    return Batch(worker=worker, checkpoints=turns, **more)


def message(id: str = "m1", to: str = "i1", **more: Any) -> Message:
    """A raised event."""
    event = encode_received(EventRaised(name="go"))
    return Message(
        **{"id": id, "instance": to, "slot": slot_of(to), "kind": "EventRaised", "event": event, **more}
    )


def result(seq: int = 1, to: str = "i1", **more: Any) -> Message:
    """A task's result."""
    execution = more.pop("execution", f"{to}-e1")
    return Message(
        id=f"{execution}/{seq}/result",
        instance=to,
        slot=slot_of(to),
        kind="TaskCompleted",
        event=encode_received(TaskCompleted(scheduled_seq=seq)),
        execution=execution,
        **more,
    )


def task(seq: int = 1, of: str = "i1", **more: Any) -> TaskRow:
    """A task that waits in the default queue."""
    return TaskRow(
        **{
            "execution": f"{of}-e1",
            "seq": seq,
            "instance": of,
            "slot": slot_of(of),
            "name": "mail",
            "body": "{}",
            **more,
        }
    )


def timer(seq: int = 1, due: int = BEGIN, of: str = "i1") -> TimerRow:
    """A timer of an instance in its first generation."""
    return TimerRow(execution=f"{of}-e1", seq=seq, instance=of, slot=slot_of(of), due=due)


def subscription(number: int = 0, of: str = "i1", **more: Any) -> SubscriptionRow:
    """A wait for ``Paid`` with the key 1."""
    values: dict[str, Any] = {"name": "Paid", "digest": "d", "op": 3, "key": "1", "once": True}
    return SubscriptionRow(execution=f"{of}-e1", number=number, instance=of, **{**values, **more})


def payload(value: str = '"in"', of: str = "i1", key: str = "input") -> PayloadRow:
    """An input."""
    return PayloadRow(instance=of, key=key, value=value)


def request(key: str = "k1", **more: Any) -> Request:
    """A start under a key."""
    return Request(
        **{"route": "start", "target": "i1", "key": key, "fingerprint": "f1", "answer": "a1", **more}
    )


def dead_letter(id: str = "m1", of: str = "i1", **more: Any) -> DeadLetter:
    """A message whose receiver had ended."""
    fields: dict[str, Any] = {"reason": "ended", "kind": "EventRaised", "event": "{}", "at": BEGIN}
    return DeadLetter(id=id, instance=of, **{**fields, **more})


def audited(target: str = "i1", **more: Any) -> AuditEntry:
    """That an operator ended an instance."""
    return AuditEntry(**{"actor": "ann", "action": "instance.terminate", "target": target, **more})


def definition(version: str = "1", name: str = "order", **more: Any) -> Definition:
    """A version of a workflow; its digests follow from the version."""
    fields: dict[str, Any] = {
        "digest": f"d{version}",
        "program": f"p{version}",
        "source": "do: []",
        "created_at": BEGIN,
    }
    return Definition(name=name, version=version, **{**fields, **more})


def continued(**more: Any) -> Checkpoint:
    """The turn in which ``i1`` continues as new."""
    renewed = instance(execution="i1-e2", generation=2)
    return turn("i1", row(first_seq=2), row(generation=2), before=Status.RUNNING, instance=renewed, **more)
