"""How fast expressions compile and evaluate: the figures of the design's table, one process, one thread."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from perdure.compiler.codegen import compile_value
from perdure.dsl.expr.template import parse_scalar
from perdure.dsl.source import Mark, TextMap

EXPRESSIONS = {
    "condition": '${ input.amount > 100 && input.currency == "EUR" && !input.blocked }',
    "filter_map": "${ input.lines.filter(l, l.qty > 1).map(l, l.sku) }",
    "build_map": '${ {"id": input.id, "total": input.amount, "who": input.customer.name} }',
    "concat": '${ "order " + input.id + " of " + input.customer.name }',
    "ternary": '${ input.amount > 1000 ? "large" : input.amount > 100 ? "middle" : "small" }',
    "nested": "${ input.customer.address.city.zone.code }",
}
ORDER: dict[str, Any] = {
    "id": "o-1",
    "amount": 250,
    "currency": "EUR",
    "blocked": False,
    "customer": {"name": "Ada", "address": {"city": {"zone": {"code": "N1"}}}},
    "lines": [{"sku": f"s{number}", "qty": number % 4} for number in range(20)],
}
_MARKS = TextMap((Mark(0, 1, 1),))


def main(argv: Sequence[str]) -> dict[str, Any]:
    """Measure each expression for ``--seconds``; prints and returns the figures."""
    parser = argparse.ArgumentParser(prog="expressions", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="how long to measure each expression")
    seconds = parser.parse_args(argv).seconds
    figures = {name: _measure(text, seconds) for name, text in EXPRESSIONS.items()}
    print(json.dumps(figures, indent=2))
    return figures


def _measure(text: str, seconds: float) -> dict[str, int]:
    result: Any = "bool" if "&&" in text else "json"
    roots = {"input": "e.input"}
    compile_value(parse_scalar(text, _MARKS), roots, result=result)
    compile_us = _best(lambda: compile_value(parse_scalar(text, _MARKS), roots, result=result), seconds / 4)
    evaluator = compile_value(parse_scalar(text, _MARKS), roots, result=result)
    environment = SimpleNamespace(input=ORDER)
    per_call = _best(lambda: evaluator(None, environment), seconds)
    return {"compile_us": round(compile_us * 1e6), "evaluations_per_second": round(1 / per_call)}


def _best(work: Callable[[], object], seconds: float) -> float:
    """The time of one call in the fastest of the batches that fit in ``seconds``."""
    best, batch = float("inf"), 1
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(batch):
            work()
        taken = time.perf_counter() - start
        best = min(best, taken / batch)
        if taken < 0.01:
            batch *= 2
    return best


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
