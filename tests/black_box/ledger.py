"""The world outside, as ``shop/activities.py`` leaves it: one line for each run of an activity."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.black_box.orders import Line


class Booking(NamedTuple):
    """A line of the file."""

    key: str
    order: str
    account: str
    amount: int


def bookings(path: Path) -> list[Booking]:
    """Everything that was booked, in order, again and again where a step ran again."""
    if not path.exists():
        return []
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return [Booking(key, order, account, int(amount)) for key, order, account, amount in rows]


def keys(found: Iterable[Booking]) -> dict[str, Counter[Line]]:
    """Under how many idempotency keys each order has each line. One key never has two lines."""
    lines = dict[str, Booking]()
    for each in found:
        assert lines.setdefault(each.key, each) == each, f"{each} and {lines[each.key]} have one key"
    totals = defaultdict[str, Counter[Line]](Counter)
    for each in lines.values():
        totals[each.order][each.account, each.amount] += 1
    return dict(totals)
