"""New ids: what can be relied on where rows are kept under them."""

from __future__ import annotations

from perdure.engine.ids import ordered_id


def test_later_ids_sort_behind_earlier_ones() -> None:
    """Rows of instances that are started one after the other lie side by side."""
    first = ordered_id()
    second = ordered_id()
    while second[:12] == first[:12]:
        second = ordered_id()
    assert first < second


def test_ids_of_one_moment_differ() -> None:
    """Thousands are made within a millisecond, by several processes."""
    assert len({ordered_id()[12:] for _ in range(10_000)}) == 10_000
