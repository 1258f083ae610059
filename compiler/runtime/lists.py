"""Functions of lists and of maps as lists, and what comprehensions call."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

from perdure.compiler.runtime.errors import Budget, EvalError, charge, check_items
from perdure.compiler.runtime.operators import NUMBERS, add, contains, equal, less, real
from perdure.compiler.runtime.values import (
    NONE,
    Optional,
    describe,
    map_key,
    no_overload,
    sorted_items,
    sorted_keys,
)
from perdure.dsl.expr.times import Duration, Timestamp


def _need_list(name: str, value: Any, *others: Any) -> list[Any]:
    if type(value) is not list:
        no_overload(name, value, *others)
    return value


def walk(value: Any, name: str) -> list[Any]:
    """What a macro with one variable walks: a list's elements or a map's sorted keys."""
    if type(value) is dict:
        return sorted_keys(value)
    return _need_list(name, value)


def pairs(value: Any, name: str) -> list[tuple[Any, Any]]:
    """What a macro with two variables walks: index and element, or key and value."""
    if type(value) is dict:
        return sorted_items(value)
    return list(enumerate(_need_list(name, value)))


def put(target: dict[Any, Any], key: Any, value: Any) -> None:
    """One entry of a map being made; a key cannot come twice."""
    known = map_key(key)
    if known in target:
        raise EvalError("cel.duplicate_key", "the map has a key twice")
    target[known] = value


def put_optional(target: dict[Any, Any], key: Any, value: Any) -> None:
    """An entry written ``?key: value``."""
    if type(value) is not Optional:
        no_overload(
            "?key: value", value, hint="the value of an optional entry is an optional, as in ?a: x.?a"
        )
    if value.present:
        put(target, key, value.value)


def append_optional(target: list[Any], value: Any) -> None:
    """A list item written ``?value``."""
    if type(value) is not Optional:
        no_overload("[?value]", value, hint="an optional item is an optional, as in [?x.?a]")
    if value.present:
        target.append(value.value)


def put_entries(target: dict[Any, Any], entries: Any) -> None:
    """The entries that one step of ``transformMapEntry`` gives."""
    if type(entries) is not dict:
        no_overload("transformMapEntry", entries, hint="the body is a map, as in {e.key: e.value}")
    for key, value in entries.items():
        if key in target:
            raise EvalError("cel.duplicate_key", "the map has a key twice")
        target[key] = value


def group(target: dict[Any, Any], key: Any, element: Any) -> None:
    """One step of ``groupBy``."""
    target.setdefault(map_key(key), []).append(element)


def slice_(budget: Budget, items: Any, start: Any, end: Any) -> list[Any]:
    """``list.slice(start, end)``."""
    if type(start) is not int or type(end) is not int:
        no_overload("slice", items, start, end)
    _need_list("slice", items, start, end)
    if not 0 <= start <= end <= len(items):
        raise EvalError("cel.index", f"slice out of range: the list has {len(items)} items")
    charge(budget, (end - start) // 64 + 1)
    return list(items[start:end])


def flatten(budget: Budget, items: Any, depth: Any = 1) -> list[Any]:
    """``list.flatten(depth)``: lists in the list give their elements, ``depth`` levels deep."""
    if type(depth) is not int:
        no_overload("flatten", items, depth)
    if depth < 0:
        raise EvalError("cel.index", "flatten takes no negative depth")
    result: list[Any] = []
    _flatten(budget, _need_list("flatten", items), depth, result)
    return result


def _flatten(budget: Budget, items: list[Any], depth: int, result: list[Any]) -> None:
    charge(budget, len(items))
    for item in items:
        if type(item) is list and depth:
            _flatten(budget, item, depth - 1, result)
        else:
            result.append(item)
    check_items(len(result))


def _is_nan(value: Any) -> bool:
    return type(value) is float and math.isnan(value)


def distinct(budget: Budget, items: Any) -> list[Any]:
    """``list.distinct()``: the first of equal elements."""
    result: list[Any] = []
    scalars: set[Any] = set()
    others: list[Any] = []
    for item in _need_list("distinct", items):
        charge(budget, 1)
        kind = type(item)
        if kind in NUMBERS or kind is str:
            if item in scalars and not _is_nan(item):
                continue
            scalars.add(item)
        elif contains(budget, item, others):
            continue
        else:
            others.append(item)
        result.append(item)
    return result


def _sort_values(name: str, keys: list[Any]) -> list[Any]:
    """Python values that sort as the keys do; raises EvalError when they cannot be ordered."""
    kinds = {type(key) for key in keys}
    if len(kinds) > 1 and not kinds <= NUMBERS:
        mixed = " and ".join(sorted({describe(key) for key in keys}))
        raise EvalError("cel.no_overload", f"{name} cannot order {mixed}")
    kind = kinds.pop() if kinds else int
    if kind in (Timestamp, Duration):
        return [key.ns for key in keys]
    if kind not in NUMBERS and kind not in (str, bytes, bool):
        no_overload(name, keys[0])
    return keys


def _sort_units(count: int) -> int:
    return count * max(count.bit_length(), 1)


def sort(budget: Budget, items: Any) -> list[Any]:
    """``list.sort()``."""
    return sort_by(budget, _need_list("sort", items), items)


def sort_by(budget: Budget, items: list[Any], keys: list[Any]) -> list[Any]:
    """The items in the order of their keys; equal keys keep their order."""
    charge(budget, _sort_units(len(items)))
    values = _sort_values("sort", keys)
    if any(_is_nan(value) for value in values):
        raise EvalError("cel.no_overload", "sort cannot order NaN")
    return [items[position] for position in sorted(range(len(items)), key=values.__getitem__)]


def first(budget: Budget, items: Any) -> Optional:
    """``list.first()``."""
    return Optional(True, items[0]) if _need_list("first", items) else NONE


def last(budget: Budget, items: Any) -> Optional:
    """``list.last()``."""
    return Optional(True, items[-1]) if _need_list("last", items) else NONE


def index_of(budget: Budget, items: list[Any], value: Any) -> int:
    """The first position of an equal element, or -1."""
    charge(budget, len(items))
    return next((position for position, item in enumerate(items) if equal(budget, item, value)), -1)


def last_index_of(budget: Budget, items: list[Any], value: Any) -> int:
    """The last position of an equal element, or -1."""
    backwards = index_of(budget, items[::-1], value)
    return -1 if backwards < 0 else len(items) - 1 - backwards


_SUMMED = NUMBERS | {Duration}


def sum_(budget: Budget, items: Any) -> Any:
    """``list.sum()`` of numbers or durations; 0 for none."""
    charge(budget, len(_need_list("sum", items)))
    if not items:
        return 0
    for item in items:
        if type(item) not in _SUMMED:
            no_overload("sum", item)
    return functools.reduce(functools.partial(add, budget), items)


def avg(budget: Budget, items: Any) -> float:
    """``list.avg()`` of numbers, as a double."""
    charge(budget, len(_need_list("avg", items)))
    if not items:
        raise EvalError("cel.index", "avg of an empty list")
    for item in items:
        if type(item) not in (int, float):
            no_overload("avg", item)
    total = 0.0
    for item in items:
        total += real(item)
    return total / len(items)


def _extreme(budget: Budget, name: str, items: Any, sign: bool) -> Any:
    charge(budget, len(_need_list(name, items)))
    if not items:
        raise EvalError("cel.index", f"{name} of an empty list", "test the size first")
    _sort_values(name, items)
    best = items[0]
    for item in items[1:]:
        if less(budget, item, best) if sign else less(budget, best, item):
            best = item
    return best


def min_(budget: Budget, items: Any) -> Any:
    """``list.min()``: the first of the least."""
    return _extreme(budget, "min", items, True)


def max_(budget: Budget, items: Any) -> Any:
    """``list.max()``: the first of the greatest."""
    return _extreme(budget, "max", items, False)


def is_sorted(budget: Budget, items: Any) -> bool:
    """``list.isSorted()``, ascending."""
    charge(budget, len(_need_list("isSorted", items)))
    values = _sort_values("isSorted", items)
    return all(a <= b for a, b in itertools.pairwise(values))


def range_(budget: Budget, count: Any) -> list[int]:
    """``lists.range(count)``: 0 to count - 1."""
    if type(count) is not int:
        no_overload("lists.range", count)
    check_items(count)
    charge(budget, max(count, 0))
    return list(range(count))


def zip_(budget: Budget, a: Any, b: Any) -> list[list[Any]]:
    """``lists.zip(a, b)``: pairs from two lists of one length."""
    if len(_need_list("lists.zip", a, b)) != len(_need_list("lists.zip", b, a)):
        raise EvalError("cel.index", f"lists.zip takes lists of one length, not of {len(a)} and {len(b)}")
    charge(budget, len(a))
    return [list(pair) for pair in zip(a, b, strict=True)]


def sets_contains(budget: Budget, a: Any, b: Any) -> bool:
    """``sets.contains(a, b)``: every element of b is in a."""
    _need_list("sets.contains", a, b), _need_list("sets.contains", b, a)
    return all(contains(budget, item, a) for item in b)


def sets_equivalent(budget: Budget, a: Any, b: Any) -> bool:
    """``sets.equivalent(a, b)``."""
    return sets_contains(budget, a, b) and sets_contains(budget, b, a)


def sets_intersects(budget: Budget, a: Any, b: Any) -> bool:
    """``sets.intersects(a, b)``."""
    _need_list("sets.intersects", a, b), _need_list("sets.intersects", b, a)
    return any(contains(budget, item, a) for item in b)


def merge(budget: Budget, a: Any, b: Any) -> dict[Any, Any]:
    """``a.merge(b)``: the entries of both, b's where both have the key."""
    if type(a) is not dict or type(b) is not dict:
        no_overload("merge", a, b)
    charge(budget, len(a) + len(b))
    result = {**a, **b}
    check_items(len(result))
    return result


def deep_merge(budget: Budget, a: Any, b: Any) -> dict[Any, Any]:
    """``a.deepMerge(b)``: as ``merge``, with maps under the same key merged in turn."""
    result = merge(budget, a, b)
    for key, value in b.items():
        if type(value) is dict and type(a.get(key)) is dict:
            result[key] = deep_merge(budget, a[key], value)
    return result


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "lists.range": range_,
    "lists.zip": zip_,
    "sets.contains": sets_contains,
    "sets.equivalent": sets_equivalent,
    "sets.intersects": sets_intersects,
}
METHODS: dict[str, Callable[..., Any]] = {
    "avg": avg,
    "deepMerge": deep_merge,
    "distinct": distinct,
    "first": first,
    "flatten": flatten,
    "isSorted": is_sorted,
    "last": last,
    "max": max_,
    "merge": merge,
    "min": min_,
    "slice": slice_,
    "sort": sort,
    "sum": sum_,
}
