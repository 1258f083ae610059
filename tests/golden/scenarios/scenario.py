"""What a scenario is: a few steps that leave histories worth keeping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from perdure.engine.activities import ActivityError, Context, Pending, RetryAfter
from tests.engine.driver import Hub

Scenario: TypeAlias = Callable[[Hub], None]
SCENARIOS: dict[str, Scenario] = {}
"""By name; the docstring says what each is about."""


def scenario(function: Scenario) -> Scenario:
    """Register a scenario under its function's name."""
    assert function.__name__ not in SCENARIOS, "two of one name"
    SCENARIOS[function.__name__] = function
    return function


def offer(hub: Hub) -> None:
    """The activities that scenarios call; what each does depends on its call alone."""

    def fail(value: Any) -> Any:
        raise ActivityError(str(value), type="Broken", data={"given": value})

    def fatal(value: Any) -> Any:
        raise ActivityError(str(value), type="Fatal", retryable=False)

    def flaky(value: Any, ctx: Context) -> Any:
        if ctx.attempt < 3:
            raise ActivityError(f"attempt {ctx.attempt}", type="Flaky")
        return value

    def later(value: Any, ctx: Context) -> Any:
        if ctx.attempt == 1:
            raise RetryAfter(90, "busy")
        return value

    def odd(value: int) -> int:
        if value % 2:
            raise ActivityError("odd", type="Odd", data={"value": value})
        return value * 10

    def outside(value: Any) -> Any:
        raise Pending

    functions: dict[str, Callable[..., Any]] = {
        "Echo": lambda value: value,
        "Nothing": lambda: None,
        "Large": lambda size: ["word"] * size,
        "Fail": fail,
        "Fatal": fatal,
        "Flaky": flaky,
        "Later": later,
        "Odd": odd,
        "Outside": outside,
    }
    for name, function in functions.items():
        hub.activity(name, function)


def run(hub: Hub, text: str, input: Any = None, *, wanted: str = "Completed", seconds: float = 0) -> None:
    """Start ``i``, let time pass, and make sure that it is in a status."""
    hub.start(text, input)
    hub.advance(seconds)
    assert hub.status() == wanted, (hub.status(), hub.store.payloads("i"))


def finish(hub: Hub, *values: Any) -> None:
    """Finish the open activities that were given these values, each in a turn of its own."""
    for value in values:
        hub.finish(next(task for task in hub.open if task.input == value))
        hub.run()
