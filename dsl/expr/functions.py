"""The functions of the profile cel-1: their names, forms and argument counts.

The one table that the checker, the code generator and the run-time helpers agree on (tested).
"""

from __future__ import annotations

MANY = -1

NAMESPACES = frozenset(
    {"base64", "cel", "hash", "hex", "json", "lists", "math", "optional", "regex", "sets", "strings"}
)

TYPE_NAMES = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "optional_type", "string", "type", "uint"}
)
WELL_KNOWN_TYPES = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})

# CEL's reserved words; the first four are also refused after a dot.
KEYWORDS = frozenset({"false", "in", "null", "true"})
RESERVED = KEYWORDS | frozenset(
    "as break const continue else for function if import let loop package namespace return var void "
    "while".split()
)

# Functions called as name(...), with the numbers of arguments they take.
FUNCTIONS: dict[str, tuple[int, ...]] = {
    "bool": (1,), "bytes": (1,), "double": (1,), "duration": (1,), "dyn": (1,), "int": (1,),
    "string": (1,), "timestamp": (1,), "type": (1,), "uint": (1,), "size": (1,), "matches": (2,),
    "now": (0,), "uuid": (1,), "seconds": (1,), "secret": (1,), "base64.encode": (1,),
    "base64.decode": (1,), "hex.encode": (1,), "hex.decode": (1,), "hash.sha256": (1,),
    "json.marshal": (1,), "json.unmarshal": (1,), "lists.range": (1,), "lists.zip": (2,),
    "math.greatest": (1, MANY), "math.least": (1, MANY), "math.ceil": (1,), "math.floor": (1,),
    "math.round": (1,), "math.trunc": (1,), "math.abs": (1,), "math.sign": (1,), "math.isNaN": (1,),
    "math.isInf": (1,), "math.isFinite": (1,), "math.sqrt": (1,), "math.bitOr": (2,),
    "math.bitAnd": (2,), "math.bitXor": (2,), "math.bitNot": (1,), "math.bitShiftLeft": (2,),
    "math.bitShiftRight": (2,), "optional.of": (1,), "optional.ofNonZeroValue": (1,),
    "optional.none": (0,), "optional.unwrap": (1,), "regex.extract": (2,), "regex.extractAll": (2,),
    "regex.replace": (3, 4), "sets.contains": (2,), "sets.equivalent": (2,), "sets.intersects": (2,),
    "strings.quote": (1,),
}  # fmt: skip

# Functions called as value.name(...).
METHODS: dict[str, tuple[int, ...]] = {
    "contains": (1,), "startsWith": (1,), "endsWith": (1,), "matches": (1,), "size": (0,),
    "getFullYear": (0, 1), "getMonth": (0, 1), "getDate": (0, 1), "getDayOfMonth": (0, 1),
    "getDayOfWeek": (0, 1), "getDayOfYear": (0, 1), "getHours": (0, 1), "getMinutes": (0, 1),
    "getSeconds": (0, 1), "getMilliseconds": (0, 1), "charAt": (1,), "indexOf": (1, 2),
    "lastIndexOf": (1, 2), "lowerAscii": (0,), "upperAscii": (0,), "replace": (2, 3), "split": (1, 2),
    "join": (0, 1), "substring": (1, 2), "trim": (0,), "reverse": (0,), "format": (1,), "slice": (2,),
    "flatten": (0, 1), "distinct": (0,), "sort": (0,), "first": (0,), "last": (0,), "sum": (0,),
    "min": (0,), "max": (0,), "avg": (0,), "isSorted": (0,), "merge": (1,), "deepMerge": (1,),
    "hasValue": (0,), "value": (0,), "or": (1,), "orValue": (1,), "unwrapOpt": (0,),
}  # fmt: skip

# Calls that bind names: the (variables, bodies) they take. All but cel.bind are called on a value.
MACROS: dict[str, tuple[tuple[int, int], ...]] = {
    "all": ((1, 1), (2, 1)), "exists": ((1, 1), (2, 1)), "exists_one": ((1, 1), (2, 1)),
    "existsOne": ((1, 1), (2, 1)), "filter": ((1, 1),), "map": ((1, 1), (1, 2)),
    "transformList": ((2, 1), (2, 2)), "transformMap": ((2, 1), (2, 2)),
    "transformMapEntry": ((2, 1), (2, 2)), "sortBy": ((1, 1),), "groupBy": ((1, 1),),
    "optMap": ((1, 1),), "optFlatMap": ((1, 1),), "cel.bind": ((1, 1),),
}  # fmt: skip

# Macros that loop; the others bind one value.
COMPREHENSIONS = frozenset(MACROS) - {"optMap", "optFlatMap", "cel.bind"}


def macro_form(name: str, arguments: int) -> tuple[int, int] | None:
    """How many variables and bodies a macro call with that many arguments has, or None.

    Two forms never take the same number: ``map(x, p, t)`` has one variable, ``all(k, v, p)`` two.
    """
    for variables, bodies in MACROS.get(name, ()):
        if variables + bodies == arguments:
            return variables, bodies
    return None


def takes(counts: tuple[int, ...], arguments: int) -> bool:
    """Whether a function with those argument counts can be called with that many."""
    return arguments in counts or (
        MANY in counts and arguments >= min(count for count in counts if count != MANY)
    )


def arity_text(counts: tuple[int, ...]) -> str:
    """How many arguments, in words: ``1 or 2 arguments``."""
    known = [count for count in counts if count != MANY]
    if MANY in counts:
        return f"{min(known)} or more arguments"
    return f"{' or '.join(map(str, known))} argument{'s' if known != [1] else ''}"
