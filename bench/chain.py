"""W1: many workflows of sequential steps, all submitted at once; steps a second to the last completion.

Each step is recorded before the next begins, and every output is checked afterwards.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from bench.hub import hub, program, spread, timed


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Print and return steps a second, and microseconds of CPU a step."""
    parser = argparse.ArgumentParser(prog="bench chain", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="workflows")
    parser.add_argument("--steps", type=int, default=10, help="steps of each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--use-async", action="store_true", help="an async activity instead of a sync one")
    parser.add_argument("--directory", help="where the database file goes")
    parser.add_argument("--db", metavar="URL", help="a hub to use instead of a new file")
    options = parser.parse_args(argv)
    flow = program(_steps(options.steps))
    rates, costs = [], []
    for _ in range(options.rounds):
        with hub(options.directory, use_async=options.use_async, db=options.db) as client:
            client.wait(client.run(flow, 0)["id"])
            started: list[str] = []
            seconds, cpu = timed(lambda c=client, s=started: _all(c, flow, options, s))  # type: ignore[misc]
            outputs = [client.instance(instance_id)["output"] for instance_id in started]
            assert outputs == [options.steps] * options.n, "every workflow counted its steps"
        total = options.n * options.steps
        rates.append(total / seconds)
        costs.append(cpu / total * 1e6)
    figures = {
        "workload": f"{options.n} workflows of {options.steps} steps",
        "steps_per_second": spread(rates),
        "cpu_microseconds_per_step": spread(costs),
    }
    print(
        f"{figures['workload']}: {spread(rates)['median']:,.0f} steps/s, "
        f"{spread(costs)['median']:.0f} us of CPU a step"
    )
    return figures


def _steps(count: int) -> str:
    lines = [
        f"  - s{number}: {{call: Increment, with: '${{ {'input' if number == 0 else f's{number - 1}'} }}'}}"
        for number in range(count)
    ]
    return "\n".join([*lines, f"  - return: ${{ s{count - 1} }}", ""])


def _all(client: Any, flow: Any, options: argparse.Namespace, started: list[str]) -> None:
    started += client.run_many(flow, [0] * options.n)
    while client.instances(statuses=["Pending", "Running"], limit=1)["items"]:
        time.sleep(0.002)
