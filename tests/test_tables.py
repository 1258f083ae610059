"""A test of a table tells every row that fails, and has rows."""

from __future__ import annotations

import pytest

from tests.tables import every


def test_all_rows_that_fail_are_told() -> None:
    """Not the first alone, whatever it fails with."""

    @every([1, 2, 3, pytest.param(4, id="four")])
    def small(number: int) -> None:
        if number == 3:
            pytest.fail("no")
        assert number < 2

    with pytest.raises(AssertionError, match=r"(?s)3 of 4 fail.*2,.*3,.*no.*four") as caught:
        small()
    assert "(1,)" not in str(caught.value)


def test_all_rows_that_hold_are_one_test() -> None:
    """With the check's own name and sentence."""

    @every([pytest.param(1, 2), pytest.param(2, 3)])
    def ordered(one: int, other: int) -> None:
        """They are."""
        assert one < other

    ordered()
    assert (ordered.__name__, ordered.__doc__) == ("ordered", "They are.")


def test_a_table_without_rows_is_a_mistake() -> None:
    """It would hold whatever is true."""
    with pytest.raises(AssertionError, match="without rows"):
        every([])(lambda row: None)
