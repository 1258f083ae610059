"""Chosen points of all those where a process may die or the database fail, and what finds mistakes.

``python -m tests.crash_points`` checks all of them.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.checkout import ROOT
from tests.crash_points.faults import Call, Fault
from tests.crash_points.points import STORES, Bench, StoreKind
from tests.crash_points.scenarios import SCENARIOS
from tests.shares import in_turn

EVERY = 5
SELDOM = {"poison": 25, "purge": 25}
"""Scenarios that mostly wait, so that most of their calls are looks at nothing new."""
ENOUGH = 3_000
FOUND = (
    "activities_started_before_the_commit",
    "answer_before_the_commit",
    "blind_retry_of_an_unknown_commit",
    "lost_batch_not_taken_back",
    "open_task_not_recovered_at_takeover",
    "task_of_the_dead_not_freed",
)
FOUND_IN_SQL = (
    "message_sent_in_a_transaction_of_its_own",
    "tasks_of_the_dead_not_freed_in_sql",
    "torn_transaction_kept",
)


def chosen(bench: Bench, store: StoreKind) -> list[Fault]:
    """Points that are spread evenly; which ones depends on the scenario."""
    every = SELDOM.get(bench.scenario.name, EVERY)
    return bench.points(store)[len(bench.scenario.name) % every :: every]


@pytest.mark.parametrize("store", STORES)
def test_a_chain_survives_some_points(store: StoreKind) -> None:
    """A sample of a small scenario, for every day."""
    bench = Bench(SCENARIOS["chain"])
    for fault in bench.points(store)[::40]:
        assert bench.check(store, fault).hits


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_survives_chosen_points(name: str, store: StoreKind) -> None:
    """The outcome is the known one, everything acknowledged is there once, and nothing is left over."""
    bench = Bench(SCENARIOS[name])
    for fault in chosen(bench, store):
        assert bench.check(store, fault).hits


@pytest.mark.slow
def test_there_are_enough_points() -> None:
    """Else a change of the scenarios would quietly take them away."""
    benches = [Bench(each) for each in SCENARIOS.values()]
    assert sum(len(chosen(bench, store)) for bench in benches for store in STORES) >= ENOUGH


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "store"),
    in_turn([(name, "memory") for name in FOUND] + [(name, "sqlite") for name in FOUND_IN_SQL]),
)
def test_a_wrong_engine_is_found(name: str, store: StoreKind) -> None:
    """The negative control: by few points of few scenarios."""
    scenarios = [f"--scenario={each}" for each in ("chain", "queues", "generations")]
    command = [sys.executable, "-m", "tests.crash_points", "--mutant", name, "--store", store, "--every=2"]
    done = subprocess.run([*command, *scenarios], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "found after 0 points" not in done.stdout, "no fault was needed to find it"


def test_a_write_may_be_torn_between_any_two_statements() -> None:
    """A read can only fail or be the last thing a process does; so can a write that had nothing to write."""
    read, idle, write = Call(1, "p", "load"), Call(2, "p", "claim"), Call(3, "p", "commit", statements=4)
    assert read.kinds() == idle.kinds() == [("fail_before", 0), ("crash_before", 0)]
    assert [cut for kind, cut in write.kinds() if kind == "tear"] == [1, 2, 3]


def test_a_fault_is_read_as_it_is_written() -> None:
    """What a failure prints reproduces it."""
    fault = Fault(7, "tear", 3, lasting=True)
    assert str(fault) == "tear:3+@7"
    assert Fault.parsed(str(fault), 7) == fault
