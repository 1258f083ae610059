"""The types that the checker knows, and what can be asked of them.

A type is a set of values: ``int``, ``list(string)``, an object of a schema, one of several. ``DYN`` is every
value, ``NEVER`` none: the type of what fails whenever it is evaluated. Types are small, whatever they are
made from: what would be larger than ``MAX_SIZE`` becomes ``DYN`` inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

MAX_SIZE = 400
"""Most parts of a type, counted as a tree; so that comparing two types is quick."""
MAX_MEMBERS = 4
"""Most members of a union; int and double count as one."""


@dataclass(frozen=True, slots=True)
class Simple:
    """A type without parts."""

    name: str


@dataclass(frozen=True, slots=True)
class List:
    """A list, which may always be empty."""

    item: Type
    size: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Map:
    """A map of any keys of a type."""

    key: Type
    value: Type
    size: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Object:
    """A map with known keys. ``rest`` is the type of other fields, None when there are no others."""

    fields: Mapping[str, Type]
    required: frozenset[str]
    rest: Type | None
    size: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Optional:
    """CEL's optional: a value or none."""

    value: Type
    size: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Union:
    """One of several; without members it is NEVER."""

    members: tuple[Atom, ...]
    size: int = field(default=1, compare=False)


Atom: TypeAlias = "Simple | List | Map | Object | Optional"
Type: TypeAlias = "Simple | List | Map | Object | Optional | Union"

NULL, BOOL, INT, UINT, DOUBLE = (Simple(name) for name in ("null", "bool", "int", "uint", "double"))
STRING, BYTES = Simple("string"), Simple("bytes")
TIMESTAMP, DURATION = Simple("timestamp"), Simple("duration")
TYPE, DYN = Simple("type"), Simple("dyn")
NEVER = Union(())
NUMBER = Union((INT, DOUBLE))


def _size(one: Type) -> int:
    return 1 if isinstance(one, Simple) else one.size


def list_of(item: Type) -> List:
    """A list of items of a type."""
    size = 1 + _size(item)
    return List(item, size) if size <= MAX_SIZE else List(DYN, 2)


def map_of(key: Type, value: Type) -> Map:
    """A map from keys of one type to values of another."""
    size = 1 + _size(key) + _size(value)
    return Map(key, value, size) if size <= MAX_SIZE else Map(key, DYN, 2 + _size(key))


def optional_of(value: Type) -> Optional:
    """An optional of a type."""
    size = 1 + _size(value)
    return Optional(value, size) if size <= MAX_SIZE else Optional(DYN, 2)


def object_of(
    fields: Mapping[str, Type], required: Iterable[str] | None = None, rest: Type | None = None
) -> Object | Map:
    """A map with known fields, all of them required if nothing else is said; closed without ``rest``."""
    size = 1 + sum(map(_size, fields.values())) + (0 if rest is None else _size(rest))
    if size > MAX_SIZE:
        if len(fields) > MAX_SIZE // 2:
            return MAP
        fields, size = dict.fromkeys(fields, DYN), 2 + len(fields)
        rest = None if rest is None else DYN
    needed = frozenset(fields if required is None else required)
    return Object(MappingProxyType(dict(fields)), needed, rest, size)


LIST = list_of(DYN)
MAP = map_of(STRING, DYN)


def members(one: Type) -> tuple[Atom, ...]:
    """What the type may be: itself, or the members of a union."""
    return one.members if isinstance(one, Union) else (one,)


def join(*types: Type) -> Type:
    """The type of what may be of any of these."""
    found: list[Atom] = []
    for one in types:
        for member in members(one):
            if member == DYN:
                return DYN
            _include(found, member)
    if len(found) - (INT in found and DOUBLE in found) > MAX_MEMBERS:
        return DYN
    if len(found) == 1:
        return found[0]
    size = sum(map(_size, found))
    return Union(tuple(found), size) if size <= MAX_SIZE else DYN


def _include(found: list[Atom], member: Atom) -> None:
    """Adds a member, unless it is there or another one holds it: ``[]`` is a list of anything."""
    for position, known in enumerate(found):
        if member == known or _holds(known, member):
            return
        if _holds(member, known):
            found[position] = member
            return
    found.append(member)


def _holds(one: Atom, other: Atom) -> bool:
    match one, other:
        case (List(), List(item)) | (Optional(), Optional(item)):
            return item == NEVER
        case (Map(), Map(_, value)):
            return value == NEVER
        case _:
            return False


