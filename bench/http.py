"""W9: the HTTP API under load, beside a bare route on the same machine as the ceiling.

Two processes, ``perdure serve`` on a new SQLite file and ``bench.bare``, are asked in turn over 1, 16 and 64
connections: single starts of a workflow without steps, reads of an instance, events for those that wait. Then
starts in batches. Afterwards every instance must be there and have completed. Beside the rates stand the
seconds of the servers' own CPU, which tell more than the rates on a machine that others use too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.connections import Answered, ask, request
from bench.hub import spread
from perdure.client import Client

PERDURE = Path(sys.executable).with_name("perdure")
API = "/api/v1"
FLOWS = """\
dsl: perdure/1
name: echo
version: 1.0.0
do:
- return: ${ input }
---
dsl: perdure/1
name: waiter
version: 1.0.0
do:
- heard:
    for_each: ${ lists.range(input.n) }
    do:
    - got: { wait_for_event: Go, timeout: never }
- return: ${ heard.size() }
"""
START = json.dumps({"workflow": "echo", "input": {"n": 1}}).encode()


class Served(NamedTuple):
    """A server in a process of its own."""

    url: str
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Measured(NamedTuple):
    """How requests were answered, and microseconds of the server's CPU for each."""

    answered: Answered
    cpu: float


@contextmanager
def process(*words: str) -> Iterator[Served]:
    """A server; its URL is the first line that it prints, or what JSON says there."""
    command = list(words)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603
        try:
            assert running.stdout is not None
            said = running.stdout.readline().strip()
            yield Served(json.loads(said)["data"]["url"] if said.startswith("{") else said, running.pid)
        finally:
            running.terminate()


def measure(there: Served, width: int, count: int, make: Callable[[int], bytes], status: int) -> Measured:
    """The answers, which must all be of this status."""
    before = there.cpu()
    found = ask(there.url, width, count, make)
    assert set(found.statuses) == {status}, f"{found.statuses}: {found.last[:500]!r}"
    return Measured(found, (there.cpu() - before) / count * 1e6)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Print and return requests a second, p50 and p99, and the share of the bare route's rate."""
    parser = argparse.ArgumentParser(prog="bench http", description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="requests of a kind, round and width")
    parser.add_argument("--batches", type=int, default=20, help="of 1,000 starts each, in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--directory", help="where the database file goes")
    options = parser.parse_args(argv)
    figures: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(dir=options.directory) as folder,
        process(sys.executable, "-m", "bench.bare") as bare,
        process(str(PERDURE), "--json", "--db", f"sqlite:///{folder}/hub.db", "serve", "--port", "0") as hub,
        Client(hub.url) as client,
    ):
        client.deploy_source(FLOWS, "flows.yaml")
        started = 0
        for width in options.connections:
            rounds: dict[str, list[Measured]] = {}
            for _ in range(options.rounds):
                for kind, found in one_round(bare, hub, client, width, options.n):
                    rounds.setdefault(kind, []).append(found)
                started += options.n + width
            figures[str(width)] = {kind: summary(found, rounds["bare"]) for kind, found in rounds.items()}
            show(width, figures[str(width)])
        figures["batches"] = batches(hub, options)
        started += options.rounds * options.batches * 1000
        check(client, hub, started)
    return figures


def one_round(
    bare: Served, hub: Served, client: Client, width: int, count: int
) -> Iterator[tuple[str, Measured]]:
    """Every kind of request once, by its name."""
    share = count // width
    waiting = [client.start("waiter", {"n": share})["id"] for _ in range(width)]

    def event(number: int) -> bytes:
        return request("POST", f"{API}/instances/{waiting[number % width]}/events/Go", b"1")

    yield "bare", measure(bare, width, count, lambda _: request("POST", "/bare", START), 200)
    yield "start", measure(hub, width, count, lambda _: request("POST", f"{API}/instances", START), 201)
    yield "read", measure(hub, width, count, lambda n: get(waiting[n % width]), 200)
    yield "event", measure(hub, width, share * width, event, 202)


def get(instance: str) -> bytes:
    """A look at an instance."""
    return request("GET", f"{API}/instances/{instance}")


def summary(found: list[Measured], bare: list[Measured]) -> dict[str, Any]:
    """Medians, and shares of the bare route."""
    rates, ceiling = [each.answered.rate for each in found], [each.answered.rate for each in bare]
    cpu, least = [each.cpu for each in found], [each.cpu for each in bare]
    return {
        "per_second": spread(rates),
        "of_bare": spread(rates)["median"] / spread(ceiling)["median"],
        "p50_ms": spread([each.answered.percentile(0.5) for each in found]),
        "p99_ms": spread([each.answered.percentile(0.99) for each in found]),
        "cpu_microseconds": spread(cpu),
        "of_bare_by_cpu": spread(least)["median"] / spread(cpu)["median"],
    }


def show(width: int, figures: dict[str, Any]) -> None:
    """A line for each kind."""
    for kind, row in figures.items():
        print(
            f"{width:>3} connections, {kind:>5}: {row['per_second']['median']:>7,.0f}/s "
            f"({row['of_bare']:.2f} of bare), p50 {row['p50_ms']['median']:.2f} ms, "
            f"p99 {row['p99_ms']['median']:.2f} ms, {row['cpu_microseconds']['median']:.0f} us of CPU "
            f"({row['of_bare_by_cpu']:.2f} of bare)",
            flush=True,
        )


def batches(hub: Served, options: argparse.Namespace) -> dict[str, Any]:
    """Starts a second in batches of 1,000, two at a time."""
    body = b"[" + b",".join([START] * 1000) + b"]"
    found = [
        measure(hub, 2, options.batches, lambda _: request("POST", f"{API}/instances:batch", body), 201)
        for _ in range(options.rounds)
    ]
    rates = spread([each.answered.rate * 1000 for each in found])
    costs = spread([each.cpu / 1000 for each in found])
    print(f"batches of 1,000: {rates['median']:,.0f} starts/s, {costs['median']:.0f} us of CPU a start")
    return {"starts_per_second": rates, "cpu_microseconds": costs}


def check(client: Client, hub: Served, started: int) -> None:
    """As many instances as starts, and all have completed: those that waited have heard all their events."""
    while client.instances(statuses=["Pending", "Running"], limit=1)["items"]:
        time.sleep(0.01)
    found, cursor = 0, None
    while True:
        page = client.instances(statuses=["Completed"], limit=1000, cursor=cursor)
        found, cursor = found + len(page["items"]), page["next"]
        if cursor is None:
            break
    assert found == started, f"{hub.url} has {found} instances, and was asked for {started}"
