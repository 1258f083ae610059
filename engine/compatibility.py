"""What a new version breaks for those who use the one before: a report, made at deploy.

Callers give inputs and events, people ask queries, and the code of activities is shared by all versions. A
version that breaks something of that has a new major number, or whoever deploys it says that it may.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perdure.compiler import ir
from perdure.dsl.expr import ast
from perdure.dsl.versions import parse_range, parse_version
from perdure.engine.errors import Conflict

_BOUNDS = {
    "minimum": 1, "exclusiveMinimum": 1, "minLength": 1, "minItems": 1, "minProperties": 1,
    "maximum": -1, "exclusiveMaximum": -1, "maxLength": -1, "maxItems": -1, "maxProperties": -1,
}  # fmt: skip
"""Keywords whose number narrows when it grows (1), or when it shrinks (-1)."""
_SAYS_NOTHING = {"title", "description", "default", "examples", "$comment", "$schema", "$id", "deprecated"}
_HANDLED = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", *_BOUNDS}


class BreakingChange(Conflict):
    """The new version breaks what those who use the present one count on."""

    code = "breaking_change"

    def __init__(self, name: str, version: str, before: str, breaks: list[str]) -> None:
        lines = "\n".join(f"  {each}" for each in breaks)
        super().__init__(
            f"{name}@{version} breaks what {before} promises:\n{lines}",
            hint="give it a new major version, or deploy it with --allow-breaking",
        )
        self.breaks = breaks


def may_break(before: str, version: str) -> bool:
    """Whether the number of a version says that it may break things: by the range ``^`` of the one before."""
    numbers = parse_version(version)
    plain = parse_version(before)
    if numbers is None or plain is None:
        return True
    first = parse_range("^" + ".".join(map(str, plain)))
    return numbers >= first.end


def breaks(old: ir.Program, new: ir.Program) -> list[str]:
    """What inputs, events, queries and activities are no longer as they were, one sentence each."""
    found = [f"input: {each}" for each in _narrowed(old.input_schema, new.input_schema, "")]
    found += _events(old, new)
    found += [f"query {name!r} is removed" for name in old.queries if name not in new.queries]
    found += _activities(old, new)
    return found


def _events(old: ir.Program, new: ir.Program) -> Iterator[str]:
    names = set(new.events) | {op.event for op in new.code if isinstance(op, ir.WaitEvent)}
    before = [*old.events, *(op.event for op in old.code if isinstance(op, ir.WaitEvent))]
    for name in dict.fromkeys(before):
        if name not in names:
            yield f"event {name!r} is removed"
        else:
            for each in _narrowed(old.events.get(name), new.events.get(name), ""):
                yield f"event {name!r}: {each}"


def _activities(old: ir.Program, new: ir.Program) -> Iterator[str]:
    """Arguments with other names; only those that are written as a map are known."""
    before = _arguments(old)
    for name, shapes in _arguments(new).items():
        for shape in shapes:
            known = before.get(name)
            if known and shape not in known:
                had, has = "; ".join(map(_listed, known)), _listed(shape)
                yield f"activity {name!r} is called with other arguments: {has}, and not {had}"


def _arguments(program: ir.Program) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for op in program.code:
        if isinstance(op, ir.Call) and op.arguments is not None:
            shape = _shape(op.arguments.value)
            shapes = found.setdefault(op.activity, [])
            if shape is not None and shape not in shapes:
                shapes.append(shape)
    return found


def _shape(value: ast.Value) -> tuple[str, ...] | None:
    match value:
        case ast.MapValue(entries=entries):
            return tuple(sorted(name for name, _ in entries))
        case ast.Const(value=dict() as entries):
            return tuple(sorted(entries))
        case _:
            return None


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


# -- schemas --------------------------------------------------------------------------------------


def _narrowed(old: Any, new: Any, path: str) -> Iterator[str]:
    """Why a value that the old schema allows may not be allowed by the new one."""
    at = f"{path}: " if path else ""
    old = {} if old in (None, True) else old
    new = {} if new in (None, True) else new
    if old == new or old is False or new == {}:
        return
    if not isinstance(old, dict) or not isinstance(new, dict):
        yield f"{at}nothing is allowed any more"
        return
    yield from (at + each for each in _types(old, new))
    yield from (at + each for each in _values(old, new))
    yield from (at + each for each in _numbers(old, new))
    yield from _fields(old, new, path)
    if "items" in new:
        yield from _narrowed(old.get("items"), new["items"], f"{path}[]")
    for word in sorted(new.keys() - _HANDLED - _SAYS_NOTHING):
        if old.get(word) != new[word]:
            yield f"{at}{word!r} is another, and may allow less"


def _types(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    allowed, wanted = _type_names(new.get("type")), _type_names(old.get("type"))
    if allowed is None:
        return
    if wanted is None:
        yield f"must be {_or(allowed)} now"
        return
    if "number" in allowed:
        allowed = allowed | {"integer"}
    if lost := wanted - allowed:
        yield f"may not be {_or(lost)} any more"


def _type_names(said: Any) -> set[str] | None:
    return None if said is None else {said} if isinstance(said, str) else set(said)


def _or(names: set[str]) -> str:
    return " or ".join(sorted(names))


def _values(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    choices = [new["const"]] if "const" in new else new.get("enum")
    if choices is None:
        return
    before = [old["const"]] if "const" in old else old.get("enum")
    if before is None:
        yield "must be one of a few values now"
    elif lost := [each for each in before if each not in choices]:
        yield f"may not be {', '.join(map(repr, lost))} any more"


def _numbers(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for word, sign in _BOUNDS.items():
        if word in new and (word not in old or (new[word] - old[word]) * sign > 0):
            yield f"{word!r} is {new[word]} now"


def _fields(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
    at = f"{path}: " if path else ""
    for name in new.get("required", ()):
        if name not in old.get("required", ()):
            yield f"{at}{name!r} is required now"
    before, after = old.get("properties", {}), new.get("properties", {})
    rest_before, rest_after = old.get("additionalProperties"), new.get("additionalProperties")
    for name in before:
        if name not in after and rest_after is False and before[name] is not False:
            yield f"{at}{name!r} is removed"
    for name in after:
        yield from _narrowed(before.get(name, rest_before), after[name], f"{path}.{name}".lstrip("."))
    if rest_before is not False and rest_after is False and "additionalProperties" in new:
        yield f"{at}other fields are not allowed any more"
    elif rest_after not in (None, True, False):
        yield from _narrowed(rest_before, rest_after, f"{path}.*".lstrip("."))