def element(one: Map | Object) -> Type:
    """The type of all values of a map."""
    if isinstance(one, Map):
        return one.value
    return join(*one.fields.values(), *(() if one.rest is None else (one.rest,)))


def key_of(one: Map | Object) -> Type:
    """The type of the keys of a map."""
    return one.key if isinstance(one, Map) else STRING


class Comparison:
    """Two questions about types, answered within a bounded number of steps: beyond it, with yes."""

    def __init__(self, steps: int = 500) -> None:
        self._left = steps

    def overlap(self, one: Type, other: Type) -> bool:
        """Whether a value of the first can equal one of the second."""
        return any(self._alike(a, b) for a in members(one) for b in members(other))

    def _alike(self, a: Atom, b: Atom) -> bool:
        self._left -= 1
        if self._left < 0 or DYN in (a, b) or a is b or (a in _NUMBERS and b in _NUMBERS):
            return True
        match a, b:
            case (List(), List()) | (Optional(), Optional()):
                return True
            case (Map() | Object(), Map() | Object()):
                return self._fields_alike(a, b)
            case _:
                return a == b

    def _fields_alike(self, a: Map | Object, b: Map | Object) -> bool:
        if not self.overlap(key_of(a), key_of(b)):
            return _may_be_empty(a) and _may_be_empty(b)
        for one, other in ((a, b), (b, a)):
            for name in one.required if isinstance(one, Object) else ():
                there = _field(other, name)
                if there is None or not self.overlap(_field(one, name) or DYN, there):
                    return False
        return True

    def fits(self, given: Type, wanted: Type) -> bool:
        """Whether a value of the first can be one of the second. A double is no int, even if it is whole."""
        return any(self._fitting(a, b) for a in members(given) for b in members(wanted))

    def _fitting(self, given: Atom, wanted: Atom) -> bool:
        self._left -= 1
        if self._left < 0 or DYN in (given, wanted) or given is wanted:
            return True
        match given, wanted:
            case (Simple("int" | "uint"), Simple("int" | "double")):
                return True
            case (List(), List()):
                return True
            case (Map() | Object(), Map() | Object()):
                return self.misfit(given, wanted) is None
            case _:
                return given == wanted

    def misfit(self, given: Map | Object, wanted: Map | Object) -> str | None:
        """The field because of which a map can never be one of the wanted type, or None."""
        for name in sorted(wanted.required) if isinstance(wanted, Object) else ():
            if _field(given, name) is None:
                return name
        for name in sorted(given.required) if isinstance(given, Object) else ():
            needed, there = _field(wanted, name), _field(given, name)
            if needed is None or (there is not None and not self.fits(there, needed)):
                return name
        return None


_NUMBERS = (INT, UINT, DOUBLE)


def _may_be_empty(one: Map | Object) -> bool:
    return isinstance(one, Map) or not one.required


def _field(one: Map | Object, name: str) -> Type | None:
    """The type of a field; None when it cannot be there."""
    if isinstance(one, Map):
        return one.value
    return one.fields.get(name, one.rest)


def overlap(one: Type, other: Type) -> bool:
    """Whether a value of the first can equal one of the second."""
    return Comparison().overlap(one, other)


def fits(given: Type, wanted: Type) -> bool:
    """Whether a value of the first can be one of the second."""
    return Comparison().fits(given, wanted)


def misfit(given: Map | Object, wanted: Map | Object) -> str | None:
    """The field because of which a map can never be one of the wanted type, or None."""
    return Comparison().misfit(given, wanted)


def describe(one: Type) -> str:
    """The type in the author's words."""
    found = members(one)
    if not found:
        return "nothing"
    if INT in found and DOUBLE in found:
        names = ["number" if each == INT else _word(each) for each in found if each != DOUBLE]
    else:
        names = [_word(each) for each in found]
    *first, last = dict.fromkeys(names)
    return f"{', '.join(first)} or {last}" if first else last


def _word(one: Atom) -> str:
    match one:
        case Simple(name):
            return "any" if name == "dyn" else name
        case List(item):
            return "list" if _vague(item) else f"list({describe(item)})"
        case Map() | Object():
            return "map"
        case Optional(value):
            return "optional" if _vague(value) else f"optional({describe(value)})"


def _vague(one: Type) -> bool:
    return one in (DYN, NEVER) or isinstance(one, List | Map | Object | Optional)
