"""What several writers at once may do to each other, and how a method is tried again after it.

On SQLite writers take turns, so nothing of this happens there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from perdure.engine.errors import Busy, Refused

ATTEMPTS = 5
"""How often a method is tried that others get in the way of."""

_P = ParamSpec("_P")
_S = TypeVar("_S")
_R = TypeVar("_R")


class Raced(Busy):
    """Another transaction was in the way: nothing happened."""


class Duplicate(Refused):
    """A row of this key exists: perhaps somebody wrote it after one had looked."""


def retried(method: Callable[Concatenate[_S, _P], _R]) -> Callable[Concatenate[_S, _P], _R]:
    """A method that is one transaction, tried again while others get in its way.

    What was decided by rows that have changed meanwhile is so decided anew.
    """

    @wraps(method)
    def trying(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        for _ in range(ATTEMPTS - 1):
            try:
                return method(self, *args, **kwargs)
            except (Raced, Duplicate):
                continue
        return method(self, *args, **kwargs)

    return trying
