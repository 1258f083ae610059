"""I4: random Programs decide the same on every prefix of their histories, whatever has happened to them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from perdure.compiler import ir
from perdure.engine import ops
from perdure.engine.machine import Machine
from tests.prefixes.programs import run

PARTS = 10
PART = 200


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_random_program_replays(seed: int) -> None:
    """A few, quickly."""
    assert run(seed)["prefixes"] > 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs_replay(part: int) -> None:
    """Two thousand in all; each part has everything that may happen to them."""
    counts = sum(
        (run(seed) for seed in range(10_000 + part * PART, 10_000 + (part + 1) * PART)), Counter[str]()
    )
    wanted = {"cancel", "terminate", "crash", "suspend", "lost commit", "states in memory"}
    assert wanted <= counts.keys(), counts
    assert counts["prefixes"] > 20 * PART, counts


def test_an_engine_that_decides_by_its_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: what a machine asks for depends on how often this process has asked."""
    right, asked = ops.HANDLERS[ir.Call], Counter[str]()

    def call(machine: Machine, fiber: Any, op: Any) -> bool:
        asked["calls"] += 1
        machine.state.variables = {**machine.state.variables, "asked": asked["calls"]}
        return right(machine, fiber, op)

    monkeypatch.setitem(ops.HANDLERS, ir.Call, call)
    with pytest.raises(AssertionError):
        _run_all(range(1, 5))


def _run_all(seeds: range) -> None:
    for seed in seeds:
        run(seed)
