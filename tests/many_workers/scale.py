"""The same work by one, two and more workers: steps a second, and what each step costs the database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from perdure.engine.clock import monotonic
from tests.many_workers.crowd import Crowd, chain, crowd, patiently
from tests.postgres import Server

STARTERS = 8
"""Clients that start the chains."""
_WORK = (
    "SELECT (SELECT sum(calls) FROM pg_stat_statements), (SELECT sum(rows) FROM pg_stat_statements),"
    " pg_current_wal_lsn() - '0/0'"
)


@dataclass(frozen=True)
class Cost:
    """Of some workers together."""

    workers: int
    steps_per_second: float
    queries: float
    rows: float
    log_bytes: float

    def __str__(self) -> str:
        return (
            f"{self.workers} workers: {self.steps_per_second:,.0f} steps/s;"
            f" a step takes {self.queries:.2f} queries, {self.rows:.2f} rows and"
            f" {self.log_bytes:,.0f} bytes of log"
        )


def counting(server: Server) -> None:
    """Let the server count statements from now on; it is started anew."""
    with server.connect() as sql:
        sql.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    server.stop("INT")
    server.start()
    with server.connect() as sql:
        sql.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public")


def measure(server: Server, workers: int, chains: int, steps: int) -> Cost:
    """Start all chains at once, and wait until the last has ended."""
    with crowd(server, 10.0, watched=False) as hub:
        hub.join(workers)
        hub.until_shared(workers)
        flow = chain(steps)
        began, before = monotonic(), _work(hub)
        with ThreadPoolExecutor(STARTERS) as starters:
            list(starters.map(lambda _: hub.client.run(flow, 0), range(chains)))
        patiently(lambda: hub.done() == chains)
        seconds = monotonic() - began
        queries, rows, log = (after - was for after, was in zip(_work(hub), before, strict=True))
        total = chains * steps
        return Cost(workers, total / seconds, queries / total, rows / total, log / total)


def add_under_load(server: Server, chains: int, steps: int) -> list[float]:
    """One worker has much to do, and more come one by one: seconds until each has its share."""
    with crowd(server, 10.0, watched=False) as hub:
        hub.join(1)
        hub.until_shared(1)
        hub.client.run_many(chain(steps), [0] * chains)
        found = []
        for count in (2, 3, 4):
            hub.join(1)
            found.append(hub.until_shared(count))
        patiently(lambda: hub.done() == chains)
        return found


def _work(hub: Crowd) -> tuple[float, ...]:
    (row,) = hub.sql.execute(_WORK.replace("pg_stat_statements", "public.pg_stat_statements")).fetchall()
    return tuple(float(each) for each in row)
