"""Types of what is read from values: fields, elements, whether they are there."""

from __future__ import annotations

from perdure.dsl.diagnostics import quote
from perdure.dsl.expr import ast
from perdure.dsl.expr.names import dotted_name, is_type
from perdure.dsl.suggest import suggest
from perdure.dsl.types.kinds import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NEVER,
    STRING,
    TYPE,
    UINT,
    Atom,
    List,
    Map,
    Object,
    Optional,
    Type,
    describe,
    element,
    join,
    key_of,
    members,
    optional_of,
    overlap,
)
from perdure.dsl.types.problems import Bound, Checking, called, has_fields
from perdure.dsl.types.signatures import METHODS


class Selecting(Checking):
    """Selection and indexing."""

    def select(self, node: ast.Select, bound: Bound) -> Type:
        if is_type(node, frozenset(bound)):
            return TYPE
        operand = self.visit(node.operand, bound)
        if node.optional:
            return self.optional_field(node, operand)
        return self.field(operand, node.operand, node.field, node.field_at, node.end)

    def field(self, operand: Type, of: ast.Node, name: str, at: int, end: int) -> Type:
        """The type of ``operand.name``."""
        found = join(*(_field(each, name) for each in members(operand)))
        if found == NEVER and operand != NEVER and not _through_optional(operand):
            return self.no_field(operand, of, name, at, end)
        self.maybe_missing(operand, of, name, at, end)
        return found

    def no_field(self, operand: Type, of: ast.Node, name: str, at: int, end: int) -> Type:
        known = [each for each in members(operand) if isinstance(each, Object)]
        if not known:
            word = f"{called(of)} is {describe(operand)}: it has no field {quote(name)}"
            return self.fail(word, of.at, end, _method_hint(name))
        fields = dict.fromkeys(each for one in known for each in one.fields)
        near = suggest(name, fields)
        message = f"{called(of)} has no field {quote(name)}" + (
            f"; did you mean {quote(near)}?" if near else ""
        )
        return self.fail(message, at, end, has_fields(fields), "cel.no_such_field")

    def maybe_missing(self, operand: Type, of: ast.Node, name: str, at: int, end: int) -> None:
        """Warns of a field that its schema does not require."""
        path = f"{dotted_name(of)}.{name}"
        if path in self.tested or not isinstance(operand, Object):
            return
        if name in operand.fields and name not in operand.required:
            message = f"{quote(path if dotted_name(of) else name)} may be missing: it is not required"
            self.warn(
                "cel.missing", message, at, end, f"write .?{name}.orValue(...), or test has(...) before"
            )

    def optional_field(self, node: ast.Select, operand: Type) -> Type:
        found, taken = [], False
        for each in members(operand):
            inner = each.value if isinstance(each, Optional) else each
            fields = [_field(one, node.field) for one in members(inner)]
            if each == DYN or isinstance(each, Map | Object | Optional):
                taken = True
                found += fields
        if operand != NEVER and not taken:
            word = f"{called(node.operand)} is {describe(operand)}: it has no fields"
            return self.fail(word, node.operand.at, node.end)
        value = join(*found)
        if isinstance(operand, Object) and value == NEVER:
            self.never_there(operand, node.operand, node.field, node.field_at, node.end)
        return optional_of(value) if taken else NEVER

    def never_there(self, operand: Object, of: ast.Node, name: str, at: int, end: int) -> None:
        near = suggest(name, operand.fields)
        message = f"{called(of)} never has a field {quote(name)}" + (
            f"; did you mean {quote(near)}?" if near else ""
        )
        self.warn("cel.never_there", message, at, end, has_fields(operand.fields))

    def has(self, node: ast.Has, bound: Bound) -> Type:
        operand = self.visit(node.operand, bound)
        if operand == NEVER:
            return NEVER
        if not any(each == DYN or isinstance(each, Map | Object | Optional) for each in members(operand)):
            word = f"{called(node.operand)} is {describe(operand)}: it has no fields"
            return self.fail(word, node.at, node.end)
        if isinstance(operand, Object) and not node.optional:
            if _field(operand, node.field) == NEVER:
                self.never_there(operand, node.operand, node.field, node.at, node.end)
            elif node.field in operand.required and dotted_name(node.operand):
                message = f"{called(node.operand)} always has the field {quote(node.field)}"
                self.warn("cel.always", message, node.at, node.end)
        return BOOL

    def index(self, node: ast.Index, bound: Bound) -> Type:
        operand = self.visit(node.operand, bound)
        if isinstance(node.index, ast.String) and not node.optional:
            return self.field(operand, node.operand, node.index.value, node.index.at, node.index.end)
        key = self.visit(node.index, bound)
        if NEVER in (operand, key):
            return NEVER
        lists = all(each == DYN or isinstance(each, List) for each in members(operand))
        if lists and isinstance(node.index, ast.Int) and node.index.value < 0 and not node.optional:
            return self.from_the_end(node, operand, node.index.value)
        if node.optional:
            found = [_at(inner, key) for each in members(operand) for inner in _unwrapped(each)]
            taken = any(_takes_index(each, key) for each in members(operand))
            result: Type = optional_of(join(*found))
        else:
            result = join(*(_at(each, key) for each in members(operand)))
            taken = result != NEVER
        return result if taken else self.no_item(node, operand, key)

    def from_the_end(self, node: ast.Index, operand: Type, index: int) -> Type:
        """A negative index, which no list has and hardly any map."""
        name = dotted_name(node.operand) or "xs"
        hint = f"write {name}.last().value()" if index == -1 else f"write {name}[size({name}) - {-index}]"
        if DYN not in members(operand):
            return self.fail("lists are indexed from 0 upwards", node.index.at, node.index.end, hint)
        self.warn("cel.index", "lists are indexed from 0 upwards", node.index.at, node.index.end, hint)
        return DYN

    def no_item(self, node: ast.Index, operand: Type, key: Type) -> Type:
        name = called(node.operand)
        if any(_takes_index(each, key) for each in members(operand)):
            message = f"{name} never has this key, of type {describe(key)}"
            if isinstance(operand, List):
                message = f"{name} is always empty"
        else:
            message = f"{name} is {describe(operand)}: it cannot be indexed by {describe(key)}"
        return self.fail(message, node.operand.at, node.end)


