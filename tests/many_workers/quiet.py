"""What a hub without work costs the database, and how soon another process's event is carried out."""

from __future__ import annotations

import statistics
import threading
from dataclasses import dataclass

from perdure.engine.clock import monotonic
from tests.engine.driver import compiled
from tests.many_workers.crowd import Crowd, crowd, patiently
from tests.postgres import Server

CALM = 7.0
"""Seconds after which a worker without work looks more rarely."""
WAITING = compiled('do: [{ e: { wait_for_event: go, timeout: never } }, { return: "${ e }" }]').program
_CALLS = (
    "SELECT sum(calls), (SELECT xact_commit + xact_rollback FROM pg_stat_database"
    " WHERE datname = current_database()) FROM public.pg_stat_statements"
)
_ENDED = "SELECT 1 FROM instances WHERE id = %s AND status = 'Completed'"


@dataclass(frozen=True)
class Quiet:
    """Of some workers together: what they say a second, and milliseconds from each event to the end."""

    workers: int
    told: bool
    statements: float
    transactions: float
    milliseconds: tuple[float, ...]

    def __str__(self) -> str:
        cuts = statistics.quantiles(self.milliseconds, n=100)
        return (
            f"{self.workers} workers that {'are told' if self.told else 'only look'}: {self.statements:,.1f}"
            f" statements in {self.transactions:,.1f} transactions a second when idle;"
            f" {len(self.milliseconds)} events of another process, one at a"
            f" time, ended their instances after {cuts[49]:.1f} ms (p50), {cuts[98]:.1f} ms (p99)"
        )


def measure_quiet(server: Server, workers: int, *, told: bool, seconds: float, events: int) -> Quiet:
    """Let workers have nothing to do for some seconds, then send them one event after the other."""
    with crowd(server, 10.0, watched=False, more="" if told else "&pooled=true") as hub:
        hub.join(workers)
        hub.until_shared(workers)
        threading.Event().wait(CALM)
        before, began = _calls(hub), monotonic()
        threading.Event().wait(seconds)
        passed = monotonic() - began
        statements, transactions = (
            (now - then) / passed for now, then in zip(_calls(hub), before, strict=True)
        )
        ids = [f"i{number}" for number in range(events)]
        for each in ids:
            hub.client.run(WAITING, id=each)
        patiently(lambda: all(hub.client.waiting(each) for each in ids[-50:]))
        threading.Event().wait(CALM)
        return Quiet(workers, told, statements, transactions, tuple(_event(hub, each) for each in ids))


def _event(hub: Crowd, instance: str) -> float:
    """Milliseconds; who measures looks all the time."""
    began = monotonic()
    hub.client.raise_event(instance, "go")
    while not hub.sql.execute(_ENDED, [instance]).fetchall():
        pass
    return (monotonic() - began) * 1000


def _calls(hub: Crowd) -> tuple[float, float]:
    ((statements, transactions),) = hub.sql.execute(_CALLS).fetchall()
    return float(statements), float(transactions)
