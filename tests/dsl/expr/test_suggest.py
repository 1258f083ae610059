from __future__ import annotations

import pytest

from perdure.dsl.expr.suggest import did_you_mean


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("amout", "amount"),
        ("amuont", "amount"),
        ("amounts", "amount"),
        ("currancy", "currency"),
        ("idd", "id"),
        ("zzz", None),
        ("q", None),
        ("amount", None),
    ],
)
def test_near_names_are_suggested(name: str, expected: str | None) -> None:
    """At most two edits away, one for short names; a known name needs none."""
    assert did_you_mean(name, ["amount", "currency", "id"]) == expected


def test_equally_near_names_are_ordered() -> None:
    """The suggestion does not depend on the order of the candidates."""
    assert did_you_mean("stepx", ["stepb", "stepa"]) == did_you_mean("stepx", ["stepa", "stepb"]) == "stepa"
