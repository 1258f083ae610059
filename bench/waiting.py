"""Very many waiting instances in a hub in PostgreSQL: what they weigh, and what one event among them costs.

A few are started by the engine and come to wait for an event. The others are copies of their rows, with
names of their own. Needs an empty hub: ``--db 'postgresql://.../database?schema=waiting'``.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from psycopg import sql

from bench.hub import program
from perdure.compiler.ir import Program
from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.instance import slot_of
from perdure.engine.store.postgres import PostgresStore
from perdure.engine.store.tables import METADATA
from perdure.engine.store.urls import postgres_url
from perdure.engine.worker import Worker

MODELS = 10
"""Instances that are started, each with tags of its own."""
CHUNK = 10_000
"""Copies that are written at once."""
SEED = "@seed"
SPACING = 1000
"""Microseconds between the times at which two of them were created."""
PATIENCE = 60.0
"""Seconds until an event that had no effect is one too many."""
STEPS = (
    "  - order: {call: Increment, with: '${ input.amount }'}\n"
    "  - paid: {wait_for_event: paid, timeout: never}\n"
    "  - return: ${ order + paid }\n"
)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Print and return the figures."""
    parser = argparse.ArgumentParser(prog="bench waiting", description=__doc__)
    parser.add_argument("--db", required=True, metavar="URL", help="an empty hub")
    parser.add_argument("--count", type=int, default=1_000_000, help="waiting instances")
    parser.add_argument("--events", type=int, default=1000, help="events, one at a time")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.worker:
        return _work(options.db)
    figures: dict[str, Any] = {"instances": options.count}
    flow = program(STEPS)
    with _connected(options.db) as connection:
        _report(figures, "made in seconds", _made(options.db, connection, flow, options.count))
        _report(figures, "bytes", _sizes(connection))
        store = PostgresStore(options.db)
        _report(figures, "lists, ms", _lists(Client(store), options.count))
        with _worker(options.db) as process:
            _report(figures, "worker", _said(process))
            ids = random.Random(7).sample(range(MODELS, options.count), options.events)
            _report(figures, "event to completion, ms", _events(connection, Client(store), ids))
            process.stdin.write("\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            _report(figures, "worker afterwards", _said(process))
        store.close()
    return figures


def _report(figures: dict[str, Any], name: str, value: Any) -> None:
    figures[name] = value
    print(f"{name}: {value}", flush=True)


def _connected(url: str) -> psycopg.Connection[Any]:
    parts = postgres_url(url)
    connection = psycopg.connect(parts.conninfo, autocommit=True)
    connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(parts.schema)))
    return connection


# -- making them ----------------------------------------------------------------------------------


def _made(url: str, connection: psycopg.Connection[Any], flow: Program, count: int) -> float:
    began = time.perf_counter()
    store = PostgresStore(url)
    registry = Registry()
    registry.add("Increment", lambda n: n + 1)
    with Worker(store, registry) as worker:
        client = Client(store, worker)
        for number in range(MODELS):
            tags = {"customer": f"c{number}", "region": "north" if number % 2 else "south"}
            client.run(flow, {"amount": number}, id=_name(number), tags=tags)
        while not all(client.waiting(_name(number)) for number in range(MODELS)):
            time.sleep(0.01)
    for table in METADATA.sorted_tables:
        if table.name == "instances" or "instance" in table.columns:
            _multiply(connection, table.name, [column.name for column in table.columns], count)
    connection.execute("VACUUM (ANALYZE)")
    store.close()
    return round(time.perf_counter() - began, 1)


def _name(number: int) -> str:
    """All of one length, so that a copy weighs what its model does."""
    return f"order-{number:08d}"


def _multiply(connection: psycopg.Connection[Any], table: str, columns: list[str], count: int) -> None:
    """Copy the models' rows of a table for all other instances."""
    columns = [column for column in columns if column != "ord"]
    key = "id" if table == "instances" else "instance"
    models = [list(_rows(connection, table, columns, key, _name(number))) for number in range(MODELS)]
    if not any(models):
        return
    executions = dict(connection.execute("SELECT id, execution FROM instances").fetchall())
    target = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    numbers = iter(range(MODELS, count))
    with connection.cursor().copy(target) as copy:
        while chunk := list(itertools.islice(numbers, CHUNK)):
            lines = []
            for number in chunk:
                model = _name(number % MODELS)
                for line in models[number % MODELS]:
                    # The keys of its tasks are made from the seed, which is its first execution.
                    text = line.replace(f'"key_seed":"{executions[model]}"', f'"key_seed":"{SEED}"')
                    text = text.replace(model, _name(number)).replace(executions[model], f"{number:032x}")
                    text = text.replace(SEED, executions[model])
                    created = 1_700_000_000_000_000 + SPACING * number
                    lines.append(
                        text.replace("@slot", str(slot_of(_name(number)))).replace("@at", str(created))
                    )
            copy.write("".join(lines))


