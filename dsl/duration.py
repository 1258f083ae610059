"""Durations as text: ``250ms``, ``1h30m``, ``3d``, and ISO 8601's ``PT1H30M``, ``P3D``.

A duration is a whole number of microseconds that fits 64 bits. Units may each stand once, largest first;
decimals are allowed on every number (``1.5h``) as long as the sum is a whole number of microseconds.
"""

from __future__ import annotations

import re
from decimal import Decimal

MICROSECONDS = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000}
"""The units, largest first, and how many microseconds each has."""
MOST = 2**63 - 1

_NUMBER = r"(?:[0-9]{1,18}(?:\.[0-9]{1,9})?)"
_PART = re.compile(rf"({_NUMBER})(ms|[smhd])", re.ASCII)
_ISO = re.compile(
    rf"P(?:({_NUMBER})W|(?:({_NUMBER})D)?(?:T(?=[0-9])(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})S)?)?)",
    re.ASCII,
)
_ISO_UNITS = (7 * MICROSECONDS["d"], *(MICROSECONDS[unit] for unit in "dhms"))
_EXAMPLES = "write it like 250ms, 30s, 1h30m or 3d"


def parse_duration(text: str) -> int:
    """The microseconds of a duration.

    Raises ValueError, with a message for people, for text that is none.
    """
    if not text:
        raise ValueError(f"an empty duration; {_EXAMPLES}")
    total = _iso(text) if text.startswith("P") else _units(text)
    if total != int(total):
        raise ValueError("a duration is a whole number of microseconds; use fewer decimals")
    if total > MOST:
        raise ValueError("a duration beyond 292,000 years; did you mean another unit?")
    return int(total)


def format_duration(microseconds: int) -> str:
    """The shortest text that ``parse_duration`` reads as this: ``5400000000`` is ``1h30m``."""
    if microseconds < 0:
        return "-" + format_duration(-microseconds)
    parts, rest = [], microseconds
    for unit, size in MICROSECONDS.items():
        amount, remainder = divmod(rest, size)
        if unit == "ms" and remainder:
            parts.append(f"{Decimal(rest) / size:f}{unit}")
        elif amount:
            parts.append(f"{amount}{unit}")
        rest = remainder
    return "".join(parts) or "0s"


def _units(text: str) -> Decimal:
    total, place, position = Decimal(0), -1, 0
    order = list(MICROSECONDS)
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            raise ValueError(_explain(text))
        unit = part[2]
        if order.index(unit) <= place:
            raise ValueError(
                f"unit '{unit}' is out of order; write each unit once, the largest first, like 1h30m"
            )
        place, position = order.index(unit), part.end()
        total += Decimal(part[1]) * MICROSECONDS[unit]
    return total


def _iso(text: str) -> Decimal:
    match = _ISO.fullmatch(text)
    if match is None or not any(match.groups()):
        if re.match(r"P[0-9.]+[YM]", text):
            raise ValueError("years and months have no fixed length; write days, like P30D or 30d")
        raise ValueError(f"not an ISO 8601 duration; {_EXAMPLES}")
    amounts = zip(match.groups(), _ISO_UNITS, strict=True)
    return sum((Decimal(amount) * size for amount, size in amounts if amount), Decimal(0))


def _explain(text: str) -> str:
    if re.fullmatch(_NUMBER, text, re.ASCII):
        return f"a duration needs a unit; did you mean {text}s, {text}m or {text}ms?"
    if text.startswith("-"):
        return "a duration cannot be negative"
    if re.search(r"\s", text):
        return f"a duration has no spaces; {_EXAMPLES}"
    return f"not a duration; {_EXAMPLES}"
