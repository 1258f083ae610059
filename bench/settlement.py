"""W8: the nightly settlement of many merchants, with failing calls and a worker that is killed on the way.

A worker process runs the workflow and its activities; this one starts the instance, kills that process with
SIGKILL when a part of the ledger is written, starts another, and looks on. The ledger is a database of its
own and applies each idempotency key once. In the end every merchant must be in it, exactly once.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sqlite3
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any

from bench.hub import program
from perdure.engine.activities import ActivityError, Context, Registry
from perdure.engine.client import Client
from perdure.engine.store.rows import InstanceQuery
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker

FLOW = """\
  - merchants: { call: ListMerchants, with: "${ input.count }" }
  - settled:
      fan_out: ${ merchants }
      each: merchant
      key: ${ merchant }
      width: 500
      on_failure: { tolerate: 1% }
      keep: counts
      do:
        - reconcile:
            call: Reconcile
            with: { merchant: "${ merchant }", date: "${ input.date }" }
            retry: { attempts: 4, delay: 200ms, backoff: 2 }
            idempotency_key: ${ 'settle/' + input.date + '/' + merchant }
            output: ${ result.ok }
  - return: { settled: "${ settled.succeeded }", failed: "${ settled.failed }" }
"""
LOOK_EVERY = 0.25
SHOW_EVERY = 2.0


class Ledger:
    """What has been applied, by idempotency key; in a file of its own, as another system would have it."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS ledger (key TEXT PRIMARY KEY, calls INTEGER) WITHOUT ROWID"
        )

    def apply(self, key: str) -> None:
        """Apply a key, unless it was applied before."""
        with self._lock:
            self._database.execute(
                "INSERT INTO ledger VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET calls = calls + 1", (key,)
            )

    def counts(self) -> tuple[int, int]:
        """How many keys were applied, and how often somebody tried."""
        with self._lock:
            row = self._database.execute("SELECT count(*), coalesce(sum(calls), 0) FROM ledger").fetchone()
            return row[0], row[1]


def activities(ledger: Ledger, failing: float) -> Registry:
    """The activities: one call in a hundred fails, half of these after the ledger was written."""

    def list_merchants(count: int) -> list[str]:
        return [f"m{number:06}" for number in range(count)]

    def reconcile(merchant: str, date: str, ctx: Context) -> dict[str, Any]:
        draw = zlib.crc32(f"{ctx.idempotency_key}/{ctx.attempt}".encode()) / 2**32
        if draw < failing / 2:
            raise ActivityError(f"{merchant} does not answer")
        ledger.apply(ctx.idempotency_key)
        if draw < failing:
            raise ActivityError(f"the answer for {merchant} of {date} is lost")
        return {"ok": True, "merchant": merchant, "lines": [date] * 10}

    registry = Registry()
    registry.add("ListMerchants", list_merchants)
    registry.add("Reconcile", reconcile)
    return registry


def serve(directory: str, failing: float) -> None:
    """The worker's process: it goes on until it is killed or terminated."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    folder = Path(directory)
    store = SqliteStore(folder / "hub.db")
    with Worker(store, activities(Ledger(folder / "ledger.db"), failing)):
        over.wait()
    store.close()


class WorkerProcess:
    """A process that can be killed; ``peak`` is the most memory that one of them had, in bytes."""

    def __init__(self, directory: str, failing: float) -> None:
        self._arguments = (directory, failing)
        self.peak = 0
        self.start()

    def start(self) -> None:
        """Start a process."""
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=serve, args=self._arguments, daemon=True)
        self._process.start()

    def look(self) -> None:
        """Note the memory, and fail if the process has ended by itself."""
        assert self._process.is_alive(), f"the worker has ended: {self._process.exitcode}"
        status = Path(f"/proc/{self._process.pid}/status")
        if status.exists():
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak = max(self.peak, int(line.split()[1]) * 1024)

    def kill(self) -> None:
        """SIGKILL, and another one."""
        assert self._process.pid is not None, "the process runs"
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()
        self.start()

    def stop(self) -> None:
        """Let it end."""
        self._process.terminate()
        self._process.join(30)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run it once; print progress, and return the figures."""
    parser = argparse.ArgumentParser(prog="bench settlement", description=__doc__)
    parser.add_argument("--merchants", type=int, default=95_000)
    parser.add_argument("--kills", type=int, default=2, help="how often the worker is killed")
    parser.add_argument("--failing", type=float, default=0.01, help="share of calls that fail")
    parser.add_argument("--directory", help="where the database files go")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        return _settle(folder, options)


def _settle(folder: str, options: argparse.Namespace) -> dict[str, Any]:
    ledger = Ledger(Path(folder) / "ledger.db")
    store = SqliteStore(Path(folder) / "hub.db")
    client = Client(store)
    worker = WorkerProcess(folder, options.failing)
    began = time.perf_counter()
    flow = program(FLOW)
    instance = client.run(flow, {"count": options.merchants, "date": "2026-11-22"}, id="nightly")["id"]
    kills = [options.merchants * (n + 1) // (options.kills + 1) for n in range(options.kills)]
    shown = began
    while client.wait(instance, LOOK_EVERY)["ended_at"] is None:
        worker.look()
        applied, _ = ledger.counts()
        if kills and applied >= kills[0]:
            kills.pop(0)
            print(f"killed the worker at {applied:,} of {options.merchants:,}")
            worker.kill()
        if time.perf_counter() - shown >= SHOW_EVERY:
            shown = time.perf_counter()
            notes = [each["note"] for each in client.waiting(instance) if each["kind"] == "chunks"]
            print(f"{shown - began:5.0f} s: {''.join(notes) or 'begins'}; ledger {applied:,}")
    seconds = time.perf_counter() - began
    worker.look()
    worker.stop()
    figures = _figures(client, instance, ledger, options) | {
        "seconds": round(seconds, 1),
        "items_per_second": round(options.merchants / seconds),
        "worker_peak_megabytes": round(worker.peak / 1e6),
        "database_megabytes": round((Path(folder) / "hub.db").stat().st_size / 1e6, 1),
    }
    store.close()
    print(json.dumps(figures, indent=2))
    return figures


def _figures(client: Client, instance: str, ledger: Ledger, options: argparse.Namespace) -> dict[str, Any]:
    done = client.instance(instance)
    assert done["status"] == "Completed", done
    assert done["output"] == {"settled": options.merchants, "failed": 0}, done["output"]
    applied, calls = ledger.counts()
    assert applied == options.merchants, f"{applied} of {options.merchants} merchants are in the ledger"
    chunks = [
        each for each in client.store.instances(InstanceQuery(limit=10_000)) if each.parent_id is not None
    ]
    lengths = [_events(client, each.id) for each in chunks]
    return {
        "merchants": options.merchants,
        "kills": options.kills,
        "ledger_applied": applied,
        "ledger_calls": calls,
        "parent_events": _events(client, instance),
        "chunks": len(chunks),
        "most_events_of_a_chunk": max(lengths, default=0),
    }


def _events(client: Client, instance: str) -> int:
    rows = client.store.history(instance, 1, 0, 1_000_000)
    return rows[-1].next_seq
