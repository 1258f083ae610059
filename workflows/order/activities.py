"""A shop with one book: a ledger of JSON lines, in which no key stands twice."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

import perdure

_CARD_LIMIT = 10_000


@perdure.activity("ValidateOrder")
def validate_order(order: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The order with its total."""
    total = sum(line["quantity"] * line["price"] for line in lines)
    return {"id": order, "total": round(total, 2)}


@perdure.activity("ChargeCard")
def charge_card(order: str, amount: float, ledger: str, outages: int, ctx: perdure.Context) -> dict[str, Any]:
    """Charge once for a key, however often it is called with it."""
    if ctx.attempt <= outages:
        raise ConnectionError("the bank does not answer")
    if amount > _CARD_LIMIT:
        raise perdure.ActivityError(
            f"{amount} is beyond the limit", type="CardDeclined", data={"order": order}
        )
    return _book(Path(ledger), ctx.idempotency_key, {"receipt": f"R-{order}", "amount": amount})


@perdure.activity("BookShipment")
def book_shipment(order: str, ledger: str, ctx: perdure.Context) -> dict[str, Any]:
    """Book once for a key."""
    return _book(Path(ledger), ctx.idempotency_key, {"id": f"S-{order}"})


def _book(ledger: Path, key: str, entry: dict[str, Any]) -> dict[str, Any]:
    """What stands in the ledger under the key; the entry, after writing it, if nothing does."""
    with ledger.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        for line in file:
            booked: dict[str, Any] = json.loads(line)
            if booked["key"] == key:
                return dict(booked["entry"])
        file.write(json.dumps({"key": key, "entry": entry}) + "\n")
    return entry
