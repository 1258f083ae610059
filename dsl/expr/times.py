"""Timestamps, durations and time zones: exact to the nanosecond, the same on every machine.

Zones come from the tzdata package only; the system's own files would change a replay when updated.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIN_SECOND, _MAX_SECOND = -62_135_596_800, 253_402_300_799
_MAX_DURATION = 2**63 - 1

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
_TERM = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|μs|ns|m|s)", re.ASCII)
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*", re.ASCII)
_LONGEST_ZONE = 64
_UNITS = {
    "h": 3600 * SECOND,
    "m": 60 * SECOND,
    "s": SECOND,
    "ms": 10**6,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ns": 1,
}


class Timestamp:
    """A point in time, in nanoseconds since the epoch, from year 1 to 9999; immutable by agreement."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        """Raise OverflowError outside of the years 1 to 9999."""
        if not _MIN_SECOND * SECOND <= ns < (_MAX_SECOND + 1) * SECOND:
            raise OverflowError("timestamp outside of the years 1 to 9999")
        self.ns = ns

    def __repr__(self) -> str:
        return f"Timestamp({self.text()!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(("timestamp", self.ns))

    def text(self) -> str:
        """RFC 3339 in UTC, with as many decimals as there are."""
        seconds, ns = divmod(self.ns, SECOND)
        moment = _EPOCH + timedelta(seconds=seconds)
        return f"{moment.year:04}-{moment.strftime('%m-%dT%H:%M:%S')}{_decimals(ns)}Z"

    def local(self, zone: tzinfo) -> datetime:
        """The wall clock in ``zone``, cut to microseconds; raises OverflowError at the ends of time."""
        return (_EPOCH + timedelta(microseconds=self.ns // 1000)).astimezone(zone)


class Duration:
    """A length of time in nanoseconds, within 64 bits; immutable by agreement."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        """Raise OverflowError beyond 64 bits of nanoseconds, about 292 years."""
        if not -_MAX_DURATION - 1 <= ns <= _MAX_DURATION:
            raise OverflowError("duration longer than 292 years")
        self.ns = ns

    def __repr__(self) -> str:
        return f"Duration({self.text()!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(("duration", self.ns))

    def text(self) -> str:
        """Seconds with as many decimals as there are: ``5400s``, ``-1.5s``."""
        seconds, ns = divmod(abs(self.ns), SECOND)
        return f"{'-' if self.ns < 0 else ''}{seconds}{_decimals(ns)}s"


def _decimals(ns: int) -> str:
    return f".{ns:09}".rstrip("0") if ns else ""


def parse_timestamp(text: str) -> Timestamp:
    """RFC 3339 text; raises ValueError or OverflowError."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 timestamp such as 2024-05-06T07:08:09Z")
    *date, fraction, _, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, date)
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    if sign:
        if int(hours) > 23 or int(minutes) > 59:
            raise ValueError("zone offset out of range")
        seconds -= (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1)
    return Timestamp(seconds * SECOND + int((fraction or "").ljust(9, "0")))


def parse_duration(text: str) -> Duration:
    """CEL's (Go's) notation, ``1h30m`` or ``-1.5s``; raises ValueError or OverflowError."""
    body = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if body == "0":
        return Duration(0)
    total, at = 0, 0
    while at < len(body):
        match = _TERM.match(body, at)
        if match is None or len(body) > 100:
            raise ValueError("not a duration such as 1h30m or 1.5s")
        whole, _, fraction = match[1].partition(".")
        unit = _UNITS[match[2]]
        total += int(whole or 0) * unit
        if fraction:
            total += int(fraction) * unit // 10 ** len(fraction)
        at = match.end()
    if not body:
        raise ValueError("not a duration such as 1h30m or 1.5s")
    return Duration(-total if text.startswith("-") else total)


@lru_cache(maxsize=256)
def find_zone(name: str) -> tzinfo:
    """A zone by IANA name or as ``+01:30``; raises ValueError."""
    if match := _OFFSET.fullmatch(name):
        minutes = int(match[2]) * 60 + int(match[3])
        if minutes >= 24 * 60 or int(match[3]) > 59:
            raise ValueError(f"zone offset out of range: {name}")
        return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))
    if name in ("", "UTC"):
        return UTC
    if len(name) > _LONGEST_ZONE or not _ZONE_NAME.fullmatch(name):
        raise ValueError("no name of a time zone, such as Europe/London, nor an offset such as +01:30")
    try:
        with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError):
        raise ValueError(f"unknown time zone {name!r}") from None


@cache
def zone_names() -> tuple[str, ...]:
    """The IANA names that ``find_zone`` knows."""
    return tuple(files("tzdata").joinpath("zones").read_text("utf-8").split())
