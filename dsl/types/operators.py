"""The types that operators take and give."""

from __future__ import annotations

from functools import lru_cache

from perdure.dsl.types.kinds import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LIST,
    MAP,
    NEVER,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Atom,
    List,
    Map,
    Object,
    Simple,
    Type,
    join,
    list_of,
    members,
    optional_of,
)
from perdure.dsl.types.signatures import ORDERED

_REALS = (INT, DOUBLE)
_TIMES = (TIMESTAMP, DURATION)
_ANY = (
    NULL, BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION, TYPE, LIST, MAP, optional_of(DYN)
)  # fmt: skip
"""What a value of unknown type may be."""


def binary(operator: str, a: Type, b: Type) -> Type:
    """The type of ``a operator b``; NEVER when it fails for all values of these types."""
    if a == DYN and b == DYN:
        return BOOL if operator in ("<", "<=", ">", ">=", "in") else DYN
    return join(*(_pair(operator, x, y) for x in members(a) for y in members(b)))


def _pair(operator: str, a: Atom, b: Atom) -> Type:
    if isinstance(a, Simple) and isinstance(b, Simple):
        return _simple(operator, a, b)
    return _any_pair(operator, a, b)


@lru_cache(maxsize=4096)
def _simple(operator: str, a: Simple, b: Simple) -> Type:
    return _any_pair(operator, a, b)


def _any_pair(operator: str, a: Atom, b: Atom) -> Type:
    if DYN in (a, b):
        left = _ANY if a == DYN else (a,)
        right = _ANY if b == DYN else (b,)
        return join(*(_known(operator, x, y) for x in left for y in right))
    return _known(operator, a, b)


def _known(operator: str, a: Atom, b: Atom) -> Type:
    match operator:
        case "+":
            return _sum(a, b)
        case "-" if a in _TIMES and b in _TIMES:
            return DURATION if a == b else TIMESTAMP if a == TIMESTAMP else NEVER
        case "-" | "*" | "/":
            return _number(a, b)
        case "%":
            return a if a == b and a in (INT, UINT) else NEVER
        case "in":
            return BOOL if isinstance(b, List | Map | Object) else NEVER
        case _:
            numbers = a in (INT, UINT, DOUBLE) and b in (INT, UINT, DOUBLE)
            return BOOL if numbers or (a == b and a in ORDERED) else NEVER


def _number(a: Atom, b: Atom) -> Type:
    if a == b and a in (INT, UINT, DOUBLE):
        return a
    return DOUBLE if a in _REALS and b in _REALS else NEVER


def _sum(a: Atom, b: Atom) -> Type:
    if isinstance(a, List) and isinstance(b, List):
        return list_of(join(a.item, b.item))
    if a in _TIMES and b in _TIMES:
        return DURATION if a == b == DURATION else NEVER if a == b else TIMESTAMP
    return a if a == b and a in (STRING, BYTES) else _number(a, b)
