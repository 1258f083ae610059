"""W3: one workflow that fans out to many steps at once, and gathers them."""

from __future__ import annotations

import argparse
from typing import Any

from bench.hub import hub, program, spread, timed


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Print and return seconds and steps a second for each width."""
    parser = argparse.ArgumentParser(prog="bench fan_out", description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[1000, 10_000], help="items")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--use-async", action="store_true", help="an async activity instead of a sync one")
    parser.add_argument("--directory", help="where the database file goes")
    options = parser.parse_args(argv)
    flow = program(
        "  - all: {fan_out: '${ lists.range(input) }', each: x, width: '${ input }', "
        "do: [{y: {call: Increment, with: '${ x }'}}]}\n"
        "  - return: ${ [all.total, all.results.sum()] }\n"
    )
    figures = {}
    for count in options.n:
        rates = []
        for _ in range(options.rounds):
            with hub(options.directory, use_async=options.use_async) as client:
                seconds, _ = timed(lambda client=client, count=count: _one(client, flow, count))  # type: ignore[misc]
            rates.append(count / seconds)
        figures[str(count)] = {"steps_per_second": spread(rates)}
        print(f"fan-out of {count:,}: {spread(rates)['median']:,.0f} steps/s")
    return figures


def _one(client: Any, flow: Any, count: int) -> None:
    output = client.wait(client.run(flow, count)["id"])["output"]
    assert output == [count, count * (count + 1) // 2], output