def _rows(
    connection: psycopg.Connection[Any], table: str, columns: list[str], key: str, instance: str
) -> Iterator[str]:
    """Lines of the COPY format, with marks for what depends on the instance."""
    marks = {"slot": "@slot", "created_at": "@at"}
    shown = [sql.Literal(marks[each]) if each in marks else sql.Identifier(each) for each in columns]
    query = sql.SQL("COPY (SELECT {} FROM {} WHERE {} = {}) TO STDOUT").format(
        sql.SQL(", ").join(shown), sql.Identifier(table), sql.Identifier(key), sql.Literal(instance)
    )
    with connection.cursor().copy(query) as copy:
        yield from "".join(bytes(block).decode() for block in copy).splitlines(keepends=True)


# -- measuring ------------------------------------------------------------------------------------


def _sizes(connection: psycopg.Connection[Any]) -> dict[str, int]:
    query = (
        "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
        " WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
    )
    sizes = sorted(connection.execute(query).fetchall(), key=lambda each: -each[1])
    return {"all": sum(size for _, size in sizes), **dict(sizes[:4])}


def _lists(client: Client, count: int) -> dict[str, float]:
    """Milliseconds at the median of each list that people ask for."""
    middle = "2023-11-14T22:20:00Z"
    asks: dict[str, Callable[[], Any]] = {
        "newest": client.instances,
        "status": lambda: client.instances(statuses=["Running"]),
        "status that few have": lambda: client.instances(statuses=["Failed"]),
        "workflow": lambda: client.instances(name="bench"),
        "workflow that none is": lambda: client.instances(name="none"),
        "status and workflow": lambda: client.instances(statuses=["Running"], name="bench"),
        "tag": lambda: client.instances(tags={"customer": "c7"}),
        "tag that none has": lambda: client.instances(tags={"customer": "none"}),
        "two tags": lambda: client.instances(tags={"customer": "c7", "region": "north"}),
        "status and tag": lambda: client.instances(statuses=["Running"], tags={"region": "south"}),
        "failed with a tag": lambda: client.instances(statuses=["Failed"], tags={"region": "south"}),
        "begin of the id": lambda: client.instances(id_prefix=_name(count // 2)[:-2]),
        "since": lambda: client.instances(created_from=middle),
        "until": lambda: client.instances(created_to=middle),
    }
    found = {}
    for name, ask in asks.items():
        times = []
        for _ in range(11):
            began = time.perf_counter()
            ask()
            times.append((time.perf_counter() - began) * 1000)
        found[name] = round(statistics.median(times), 2)
    return found


def _events(connection: psycopg.Connection[Any], client: Client, numbers: list[int]) -> dict[str, float]:
    """Each as another process raises it, until its instance has ended with the right output."""
    times = []
    for number in numbers:
        began = time.perf_counter()
        client.raise_event(_name(number), "paid", 100)
        query = "SELECT 1 FROM instances WHERE id = %s AND ended_at IS NOT NULL"
        while not connection.execute(query, [_name(number)]).fetchall():
            assert time.perf_counter() - began < PATIENCE, client.instance(_name(number))
        times.append((time.perf_counter() - began) * 1000)
        output = client.instance(_name(number))["output"]
        assert output == 101 + number % MODELS, output
    cuts = statistics.quantiles(times, n=100)
    return {"p50": round(cuts[49], 2), "p95": round(cuts[94], 2), "p99": round(cuts[98], 2)}


# -- the worker, in a process of its own ----------------------------------------------------------


def _worker(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench", "waiting", "--worker", "--db", url]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _work(url: str) -> dict[str, Any]:
    """Serve until the input ends; say how long it took to have all slots, and at each line what memory."""
    registry = Registry()
    registry.add("Increment", lambda n: n + 1)
    store = PostgresStore(url)
    empty, began = _memory(), time.perf_counter()
    with Worker(store, registry) as worker:
        while not worker.owns_all_slots:
            time.sleep(0.001)
        seconds = time.perf_counter() - began
        print(f"has all slots after {seconds:.2f} s; {empty} before, {_memory()} then", flush=True)
        for _ in sys.stdin:
            print(_memory(), flush=True)
    store.close()
    return {}


def _memory() -> str:
    with open("/proc/self/status") as file:  # noqa: PTH123
        found = dict(line.split(":", 1) for line in file)
    resident, most = (int(found[key].split()[0]) // 1024 for key in ("VmRSS", "VmHWM"))
    return f"{resident} MiB ({most} at most)"
