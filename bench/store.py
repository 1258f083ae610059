"""What a commit through the store costs beside the same rows written by the bare driver.

Chain-step checkpoints (one history row each) in batches of 1, 10, 100 and 1,000 on SQLite, FULL. Store and
driver take turns in one run, on the same disk; medians, with minimum and maximum.

Usage: ``python -m bench store [--seconds S] [--rounds N] [--directory D]``
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from perdure.engine.store.rows import Batch, Checkpoint, HistoryRow, Worker
from perdure.engine.store.sqlite import SqliteStore

BATCHES = (1, 10, 100, 1000)
INSTANCES = 1000
EVENTS = json.dumps(
    [
        {"type": "TaskCompleted", "scheduled_seq": 1, "result": 2},
        {"type": "TaskScheduled", "name": "add", "key": "0123456789abcdef", "path": "step"},
    ]
)
SCHEMA = """CREATE TABLE history (
    instance TEXT NOT NULL, generation INTEGER NOT NULL, first_seq INTEGER NOT NULL,
    next_seq INTEGER NOT NULL, open INTEGER NOT NULL, at INTEGER NOT NULL, events TEXT NOT NULL,
    PRIMARY KEY (instance, generation, first_seq)) STRICT"""


def main(argv: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.4, help="how long one measurement takes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="where the files lie (default: a temporary one)")
    options = parser.parse_args(argv)
    report = {
        str(size): _compare(size, options.rounds, options.seconds, options.directory) for size in BATCHES
    }
    print(json.dumps(report, indent=2))
    return report


def _compare(size: int, rounds: int, seconds: float, directory: Path | None) -> dict[str, Any]:
    rates: dict[str, list[float]] = {"store": [], "raw": []}
    for _ in range(rounds):
        for name, measure in (("store", _store), ("raw", _raw)):
            with tempfile.TemporaryDirectory(dir=directory) as place:
                rates[name].append(measure(Path(place), size, seconds))
    return {
        **{f"{name}_commits_per_s": _spread(values) for name, values in rates.items()},
        "store_rows_per_s": round(statistics.median(rates["store"]) * size),
        "raw_rows_per_s": round(statistics.median(rates["raw"]) * size),
        "ratio": round(statistics.median(rates["store"]) / statistics.median(rates["raw"]), 2),
    }


def _spread(values: list[float]) -> dict[str, int]:
    return {"median": round(statistics.median(values)), "min": round(min(values)), "max": round(max(values))}


def _rows(size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Batches without end: each instance's next turn, in the order of instances."""
    ids = [f"order-{number:04}" for number in range(INSTANCES)]
    rows = (
        (id_, 1, step * 2, step * 2 + 2, 1, 1_700_000_000_000_000, EVENTS) for step in count() for id_ in ids
    )
    while True:
        yield [next(rows) for _ in range(size)]


def _store(place: Path, size: int, seconds: float) -> float:
    store = SqliteStore(place / "hub.db")
    store.join(Worker(id="w", host="here", ir=1), 10_000_000)
    names = HistoryRow.__struct_fields__
    batches = (
        Batch(worker="w", checkpoints=tuple(_checkpoint(dict(zip(names, row, strict=True))) for row in rows))
        for rows in _rows(size)
    )
    try:
        return _rate(batches, store.commit, seconds)
    finally:
        store.close()


def _checkpoint(row: dict[str, Any]) -> Checkpoint:
    return Checkpoint(id=row["instance"], slot=0, execution="e", history=(HistoryRow(**row),))


def _raw(place: Path, size: int, seconds: float) -> float:
    connection = sqlite3.connect(place / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(SCHEMA)

    def write(rows: list[tuple[Any, ...]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")

    try:
        return _rate(_rows(size), write, seconds)
    finally:
        connection.close()


def _rate(batches: Iterator[Any], write: Callable[[Any], object], seconds: float) -> float:
    """Commits a second; making the batches is not counted."""
    spent = 0.0
    commits = 0
    while spent < seconds:
        batch = next(batches)
        begun = time.perf_counter()
        write(batch)
        spent += time.perf_counter() - begun
        commits += 1
    return commits / spent
