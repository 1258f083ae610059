"""Workers in processes of their own on one hub, some of which are killed and stopped: what came of it."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import psycopg

from perdure.compiler.ir import Program
from perdure.engine.client import Client
from perdure.engine.clock import monotonic
from perdure.engine.codec import decode_events
from perdure.engine.events import TaskCompleted, TaskScheduled
from perdure.engine.instance import SLOTS
from perdure.engine.store.postgres import PostgresStore
from tests.engine.driver import compiled
from tests.engine.facts import eventually
from tests.many_workers.process import Process
from tests.postgres import Server

WATCH = (
    "CREATE TABLE IF NOT EXISTS hub.written (name text, pid integer, at timestamptz);"
    " CREATE OR REPLACE FUNCTION hub.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO hub.written VALUES"
    " (current_setting('application_name'), pg_backend_pid(), clock_timestamp()); RETURN NULL; END $$;"
    " DROP TRIGGER IF EXISTS note ON hub.history;"
    " CREATE TRIGGER note AFTER INSERT ON hub.history FOR EACH STATEMENT EXECUTE FUNCTION hub.note();"
    " TRUNCATE hub.written"
)
"""Who writes turns, and when: each worker has a connection of its own for that."""
FORGET = "DROP TABLE hub.written; DROP FUNCTION hub.note CASCADE"


def patiently(fact: Callable[[], object]) -> None:
    """Wait until it is true: five times as long as anything takes, for all of this happens at once."""
    for _ in range(5):
        with suppress(AssertionError):
            return eventually(fact)
    raise AssertionError("it did not come true")


def chain(steps: int) -> Program:
    """A workflow of sequential steps."""
    lines = [
        f"  - s{n}: {{call: Increment, with: '${{ {f's{n - 1}' if n else 'input'} }}'}}" for n in range(steps)
    ]
    return compiled("do:\n" + "\n".join([*lines, f"  - return: ${{ s{steps - 1} }}"])).program


@dataclass
class Crowd:
    """The hub, its workers, and somebody who looks on."""

    url: str
    sql: psycopg.Connection
    client: Client
    lease: float
    log: Path
    """Where activities write what they do."""
    processes: list[Process] = field(default_factory=list)

    def join(self, count: int = 1) -> list[Process]:
        """More workers; they have joined when this returns."""
        return [self.join_from(self.url) for _ in range(count)]

    def join_from(self, url: str, within: Sequence[str] = ()) -> Process:
        """A worker that knows the hub by this URL, and that the command ``within`` runs elsewhere."""
        name = f"p{len(self.processes)}"
        self.processes.append(Process(url, self.lease, name, self.log, within))
        return self.processes[-1]

    def shares(self) -> dict[str, int]:
        """How many slots each worker has."""
        return self.client.store.owned_slots()

    def until_shared(self, count: int) -> float:
        """Wait until so many workers have about as many slots; returns how many seconds that took."""
        since = monotonic()
        patiently(lambda: _balanced(list(self.shares().values()), count))
        return monotonic() - since

    def done(self) -> int:
        """How many instances have ended."""
        return int(self._one("SELECT count(*) FROM hub.instances WHERE ended_at IS NOT NULL"))

    def steps(self) -> int:
        """How many turns are in the history."""
        return int(self._one("SELECT count(*) FROM hub.history"))

    def state(self, worker: str) -> str:
        """Whether a worker is live, dead or has left."""
        return str(self._one("SELECT state FROM hub.workers WHERE id = %s", worker))

    def writers(self, name: str) -> set[int]:
        """The connections on which a process has written turns."""
        rows = self.sql.execute("SELECT DISTINCT pid FROM hub.written WHERE name = %s", [name])
        return {pid for (pid,) in rows}

    def written_since(self, pids: set[int], since: object) -> int:
        """How many batches of turns came on these connections since then."""
        query = "SELECT count(*) FROM hub.written WHERE pid = ANY(%s) AND at > %s"
        return int(self._one(query, list(pids), since))

    def ran(self) -> Counter[str]:
        """How often each activity has run, by its key."""
        return Counter(self.log.read_text().splitlines() if self.log.exists() else [])

    def now(self) -> object:
        """The database's time."""
        return self._one("SELECT clock_timestamp()")

    def _one(self, query: str, *parameters: object) -> Any:
        ((value,),) = self.sql.execute(query, parameters).fetchall()
        return value


def _balanced(counts: list[int], workers: int) -> bool:
    return len(counts) == workers and sum(counts) == SLOTS and max(counts) - min(counts) <= 1


