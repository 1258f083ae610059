"""Work without a pause, on a server that cleans up as it does by default: whether dead rows stay few."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from perdure.engine.clock import monotonic
from tests.engine.driver import compiled
from tests.many_workers.crowd import Crowd, crowd, patiently
from tests.postgres import Server

FLOW = compiled(
    """
    do:
      - a: { call: Increment, with: "${ input }" }
      - pause: { wait: 200ms }
      - e: { wait_for_event: go, timeout: 1h }
      - b: { call: Increment, with: "${ a }" }
      - return: ${ b }
    """
).program
STARTERS = 4
SAMPLE_EVERY = 10.0
_TABLES = (
    "SELECT relname, n_live_tup, n_dead_tup, autovacuum_count, pg_total_relation_size(relid)"
    " FROM pg_stat_user_tables WHERE schemaname = 'hub'"
)


@dataclass(frozen=True)
class Sample:
    """A table at a moment: ``seconds`` since the beginning, rows, bytes, and how often it was cleaned."""

    seconds: float
    live: int
    dead: int
    cleaned: int
    size: int


@dataclass
class Soak:
    """What became of each table while so many workflows were done."""

    workers: int
    seconds: float = 0.0
    done: int = 0
    tables: dict[str, list[Sample]] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.workers} workers, {self.seconds:.0f} s: {self.done} workflows"]
        for name, samples in sorted(self.tables.items()):
            most = max(each.dead for each in samples)
            if most >= 1000:
                dead = " ".join(str(each.dead) for each in samples)
                kib = " ".join(str(each.size >> 10) for each in samples)
                lines.append(
                    f"{name}: {samples[-1].live} rows, at most {most} dead,"
                    f" cleaned {samples[-1].cleaned} times\n  dead {dead}\n  KiB  {kib}"
                )
        return "\n".join(lines)


def soak(server: Server, workers: int, seconds: float) -> Soak:
    """Start workflows and send them their events, as fast as it goes; look at the tables every 10 seconds."""
    found = Soak(workers)
    with crowd(server, 10.0, watched=False) as hub:
        hub.join(workers)
        hub.until_shared(workers)
        over = threading.Event()
        with ThreadPoolExecutor(STARTERS) as starters:
            began = monotonic()
            counts = [starters.submit(_keep_busy, hub, number, over) for number in range(STARTERS)]
            while not over.wait(SAMPLE_EVERY):
                now = monotonic() - began
                for name, sample in _sampled(hub, now):
                    found.tables.setdefault(name, []).append(sample)
                if now >= seconds:
                    over.set()
            started = sum(each.result() for each in counts)
        patiently(lambda: hub.done() == started)
        found.seconds, found.done = monotonic() - began, started
    return found


def _keep_busy(hub: Crowd, starter: int, over: threading.Event) -> int:
    """Start by tens, and tell each its event; returns how many."""
    count = 0
    while not over.is_set():
        ids = [f"s{starter}-{count + each}" for each in range(10)]
        for each in ids:
            hub.client.run(FLOW, 1, id=each)
        for each in ids:
            hub.client.raise_event(each, "go", 1)
        count += len(ids)
    return count


def _sampled(hub: Crowd, seconds: float) -> Iterator[tuple[str, Sample]]:
    hub.sql.execute("SELECT pg_stat_clear_snapshot()")
    for name, *values in hub.sql.execute(_TABLES).fetchall():
        yield name, Sample(seconds, *values)
