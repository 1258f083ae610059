"""One small database of each release, with everything in it that may have to go on.

``written`` makes it: instances in every status and in every kind of wait, entities with states and locks,
timers, a schedule, dead letters, large values. ``finished`` opens one, as a later release does after an
upgrade: the worker that wrote it is gone, its lease is over, and everything has to come to its end. The
files of a release are never made again; ``python -m tests.golden milestone RELEASE`` makes the next ones.
"""

from __future__ import annotations

import gzip
import hashlib
import inspect
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from perdure.engine.client import Client
from perdure.engine.events import OperationRequested
from perdure.engine.scheduling import Scheduling
from perdure.engine.store.migrations import versions
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Beat, EntityQuery, InstanceQuery
from perdure.engine.store.sqlite import SqliteStore
from tests.engine.driver import SECOND, START, Hub, VirtualClock
from tests.golden.scenarios import offer

HERE = Path(__file__).parent / "milestones"

DOCUMENTS = {
    "calls": """
        do:
          - a: { call: Echo, with: 1 }
          - b: { call: Echo, with: "${ a + 1 }", retry: { attempts: 3 } }
          - return: ${ [a, b, input] }
        """,
    "retries": """
        do:
          - a: { call: Flaky, with: 1, retry: { attempts: 5, delay: 10m } }
          - return: ${ a }
        """,
    "fails": "do: [ a: { call: Fatal, with: 1 } ]",
    "breaks": """
        do:
          - a: { call: Echo, with: 1 }
          - b: { call: Repaired, with: "${ a }" }
          - return: ${ b }
        """,
    "waits": """
        events: { Go: {} }
        queries: { size: "${ vars.n }" }
        vars: { n: 0 }
        do:
          - set: { n: 3 }
          - go: { wait_for_event: Go, timeout: 9000h }
          - more: { wait_for_event: Go, timeout: 1h, on_timeout: [ { output: late } ] }
          - return: ${ [go, more, vars.n] }
        """,
    "sleeps": "do: [ a: { wait: 30d }, b: { call: Echo, with: 1 }, return: '${ b }' ]",
    "pays": """
        do:
          - paid: { wait_for_event: Paid, correlate: "${ event.order == input }", timeout: 9000h }
          - return: ${ paid.amount }
        """,
    "parent": """
        do:
          - c: { call_workflow: waits, instance_id: child }
          - return: ${ c }
        """,
    "groups": """
        do:
          - all:
              fan_out: [2, 4, 6, 8]
              chunk: 2
              do:
                - one: { call: Odd, with: "${ item }" }
                - gap: { wait: "${ item }h" }
                - output: ${ one }
          - first:
              race:
                a: [ { x: { wait: 1h } }, { output: 1 } ]
                b: [ { y: { wait_for_event: Never, timeout: never } } ]
          - both:
              parallel:
                l: [ { p: { call: Echo, with: 5 } }, { output: "${ p }" } ]
                r: [ { q: { value: 6 } }, { output: "${ q }" } ]
          - return: ${ [all.results, first.winner, both] }
        """,
    "undoes": """
        do:
          - t:
              saga:
                - a: { call: Echo, with: a, compensate: { call: Echo, with: "${ 'undo ' + a }" } }
                - w: { wait: 2h }
                - b: { call: Fatal, with: b }
        """,
    "locks": """
        do:
          - l:
              lock_entities: [ Account@a, Account@b ]
              do:
                - w: { wait: 3h }
                - x: { call_entity: Account@a, op: withdraw, with: 5 }
                - y: { call_entity: Account@b, op: deposit, with: 5 }
                - output: [ "${ x }", "${ y }" ]
          - return: ${ l }
        """,
    "asks": "do: [ a: { call_entity: Account@a, op: get }, return: '${ a }' ]",
    "polls": """
        vars: { total: 0 }
        do:
          - rounds:
              until: ${ vars.total >= 8 }
              limit: 50
              checkpoint_every: 3
              timeout: 9d
              at: n
              do:
                - one: { call: Echo, with: "${ n }" }
                - gap: { wait: 1h }
                - set: { total: "${ vars.total + 1 }" }
          - return: ${ [vars.total, workflow.generation] }
        """,
    "renews": """
        do:
          - a: { wait_for_event: Go, timeout: 9000h }
          - if: ${ input.n < 3 }
            then:
              - continue_as_new: { input: { n: "${ input.n + 1 }", sum: "${ input.sum + a }" } }
          - return: ${ input.sum + a }
        """,
    "large": """
        do:
          - a: { call: Large, with: 2500 }
          - b: { wait: 1h }
          - return: ${ [size(a), size(input)] }
        """,
    "cleans": """
        do:
          - t:
              try: [ { a: { wait: 9000h } } ]
              finally: [ { b: { wait: 1h } }, { c: { call: Echo, with: 1 } } ]
        """,
    "queued": """
        do:
          - a: { call: Resumed, queue: slow, heartbeat: 1h, retry: { attempts: 2 } }
          - return: ${ a }
        """,
    "single": """
        concurrency: { key: "${ input }", limit: 1 }
        do: [ a: { wait: 5h } ]
        """,
}
"""Workflows by name; an instance of most has their name as its id."""
ACCOUNT = """
dsl: perdure/1
kind: entity
name: Account
version: 1.0.0
state: { initial: 0 }
operations:
  get: { readonly: true, return: "${ state }" }
  deposit: { input: { type: integer }, set: "${ state + input }", return: "${ state + input }" }
  withdraw:
    input: { type: integer }
    require: [ { check: "${ state >= input }", error: InsufficientFunds } ]
    set: ${ state - input }
    return: ${ state - input }
"""
NIGHTLY = """
dsl: perdure/1
name: nightly
version: 1.0.0
schedule: [ { cron: "0 2 * * *", timezone: Europe/London, input: { at: "${ string(schedule.time) }" } } ]
do: [ return: "${ input.at }" ]
"""