@contextmanager
def crowd(
    server: Server, lease: float, *, watched: bool = True, url: str | None = None, more: str = ""
) -> Iterator[Crowd]:
    """A hub; all processes have ended afterwards. Where it is ``watched``, it is noted who writes turns.

    It is found under the ``url``, if that is another one than the server's own. ``more`` is appended to it.
    """
    own = server.new_hub()
    url = (url or own) + more
    store = PostgresStore(url)
    with server.connect() as sql, TemporaryDirectory() as folder:
        if watched:
            sql.execute(WATCH)
        found = Crowd(url, sql, Client(store), lease, Path(folder) / "log")
        try:
            yield found
        finally:
            for process in found.processes:
                process.kill()
            if watched:
                sql.execute(FORGET)
            store.close()


@dataclass
class Account:
    """What came of it."""

    chains: int
    steps: int
    completed: int = 0
    recorded: Counter[int] = field(default_factory=Counter)
    """How many steps have this many results in the history."""
    outputs: Counter[object] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    from_the_stopped: int = 0
    """Batches of turns that it wrote after it had been declared dead."""

    def check(self) -> None:
        """All complete, each step is recorded once, and the stopped one has written nothing."""
        assert self.completed == self.chains, self
        assert self.outputs == {self.steps: self.chains}, self
        assert self.recorded == {1: self.chains * self.steps}, self
        assert self.from_the_stopped == 0, self


def take_account(crowd: Crowd, ids: list[str], steps: int) -> Account:
    """Read every instance and its history."""
    store, account = crowd.client.store, Account(len(ids), steps)
    for id_ in ids:
        row = store.instance(id_)
        assert row is not None, id_
        account.completed += row.status == "Completed"
        account.outputs[msgspec.json.decode(store.payloads(id_).get("output", "null"))] += 1
        scheduled, results = set[int](), Counter[int]()
        for history in store.history(id_, row.generation, 0, 1_000_000):
            for seq, event in enumerate(decode_events(history.events), history.first_seq):
                if isinstance(event, TaskScheduled):
                    scheduled.add(seq)
                elif isinstance(event, TaskCompleted):
                    results[event.scheduled_seq] += 1
        account.recorded.update(results[seq] for seq in scheduled)
    return account


def kill_one_and_stop_one(server: Server, *, workers: int, chains: int, steps: int, lease: float) -> Account:
    """Chains on some workers, of which one is killed in the middle, and one is stopped past its lease."""
    flow = chain(steps)
    with crowd(server, lease) as hub:
        processes = hub.join(workers)
        shared = hub.until_shared(workers)
        hosts = {each["host"] for each in hub.client.workers()}
        assert (len(hosts), len(hub.client.workers())) == (1, workers), "two of one host are still two"
        began = monotonic()
        ids = hub.client.run_many(flow, [0] * chains)
        started = monotonic() - began
        killed, stopped, *others = processes
        patiently(lambda: hub.steps() >= chains * steps // 5)
        stopped.popen.send_signal(signal.SIGSTOP)
        old = hub.writers(stopped.name)
        assert old, "it has written turns"
        killed.kill()
        fell = monotonic()
        patiently(lambda: not {killed.id, stopped.id} & set(hub.shares()))
        taken = monotonic() - fell
        dead_at = hub.now()
        assert {hub.state(killed.id), hub.state(stopped.id)} == {"dead"}
        shared_again = hub.until_shared(workers - 2)
        stopped.popen.send_signal(signal.SIGCONT)
        patiently(lambda: hub.done() == chains)
        ended = monotonic() - began
        back = hub.until_shared(workers - 1)
        assert stopped.id not in {each["id"] for each in hub.client.workers()}, "it came back as another"
        account = take_account(hub, ids, steps)
        account.from_the_stopped = hub.written_since(old, dead_at)
        account.seconds = {
            "shared": shared, "started": started, "taken over": taken, "shared again": shared_again,
            "all ended": ended, "back": back,
        }  # fmt: skip
        assert [process.end() for process in (stopped, *others)] == [0] * (workers - 1)
        return account


def come_and_go(
    server: Server, *, chains: int, steps: int, lease: float, url: str | None = None
) -> tuple[Account, Counter[str]]:
    """Chains on two workers, to whom two more come, and the first two leave; how often each step was run."""
    flow = chain(steps)
    with crowd(server, lease, watched=False, url=url) as hub:
        first = hub.join(2)
        hub.until_shared(2)
        ids = hub.client.run_many(flow, [0] * chains)
        second = hub.join(2)
        hub.until_shared(4)
        assert [process.end() for process in first] == [0, 0]
        hub.until_shared(2)
        assert set(hub.shares()) == {process.id for process in second}
        patiently(lambda: hub.done() == chains)
        return take_account(hub, ids, steps), hub.ran()
