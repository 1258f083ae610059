"""Which deployed version a range means."""

from __future__ import annotations

import itertools

import pytest

from perdure.engine.versions import latest, newest

DEPLOYED = ["1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "2.0.0", "0.3.1"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("^1.2", "1.10.0"),
        ("~1.2", "1.2.0"),
        ("1.0.0", "1.0.0"),
        ("2", "2.0.0"),
        ("^0.3", "0.3.1"),
        ("^3", None),
        ("1.1.0", None),
    ],
)
def test_a_range_means_the_newest_version_in_it(wanted: str, found: str | None) -> None:
    """Numbers are compared as numbers, and a pre-release is in no range."""
    assert newest(DEPLOYED, wanted) == found


def test_the_order_of_the_versions_decides_nothing() -> None:
    """Not even between two that differ in their build alone."""
    orders = itertools.permutations(["1.0.0+b", "1.0.0+a", "0.9.0"])
    assert {newest(order, "1") for order in orders} == {"1.0.0+b"}


def test_what_is_no_range_is_refused() -> None:
    """With the message that ``perdure validate`` gives."""
    with pytest.raises(ValueError, match="no version or range"):
        newest(DEPLOYED, "newest")


@pytest.mark.parametrize(
    ("current", "found"),
    [
        ("1.2.0", "1.10.0"),
        ("1.10.0", None),
        ("1.11.0", None),
        ("2.0.0-rc.1", "2.0.0"),
        ("4.0.0", None),
        ("0.3.0", "0.3.1"),
        ("0.2.0", None),
        ("1.10.0+b", None),
    ],
)
def test_latest_is_newer_and_of_the_same_major(current: str, found: str | None) -> None:
    """Never an older one, though the current one may be gone."""
    assert latest(DEPLOYED, current) == found
