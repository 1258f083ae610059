"""A ledger of what was done and undone, for tests of sagas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.engine.driver import Hub
from tests.engine.functions import echo, fail

TRIP = """
do:
  - trip:
      saga:
        - flight: { call: Echo, with: flight, compensate: { call: Undo, with: "${ flight }" } }
        - hotel: { call: Echo, with: hotel, compensate: { call: Undo, with: "${ hotel }" } }
        - car: { call: "${CAR}", with: car, compensate: { call: Undo, with: "${ car }" } }
        - output: ${ flight }
      COMPENSATION
  - return: ${ trip }
"""


class Ledger:
    """What was done and what was undone, with the keys of each."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.undone: list[Any] = []
        self.how: Callable[[], Any] = lambda: None
        """What undoing does before it is done."""
        self.stubborn: set[str] = set()
        """What cannot be undone."""
        hub.activity("Echo", echo)
        hub.activity("Fail", fail)
        hub.activity("Undo", self._undo)

    def _undo(self, value: Any = None) -> None:
        self.how()
        if str(value) in self.stubborn:
            fail(value)
        self.undone.append(value)

    def keys(self, name: str) -> list[str]:
        """Keys of the calls of an activity, in order."""
        return [event.key for event in self.hub.scheduled() if event.name == name]


def trip(car: str = "Fail", compensation: str = "") -> str:
    """A saga of three steps; the last one is this activity."""
    return TRIP.replace('"${CAR}"', car).replace("COMPENSATION", compensation)


def outcomes(error: dict[str, Any]) -> list[tuple[str, str]]:
    """Steps with what came of undoing them."""
    return [(each["step"], each["outcome"]) for each in error["compensation"]]
