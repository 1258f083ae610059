"""Every store does what the reference does (C12): random calls, equal answers, equal rows."""

from __future__ import annotations

import re

import pytest

from tests.differential import campaign, stores
from tests.differential.calls import METHODS
from tests.differential.campaign import Difference, run
from tests.differential.mutants import MUTANTS
from tests.differential.script import KINDS
from tests.engine.store.factory import Clock

_OTHERS = {"pass_time", "kill"}


def test_every_method_of_the_protocol_is_called() -> None:
    """A method that is added to the protocol is called here too, or this fails."""
    assert {"time" if kind == "read_time" else kind for kind in KINDS} - _OTHERS == METHODS


def test_stores_answer_as_the_reference_does() -> None:
    """One world; ``python -m tests.differential`` makes as many as one likes."""
    assert run(1000, 0).calls > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(4))
def test_stores_answer_a_hundred_thousand_calls_alike(part: int) -> None:
    """A quarter of them, and of the hundred times that each method has to succeed."""
    report = run(25_000, part + 1, at_least=25)
    print(report)
    assert report.calls >= 25_000
    assert report.rarest()[0] >= 25


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_statement_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is worth something: each of these shows within twenty worlds."""
    MUTANTS[name](monkeypatch)
    monkeypatch.setattr(campaign, "shortened", lambda calls, shows: calls)
    with pytest.raises(Difference):
        run(20_000, 0, ("sqlite",))


@pytest.mark.slow
def test_a_difference_is_shown_with_the_calls_that_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing names the world, and is shorter than what was called."""
    MUTANTS["a_delivery_is_not_counted"](monkeypatch)
    with pytest.raises(Difference) as caught:
        run(20_000, 0, ("sqlite",))
    found = re.match(r"world (0/\d+), after (\d+) calls, (\d+) of which do:", str(caught.value))
    assert found is not None
    assert int(found[3]) <= 10
    assert "claim(" in str(caught.value)


def test_tables_are_compared_whole() -> None:
    """A table that a migration adds is compared too, or this fails."""
    assert stores.Model(Clock()).snapshot().keys() == stores._SELECTS.keys()
