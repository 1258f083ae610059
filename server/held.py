"""How many bytes of bodies all requests together have in memory."""

from __future__ import annotations

from starlette.requests import Request

from perdure.engine.errors import Overloaded

_SCOPE = "held_bytes"


class Held:
    """Up to ``most`` bytes, from when a body is read until its request is answered."""

    def __init__(self, most: int) -> None:
        self.bytes = 0
        self._most = most

    def add(self, count: int) -> None:
        """More of them. Raises ``Overloaded``, and nothing is added then."""
        if self.bytes + count > self._most:
            raise Overloaded("the bodies of other requests fill the memory that there is for them")
        self.bytes += count


def hold(request: Request, count: int) -> None:
    """So many bytes more of this request. Raises ``Overloaded``."""
    request.app.state.api.held.add(count)
    request.scope[_SCOPE] = request.scope.get(_SCOPE, 0) + count


def release(request: Request) -> None:
    """The request is over, and so is its body."""
    if count := request.scope.get(_SCOPE, 0):
        request.app.state.api.held.bytes -= count
