"""Named queues and their rates: the part of ``Client`` that is for them.

A rate is ``10/s``, ``100/m`` or ``5/10s``: so many hand-outs in a time, on average and over all workers.
After a pause as many may come at once as the rate lets through in half a second, one in any case.
"""

from __future__ import annotations

import re
from typing import Any

from perdure.dsl.duration import format_duration, parse_duration
from perdure.engine import audit
from perdure.engine.caller import Caller
from perdure.engine.errors import UserError
from perdure.engine.hub_counts import MOST as MOST_COUNTED
from perdure.engine.store.rows import QueueRow
from perdure.engine.tasks import DEFAULT_QUEUE

BURST = 500_000
"""Microseconds of a rate that may be handed out at once."""
MOST = 1_000_000
"""Hand-outs that a rate may have in its time: more would be no limit."""

PERIODS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_RATE = re.compile(r"([0-9]{1,7})/([0-9]*)([a-z]+)")


class Queues(Caller):
    """The methods of a client."""

    def queues(self) -> list[dict[str, Any]]:
        """Every named queue that has a rate, is served or has tasks that wait, with how many of them.

        They are counted up to ``hub_counts.MOST``.
        """
        rates = {each.name: rate_text(each) for each in self.store.queues()}
        served = [name for worker in self.store.workers() for name in worker.queues]
        waiting = {name: count for name, count in self.store.counts(MOST_COUNTED).queues.items() if name}
        return [
            {
                "name": name,
                "rate": rates.get(name),
                "workers": served.count(name),
                "waiting": waiting.get(name, 0),
            }
            for name in sorted({*rates, *served, *waiting})
        ]

    def set_queue(self, name: str, rate: str | None) -> dict[str, Any]:
        """Give a queue a rate, or take it away; audited. Raises ``UserError`` for what is no name or rate."""
        check_queue(name)
        if name == DEFAULT_QUEUE:
            raise _invalid(
                "the default queue has no rate: its tasks run at once where their instances are",
                "give the steps a queue of their own",
            )
        settings = None if rate is None else parse_rate(name, rate)
        said = audit.entry(self.actor, "queue.set", name, rate=rate)
        self.store.set_queue(name, settings, said)
        return {"name": name, "rate": None if settings is None else rate_text(settings)}


def check_queue(name: str) -> None:
    """Raises ``UserError`` for what no step can name as its queue."""
    if not _NAME.fullmatch(name):
        raise _invalid(
            f"{name!r} is no name of a queue",
            "up to 128 letters, digits, '.', '_' and '-', of which the first is a letter or '_'",
        )


def parse_rate(name: str, text: str) -> QueueRow:
    """The settings of a queue with this rate. Raises ``UserError``."""
    count, period = _read_rate(text)
    interval = period // count
    return QueueRow(name=name, interval=interval, burst=max(BURST // interval, 1))


def per_second(text: str) -> float:
    """A rate as people write it, as so many in a second. Raises ``UserError``."""
    count, period = _read_rate(text)
    return count * 1_000_000 / period


def _read_rate(text: str) -> tuple[int, int]:
    """So many, and the microseconds in which they may be."""
    found = _RATE.fullmatch(text)
    try:
        if found is None:
            raise ValueError("so many in a time")
        count, period = int(found[1]), parse_duration(f"{found[2] or 1}{found[3]}")
        if not 0 < count <= MOST or period < count:
            raise ValueError(f"from 1 to {MOST:,}, and at most one a microsecond")
    except ValueError as error:
        raise _invalid(f"{text!r} is no rate: {error}", "write it like 10/s, 100/m or 5/10s") from None
    return count, period


def rate_text(row: QueueRow) -> str:
    """The rate as people write it: the first of these times that has a whole number of hand-outs."""
    for unit, period in PERIODS.items():
        if period % row.interval == 0:
            return f"{period // row.interval}/{unit}"
    return f"1/{format_duration(row.interval)}"


def _invalid(text: str, hint: str) -> UserError:
    error = UserError(text, hint=hint)
    error.code = "invalid_queue"
    return error
