"""How fast expressions compile and evaluate, beside two other implementations of CEL if they are there.

``pip install cel-python common-expression-language`` into a throw-away environment adds their rows. All is
measured in turns within one run, so that ratios hold whatever else the machine does.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable, Sequence
from statistics import median
from types import SimpleNamespace
from typing import Any, NamedTuple

from perdure.compiler.codegen import compile_value
from perdure.dsl.expr.template import parse_scalar
from perdure.dsl.source import Mark, TextMap

EXPRESSIONS = {
    "condition": 'input.amount > 100 && input.currency == "EUR" && !input.blocked',
    "filter_map": "input.lines.filter(l, l.qty > 1).map(l, l.sku)",
    "build_map": '{"id": input.id, "total": input.amount, "who": input.customer.name}',
    "concat": '"order " + input.id + " of " + input.customer.name',
    "ternary": 'input.amount > 1000 ? "large" : input.amount > 100 ? "middle" : "small"',
    "nested": "input.customer.address.city.zone.code",
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


class Engine(NamedTuple):
    """An implementation: ``prepare`` compiles an expression and gives a function that evaluates it."""

    name: str
    package: str
    prepare: Callable[[str], Callable[[], object]]


def _perdure(text: str) -> Callable[[], object]:
    value = parse_scalar(f"${{ {text} }}", _MARKS)
    evaluator = compile_value(value, {"input": "e.input"}, result="bool" if "&&" in text else "json")
    environment = SimpleNamespace(input=ORDER)
    return lambda: evaluator(None, environment)


def _cel_python(text: str) -> Callable[[], object]:
    celpy: Any = importlib.import_module("celpy")
    # Its compiled programs are the faster kind; one process can have one kind only.
    environment = celpy.Environment(runner_class=celpy.CompiledRunner)
    program = environment.program(environment.compile(text))
    given = {"input": celpy.json_to_cel(ORDER)}
    return lambda: program.evaluate(given)


def _rust(text: str) -> Callable[[], object]:
    cel: Any = importlib.import_module("cel")
    program = cel.compile(text)
    context = cel.Context({"input": ORDER})
    return lambda: program.execute(context)


ENGINES = (
    Engine("perdure", "perdure", _perdure),
    Engine("cel-python", "celpy", _cel_python),
    Engine("common-expression-language", "cel", _rust),
)


def main(argv: Sequence[str]) -> dict[str, Any]:
    """Print and return, by expression and implementation, how fast it evaluates and compiles."""
    parser = argparse.ArgumentParser(prog="bench expressions", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.1, help="how long one measurement takes")
    parser.add_argument("--rounds", type=int, default=7, help="turns; medians are of these")
    options = parser.parse_args(argv)
    engines = [engine for engine in ENGINES if _installed(engine.package)]
    figures: dict[str, Any] = {
        name: _compared(text, engines, options.rounds, options.seconds) for name, text in EXPRESSIONS.items()
    }
    print(
        f"{'expression':<12}{'implementation':<28}{'evaluations/s':>14}{'compile us':>12}{'perdure is':>14}"
    )
    for name, rows in figures.items():
        for engine, row in rows.items():
            print(
                f"{name:<12}{engine:<28}{row['evaluations_per_second']:>14,}"
                f"{row['compile_us']:>12,}{row['perdure_is_times_as_fast']:>13,}x"
            )
    missing = [engine.name for engine in ENGINES if engine not in engines]
    for name in missing:
        print(f"{name}: not installed; pip install {name} adds its rows")
    return {"expressions": figures, "not_installed": missing}


def _installed(package: str) -> bool:
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True


def _compared(text: str, engines: list[Engine], rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    runs = {engine.name: engine.prepare(text) for engine in engines}
    times: dict[str, list[float]] = {engine.name: [] for engine in engines}
    compilations: dict[str, list[float]] = {engine.name: [] for engine in engines}
    for _ in range(rounds):
        for engine in engines:
            times[engine.name].append(_each(runs[engine.name], seconds))
            compilations[engine.name].append(_each(lambda e=engine: e.prepare(text), seconds / 4))  # type: ignore[misc]
    own = times["perdure"]
    return {
        name: {
            "evaluations_per_second": round(1 / median(taken)),
            "best_evaluations_per_second": round(1 / min(taken)),
            "compile_us": round(median(compilations[name]) * 1e6),
            "perdure_is_times_as_fast": round(median(a / b for a, b in zip(taken, own, strict=True)), 1),
        }
        for name, taken in times.items()
    }


def _each(work: Callable[[], object], seconds: float) -> float:
    """The time of one call, over as many as fit in ``seconds``."""
    count, start = 1, time.perf_counter()
    work()
    while (taken := time.perf_counter() - start) < seconds:
        more = count if taken < seconds / 2 else max(1, int(count * (seconds - taken) / taken))
        for _ in range(more):
            work()
        count += more
    return taken / count