def _field(one: Atom, name: str) -> Type:
    """The type of a field of a value; NEVER if there is no such field."""
    match one:
        case Object(fields, _, rest):
            return fields.get(name, NEVER if rest is None else rest)
        case Map(key, value):
            return value if overlap(key, STRING) else NEVER
        case Optional(value):
            return optional_of(join(*(_field(each, name) for each in members(value))))
        case _:
            return DYN if one == DYN else NEVER


def _through_optional(operand: Type) -> bool:
    return any(isinstance(each, Optional) for each in members(operand))


def _at(one: Atom, key: Type) -> Type:
    """The type of ``one[key]``."""
    match one:
        case List(item):
            return item if _takes_index(one, key) else NEVER
        case Map() | Object():
            return element(one) if overlap(key_of(one), key) else NEVER
        case Optional(value):
            return optional_of(join(*(_at(each, key) for each in members(value))))
        case _:
            return DYN if one == DYN else NEVER


def _takes_index(one: Atom, key: Type) -> bool:
    """Whether something can be indexed by a key of that type, be the key there or not."""
    if isinstance(one, List):
        return any(each in (INT, UINT, DOUBLE, DYN) for each in members(key))
    return one == DYN or isinstance(one, Map | Object | Optional)


def _unwrapped(one: Atom) -> tuple[Atom, ...]:
    return members(one.value) if isinstance(one, Optional) else (one,)


def _method_hint(name: str) -> str | None:
    """What was meant with the field of a value that has none."""
    if name in METHODS:
        return f"call it: .{name}()"
    return "write size(...)" if name in ("length", "len", "count") else None
