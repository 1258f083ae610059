"""A hub for measurements: a real worker on a real SQLite file, and the workflows that are measured."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from perdure.cli.garbage import collect_rarely
from perdure.compiler.build import build
from perdure.compiler.ir import Program
from perdure.dsl.source import Source
from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker

HEADER = "dsl: perdure/1\nname: bench\nversion: 1.0.0\ndo:\n"


def program(steps: str) -> Program:
    """The Program of a list of steps."""
    built = build(Source("bench.yaml", HEADER + steps))
    assert built.workflows, built.diagnostics
    return built.workflows[0].program


@contextmanager
def hub(directory: str | None, *, use_async: bool = False, db: str | None = None) -> Iterator[Client]:
    """A worker with one activity, ``Increment``, on a new file with ``synchronous=FULL``, like a server's.

    Or in the database that the URL ``db`` names, which keeps what there is and what comes.
    """
    collect_rarely()
    registry = Registry()
    registry.add("Increment", _increment_async if use_async else _increment)
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        store = open_store(db or f"sqlite:///{Path(folder) / 'hub.db'}")
        with Worker(store, registry) as worker:
            yield Client(store, worker)
        store.close()


def _increment(number: int) -> int:
    return number + 1


async def _increment_async(number: int) -> int:
    return number + 1


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and seconds of this process's CPU."""
    cpu, began = time.process_time(), time.perf_counter()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


def spread(values: list[float]) -> dict[str, float]:
    """Median, minimum and maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}
