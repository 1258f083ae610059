"""``perdure history``."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.connection import Hub, open_hub
from perdure.cli.console import console, json_text
from perdure.cli.inputs import Whole
from perdure.cli.settings import Command
from perdure.cli.texts import time_text

_SHOWN = 80
_UNSHOWN = {"seq", "at", "type", "key", "key_seed", "execution", "digest", "has_input", "rule"}
_PAYLOADS = {"input", "result", "output", "data"}
"""What a workflow or an activity made: 0, "", false and [] are values of these as good as any."""


@click.command(cls=Command)
@click.argument("instance_id", metavar="ID")
@click.option("--generation", type=Whole(1), help="Another generation than the present one.")
@click.pass_context
def history(ctx: click.Context, instance_id: str, generation: int | None) -> None:
    """Print the events of an instance.

    Values are shortened; --json has them whole.
    """
    out = console(ctx)
    with open_hub(ctx) as hub:
        events = _all(hub, instance_id, generation)
    if out.json:
        out.answer(events, "")
        return
    rows = [(str(each["seq"]), time_text(each["at"]), each["type"], _rest(each)) for each in events]
    out.answer(None, out.table(("SEQ", "TIME", "EVENT", "DETAILS"), rows) if rows else "")


def _all(hub: Hub, instance_id: str, generation: int | None) -> list[dict[str, Any]]:
    page = hub.history(instance_id, generation=generation, limit=1000)
    events = list(page["items"])
    while page["next"] is not None:
        page = hub.history(instance_id, cursor=page["next"], limit=1000)
        events += page["items"]
    return [_whole(hub, instance_id, event) for event in events]


def _whole(hub: Hub, instance_id: str, event: dict[str, Any]) -> dict[str, Any]:
    """An event with the values that a page is too small for."""
    stored = event.pop("stored", {})
    return event | {name: hub.payload(instance_id, key) for name, key in stored.items()}


def _rest(event: dict[str, Any]) -> str:
    """What an event says beside its type, without what is absent or as it always is."""
    fields = {name: value for name, value in event.items() if name not in _UNSHOWN}
    return " ".join(f"{name}={_short(value)}" for name, value in fields.items() if _is_said(event, name))


def _is_said(event: dict[str, Any], name: str) -> bool:
    value = event[name]
    if value is None:
        return name == "input" and event.get("has_input", False)
    if name == "retryable":
        return value is False
    return name in _PAYLOADS or bool(value)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) and value else json_text(value).strip()
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