LATER = 5 * 3600
"""Seconds after the begin at which it is opened again."""


class Kept(msgspec.Struct):
    """What stands beside a database: what is in it, what came of it, and how its schema was made.

    Instances are shown with status, generation and output or error; ``migrations`` are the hashes of the
    files that the release has. None of them may change any more: whoever needs another schema adds one.
    """

    release: str
    before: dict[str, Any]
    after: dict[str, Any]
    migrations: dict[str, str]


Opening = Callable[[VirtualClock], Store]
"""Opens the store of a hub, with a clock of its own."""


class Filed(Hub):
    """A hub over a database. Whoever has worked on it before is gone, as its lease says."""

    def __init__(self, opening: Opening, *, first_id: int, after: float = 0) -> None:
        clock = VirtualClock()
        clock.now = START + round(after * SECOND)
        self.FIRST_ID = first_id
        super().__init__(opening(clock), clock=clock)
        offer(self)
        self.scheduling = Scheduling(self.store, self.programs)

    def _bury(self, worker: str) -> None:
        lease = next(each.lease_until for each in self.store.workers() if each.id == worker)
        assert self.store.take_over(self.worker, worker, lease), f"{worker} lives"

    def pass_hours(self, hours: int) -> None:
        """Let time pass, with a look at the calendar each hour."""
        for _ in range(hours):
            self.advance(3600)
            self.scheduling.round(self.worker, self.slots, self.clock.now, self.clock.now / SECOND)
            self.run()

    def shown(self) -> dict[str, Any]:
        """What is in the database, for comparison."""
        instances = {}
        for row in self.store.instances(InstanceQuery(limit=1000)):
            values = self.store.payloads(row.id)
            known: dict[str, Any] = {
                "status": str(row.status),
                "generation": row.generation,
                "reason": row.reason,
            }
            for name in ("output", "error"):
                known[name] = _short(values[name]) if name in values else None
            instances[row.id] = {name: value for name, value in known.items() if value is not None}
        return {
            "instances": dict(sorted(instances.items())),
            "entities": {row.id: row.state for row in self.store.entities(EntityQuery(limit=1000))},
            "dead letters": [
                f"{each.instance} {each.kind} {each.reason}" for each in self.store.dead_letters()
            ],
            "schedules": [f"{each['id']} {each['next']}" for each in Client(self.store).schedules()["items"]],
        }


def _short(text: str) -> Any:
    return msgspec.json.decode(text) if len(text) < 500 and text[:1] != "s" else text[:80]


