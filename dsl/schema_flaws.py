"""What makes a JSON Schema fail with the first value that is held against it, whatever the value.

The meta-schema says nothing of it: a ``pattern`` that is no regular expression, a reference to nowhere or
back to itself, and what a reference makes a schema of that stands where none is looked for. References are
followed as the validator of instances does.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from referencing import Registry, Specification
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT7, DRAFT202012

from perdure.dsl.diagnostics import quote
from perdure.dsl.expr.suggest import did_you_mean

DIALECTS: Mapping[str, type[Validator]] = MappingProxyType(
    {
        "https://json-schema.org/draft/2020-12/schema": Draft202012Validator,
        "http://json-schema.org/draft-07/schema#": Draft7Validator,
        "http://json-schema.org/draft-07/schema": Draft7Validator,
    }
)
"""The drafts of JSON Schema that are understood, by their ``$schema``; the first is the default."""

_PYTHON = "patterns in schemas are regular expressions as Python's module 're' reads them"
Path: TypeAlias = tuple[str | int, ...]


class Flaw(NamedTuple):
    """What is wrong, and the way to it; with ``key`` it is about the last name of the way, not its value."""

    path: Path
    message: str
    hint: str | None = None
    key: bool = False


class _Draft(NamedTuple):
    """Where a draft has schemas: one, or a list of them, or some under names. And what refers to others."""

    specification: Specification[Any]
    plain: frozenset[str]
    named: frozenset[str]
    references: tuple[str, ...]


_COMMON = "additionalProperties allOf anyOf contains else if items not oneOf propertyNames then"
_DRAFTS: Mapping[type[Validator], _Draft] = MappingProxyType(
    {
        Draft202012Validator: _Draft(
            DRAFT202012,
            frozenset(f"{_COMMON} contentSchema prefixItems unevaluatedItems unevaluatedProperties".split()),
            frozenset("$defs definitions dependencies dependentSchemas patternProperties properties".split()),
            ("$ref", "$dynamicRef"),
        ),
        Draft7Validator: _Draft(
            DRAFT7,
            frozenset(f"{_COMMON} additionalItems".split()),
            frozenset("definitions dependencies patternProperties properties".split()),
            ("$ref",),
        ),
    }
)
_SAME_VALUE = frozenset("allOf anyOf oneOf not if then else dependentSchemas dependencies".split())
"""Keywords whose schemas are for the same value."""


class _Part(NamedTuple):
    """A schema on the way through: how its references are resolved, and how one gets there.

    ``led_here`` is the reference to what stands outside of all schemas: what is wrong there is told of it.
    """

    schema: dict[str, Any]
    resolver: Any
    dialect: type[Validator]
    path: Path
    led_here: Path | None

    def flaw(self, way: Path, message: str, hint: str | None = None, *, key: bool = False) -> Flaw:
        """What is wrong at the end of a way from here."""
        if self.led_here is not None:
            return Flaw(self.led_here, message, hint)
        return Flaw((*self.path, *way), message, hint, key)


_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_IN_PYTHON = {
    "bool": "boolean", "dict": "object", "float": "number", "int": "integer", "list": "array", "None": "null",
    "str": "string",
}  # fmt: skip
"""What Python calls them."""
_Same: TypeAlias = tuple[Path, str, dict[str, Any]]
"""A schema for the value of another one, and the reference that leads there: where it is and what it says."""


def dialect_of(schema: Any, default: type[Validator] = Draft202012Validator) -> type[Validator]:
    """The validator of the draft that a schema names."""
    named = schema.get("$schema") if isinstance(schema, dict) else None
    return DIALECTS.get(named, default) if isinstance(named, str) else default


def not_a_schema(schema: Any, dialect: type[Validator]) -> tuple[str, Path] | None:
    """What the meta-schema has against a schema, and where in it."""
    error = best_match(dialect(dialect.META_SCHEMA).iter_errors(schema))
    if error is None:
        return None
    where = tuple(error.absolute_path)
    if where[-1:] == ("type",) and error.validator == "anyOf" and isinstance(error.instance, str):
        return f"not a JSON Schema: {_shortened(_no_type(error.instance))}", where
    return f"not a JSON Schema: {_shortened(error.message)}", where


def _no_type(name: str) -> str:
    near = _IN_PYTHON.get(name) or did_you_mean(name.lower(), _TYPES)
    return f"{quote(name)} is no type; " + (
        f"did you mean {quote(near)}?" if near else f"one of {', '.join(_TYPES)}"
    )


def flaws(schema: Any) -> Iterator[Flaw]:
    """Everything that would fail. The schema is right by its meta-schema, and refers to no other file."""
    if isinstance(schema, dict):
        try:
            walk = _Walk(schema)
        except ValueError:
            yield Flaw((), "an '$id' in it is no URI")
        else:
            yield from walk.flaws()


class _Walk:
    """Visits once each schema that a value may be held against."""

    def __init__(self, root: dict[str, Any]) -> None:
        dialect = dialect_of(root)
        resource = _DRAFTS[dialect].specification.create_resource(root)
        uri = resource.id() or ""
        # Gone through beforehand, which each look for an anchor would do again.
        registry = Registry().with_resource(uri, resource).crawl()
        self._waiting = [_Part(root, registry.resolver(uri), dialect, (), None)]
        self._targets: list[_Part] = []
        """What references lead to. Most of it is a schema by its place too, and has its own way there."""
        self._seen = {id(root)}
        self._same: dict[int, list[_Same]] = {}
        """Of each schema those that the same value is held against."""

    def flaws(self) -> Iterator[Flaw]:
        while self._waiting or self._targets:
            if self._waiting:
                yield from self._of(self._waiting.pop())
                continue
            part = self._targets.pop()
            if id(part.schema) not in self._seen:
                self._seen.add(id(part.schema))
                yield from self._enter(part, checked=False)
        if (found := self._endless()) is not None:
            path, reference = found
            yield Flaw(path, f"{quote(reference)} leads back to itself")

    def _enter(self, part: _Part, *, checked: bool) -> Iterator[Flaw]:
        """Visit a schema, unless its own draft has something against it."""
        wrong = None if checked else not_a_schema(part.schema, part.dialect)
        if wrong is None:
            self._waiting.append(part)
        else:
            yield part.flaw(wrong[1], wrong[0])

    def _of(self, part: _Part) -> Iterator[Flaw]:
        schema, draft = part.schema, _DRAFTS[part.dialect]
        for keyword in draft.references:
            reference = schema.get(keyword)
            if isinstance(reference, str):
                yield from self._reference(part, keyword, reference)
        if part.dialect is Draft7Validator and "$ref" in schema:
            return  # What stands beside it says nothing.
        yield from _patterns(part)
        for keyword, value in schema.items():
            if keyword in draft.named and isinstance(value, dict):
                for name, inner in value.items():
                    yield from self._inside(part, inner, (keyword, name))
            elif keyword in draft.plain:
                inners = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
                for index, inner in inners:
                    yield from self._inside(part, inner, (keyword,) if index is None else (keyword, index))

    def _inside(self, part: _Part, inner: Any, way: Path) -> Iterator[Flaw]:
        if not isinstance(inner, dict):
            return
        if way[0] in _SAME_VALUE:
            self._same.setdefault(id(part.schema), []).append(((), "", inner))
        if id(inner) in self._seen:
            return
        self._seen.add(id(inner))
        dialect = dialect_of(inner, part.dialect)
        try:
            resolver = part.resolver.in_subresource(_DRAFTS[dialect].specification.create_resource(inner))
        except ValueError:
            yield part.flaw((*way, "$id"), f"{quote(str(inner.get('$id')))} is no URI")
            return
        following = _Part(inner, resolver, dialect, (*part.path, *way), part.led_here)
        yield from self._enter(following, checked=dialect is part.dialect)

    def _reference(self, part: _Part, keyword: str, reference: str) -> Iterator[Flaw]:
        try:
            found = part.resolver.lookup(reference)
        except (Unresolvable, ValueError, TypeError):
            yield part.flaw((keyword,), f"{quote(reference)} is not in this schema")
            return
        target = found.contents
        if isinstance(target, dict):
            path = part.led_here or (*part.path, keyword)
            self._same.setdefault(id(part.schema), []).append((path, reference, target))
            dialect = dialect_of(target, part.dialect)
            self._targets.append(_Part(target, found.resolver, dialect, (), path))
        elif not isinstance(target, bool):
            yield part.flaw((keyword,), f"{quote(reference)} is no schema")

    def _endless(self) -> tuple[Path, str] | None:
        """A reference that leads a value back to the same schema, for ever."""
        done: set[int] = set()
        for start in self._same:
            path: list[tuple[Path, str, int, Iterator[_Same]]] = [((), "", start, iter(self._same[start]))]
            around = {start}
            while path and start not in done:
                *_, part, following = path[-1]
                way, reference, target = next(following, ((), "", None))
                if target is None:
                    path.pop()
                    around.discard(part)
                    done.add(part)
                elif id(target) in around:
                    named = [(way, reference), *((each[0], each[1]) for each in reversed(path))]
                    return next(each for each in named if each[1])
                elif id(target) not in done:
                    path.append((way, reference, id(target), iter(self._same.get(id(target), ()))))
                    around.add(id(target))
        return None


def _patterns(part: _Part) -> Iterator[Flaw]:
    schema = part.schema
    pattern, named = schema.get("pattern"), schema.get("patternProperties")
    if isinstance(pattern, str) and (problem := _problem(pattern)) is not None:
        yield part.flaw(("pattern",), f"{quote(pattern)} is no regular expression: {problem}", _PYTHON)
    if not isinstance(named, dict):
        return
    right = True
    for each in named:
        if (problem := _problem(each)) is not None:
            right = False
            message = f"{quote(each)} is no regular expression: {problem}"
            yield part.flaw(("patternProperties", each), message, _PYTHON, key=True)
    # What is an additional property is asked of all the patterns as one.
    if right and "additionalProperties" in schema and (problem := _problem("|".join(named))) is not None:
        message = f"the patterns cannot be put together to tell what is additional: {problem}"
        yield part.flaw(
            ("patternProperties",), message, "write '(?i:...)' for '(?i)...', and no named groups"
        )


def _problem(pattern: str) -> str | None:
    """Why a text is no regular expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except re.error as error:
        return str(error)
    except (RecursionError, OverflowError):
        return "it is beyond what can be matched"
    return None


def _shortened(message: str) -> str:
    return message if len(message) <= 160 else message[:159] + "…"
