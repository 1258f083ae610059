"""Cron expressions of five fields, as Debian's cron reads them: when a schedule fires."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from cronsim import CronSim, CronSimError

MAX_LENGTH = 100
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_START = datetime(2000, 1, 1, tzinfo=UTC)


def check_cron(text: str) -> None:
    """Raise ValueError, with a message for people, for text that is no cron expression."""
    fields = text.split()
    if text.strip().startswith("@"):
        raise ValueError("names such as @daily are not known; write the five fields")
    if len(fields) == len(_FIELDS) + 1:
        raise ValueError("six fields: seconds are not possible, the first of the five is the minute")
    if len(fields) != len(_FIELDS) or len(text) > MAX_LENGTH:
        raise ValueError(f"a cron expression has five fields: {', '.join(_FIELDS)}")
    for index, field in enumerate(fields):
        alone = " ".join(field if place == index else "*" for place in range(len(_FIELDS)))
        try:
            CronSim(alone, _START)
        except CronSimError:
            raise ValueError(f"{field!r} is no {_FIELDS[index]}") from None


@lru_cache(maxsize=256)
def fires(text: str) -> bool:
    """Whether a cron expression ever fires: within fifty years, in which every combination of days comes."""
    try:
        next(CronSim(text, _START))
    except (CronSimError, StopIteration):
        return False
    return True