def written(path: Path) -> dict[str, Any]:
    """Make the database of this version; what is in it."""
    hub = Filed(_file(path), first_id=1)
    with closing(hub.store):
        hub.entity(ACCOUNT)
        hub.deploy(NIGHTLY)
        for name, text in DOCUMENTS.items():
            hub.deploy(f"dsl: perdure/1\nname: {name}\nversion: 1.0.0\n{inspect.cleandoc(text)}\n")
        client = Client(hub.store)
        hub.activity("Repaired", _broken)
        hub.activity("Resumed", _broken)
        hub.operate("Account@a", "deposit", 7)
        hub.post(
            "Account@b", OperationRequested(operation="deposit", input=1), due=START + 3600 * 24 * SECOND
        )
        for name in DOCUMENTS.keys() - {"calls", "queued", "single"}:
            client.start(name, _input(name), id=name)
        hub.run()
        for one in ("completed", "terminated", "held"):
            client.start("calls" if one == "completed" else "waits", 1, id=one, request_key=f"key of {one}")
        client.start("sleeps", id="canceled")
        client.start("calls", 1, id="later", delay=9 * 3600)
        for one in ("first", "second"):
            client.start("single", "k", id=one)
        hub.run()
        client.terminate("terminated", "enough")
        client.raise_event("terminated", "Go", "too late")
        client.cancel("canceled", "enough")
        client.cancel("cleans", "enough")
        client.suspend("held")
        hub.run()
        client.raise_event("held", "Go", 1)
        client.raise_event("renews", "Go", 1)
        hub.run()
        hub.pass_hours(4)
        # The process dies while it runs activities, and messages lie in inboxes.
        hub.manual = True
        client.start("calls", 1, id="calls")
        client.set_queue("slow", "10/h")
        client.start("queued", id="queued", tags={"team": "x"})
        hub.run()
        hub.queues = ("slow",)
        (task,) = hub.claim()
        sign = Beat(instance="queued", execution=task.execution, seq=task.seq, path="do/0/a", details="[3]")
        assert hub.store.beat(hub.worker, [sign]), "it has its task"
        client.raise_event("waits", "Go", 1)
        return hub.shown()


def _file(path: Path) -> Opening:
    return lambda clock: SqliteStore(path, synchronous="NORMAL", clock=clock)


def finished(where: Path | Opening) -> dict[str, Any]:
    """Let everything in a database come to its end; what there is then.

    Fails where a history does not replay, where what was promised to a client is gone, and where something
    does not end.
    """
    opening = _file(where) if isinstance(where, Path) else where
    hub = Filed(opening, first_id=1_000_000, after=LATER)
    with closing(hub.store):
        client = Client(hub.store)
        hub.activity("Repaired", lambda value: value)
        hub.activity("Resumed", lambda ctx: ctx.heartbeat_details)
        hub.queues = ("slow",)
        ids = [row.id for row in hub.store.instances(InstanceQuery(limit=1000))]
        for one in ids:
            hub.check(one)
        again = client.start("calls", 1, id="completed", request_key="key of completed")
        assert again["status"] == "Completed", "a request that is repeated has its first answer"
        assert client.query("waits", "size") == 3
        hub.run()
        client.resume("held")
        client.rewind("breaks")
        client.publish("Paid", {"order": 7, "amount": 70})
        client.raise_event("child", "Go", "from another release")
        for number in (2, 3):
            client.raise_event("renews", "Go", number)
        hub.run()
        hub.pass_hours(50)
        hub.advance(40 * 86400)
        assert hub.operate("Account@b", "deposit", 1) == 7
        for row in hub.store.instances(InstanceQuery(limit=1000)):
            hub.check(row.id)
            assert row.status.ended, f"{row.id} is {row.status}"
        return hub.shown()


def _broken(value: Any = None) -> Any:
    raise ValueError("down")


def _input(name: str) -> Any:
    inputs: dict[str, Any] = {"renews": {"n": 1, "sum": 0}, "large": "large " * 2800, "pays": 7}
    return inputs.get(name, 1)


# -- files ----------------------------------------------------------------------------------------


@contextmanager
def opened(release: str) -> Iterator[Path]:
    """A copy of the database of a release, to be written to."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "hub.db"
        path.write_bytes(gzip.decompress((HERE / release / "hub.db.gz").read_bytes()))
        yield path


def kept(release: str) -> Kept:
    """What is known of it."""
    return msgspec.json.decode((HERE / release / "kept.json").read_bytes(), type=Kept)


def releases() -> list[str]:
    """All that there are."""
    return sorted(path.parent.name for path in HERE.glob("*/kept.json"))


def migrations() -> dict[str, str]:
    """The migrations that this version has, with their hashes."""
    (directory,) = versions.__path__
    files = sorted(Path(directory).glob("[0-9]*.py"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def make(release: str) -> None:
    """Make the files of a release. Raises ``FileExistsError`` if there are some."""
    (HERE / release).mkdir(parents=True)
    with tempfile.TemporaryDirectory() as directory:
        path, small = Path(directory) / "hub.db", Path(directory) / "small.db"
        before = written(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM INTO ?", (str(small),))
        after = finished(path)
        data = gzip.compress(small.read_bytes(), 9, mtime=0)
    (HERE / release / "hub.db.gz").write_bytes(data)
    known = msgspec.json.encode(Kept(release, before, after, migrations()))
    (HERE / release / "kept.json").write_bytes(msgspec.json.format(known, indent=1) + b"\n")
