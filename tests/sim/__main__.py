"""``python -m tests.sim SEED`` shows one run; ``--seeds N [--first M] [--mutant NAME]`` counts many.

With a mutant, seeds run until one fails: the mutant is found. 1 when a seed of the right engine fails, or
when a mutant is not found.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.sim import mutants


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="tests.sim")
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--store", choices=["memory", "sqlite"], default="memory")
    parser.add_argument("--mutant", choices=sorted(mutants.MUTANTS))
    options = parser.parse_args()
    if options.mutant:
        mutants.imported(options.mutant)
    if options.seed is not None:
        return _show(options.seed, options.store)
    seeds = range(options.first, options.first + options.seeds)
    return _hunt(options.mutant, seeds, options.store) if options.mutant else _count(seeds, options.store)


def _show(seed: int, store: str) -> int:
    from tests.sim.simulation import Failure, simulate

    try:
        print(simulate(seed, store=store, trace=True))
    except Failure as failure:
        print(failure)
        return 1
    return 0


def _hunt(name: str, seeds: range, store: str) -> int:
    """Look for the first seed that finds a mutant."""
    from tests.sim.simulation import Failure, simulate

    for count, seed in enumerate(seeds, 1):
        try:
            simulate(seed, store=store)
        except Failure as failure:
            print(f"{name}: found after {count} seeds: {str(failure).splitlines()[0][:150]}")
            return 0
    print(f"{name}: not found by {len(seeds)} seeds")
    return 1


def _count(seeds: range, store: str) -> int:
    from tests.sim.simulation import Failure, simulate

    faults, writes, statuses = Counter[str](), Counter[str](), Counter[str]()
    failed, seconds, calls, began = list[int](), 0.0, 0, time.perf_counter()
    for seed in seeds:
        try:
            report = simulate(seed, store=store)
        except Failure as failure:
            failed.append(seed)
            print(str(failure).splitlines()[0], flush=True)
            continue
        faults.update(report.faults)
        writes.update(report.writes)
        statuses.update(report.statuses)
        seconds += report.virtual_seconds
        calls += report.calls
    took = time.perf_counter() - began
    print(f"{len(seeds)} seeds in {took:.1f} s: {calls} calls, {seconds / 86400 / 365:.1f} virtual years")
    print(f"instances: {dict(statuses)}")
    print(f"faults: {dict(faults)}")
    print(f"writes: {dict(writes)}")
    print(f"failed: {failed}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
