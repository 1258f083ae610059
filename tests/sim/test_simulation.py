"""Seeds of the simulation, and proof that it finds what is wrong."""

from __future__ import annotations

import pytest

from tests.sim.hunting import hunt, rotating
from tests.sim.plan import KINDS
from tests.sim.simulation import simulate
from tests.sim.totals import Totals

QUICK = {"memory": range(8), "sqlite": range(3), "told": range(5, 6)}
SLOW = {"memory": (2000, 16), "sqlite": (300, 8)}
"""How many seeds, in how many parts."""
FAULTS_A_SEED = 22
"""At least: 50,000 in all."""
LEAST = {"memory": 0.01, "sqlite": 0.005}
"""The share of each kind among the faults of a part: one of SQLite is too small to be sure of more."""
TOLD = range(2000, 2012), 2
"""How many seeds of workers that are told what others write, in how many parts: each of them takes long."""
FOUND = ["consumed_message_stays"]
"""One that any few seeds find; the others are for the slow tests."""
ROTATING = 4
"""How many of the others a commit has to find; all of them are looked for by hand."""


@pytest.mark.parametrize(("store", "seed"), [(store, seed) for store in QUICK for seed in QUICK[store]])
def test_a_seed_keeps_the_promises(store: str, seed: int) -> None:
    """Whatever fails, what was started ends as its document says, once."""
    assert simulate(seed, store=store).writes["commit"] > 0, "nothing was done, so nothing is proven"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("store", "part"),
    [(store, part) for store, (_, parts) in SLOW.items() for part in range(parts)],
)
def test_many_seeds_keep_the_promises(store: str, part: int) -> None:
    """The same, further on; and enough has gone wrong meanwhile, in every way."""
    seeds, parts = SLOW[store]
    totals = Totals()
    for seed in range(1000 + part, 1000 + seeds, parts):
        totals.add(simulate(seed, store=store))
    print(totals)  # noqa: T201
    assert totals.years >= 1, totals
    assert totals.faults.total() >= FAULTS_A_SEED * totals.seeds, totals
    assert totals.replayed > totals.seeds / 2, totals
    assert totals.compared > totals.seeds / 2, totals
    least = LEAST[store]
    rare = {kind: share for kind in KINDS if (share := totals.share(kind)) < least}
    assert not rare, totals


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(TOLD[1]))
def test_nobody_who_is_told_overlooks_anything(part: int) -> None:
    """Notices are late, doubled, lost or heard by nobody; whoever rests has nothing to do."""
    seeds, parts = TOLD
    totals = Totals()
    for seed in seeds[part::parts]:
        totals.add(simulate(seed, store="told"))
    print(totals)  # noqa: T201
    rare = {
        kind for kind in ("heard", "late", "doubled", "lost", "unheard", "deaf") if not totals.notices[kind]
    }
    assert not rare, totals


@pytest.mark.parametrize("store", ["memory", "told"])
def test_a_seed_always_makes_the_same_run(store: str) -> None:
    """Else nobody could look at a failure again."""
    assert simulate(5, store=store) == simulate(5, store=store)


@pytest.mark.parametrize("name", FOUND)
def test_a_wrong_engine_is_found(name: str) -> None:
    """By few seeds."""
    assert hunt(name, 0, 10) is not None, name


@pytest.mark.slow
def test_a_wrong_engine_that_does_not_tell_is_found() -> None:
    """The negative control of what is watched where workers are told."""
    assert hunt("message_not_told", 0, 30) is not None


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", rotating(ROTATING))
def test_a_wrong_engine_in_turn_is_found(name: str) -> None:
    """The negative control: a simulation that misses one proves nothing of what it is about."""
    assert hunt(name, 0, 500) is not None, name
