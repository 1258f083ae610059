"""The move of a running instance to another version of its workflow.

It is allowed when the new Program decides everything that the history says, so both would be where the
instance is. That is looked at twice: by who asks, to be told why not, and by the owner when it has just read
the history, with nothing of it uncommitted.
"""

from __future__ import annotations

from collections.abc import Iterable

from perdure.engine.errors import NonDeterminismError
from perdure.engine.events import ExecutionMigrated
from perdure.engine.linked import LinkedProgram
from perdure.engine.replay import replay
from perdure.engine.running import Input
from perdure.engine.store.rows import Loaded

NOT_BEGUN = "its generation has not begun: try again"


def order_among(inputs: Iterable[Input]) -> Input | None:
    """The first order to move."""
    return next((each for each in inputs if isinstance(each.event, ExecutionMigrated)), None)


def digest(order: Input) -> str:
    """The Program that an order is about."""
    assert isinstance(order.event, ExecutionMigrated), "it is an order to move"
    return order.event.digest


def problem(loaded: Loaded, program: LinkedProgram | str) -> str | None:
    """Why an instance cannot go on with the Program; None if it can."""
    if isinstance(program, str):
        return program
    if not loaded.history:
        return NOT_BEGUN
    try:
        machine = replay(program, loaded.instance.id, loaded.history)
    except NonDeterminismError as error:
        return str(error)
    return None if machine.state.begun else NOT_BEGUN
