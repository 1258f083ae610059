"""Values where they stand: what a position of a document needs, and the diagnostics of its expressions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.expr import ast
from perdure.dsl.expr.names import dotted_name, text_map
from perdure.dsl.forms import NOTHING
from perdure.dsl.scalars import resolve
from perdure.dsl.source import Span
from perdure.dsl.suggest import suggest
from perdure.dsl.types.infer import infer, tests
from perdure.dsl.types.json_schema import type_of_json
from perdure.dsl.types.kinds import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    MAP,
    NEVER,
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
    describe,
    fits,
    join,
    list_of,
    map_of,
    members,
    object_of,
)
from perdure.dsl.types.problems import Problem, has_fields

_CODES = MappingProxyType(
    {
        "cel.no_overload": "PD305",
        "cel.no_such_field": "PD302",
        "cel.missing": "PD811",
    }
)
"""Codes of problems; all other kinds are PD803."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a position takes, and how to say so. ``unwraps`` is whether it takes the value of an optional."""

    simple: tuple[Atom, ...]
    text: str
    shapes: tuple[type, ...] = ()
    unwraps: bool = True
    hints: tuple[tuple[Atom, str], ...] = ()

    def takes(self, one: Type) -> bool:
        """Whether a value of the type may be right."""
        return any(self._takes(each) for each in members(one))

    def _takes(self, one: Atom) -> bool:
        if isinstance(one, Optional):
            return self.unwraps and (one.value == NEVER or self.takes(one.value))
        return one == DYN or one in self.simple or isinstance(one, self.shapes)


_SECONDS = "seconds or milliseconds? write seconds(n), or text such as 5s"
_ENTRIES = 'entries of a map: m.transformList(k, v, {"key": k, "value": v})'

CONDITION = Need((BOOL,), "a condition is true or false", hints=((NULL, "compare it, as in x != null"),))
COUNT = Need((INT, UINT), "a count is a whole number", hints=((DOUBLE, "write int(...) around it"),))
LOOPED = Need((), "this is looped over and must be a list", (List,), False, ((MAP, _ENTRIES),))
LENGTH = Need(
    (STRING, DURATION),
    "a duration is text with a unit, or of type duration",
    hints=((INT, _SECONDS), (DOUBLE, _SECONDS)),
)
MOMENT = Need(
    (STRING, TIMESTAMP),
    "a time is of type timestamp",
    hints=((INT, "write timestamp(n) for seconds since the epoch"),),
)
_AS_TEXT = tuple((each, "write string(...) around it") for each in (INT, DOUBLE, UINT, TIMESTAMP))
MESSAGE = Need((STRING,), "a message is text", hints=_AS_TEXT)
IDEMPOTENCY_KEY = Need((STRING,), "an idempotency key is text", hints=_AS_TEXT)
INSTANCE_ID = Need((STRING,), "the id of an instance is text", hints=_AS_TEXT)
FAILURE = Need((), "this must be an error", (Map, Object))
PART = Need(
    (STRING, BOOL, INT, UINT, DOUBLE, TIMESTAMP, DURATION),
    "cannot stand inside of text",
    hints=(
        (NULL, "write .orValue(...) or a ? b : c for what may be null"),
        (BYTES, "write base64.encode(...)"),
    ),
)
ENTITY_KEY = Need(PART.simple, "the key of an entity is text or a number")

_LITERALS = (
    ast.Null, ast.Bool, ast.Int, ast.Uint, ast.Double, ast.String, ast.Bytes, ast.List, ast.Map
)  # fmt: skip
"""What the rule about literals in their positions looks at."""


class Env:
    """The types of the names at a place. ``tested`` are the paths that were asked for with ``has``."""

    __slots__ = ("_names", "_parent", "tested")

    def __init__(self, parent: Env | None = None, **names: Type) -> None:
        self._parent = parent
        self._names = names
        self.tested: frozenset[str] = parent.tested if parent else frozenset()

    def get(self, name: str) -> Type | None:
        """The type of a name, None when it is not known here."""
        found = self._names.get(name)
        return found if found is not None or self._parent is None else self._parent.get(name)

    def add(self, name: str, one: Type) -> None:
        """Makes a name known from here on."""
        self._names[name] = one

    def test(self, value: ast.Value | None) -> None:
        """Remembers what a condition asked for, for all that comes after it."""
        if isinstance(value, ast.Embedded):
            found = tests(value.expr)
            if found:
                self.tested |= found


