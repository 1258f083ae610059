"""How long a file takes from its text to a Program with its digests: milliseconds of each part."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from perdure.compiler.encode import digest
from perdure.compiler.lower_header import lower
from perdure.compiler.verify import verify
from perdure.dsl import Source, load
from perdure.dsl.digest import document_digest

STEPS = (20, 1000)


def main(argv: Sequence[str]) -> dict[str, Any]:
    """Measure files of 20 and 1,000 steps, each ``--times`` times; prints and returns the fastest."""
    parser = argparse.ArgumentParser(prog="compile", description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="how often to measure each file")
    times = parser.parse_args(argv).times
    figures = {f"{steps} steps": _measure(workflow(steps), times) for steps in STEPS}
    print(json.dumps(figures, indent=2))
    return figures


def workflow(steps: int) -> str:
    """A workflow with calls, a ``fan_out``, a wait and a ``try`` among every ten steps."""
    return "dsl: perdure/1\nname: large\nversion: 1.0.0\ndo:\n" + "".join(map(_step, range(steps)))


def _step(number: int) -> str:
    match number % 10:
        case 3:
            body = (
                f'{{ fan_out: "${{ input.items }}", do: [ x{number}: {{ call: A, with: "${{ item }}" }} ] }}'
            )
        case 5:
            body = f"{{ wait_for_event: E{number}, timeout: 1h, on_timeout: [ set_custom_status: late ] }}"
        case 7:
            call = f'y{number}: {{ call: B, with: {{ a: "${{ input.a + 1 }}", b: "${{ s{number - 1} }}" }} }}'
            log = '{ level: info, message: "${ error.type }" }'
            body = f"{{ try: [ {call} ], catch: [ do: [ log: {log} ] ] }}"
        case _:
            given = '{ order: "${ input.order.id }", amount: "${ input.order.total * 2 }" }'
            body = f"{{ call: Act, with: {given}, retry: {{ attempts: 3, delay: 5s }}, timeout: 30s }}"
    return f"  - s{number}: {body}\n"


def _measure(text: str, times: int) -> dict[str, float]:
    source = Source("large.yaml", text)
    loaded = load(source)
    if not loaded.workflows:
        raise SystemExit(f"the workflow of the benchmark is wrong: {loaded.diagnostics[:3]}")
    document = loaded.workflows[0]
    program = lower(document)
    return {
        "load": _best(lambda: load(source), times),
        "lower": _best(lambda: lower(document), times),
        "verify": _best(lambda: verify(program), times),
        "document_digest": _best(lambda: document_digest(document), times),
        "digest": _best(lambda: digest(program), times),
    }


def _best(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return round(min(taken) * 1000, 1)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
