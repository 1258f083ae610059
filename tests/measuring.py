"""What is counted of a run whose coverage is measured: what a test reaches of that which it is near to.

Code that only a simulation with the right seed comes to, or a random program, counts as code that no test
comes to; so such tests are not measured, and take no longer. Of the others those of the engine have a context
of their own: they alone hold the heart (``.ci/coverage_floors.py``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coverage import Coverage

HERE = Path(__file__).parent
FAR = frozenset("black_box crash_points differential fuzz golden prefixes sim".split())
"""Directories of tests that are far from all that they reach."""
ENGINE, ELSEWHERE = "engine", "elsewhere"
START, CONTEXT, ONLY = "COVERAGE_PROCESS_START", "COVERAGE_CONTEXT", "COVERAGE_ONLY"
"""Of the environment: coverage.py's own, the context of what tests start, and the only one that counts."""


def context_of(test: Path) -> str | None:
    """What a file of tests counts as; None if it does not count."""
    directory = test.relative_to(HERE).parts[0]
    if directory in FAR or test.stem.endswith("_random"):
        return None
    context = ENGINE if directory == ENGINE else ELSEWHERE
    return context if os.environ.get(ONLY, context) == context else None


class Measuring:
    """The measurement of this process, which pauses and goes on; processes that tests start are told so."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._start = os.environ[START]
        self._context: str | None = ""

    def turn_to(self, test: Path) -> None:
        """What runs from now on is for this file of tests."""
        context = context_of(test)
        if context == self._context:
            return
        if context is None:
            self._coverage.stop()
            del os.environ[START]
        else:
            if self._context is None:
                self._coverage.start()
                os.environ[START] = self._start
            self._coverage.switch_context(context)
            os.environ[CONTEXT] = context
        self._context = context


def begun() -> Measuring | None:
    """The measurement of this process, if it is measured."""
    if START not in os.environ:
        return None
    from coverage import Coverage

    current = Coverage.current()
    return None if current is None else Measuring(current)
