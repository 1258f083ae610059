"""The rows of the language: ``PERDURE_CEL_ROWS=FOLDER pytest tests/conformance`` runs those of any folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.dsl.expr.functions import FUNCTIONS, MACROS, METHODS
from tests.conformance.suites import LEFT_OUT, OWN, SHARED, Suite, deviations, folders, run, suites
from tests.tables import every

# How many shared rows of each kind there are at least that the profile means to meet.
FLOORS = {"core": 891, "extension": 418, "profile": 154}

KINDS = frozenset(
    "cel.arity cel.convert cel.div_zero cel.duplicate_key cel.index cel.limit cel.no_overload "
    "cel.no_such_field cel.no_such_key cel.overflow cel.regex cel.result cel.syntax "
    "cel.unknown_function cel.unknown_name cel.secret".split()
)
OWN_ROWS = [row for suite in suites(OWN) for row in suite.rows]


def test_there_are_rows() -> None:
    """A folder without rows is a mistake, not a success."""
    assert [folder for folder in folders() if not list(suites(folder))] == []


@pytest.mark.parametrize(
    ("folder", "suite"),
    [
        pytest.param(folder, suite, id=f"{folder.name}/{suite.name}")
        for folder in folders()
        for suite in suites(folder)
    ],
)
def test_suite(folder: Path, suite: Suite, record_property: Callable[[str, object], None]) -> None:
    """Each row gives the value it names, or fails as it says; a deviating row gives what perdure wants."""
    outcome = run(suite, deviations(SHARED, folder))
    record_property("suite", suite.name)
    record_property("kind", suite.kind)
    record_property("counts", dict(outcome.counts))
    assert outcome.failures == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared conformance rows are not on this machine")
def test_no_shared_row_was_lost() -> None:
    """As many rows are run as the profile means to meet."""
    deviating, counts = deviations(SHARED), Counter[str]()
    for suite in suites(SHARED):
        if suite.name not in LEFT_OUT:
            names = [suite.identity(row) for row in suite.rows]
            counts[suite.kind] += sum(deviating.get(name, {}) is not None for name in names)
    assert {kind: counts[kind] >= floor for kind, floor in FLOORS.items()} == dict.fromkeys(FLOORS, True)


def test_own_rows_name_every_kind_of_error() -> None:
    """Each kind of error that an expression can give has a row."""
    assert {row["expect"]["kind"] for row in OWN_ROWS if row["expect"].get("error")} == KINDS


@every(sorted({*FUNCTIONS, *METHODS, *MACROS} - {"uuid"}))
def test_own_rows_use_every_function(name: str) -> None:
    """Each function, method and macro has a row that calls it."""
    assert any(f"{name}(" in row["expr"] for row in OWN_ROWS)
