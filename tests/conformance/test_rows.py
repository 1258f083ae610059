from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from perdure.dsl.expr.functions import FUNCTIONS, MACROS, METHODS
from tests.conformance.runner import failure

OWN = Path(__file__).with_name("rows")
SHARED = Path(__file__).parents[2] / ".." / "shared" / "conformance" / "cel"

# How many shared rows of each kind pass at least: all that the profile means to meet.
FLOORS = {"core": 891, "extension": 418, "profile": 154}

KINDS = frozenset(
    "cel.arity cel.convert cel.div_zero cel.duplicate_key cel.index cel.limit cel.no_overload "
    "cel.no_such_field cel.no_such_key cel.overflow cel.regex cel.result cel.syntax "
    "cel.unknown_function cel.unknown_name cel.unsupported".split()
)


def _rows(folder: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Every row below ``folder``, with its id and kind."""
    found = []
    for path in sorted(folder.glob("*.json")):
        suite = json.loads(path.read_text(encoding="utf-8"))
        found += [
            (f"{suite['suite']}/{row['section']}/{row['name']}", suite["kind"], row)
            for row in suite.get("rows", ())
        ]
    return found


def _deviations() -> dict[str, dict[str, Any] | None]:
    """Row ids that deviate, to what they must give; None when the row is not run."""
    document = json.loads((SHARED / "deviations.json").read_text(encoding="utf-8"))
    return {
        f"{row['suite']}/{row['section']}/{row['name']}": row.get("instead")
        for deviation in document["deviations"]
        for row in deviation["rows"]
    }


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, _, row in _rows(OWN)])
def test_own_row(row: dict[str, Any]) -> None:
    """The row's expression gives the value it names, or fails with the kind it names."""
    assert failure(row, row["expect"]) is None


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared conformance rows are not on this machine")
def test_shared_rows_pass() -> None:
    """Every shared row passes that the profile means to meet, and none was lost from the data."""
    deviations, passed, failed = _deviations(), Counter[str](), []
    for name, kind, row in _rows(SHARED):
        if name in deviations and deviations[name] is None:
            continue
        expect = {"value": deviations[name]} if name in deviations else row["expect"]
        reason = failure(row, expect)
        passed[kind] += reason is None
        if reason is not None:
            failed.append(f"{name}: {row['expr']}: {reason}")
    assert failed == []
    assert {kind: passed[kind] >= floor for kind, floor in FLOORS.items()} == dict.fromkeys(FLOORS, True)


def test_own_rows_name_every_kind_of_error() -> None:
    """Each kind of error that an expression can give has a row."""
    assert {row["expect"]["kind"] for _, _, row in _rows(OWN) if row["expect"].get("error")} == KINDS


@pytest.mark.parametrize("name", sorted({*FUNCTIONS, *METHODS, *MACROS} - {"uuid"}))
def test_own_rows_use_every_function(name: str) -> None:
    """Each function, method and macro has a row that calls it."""
    assert any(f"{name}(" in row["expr"] for _, _, row in _rows(OWN))
