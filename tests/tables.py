"""Rows of a table that are checked in one test, where each of them takes less time than a test costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet

Check = Callable[..., None]


def every(cases: Iterable[Any]) -> Callable[[Check], Callable[[], None]]:
    """Make one test of a check with one argument, or (for ``pytest.param``) with several.

    As ``pytest.mark.parametrize`` does with one test each: all rows are checked, and all that fail are told.
    """
    rows = [each if isinstance(each, ParameterSet) else pytest.param(each) for each in cases]

    def decorate(check: Check) -> Callable[[], None]:
        def test() -> None:
            failed = []
            for row in rows:
                try:
                    check(*row.values)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001
                    failed.append(f"{row.id or row.values}: {type(error).__name__}: {error}")
            assert not failed, "\n\n".join([f"{len(failed)} of {len(rows)} fail", *failed])

        assert rows, "a table without rows"
        test.__name__, test.__doc__, test.__module__ = check.__name__, check.__doc__, check.__module__
        return test

    return decorate