class Positions:
    """Checks values and gives their types, as they are in JSON."""

    def __init__(self, diagnostics: Collector) -> None:
        self.diagnostics = diagnostics
        self._types: dict[int, Type] = {}

    # Values -----------------------------------------------------------------------------------

    def json(self, value: ast.Value | None, env: Env) -> Type:
        """The type of a whole position that becomes JSON; null where there is none."""
        if value is None:
            return NULL
        found = self._structure(value, env)
        if isinstance(found, Optional):
            found = found.value
            self._types[id(value)] = found
        return found

    def _structure(self, value: ast.Value, env: Env) -> Type:
        found: Type
        match value:
            case ast.Const(constant):
                found = DYN if value is NOTHING else type_of_json(constant)
            case ast.Embedded():
                found = self._as_json(value, self.expression(value, env))
            case ast.Text(parts):
                for part in parts:
                    if isinstance(part, ast.Embedded):
                        self._part(part, env)
                found = STRING
            case ast.ListValue(items):
                found = list_of(join(*(self._present(self._structure(each, env)) for each in items)))
            case ast.MapValue(entries):
                fields = {key: self._structure(each, env) for key, each in entries}
                needed = [key for key, kind in fields.items() if not isinstance(kind, Optional)]
                found = object_of({key: self._present(kind) for key, kind in fields.items()}, needed)
        self._types[id(value)] = found
        return found

    @staticmethod
    def _present(one: Type) -> Type:
        return one.value if isinstance(one, Optional) else one

    def _as_json(self, part: ast.Embedded, found: Type) -> Type:
        """The type after the conversion to JSON, which some values do not survive."""
        if found == TYPE:
            self._note(part, part.expr, "a type cannot become JSON", "compare it here, as in type(x) == int")
            return NEVER
        if isinstance(found, Map) and not any(each in (STRING, DYN) for each in members(found.key)):
            self._keys(part, found)
        return _json(found)

    def _keys(self, part: ast.Embedded, found: Map) -> None:
        """Says that keys must be text: an error for a map that is surely not empty."""
        if found.key == NEVER:
            return
        message = f"this map has keys of type {describe(found.key)}; in JSON keys are text"
        code = "PD305" if isinstance(part.expr, ast.Map) else "PD810"
        span = _span(part, part.expr.at, part.expr.end)
        hint = "write string(...) around the key"
        self.diagnostics.add(code, message, span, hint=hint, kind="cel.result")

    def _part(self, part: ast.Embedded, env: Env) -> None:
        found = self.expression(part, env)
        if found != NEVER and not PART.takes(found):
            hint = next((text for kind, text in PART.hints if found == kind), "write json.marshal(...)")
            self._note(part, part.expr, f"{describe(found)} {PART.text}", hint)

    def needs(self, value: ast.Value | int | None, env: Env, need: Need) -> Type:
        """The type of a position that takes only some types."""
        if value is None or isinstance(value, int):
            return DYN
        if isinstance(value, ast.Const):
            return DYN if value is NOTHING else type_of_json(value.value)
        if not isinstance(value, ast.Embedded):
            return self.json(value, env)
        found = self.expression(value, env)
        if found != NEVER and not need.takes(found) and not isinstance(value.expr, _LITERALS):
            hint = next((text for kind, text in need.hints if _is(found, kind)), None)
            name = dotted_name(value.expr)
            which = f"'{name}'" if name else "this"
            self._note(value, value.expr, f"{need.text}; {which} is {describe(found)}", hint)
        return found

    # Expressions ------------------------------------------------------------------------------

    def expression(self, part: ast.Embedded, env: Env) -> Type:
        """The type of one expression as CEL has it; any, once nothing more would be said."""
        if self.diagnostics.full:
            return DYN
        found = infer(part.expr, env.get, env.tested)
        if found.problems:
            certain = found.type == NEVER
            for problem in found.problems:
                self._problem(part, problem, certain)
        return found.type

    def _problem(self, part: ast.Embedded, problem: Problem, certain: bool) -> None:
        code, message = _CODES.get(problem.kind, "PD803"), problem.message
        if not problem.warning and not certain:
            code, message = "PD810", f"whenever this part is evaluated it fails: {message}"
        span = _span(part, problem.at, problem.end)
        self.diagnostics.add(code, message, span, hint=problem.hint, kind=problem.kind)

    def _note(self, part: ast.Embedded, node: ast.Node, message: str, hint: str | None) -> None:
        span = _span(part, node.at, node.end)
        self.diagnostics.add("PD305", message, span, hint=hint, kind="cel.result")

    # Fitting ----------------------------------------------------------------------------------

    def fit(self, value: ast.Value | None, wanted: Type, what: str, place: Span, code: str = "PD305") -> None:
        """Notes parts of a checked value that can never be of the wanted type.

        ``what`` names the position; ``place`` is where it stands, for what has no place of its own.
        """
        given = NULL if value is None else self.known(value)
        if given == NEVER or wanted == DYN or value is NOTHING:
            return
        value = opened(value)
        if isinstance(value, ast.MapValue) and isinstance(wanted, Map | Object):
            self._fit_fields(value, wanted, what, place, code)
        elif isinstance(value, ast.ListValue) and isinstance(wanted, List):
            for position, each in enumerate(value.items):
                self.fit(each, wanted.item, f"{what}[{position}]", place, code)
        elif not fits(given, wanted):
            message = f"{what} expects {describe(wanted)}, got {describe(given)}"
            name = dotted_name(value.expr) if isinstance(value, ast.Embedded) else None
            message += f" ({name})" if name else ""
            self.diagnostics.add(code, message, where(value, place), hint=_hint(value, given, wanted))

    def _fit_fields(
        self, value: ast.MapValue, wanted: Map | Object, what: str, place: Span, code: str
    ) -> None:
        given = dict(value.entries)
        missing = dict.fromkeys(sorted(wanted.required - given.keys()) if isinstance(wanted, Object) else ())
        for name, each in value.entries:
            needed = wanted.value if isinstance(wanted, Map) else wanted.fields.get(name, wanted.rest)
            if needed is not None:
                self.fit(each, needed, f"{what}.{name}", place, code)
                continue
            assert isinstance(wanted, Object), "a map takes any name"
            near = suggest(name, wanted.fields.keys() - given.keys())
            missing.pop(near or "", None)
            message = f"{what} has no field {quote(name)}"
            message += f"; did you mean {quote(near)}?" if near else ""
            self.diagnostics.add("PD302", message, where(each, place), hint=has_fields(wanted.fields))
        if missing:
            names = ", ".join(map(quote, missing))
            self.diagnostics.add(code, f"{what} needs {names}", where(value, place))

    def known(self, value: ast.Value) -> Type:
        """The type that was found for a value."""
        if isinstance(value, ast.Const):
            return DYN if value is NOTHING else type_of_json(value.value)
        return self._types.get(id(value), DYN)


