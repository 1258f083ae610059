"""Activities that tests call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.engine.activities import ActivityError
from tests.engine.driver import Hub


def echo(value: Any) -> Any:
    """What it is given."""
    return value


def fail(value: Any) -> Any:
    """Fails with ``Broken``; the message is what it is given."""
    raise ActivityError(str(value), type="Broken", data={"given": value})


def flaky(times: int, result: Any = "done", error: type[Exception] = ConnectionError) -> Callable[[], Any]:
    """A function that fails so many times before it returns."""
    left = [times]

    def run() -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise error(f"{left[0]} more")
        return result

    return run


def offer(hub: Hub) -> None:
    """``Echo`` and ``Fail``."""
    hub.activity("Echo", echo)
    hub.activity("Fail", fail)


def finish_all(hub: Hub, *values: Any) -> None:
    """Finish the open activities that were given these values, in this order, each in a turn of its own."""
    for value in values:
        hub.finish(next(task for task in hub.open if task.input == value))
        hub.run()
