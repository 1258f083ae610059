"""Make a failure smaller: fewer kinds of faults, orders and processes, and an early end of the faults.

Whatever can be left out while the seed still fails is left out, until nothing more can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.sim.failure import Failure
from tests.sim.plan import Cut

Run = Callable[[Cut], Failure | None]
"""Runs the seed; None when it does not fail."""


def shrink(run: Run, first: Failure, cut: Cut) -> tuple[Cut, Failure, int]:
    """The smallest cut that is found, how it fails, and after how many runs."""
    best, failure, runs = cut, first, 0
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(best, failure):
            runs += 1
            found = run(candidate)
            if found is not None:
                best, failure, smaller = candidate, found, True
                break
    return best, failure, runs


def _smaller(cut: Cut, failure: Failure) -> Iterator[Cut]:
    """What to try next, that which leaves out most first."""
    counts = failure.plan.counts
    happened = counts.total()
    on = frozenset(kind for kind, rate in failure.plan.rates.items() if rate)
    if on - counts.keys():
        yield replace(cut, without=cut.without | (on - counts.keys()))
    for kind, _ in counts.most_common():
        yield replace(cut, without=cut.without | {kind})
    for number in sorted(failure.orders):
        if len(failure.orders) > 1:
            yield replace(cut, orders=failure.orders - {number})
    if cut.processes is None or cut.processes > 1:
        yield replace(cut, processes=1)
    for faults in dict.fromkeys([0, happened // 2, happened - 1]):
        if 0 <= faults < (happened if cut.faults is None else min(happened, cut.faults)):
            yield replace(cut, faults=faults)
