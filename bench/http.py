"""W9: the HTTP API under load, beside a bare route on the same machine as the ceiling.

Two processes, ``perdure serve`` on a new SQLite file and ``bench.bare``, are asked in turn over 1, 16 and 64
connections: single starts of a workflow without steps, reads of an instance, events for one that waits.
Then starts in batches. Afterwards every instance must be there, once, and have ended.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.connections import Answered, ask, request
from bench.hub import spread
from perdure.client import Client

PERDURE = Path(sys.executable).with_name("perdure")
API = "/api/v1"
FLOW = "dsl: perdure/1\nname: echo\nversion: 1.0.0\ndo:\n- return: ${ input }\n"
WAITER = """\
dsl: perdure/1
name: waiter
version: 1.0.0
do:
- again: { for: n, in: "${ range(input) }", do: [ { got: { wait_for_event: Go, timeout: never } } ] }
"""
CREATED = {201}


@contextmanager
def process(*words: str) -> Iterator[str]:
    """A server, and its URL: the first line that it prints, or what JSON says there."""
    command = list(words)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603
        try:
            assert running.stdout is not None
            said = running.stdout.readline().strip()
            yield json.loads(said)["data"]["url"] if said.startswith("{") else said
        finally:
            running.terminate()


def measure(url: str, connections: int, count: int, make: Callable[[int], bytes], status: int) -> Answered:
    """The answers, all of this status."""
    found = ask(url, connections, count, make)
    assert set(found.statuses) == {status}, f"{found.statuses}: {found.last[:500]!r}"
    return found


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Print and return requests a second, p50 and p99, and the share of the bare route's rate."""
    parser = argparse.ArgumentParser(prog="bench http", description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="requests of a kind, round and width")
    parser.add_argument("--batches", type=int, default=20, help="of 1,000 starts each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--directory", help="where the database file goes")
    options = parser.parse_args(argv)
    figures: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(dir=options.directory) as folder,
        process(sys.executable, "-m", "bench.bare") as bare,
        process(
            str(PERDURE), "--json", "--db", f"sqlite:///{Path(folder) / 'hub.db'}", "serve", "--port", "0"
        ) as url,
        Client(url) as client,
    ):
        client.deploy_source(FLOW, "echo.yaml")
        started = 0
        for width in options.connections:
            rounds: dict[str, list[Answered]] = {}
            for _ in range(options.rounds):
                for kind, run in kinds(bare, url, client, width, options.n).items():
                    rounds.setdefault(kind, []).append(run())
            started += options.rounds * options.n
            figures[str(width)] = {kind: summary(found, rounds["bare"]) for kind, found in rounds.items()}
            show(width, figures[str(width)])
        figures["batch_starts_per_second"] = batches(url, options)
        print(f"batches of 1,000: {figures['batch_starts_per_second']['median']:,.0f} starts/s")
        settle(client)
    return figures


def kinds(bare: str, url: str, client: Client, width: int, count: int) -> dict[str, Callable[[], Answered]]:
    """What is measured, by name."""
    start = json.dumps({"workflow": "echo", "input": {"n": 1}}).encode()
    waiting = client.start("echo", {"n": 1})["id"]
    return {
        "bare": lambda: measure(bare, width, count, lambda _: request("POST", "/bare", start), 200),
        "start": lambda: measure(
            url, width, count, lambda _: request("POST", f"{API}/instances", start), 201
        ),
        "read": lambda: measure(
            url, width, count, lambda _: request("GET", f"{API}/instances/{waiting}"), 200
        ),
    }


def summary(found: list[Answered], bare: list[Answered]) -> dict[str, Any]:
    """Medians, and the share of the bare route."""
    rate, ceiling = spread([each.rate for each in found]), spread([each.rate for each in bare])
    return {
        "per_second": rate,
        "p50_ms": spread([each.percentile(0.5) for each in found]),
        "p99_ms": spread([each.percentile(0.99) for each in found]),
        "of_bare": rate["median"] / ceiling["median"],
    }


def show(width: int, figures: dict[str, Any]) -> None:
    """One line a kind."""
    for kind, row in figures.items():
        print(
            f"{width:>3} connections, {kind:>6}: {row['per_second']['median']:>7,.0f}/s "
            f"({row['of_bare']:.2f} of bare), p50 {row['p50_ms']['median']:.2f} ms, "
            f"p99 {row['p99_ms']['median']:.2f} ms",
            flush=True,
        )


def batches(url: str, options: argparse.Namespace) -> dict[str, float]:
    """Starts a second in batches of 1,000, one after the other."""
    body = json.dumps([{"workflow": "echo", "input": {"n": 1}}] * 1000).encode()
    rates = []
    for _ in range(options.rounds):
        found = measure(
            url, 1, options.batches, lambda _: request("POST", f"{API}/instances:batch", body), 201
        )
        rates.append(found.rate * 1000)
    return spread(rates)


def settle(client: Client) -> None:
    while client.instances(statuses=["Pending", "Running"], limit=1)["items"]:
        time.sleep(0.01)
