"""Orders to instances that have ended, among what has come for them.

Beside them comes what somebody asks who waits for the end: it is told so, one way or another.
"""

from __future__ import annotations

from collections.abc import Iterable

from perdure.engine.events import ExecutionRestarted, ExecutionRewound, ParentAttached, Received, is_reopening
from perdure.engine.instance import Instance
from perdure.engine.running import Input


def order_among(inputs: Iterable[Input]) -> Input | None:
    """The first order to go on."""
    return next((each for each in inputs if is_reopening(each.event)), None)


def digest(order: Input, instance: Instance) -> str:
    """The Program that an order needs."""
    return order.event.digest if isinstance(order.event, ExecutionRestarted) else instance.digest


def is_question(event: Received) -> bool:
    """Whether this is what somebody asks who waits for the instance's end, and was told that it is there."""
    match event:
        case ParentAttached():
            return True
        case ExecutionRewound(parent=parent):
            return parent is not None
        case _:
            return False