def opened(value: ast.Value | None) -> ast.Value | None:
    """A constant map or list as one of constants, so that its parts can be looked at."""
    match value:
        case ast.Const(dict() as entries):
            return ast.MapValue(tuple((name, ast.Const(each)) for name, each in entries.items()))
        case ast.Const(list() as items):
            return ast.ListValue(tuple(map(ast.Const, items)))
        case _:
            return value


def where(value: ast.Value | None, place: Span) -> Span:
    """The first expression of a value, or the given place when it has none."""
    part = None if value is None else next(ast.embedded(value), None)
    return place if part is None else _span(part, part.expr.at, part.expr.end)


def _span(part: ast.Embedded, at: int, end: int) -> Span:
    marks = text_map(part)
    start, stop = marks.position(at), marks.position(max(end - 1, at))
    if stop.line != start.line:
        return Span.at(start.line, start.column)
    return Span.at(start.line, start.column, max(stop.column + 1 - start.column, 1))


def _is(found: Type, kind: Atom) -> bool:
    if kind == MAP:
        return isinstance(found, Map | Object)
    return kind in members(found)


def _hint(value: ast.Value | None, given: Type, wanted: Type) -> str | None:
    if isinstance(value, ast.Const):
        return _constant_hint(value.value, wanted)
    if wanted == INT and DOUBLE in members(given):
        return "write int(...) around it; that cuts off what is after the point"
    if wanted == STRING and any(each in (INT, DOUBLE, BOOL) for each in members(given)):
        return "write string(...) around it"
    if STRING in members(given) and wanted in (INT, DOUBLE, NUMBER):
        return f"write {'int' if wanted == INT else 'double'}(...) around it"
    return None


def _constant_hint(value: Any, wanted: Type) -> str | None:
    """What to write instead of a constant that looks as if it were of the wanted type."""
    if isinstance(value, str) and value:
        kinds: dict[Atom, type] = {INT: int, DOUBLE: float, BOOL: bool}
        kind = type(resolve(value).value)
        wanted_kinds = [known for atom, known in kinds.items() if atom in members(wanted)]
        if kind in wanted_kinds or (kind is int and wanted == DOUBLE):
            return f"write {value} without quotes"
    elif wanted == STRING and isinstance(value, bool | int | float):
        return f"write it in quotes: {quote(json.dumps(value))}"
    return None


_AS_JSON = MappingProxyType({TIMESTAMP: STRING, DURATION: STRING, BYTES: STRING, UINT: INT})


def _json(one: Type) -> Type:
    """The type of a value after it became JSON; an optional stays one at the top."""
    if isinstance(one, Optional):
        return Optional(_json(one.value))
    return join(*(_json_atom(each) for each in members(one)))


def _json_atom(one: Atom) -> Type:
    match one:
        case List(item):
            return list_of(_json(item))
        case Map(_, value):
            return map_of(STRING, _json(value))
        case Object(fields, required, rest):
            return object_of(
                {name: _json(kind) for name, kind in fields.items()},
                required,
                None if rest is None else _json(rest),
            )
        case Optional(value):
            return _json(value)
        case _ if one == TYPE:
            return NEVER
        case _:
            return _AS_JSON.get(one, one)
