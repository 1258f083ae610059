"""What scenarios share: a header for documents, and activities that write down what they do."""

from __future__ import annotations

import inspect
from typing import Any

from perdure.engine.activities import ActivityError, Context, Registry
from perdure.engine.client import Client
from tests.crash_points.world import World


def flow(name: str, body: str, *, version: str = "1.0.0", header: str = "") -> str:
    """A workflow's document."""
    parts = [f"dsl: perdure/1\nname: {name}\nversion: {version}", *map(inspect.cleandoc, (header, body))]
    return "\n".join(part for part in parts if part) + "\n"


def work(world: World, registry: Registry) -> None:
    """``Work`` counts under its label and gives ``n`` back, after so many attempts that fail."""

    def one(ctx: Context, label: str, n: Any = None, fails: int = 0) -> Any:
        world.ledger.add(label, ctx)
        if ctx.attempt <= fails:
            raise ActivityError(f"attempt {ctx.attempt} fails", type="Flaky")
        return n

    def broken(label: str, ctx: Context) -> None:
        world.ledger.add(label, ctx)
        raise ActivityError("always", type="Broken", retryable=False)

    def beat(value: str, ctx: Context) -> str:
        world.ledger.add(value, ctx)
        ctx.heartbeat({"at": value})
        return "beaten"

    registry.add("Work", one)
    registry.add("Far", one)
    registry.add("Break", broken)
    registry.add("Beat", beat)
    registry.add("Bomb", broken)


def start(world: World, workflow: str, value: object = None, *, id: str = "i", outside: bool = False) -> None:
    """Start an instance under a request key."""

    def act(client: Client) -> str:
        found: str = client.start(workflow, value, id=id, request_key=f"start {id}")["id"]
        return found

    assert world.ask(f"start {id}", act, outside=outside) == id


def tell(world: World, event: str, value: object, key: str, *, id: str = "i", outside: bool = False) -> None:
    """Send an event under a request key."""
    world.ask(
        f"event {key}", lambda client: client.raise_event(id, event, value, request_key=key), outside=outside
    )
