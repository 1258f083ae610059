"""W2: workflows of one step, one after the other: from the call that starts it to its result."""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from bench.hub import hub, program, timed


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Print and return milliseconds at the 50th, 95th and 99th percentile."""
    parser = argparse.ArgumentParser(prog="bench latency", description=__doc__)
    parser.add_argument("--n", type=int, default=200, help="workflows")
    parser.add_argument("--use-async", action="store_true", help="an async activity instead of a sync one")
    parser.add_argument("--directory", help="where the database file goes")
    options = parser.parse_args(argv)
    flow = program("  - a: {call: Increment, with: '${ input }'}\n  - return: ${ a }\n")
    times = []
    with hub(options.directory, use_async=options.use_async) as client:
        for number in range(options.n + 20):
            seconds, _ = timed(lambda number=number: _one(client, flow, number))  # type: ignore[misc]
            times.append(seconds * 1000)
    cuts = statistics.quantiles(times[20:], n=100)
    figures = {
        "workload": f"{options.n} workflows of one step, one at a time",
        "milliseconds": {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]},
    }
    print(f"{figures['workload']}: p50 {cuts[49]:.2f} ms, p95 {cuts[94]:.2f} ms, p99 {cuts[98]:.2f} ms")
    return figures


def _one(client: Any, flow: Any, number: int) -> None:
    output = client.wait(client.run(flow, number)["id"])["output"]
    assert output == number + 1, output
