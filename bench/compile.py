"""How long a file takes from its text to a Program with its digests: milliseconds, in all and by part."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

from perdure.compiler.build import build
from perdure.compiler.encode import digest
from perdure.compiler.lower_header import lower
from perdure.compiler.verify import verify
from perdure.dsl import Source, load
from perdure.dsl.digest import document_digest

STEPS = (20, 1000)


def main(argv: Sequence[str]) -> dict[str, Any]:
    """Measure files of 20 and 1,000 steps, each ``--rounds`` times; print and return the fastest."""
    parser = argparse.ArgumentParser(prog="bench compile", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(argv).rounds
    figures = {f"{steps} steps": _measure(workflow(steps), rounds) for steps in STEPS}
    for name, row in figures.items():
        print(f"{name}: {', '.join(f'{part} {figure}' for part, figure in row.items())}")
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


def _measure(text: str, rounds: int) -> dict[str, float]:
    source = Source("large.yaml", text)
    loaded = load(source)
    assert loaded.ok, loaded.diagnostics
    document = loaded.workflows[0]
    program = lower(document)
    return {
        "kilobytes": round(len(text) / 1024, 1),
        "all_ms": _fastest(lambda: build(source), rounds),
        "load_ms": _fastest(lambda: load(source), rounds),
        "lower_ms": _fastest(lambda: lower(document), rounds),
        "verify_ms": _fastest(lambda: verify(program), rounds),
        "document_digest_ms": _fastest(lambda: document_digest(document), rounds),
        "digest_ms": _fastest(lambda: digest(program), rounds),
    }


def _fastest(work: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return round(min(taken) * 1000, 1)
