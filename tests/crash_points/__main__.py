"""``python -m tests.crash_points`` checks every point of every scenario, and counts them.

``--scenario S``, ``--store memory|sqlite`` and ``--every N`` choose some. ``--point N --fault F`` shows one,
with its calls: F is ``fail_before``, ``crash_after``, ``tear:3`` and so on, and ends with ``+`` if it lasts.
``--pairs N`` draws so many pairs of faults a scenario and store. ``--mutant NAME`` looks for the first point
that finds a wrong engine. 1 when a point fails, or when a mutant is not found.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

from tests.crash_points import mutants

if TYPE_CHECKING:
    from tests.crash_points.faults import Fault
    from tests.crash_points.points import Bench, StoreKind


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="tests.crash_points")
    parser.add_argument("--scenario", action="append")
    parser.add_argument("--store", choices=["memory", "sqlite"])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--point", type=int)
    parser.add_argument("--fault")
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--mutant", choices=sorted(mutants.NAMES))
    options = parser.parse_args()
    if options.mutant:
        mutants.imported(options.mutant)
    from tests.crash_points.scenarios import SCENARIOS

    names = options.scenario or list(SCENARIOS)
    if options.point is not None:
        return _show(names[0], options.store or "memory", options.point, options.fault)
    stores: list[StoreKind] = [options.store] if options.store else ["memory", "sqlite"]
    if options.mutant:
        return _hunt(options.mutant, names, stores, options.every)
    return _count(names, stores, options.every, options.first, options.pairs)


def _show(name: str, store: StoreKind, number: int, text: str) -> int:
    from tests.crash_points.faults import Fault
    from tests.crash_points.points import Failure, run
    from tests.crash_points.scenarios import SCENARIOS

    try:
        found = run(SCENARIOS[name], store, [Fault.parsed(text, number)])
    except Failure as failure:
        print(failure)
        return 1
    for call in found.calls:
        mark = f"  <- {text}" if call.number == number else ""
        print(f"{call.number:5} {call.who:8} {call.name} {call.statements or ''}{mark}")
    print(f"hits: {dict(found.hits)}; {'; '.join(found.notes)}")
    return 0


def _hunt(mutant: str, names: list[str], stores: list[StoreKind], every: int) -> int:
    """Look for the first point that finds a wrong engine: the scenarios take turns."""
    from tests.crash_points.points import Bench, Failure
    from tests.crash_points.scenarios import SCENARIOS

    count = 0
    try:
        benches = [Bench(SCENARIOS[name]) for name in names]
        found = [[(bench, store, each) for each in bench.points(store)[::every]]
                 for store in stores for bench in benches]  # fmt: skip
        for place in range(max(map(len, found))):
            for points in found:
                if place < len(points):
                    bench, store, fault = points[place]
                    count += 1
                    bench.check(store, fault)
    except Failure as failure:
        print(f"{mutant}: found after {count} points: {str(failure).splitlines()[0][:150]}")
        return 0
    print(f"{mutant}: not found by {count} points")
    return 1


def _count(names: list[str], stores: list[StoreKind], every: int, first: int, pairs: int) -> int:
    from tests.crash_points.points import Bench, Failure
    from tests.crash_points.scenarios import SCENARIOS

    failed, kinds, began, total = list[str](), Counter[str](), time.process_time(), 0
    for name in names:
        bench = Bench(SCENARIOS[name])
        for store in stores:
            start, here, hits, calls = time.process_time(), 0, Counter[str](), 0
            points = [(each,) for each in bench.points(store)[first::every]]
            for faults in _pairs(bench, store, pairs) if pairs else points:
                here += 1
                kinds.update(f"{each.kind}{'+' if each.lasting else ''}" for each in faults)
                try:
                    run = bench.check(store, *faults)
                except Failure as failure:
                    failed.append(str(failure).splitlines()[0])
                    print(str(failure)[:3000], flush=True)
                else:
                    hits.update(run.hits)
                    calls += len(run.calls)
            total += here
            took = time.process_time() - start
            print(
                f"{name} on {store}: {here} points, {calls} calls, {took:.1f} s, hits {dict(hits)}",
                flush=True,
            )
    print(f"{total} points in {time.process_time() - began:.0f} s of CPU: {dict(kinds)}")
    print(f"failed: {len(failed)}")
    for each in failed:
        print(f"  {each[:200]}")
    return bool(failed)


def _pairs(bench: Bench, store: StoreKind, count: int) -> Iterator[tuple[Fault, ...]]:
    """Two faults of a run without any: the second may fall into what the first has changed."""
    from tests.crash_points.faults import Fault

    random, points = Random(f"{bench.scenario.name} {store}"), bench.points(store)
    for _ in range(count):
        first, second = sorted(random.sample(points, 2), key=lambda each: each.number)
        if first.number == second.number:
            second = Fault(first.number + 1, "fail_before")
        yield first, second


if __name__ == "__main__":
    sys.exit(main())
