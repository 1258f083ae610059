"""How long a running process takes to check a workflow file, and to check and compile it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from perdure.compiler.build import build
from perdure.dsl import Source, load

SIZES = (20, 1000)


def main(argv: Sequence[str]) -> dict[str, Any]:
    """Print and return milliseconds for files of 20 and of 1,000 steps."""
    parser = argparse.ArgumentParser(prog="bench validate", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)
    figures = {}
    for steps in SIZES:
        source = Source("bench.yaml", document(steps))
        assert load(source).ok, load(source).diagnostics
        figures[f"{steps} steps"] = {
            "kilobytes": round(len(source.text) / 1024, 1),
            "load_ms": _milliseconds(lambda s=source: load(s), options.rounds),  # type: ignore[misc]
            "load_and_compile_ms": _milliseconds(lambda s=source: build(s), options.rounds),  # type: ignore[misc]
        }
    for name, row in figures.items():
        print(
            f"{name} ({row['kilobytes']} KiB): {row['load_ms']} ms, compiled {row['load_and_compile_ms']} ms"
        )
    return figures


def document(steps: int) -> str:
    """A workflow of so many steps, a few of each common kind, and an expression in nearly each."""
    lines = ["dsl: perdure/1", "name: bench", "version: 1.0.0", "input: { schema: { type: object } }"]
    lines += ["vars:", "  total: 0", "do:"]
    for number in range(0, steps, 5):
        lines += [
            f"  - charge{number}:",
            "      call: ChargeCard",
            "      with:",
            "        order: \"${ input.id + '-' + string(vars.total) }\"",
            "        amount: ${ input.amount }",
            "      retry: { attempts: 3, delay: 2s, backoff: 2 }",
            f"  - set: {{ total: '${{ vars.total + {number} }}' }}",
            f"  - kept{number}:",
            "      value: ${ input.lines.filter(l, l.qty > 1).map(l, l.sku) }",
            "  - if: ${ vars.total > 100 && input.currency == 'EUR' }",
            "    then:",
            f"      - pause{number}: {{ wait: {number + 1}s }}",
        ]
    return "\n".join([*lines, "  - return: ${ vars.total }", ""])


def _milliseconds(work: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return round(median(taken) * 1000, 1)
