"""Simulate. ``python -m tests.sim SEED`` shows one run, and ``--shrink`` the smallest that fails as well.

``--seeds N [--first M]`` counts many; with ``--mutant NAME`` they run until one fails: the mutant is found.
``--mutants [--jobs J] [--tries K]`` looks for each of them from K starting points, and prints a table.
``--store`` says on what; with ``told`` the workers are told of what others write. 1 when a seed of the right
engine fails, or when a mutant is not found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.sim import mutants

if TYPE_CHECKING:
    from tests.sim.failure import Failure
    from tests.sim.plan import Cut

STORES = ("memory", "sqlite", "told")


def main() -> int:
    """Run what is asked for."""
    options = _options()
    if options.mutants:
        return _hunt_all(options)
    if options.mutant:
        mutants.imported(options.mutant)
    if options.seed is not None:
        return _shrink(options) if options.shrink else _show(options)
    return _hunt(options) if options.mutant else _count(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.sim")
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--store", choices=STORES, default="memory")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--mutant", choices=sorted(mutants.ALL))
    parser.add_argument("--mutants", action="store_true", help="look for every mutant, and count the seeds")
    parser.add_argument("--tries", type=int, help="starting points for each mutant: 5 for all, 1 for one")
    parser.add_argument("--jobs", type=int, default=2, help="hunts at one time")
    parser.add_argument("--shrink", action="store_true", help="leave out what the failure does not need")
    parser.add_argument("--without", default="", help="kinds of faults to leave out, with commas")
    parser.add_argument("--orders", default="", help="the orders to keep, with commas")
    parser.add_argument("--processes", type=int, help="how many there are in the beginning, at most")
    parser.add_argument("--faults", type=int, help="after how many faults there is no more")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(tempfile.gettempdir()) / "perdure-sim",
        help="where the decisions of a failure are written",
    )
    return parser.parse_args()


def _cut(options: argparse.Namespace) -> Cut:
    from tests.sim.plan import Cut

    return Cut(
        without=frozenset(filter(None, options.without.split(","))),
        orders=frozenset(map(int, options.orders.split(","))) if options.orders else None,
        processes=options.processes,
        faults=options.faults,
    )


def _failure(seed: int, store: str, cut: Cut, *, trace: bool = False) -> Failure | None:
    """How a seed fails, if it does; else its report is printed, if it is to be traced."""
    from tests.sim.failure import Failure
    from tests.sim.simulation import simulate

    try:
        report = simulate(seed, store=store, cut=cut, trace=trace)
    except Failure as failure:
        return failure
    if trace:
        print(report)
    return None


def _show(options: argparse.Namespace) -> int:
    failure = _failure(options.seed, options.store, _cut(options), trace=True)
    if failure is not None:
        print(failure)
        print(f"all decisions: {failure.write(options.out)}")
    return failure is not None


def _shrink(options: argparse.Namespace) -> int:
    from tests.sim.shrink import shrink

    cut = _cut(options)
    failure = _failure(options.seed, options.store, cut)
    if failure is None:
        print(f"seed {options.seed} does not fail")
        return 0
    cut, failure, runs = shrink(lambda each: _failure(options.seed, options.store, each), failure, cut)
    print(failure)
    print(
        f"the smallest after {runs} runs, of {failure.steps} steps and {failure.plan.counts.total()} faults:"
    )
    print(failure.head)
    print(f"all decisions: {failure.write(options.out)}")
    return 1


def _hunt(options: argparse.Namespace) -> int:
    """Look for the first seed that finds a mutant, from each starting point."""
    from tests.sim.hunting import APART

    firsts = [options.first + APART * number for number in range(options.tries or 1)]
    found = [_found(options, first) for first in firsts]
    return not all(found)


def _found(options: argparse.Namespace, first: int) -> bool:
    for count, seed in enumerate(range(first, first + options.seeds), 1):
        failure = _failure(seed, options.store, _cut(options))
        if failure is not None:
            reason = failure.reason.splitlines()[0][:150]
            print(f"{options.mutant}: found after {count} seeds: seed {seed}: {reason}")
            return True
    print(f"{options.mutant}: not found by {options.seeds} seeds")
    return False


def _hunt_all(options: argparse.Namespace) -> int:
    from tests.sim.hunting import table

    names, tries = sorted(mutants.MUTANTS), options.tries or 5
    text, found = table(names, tries=tries, seeds=options.seeds, jobs=options.jobs)
    print(text)
    return not found


def _count(options: argparse.Namespace) -> int:
    from tests.sim.failure import Failure
    from tests.sim.simulation import simulate
    from tests.sim.totals import Totals

    totals, failed, began, used = Totals(), list[int](), time.perf_counter(), time.process_time()
    for seed in _seeds(options):
        try:
            totals.add(simulate(seed, store=options.store, cut=_cut(options)))
        except Failure as failure:
            failed.append(seed)
            print(f"{failure.head}\nall decisions: {failure.write(options.out)}", flush=True)
    took, used = time.perf_counter() - began, time.process_time() - used
    print(f"{options.seeds} seeds on {options.store} in {took:.0f} s, {used:.0f} s of a processor")
    print(totals)
    print(f"failed: {failed}")
    return bool(failed)


def _seeds(options: argparse.Namespace) -> range:
    return range(options.first, options.first + options.seeds)


if __name__ == "__main__":
    sys.exit(main())
