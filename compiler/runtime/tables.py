"""The helpers that generated code names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.compiler.runtime import (
    convert,
    data,
    errors,
    failures,
    lists,
    maths,
    moments,
    operators,
    results,
    strings,
    values,
)

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **convert.FUNCTIONS,
    **data.FUNCTIONS,
    **lists.FUNCTIONS,
    **maths.FUNCTIONS,
    **strings.FUNCTIONS,
}
METHODS: dict[str, Callable[..., Any]] = {
    **data.METHODS,
    **lists.METHODS,
    **moments.METHODS,
    **strings.METHODS,
}

# What some functions always return, so that no test of it is generated.
RESULT_KINDS = {
    **dict.fromkeys(
        ("bool", "contains", "startsWith", "endsWith", "matches", "hasValue", "isSorted"), "bool"
    ),
    **dict.fromkeys(("sets.contains", "sets.equivalent", "sets.intersects"), "bool"),
    **dict.fromkeys(("math.isNaN", "math.isInf", "math.isFinite"), "bool"),
    **dict.fromkeys(("int", "size", "indexOf", "lastIndexOf"), "int"),
    **dict.fromkeys(
        ("string", "charAt", "lowerAscii", "upperAscii", "replace", "join", "substring", "trim"), "string"
    ),
    **dict.fromkeys(("format", "strings.quote", "regex.replace", "json.marshal", "base64.encode"), "string"),
    "hex.encode": "string",
    "double": "double",
}

HELPERS: dict[str, Any] = {
    "BUDGET": errors.BUDGET,
    "Exception": Exception,
    "MAX_ITEMS": errors.MAX_ITEMS,
    "MAX_RESULT": results.MAX_RESULT,
    "NONE": values.NONE,
    "OMIT": results.OMIT,
    "Optional": values.Optional,
    "REALS": frozenset({int, float}),
    "absorb": failures.absorb,
    "add": operators.add,
    "append_optional": lists.append_optional,
    "charge": errors.charge,
    "check_items": errors.check_items,
    "contains": operators.contains,
    "dict": dict,
    "divide": operators.divide,
    "equal": operators.equal,
    "greater": operators.greater,
    "greater_equal": operators.greater_equal,
    "group": lists.group,
    "has": operators.has,
    "has_optional": operators.has_optional,
    "index": operators.index,
    "int": int,
    "interpolated": results.interpolated,
    "joined": results.joined,
    "json_leaf": results.json_leaf,
    "json_measured": results.json_measured,
    "json_whole": results.json_whole,
    "len": len,
    "less": operators.less,
    "less_equal": operators.less_equal,
    "list": list,
    "located": failures.located,
    "modulo": operators.modulo,
    "multiply": operators.multiply,
    "negate": operators.negate,
    "no_secret": failures.no_secret,
    "not_bool": results.not_bool,
    "not_equal": operators.not_equal,
    "now": moments.now,
    "optional_index": operators.optional_index,
    "optional_of": data.optional_of,
    "optional_select": values.optional_select,
    "pairs": lists.pairs,
    "put": lists.put,
    "put_entries": lists.put_entries,
    "put_optional": lists.put_optional,
    "sort_by": lists.sort_by,
    "str": str,
    "subtract": operators.subtract,
    "type": type,
    "unknown_function": failures.unknown_function,
    "unknown_name": failures.unknown_name,
    "uuid": moments.uuid,
    "walk": lists.walk,
    **{f"as_{name}": check for name, check in results.CHECKS.items()},
}
