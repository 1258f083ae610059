"""What each function and method of ``expr.functions`` takes and gives.

One line an overload: ``string, int -> string``. ``text|bytes`` is one of two, ``number`` int or double.
A result in capitals depends on the arguments: ``RESULTS`` says how.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from perdure.dsl.types.kinds import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LIST,
    NULL,
    NUMBER,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Atom,
    List,
    Map,
    Object,
    Optional,
    Type,
    element,
    join,
    key_of,
    list_of,
    map_of,
    members,
    object_of,
    optional_of,
)

_ZONED = "timestamp -> int; timestamp, string -> int"
_CLOCK = "timestamp|duration -> int; timestamp|duration, string -> int"

_FOUND = "string, string -> int; list, any -> int"

FUNCTION_TABLE = {
    "bool": "bool|string -> bool",
    "bytes": "bytes|string -> bytes",
    "double": "numeric|string -> double",
    "duration": "duration|string -> duration",
    "dyn": "any -> any",
    "int": "numeric|string|timestamp -> int",
    "string": "string|bool|numeric|timestamp|duration|bytes -> string",
    "timestamp": "timestamp|string|int -> timestamp",
    "type": "any -> type",
    "uint": "numeric|string -> uint",
    "size": "string|bytes|list|map -> int",
    "matches": "string, string -> bool",
    "now": "-> timestamp",
    "uuid": "string -> string",
    "seconds": "number -> duration",
    "secret": "string -> any",
    "base64.encode": "bytes -> string",
    "base64.decode": "string -> bytes",
    "hex.encode": "bytes -> string",
    "hex.decode": "string -> bytes",
    "hash.sha256": "string|bytes -> bytes",
    "json.marshal": "any -> string",
    "json.unmarshal": "string -> any",
    "lists.range": "int -> list(int)",
    "lists.zip": "list, list -> ZIP",
    "math.greatest": "list -> NUMBERS; numeric... -> NUMBERS",
    "math.least": "list -> NUMBERS; numeric... -> NUMBERS",
    "math.ceil": "number -> double",
    "math.floor": "number -> double",
    "math.round": "number -> double",
    "math.trunc": "number -> double",
    "math.abs": "int -> int; double -> double; uint -> uint",
    "math.sign": "int -> int; double -> double; uint -> uint",
    "math.isNaN": "number -> bool",
    "math.isInf": "number -> bool",
    "math.isFinite": "number -> bool",
    "math.sqrt": "numeric -> double",
    "math.bitOr": "int, int -> int; uint, uint -> uint",
    "math.bitAnd": "int, int -> int; uint, uint -> uint",
    "math.bitXor": "int, int -> int; uint, uint -> uint",
    "math.bitNot": "int -> int; uint -> uint",
    "math.bitShiftLeft": "int, int -> int; uint, int -> uint",
    "math.bitShiftRight": "int, int -> int; uint, int -> uint",
    "optional.of": "any -> OPTIONAL",
    "optional.ofNonZeroValue": "any -> OPTIONAL",
    "optional.none": "-> NONE",
    "optional.unwrap": "list -> UNWRAPPED",
    "regex.extract": "string, string -> optional(string)",
    "regex.extractAll": "string, string -> list(string)",
    "regex.replace": "string, string, string -> string; string, string, string, int -> string",
    "sets.contains": "list, list -> bool",
    "sets.equivalent": "list, list -> bool",
    "sets.intersects": "list, list -> bool",
    "strings.quote": "string -> string",
}

METHOD_TABLE = {
    "contains": "string, string -> bool",
    "startsWith": "string, string -> bool",
    "endsWith": "string, string -> bool",
    "matches": "string, string -> bool",
    "size": "string|bytes|list|map -> int",
    **dict.fromkeys(("getFullYear", "getMonth", "getDate"), _ZONED),
    **dict.fromkeys(("getDayOfMonth", "getDayOfWeek", "getDayOfYear"), _ZONED),
    **dict.fromkeys(("getHours", "getMinutes", "getSeconds", "getMilliseconds"), _CLOCK),
    "charAt": "string, int -> string",
    "indexOf": f"{_FOUND}; string, string, int -> int; list, any, numeric -> int",
    "lastIndexOf": f"{_FOUND}; string, string, int -> int; list, any, null -> int",
    "lowerAscii": "string -> string",
    "upperAscii": "string -> string",
    "replace": "string, string, string -> string; string, string, string, int -> string",
    "split": "string, string -> list(string); string, string, int -> list(string)",
    "join": "list(string) -> string; list(string), string -> string",
    "substring": "string, int -> string; string, int, int|null -> string",
    "trim": "string -> string",
    "reverse": "string -> string; list -> FIRST",
    "format": "string, list -> string",
    "slice": "list, int, int -> FIRST",
    "flatten": "list -> FLAT; list, int -> list",
    "distinct": "list -> FIRST",
    "sort": "list(ordered) -> FIRST",
    "first": "list -> ITEM",
    "last": "list -> ITEM",
    "sum": "list(numeric|duration) -> SUM",
    "min": "list(ordered) -> VALUE",
    "max": "list(ordered) -> VALUE",
    "avg": "list(number) -> double",
    "isSorted": "list(ordered) -> bool",
    "merge": "map, map -> MERGED",
    "deepMerge": "map, map -> MIXED",
    "hasValue": "optional -> bool",
    "value": "optional -> VALUE",
    "or": "optional, optional -> OR",
    "orValue": "optional, any -> OR_VALUE",
    "unwrapOpt": "list -> UNWRAPPED",
}

_NUMERIC = (INT, UINT, DOUBLE)
ORDERED = (INT, UINT, DOUBLE, STRING, BYTES, BOOL, TIMESTAMP, DURATION)
"""What ``<`` orders, among its own kind."""

_WORDS: dict[str, tuple[Atom, ...]] = {
    "null": (NULL,),
    "bool": (BOOL,),
    "int": (INT,),
    "uint": (UINT,),
    "double": (DOUBLE,),
    "number": (INT, DOUBLE),
    "numeric": _NUMERIC,
    "ordered": ORDERED,
    "string": (STRING,),
    "bytes": (BYTES,),
    "timestamp": (TIMESTAMP,),
    "duration": (DURATION,),
    "type": (TYPE,),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one argument may be. ``items`` is what the items of a list must be, None for anything."""

    simple: tuple[Atom, ...] = ()
    any: bool = False
    shapes: tuple[type, ...] = ()
    items: Parameter | None = None

    def takes(self, argument: Atom) -> bool:
        """Whether an argument of this type can be right; the items of a list are not looked at."""
        return self.any or argument == DYN or argument in self.simple or isinstance(argument, self.shapes)

    def takes_items(self, argument: Atom) -> bool:
        """Whether a list with an item can be right."""
        if self.items is None or not isinstance(argument, List):
            return True
        return argument.item == DYN or any(map(self.items.takes, members(argument.item) or (DYN,)))


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call a function. ``more`` is whether the last parameter may come again."""

    parameters: tuple[Parameter, ...]
    result: Type | Callable[..., Type]
    more: bool = False

    def parameter(self, position: int) -> Parameter:
        """What the argument at a position must be."""
        return self.parameters[min(position, len(self.parameters) - 1)]

    def counts(self, arguments: int) -> bool:
        """Whether it takes so many arguments."""
        wanted = len(self.parameters)
        return arguments == wanted or (self.more and arguments >= wanted)


def _only(one: Type, *kinds: type) -> tuple[Atom, ...]:
    return tuple(each for each in members(one) if isinstance(each, kinds))


def _item(one: Type) -> Type:
    """What the items of a list are."""
    return join(*(each.item if isinstance(each, List) else DYN for each in members(one)))


def _value(one: Type) -> Type:
    """What is in a list or an optional."""
    found = [
        each.item if isinstance(each, List) else each.value if isinstance(each, Optional) else DYN
        for each in members(one)
        if each == DYN or isinstance(each, List | Optional)
    ]
    return join(*found)


def _zip(a: Type, b: Type) -> Type:
    return list_of(list_of(join(_item(_lists(a)), _item(_lists(b)))))


def _lists(one: Type) -> Type:
    """Those members that are lists, or may be."""
    return join(*(each for each in members(one) if each == DYN or isinstance(each, List)))


def _numbers(*given: Type) -> Type:
    if len(given) == 1 and (_only(given[0], List) or given[0] == DYN):
        given = (_value(given[0]) if _only(given[0], List) else DYN,)
    found = [each for one in given for each in members(one) if each in (*_NUMERIC, DYN)]
    return DYN if DYN in found else join(*found)


def _sum(one: Type) -> Type:
    items = [each for each in members(_value(one)) if each in (*_NUMERIC, DURATION, DYN)]
    return join(INT, *items)


def _flat(one: Type) -> Type:
    items = members(_value(one))
    return list_of(join(*(each.item if isinstance(each, List) else each for each in items)))


def _unwrapped(one: Type) -> Type:
    items = members(_value(one))
    return list_of(join(*(each.value if isinstance(each, Optional) else DYN for each in items)))


def _or_value(one: Type, other: Type) -> Type:
    return join(_value(one), other)


def _or(one: Type, other: Type) -> Type:
    return optional_of(join(_value(one), _value(other)))


def _merged(a: Type, b: Type) -> Type:
    if isinstance(a, Object) and isinstance(b, Object):
        fields = {**a.fields}
        for name, kind in b.fields.items():
            known = a.fields.get(name, a.rest)
            fields[name] = kind if name in b.required or known is None else join(kind, known)
        if b.rest is not None:
            fields = {name: kind if name in b.fields else join(kind, b.rest) for name, kind in fields.items()}
        rest = join(*(each for each in (a.rest, b.rest) if each is not None))
        open_ = a.rest is not None or b.rest is not None
        return object_of(fields, a.required | b.required, rest if open_ else None)
    return _mixed(a, b)


def _mixed(a: Type, b: Type) -> Type:
    """The result of a deep merge, of which only the keys are known."""
    maps = [each for one in (a, b) for each in members(one) if isinstance(each, Map | Object)]
    if DYN in (*members(a), *members(b)):
        return map_of(DYN, DYN)
    shallow = all(not _only(element(each), Map, Object) and element(each) != DYN for each in maps)
    values = join(*map(element, maps)) if shallow else DYN
    return map_of(join(*map(key_of, maps)), values)


def _first(one: Type, *_: Type) -> Type:
    return _lists(one)


RESULTS: MappingProxyType[str, Callable[..., Type]] = MappingProxyType(
    {
        "FIRST": _first,
        "FLAT": _flat,
        "ITEM": lambda one: optional_of(_value(one)),
        "MERGED": _merged,
        "MIXED": _mixed,
        "NONE": lambda: optional_of(join()),
        "NUMBERS": _numbers,
        "OPTIONAL": optional_of,
        "OR": _or,
        "OR_VALUE": _or_value,
        "SUM": _sum,
        "UNWRAPPED": _unwrapped,
        "VALUE": _value,
        "ZIP": _zip,
    }
)
"""The type of a result, from those of the arguments."""


def _parameter(text: str) -> Parameter:
    simple: list[Atom] = []
    shapes: list[type] = []
    items = None
    depth_safe = text.replace("(", " ").replace(")", "")
    if text.startswith("list("):
        return Parameter(shapes=(List,), items=_parameter(depth_safe.split(" ", 1)[1]))
    for word in text.split("|"):
        match word:
            case "any":
                return Parameter(any=True)
            case "list":
                shapes.append(List)
            case "map":
                shapes += (Map, Object)
            case "optional":
                shapes.append(Optional)
            case _:
                simple += _WORDS[word]
    return Parameter(tuple(simple), False, tuple(shapes), items)


def _result(text: str) -> Type | Callable[..., Type]:
    match text:
        case "any":
            return DYN
        case "list":
            return LIST
        case "list(int)":
            return list_of(INT)
        case "list(string)":
            return list_of(STRING)
        case "optional(string)":
            return optional_of(STRING)
        case "number":
            return NUMBER
        case _ if text in RESULTS:
            return RESULTS[text]
        case _:
            return _WORDS[text][0]


def _overloads(text: str) -> tuple[Overload, ...]:
    found = []
    for line in text.split("; "):
        before, _, after = line.partition("->")
        words = [word.strip() for word in before.split(",") if word.strip()]
        more = bool(words) and words[-1].endswith("...")
        parameters = tuple(_parameter(word.removesuffix("...")) for word in words)
        found.append(Overload(parameters, _result(after.strip()), more))
    return tuple(found)


FUNCTIONS = MappingProxyType({name: _overloads(text) for name, text in FUNCTION_TABLE.items()})
METHODS = MappingProxyType({name: _overloads(text) for name, text in METHOD_TABLE.items()})
