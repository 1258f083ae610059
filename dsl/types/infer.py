"""The type of an expression, and what is wrong with it whatever the values are.

Only what fails for every input is a mistake. A part that fails whenever it is evaluated has the type
NEVER, which goes up to whatever needs the part; ``a && b``, ``a ? b : c`` and the bodies of macros do not
always need theirs. So an expression is in error when its own type is NEVER, and else its problems are
warnings about parts of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perdure.dsl.expr import ast
from perdure.dsl.expr.functions import TYPE_NAMES
from perdure.dsl.expr.names import dotted_name
from perdure.dsl.types.combining import Combining
from perdure.dsl.types.kinds import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    INT,
    NEVER,
    NULL,
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
    list_of,
    map_of,
    members,
    object_of,
    optional_of,
)
from perdure.dsl.types.problems import OR_VALUE, Bound, Problem
from perdure.dsl.types.signatures import FUNCTIONS, METHODS, Overload


@dataclass(frozen=True, slots=True)
class Inferred:
    """The type of an expression and its problems: errors when the type is NEVER."""

    type: Type
    problems: tuple[Problem, ...]


def infer(
    node: ast.Node, names: Callable[[str], Type | None], tested: frozenset[str] = frozenset()
) -> Inferred:
    """What an expression gives. ``names`` knows the types of roots; an unknown one is of any type.

    ``tested`` are paths, such as ``input.note``, that were asked for with ``has`` before.
    """
    inference = _Inference(names, tested | tests(node))
    found = inference.visit(node, {})
    return Inferred(found, tuple(inference.problems))


def tests(node: ast.Node) -> frozenset[str]:
    """The paths that an expression asks for with ``has`` or ``.?``."""
    found: set[str] = set()
    _tests(node, found)
    return frozenset(found)


def _tests(node: ast.Node, found: set[str]) -> None:
    if isinstance(node, ast.Has) or (isinstance(node, ast.Select) and node.optional):
        path = dotted_name(node.operand)
        if path is not None:
            found.add(f"{path}.{node.field}")
    elif isinstance(node, ast.Chain) and isinstance(node.first, ast.String):
        found.update(  # 'note' in input
            f"{dotted_name(each.operand)}.{node.first.value}" for each in node.rest if each.operator == "in"
        )
    for child in ast.children(node):
        _tests(child, found)


class _Inference(Combining):
    """One expression's."""

    def visit(self, node: ast.Node, bound: Bound) -> Type:
        """The type of a node."""
        match node:
            case ast.Null():
                return NULL
            case ast.Bool():
                return BOOL
            case ast.Int():
                return INT
            case ast.Uint():
                return UINT
            case ast.Double():
                return DOUBLE
            case ast.String():
                return STRING
            case ast.Bytes():
                return BYTES
            case ast.Name():
                return self.name(node, bound)
            case ast.Select():
                return self.select(node, bound)
            case ast.Index():
                return self.index(node, bound)
            case ast.Has():
                return self.has(node, bound)
            case ast.Call():
                arguments = [self.visit(each, bound) for each in node.arguments]
                return self.call(node, FUNCTIONS.get(node.name, ()), arguments)
            case ast.Method():
                arguments = [self.visit(each, bound) for each in (node.operand, *node.arguments)]
                return self.call(node, METHODS.get(node.name, ()), arguments)
            case ast.Macro():
                return self.macro(node, bound)
            case ast.Not():
                return self.truth(self.visit(node.operand, bound), "!", node.operand)
            case ast.Negate():
                return self.negate(node, bound)
            case ast.And() | ast.Or():
                return self.logic(node, bound)
            case ast.Conditional():
                test = self.truth(self.visit(node.test, bound), "? :", node.test)
                result = join(self.visit(node.then, bound), self.visit(node.other, bound))
                return NEVER if test == NEVER else result
            case ast.Chain():
                return self.chain(node, bound)
            case ast.List():
                return self.list_literal(node, bound)
            case ast.Map():
                return self.map_literal(node, bound)

    def name(self, node: ast.Name, bound: Bound) -> Type:
        if not node.root and node.name in bound:
            return bound[node.name]
        found = self.names(node.name)
        if found is not None:
            return found
        return TYPE if node.name in TYPE_NAMES else DYN

    # Calls ------------------------------------------------------------------------------------

    def call(
        self, node: ast.Call | ast.Method, overloads: tuple[Overload, ...], arguments: list[Type]
    ) -> Type:
        if NEVER in arguments:
            return NEVER
        if node.name == "dyn" or not overloads:
            return DYN
        right = [each for each in overloads if each.counts(len(arguments))]
        if not right:
            return DYN  # a wrong number of arguments is said elsewhere
        found = []
        fitting = []
        for overload in right:
            taken = [
                join(*(each for each in members(argument) if overload.parameter(position).takes(each)))
                for position, argument in enumerate(arguments)
            ]
            if NEVER not in taken:
                fitting.append(overload)
                given = overload.result
                found.append(given(*taken) if callable(given) else given)
        if not fitting:
            shown = ", ".join(map(describe, arguments))
            hint = _call_hint(node.name, arguments)
            end = node.name_at + len(node.name.rpartition(".")[2])
            return self.fail(f"{node.name} does not take ({shown})", node.name_at, end, hint)
        self.items(node, fitting, arguments)
        return join(*found)

    def items(self, node: ast.Call | ast.Method, overloads: list[Overload], arguments: list[Type]) -> None:
        """Notes lists whose items no overload takes: only an empty one will do."""
        for position, argument in enumerate(arguments):
            lists = [each for each in members(argument) if isinstance(each, List)]
            if lists and not any(
                each.parameter(position).takes_items(one) for each in overloads for one in members(argument)
            ):
                message = f"{node.name} does not take {describe(argument)}"
                end = node.name_at + len(node.name.rpartition(".")[2])
                hint = "write xs.map(x, string(x)).join(...)" if node.name == "join" else None
                self.fail(message, node.name_at, end, hint)

    # Literals and macros ----------------------------------------------------------------------

    def list_literal(self, node: ast.List, bound: Bound) -> Type:
        found, failed = [], False
        for each in node.elements:
            value = self.visit(each.value, bound)
            failed = failed or value == NEVER
            if each.optional and value != NEVER:
                refused = len(self.problems)
                value = self.inner(value, each.value, "[?value]")
                failed = failed or len(self.problems) > refused
            found.append(value)
        return NEVER if failed else list_of(join(*found))

    def inner(self, value: Type, node: ast.Node, what: str) -> Type:
        """The type inside of an optional, where one is needed; a none is left out."""
        found = [each for each in members(value) if each == DYN or isinstance(each, Optional)]
        if not found:
            return self.fail(f"{what} takes an optional, not {describe(value)}", node.at, node.end)
        return join(*(each.value if isinstance(each, Optional) else DYN for each in found))

    def map_literal(self, node: ast.Map, bound: Bound) -> Type:
        fields: dict[str, Type] = {}
        required: set[str] = set()
        keys: list[Type] = []
        values: list[Type] = []
        failed = False
        for each in node.entries:
            key, value = self.visit(each.key, bound), self.visit(each.value, bound)
            failed = failed or NEVER in (key, value)
            if each.optional and value != NEVER:
                refused = len(self.problems)
                value = self.inner(value, each.value, "?key: value")
                failed = failed or len(self.problems) > refused
            if isinstance(each.key, ast.String):
                fields[each.key.value] = value
                required |= set() if each.optional else {each.key.value}
            elif key != NEVER and not _may_be_key(key) and not isinstance(each.key, _BAD_KEYS):
                self.fail(
                    f"a key is a string, an int or a bool, not {describe(key)}", each.key.at, each.key.end
                )
                failed = True
            keys.append(key)
            values.append(value)
        if failed:
            return NEVER
        if len(fields) == len(node.entries):
            return object_of(fields, required)
        return map_of(join(*keys), join(*values))

    def macro(self, node: ast.Macro, bound: Bound) -> Type:
        target = self.visit(node.target, bound)
        match node.name:
            case "cel.bind":
                result = self.visit(node.bodies[0], {**bound, node.variables[0]: target})
                return NEVER if target == NEVER else result
            case "optMap" | "optFlatMap":
                return self.optional_macro(node, target, bound)
            case _:
                return self.comprehension(node, target, bound)

    def optional_macro(self, node: ast.Macro, target: Type, bound: Bound) -> Type:
        found = [each for each in members(target) if each == DYN or isinstance(each, Optional)]
        if target != NEVER and not found:
            end = node.name_at + len(node.name)
            return self.fail(f"{node.name} takes an optional, not {describe(target)}", node.name_at, end)
        value = join(*(each.value if isinstance(each, Optional) else DYN for each in found))
        body = self.visit(node.bodies[0], {**bound, node.variables[0]: DYN if value == NEVER else value})
        if target == NEVER:
            return NEVER
        if node.name == "optMap":
            return optional_of(body)
        return optional_of(NEVER if body == NEVER else self.inner(body, node.bodies[0], "optFlatMap"))

    def comprehension(self, node: ast.Macro, target: Type, bound: Bound) -> Type:
        walked = [each for each in members(target) if each == DYN or isinstance(each, List | Map | Object)]
        if target != NEVER and not walked:
            end = node.name_at + len(node.name)
            message = f"{node.name} takes a list or a map, not {describe(target)}"
            return self.fail(message, node.name_at, end)
        keys = join(*(INT if isinstance(each, List) else _key(each) for each in walked))
        values = join(*(each.item if isinstance(each, List) else _values(each) for each in walked))
        first = join(*(each.item if isinstance(each, List) else _key(each) for each in walked))
        kinds = (first,) if len(node.variables) == 1 else (keys, values)
        inner = {
            **bound,
            **{
                name: DYN if kind == NEVER else kind for name, kind in zip(node.variables, kinds, strict=True)
            },
        }
        bodies = [self.visit(each, inner) for each in node.bodies]
        if target == NEVER:
            return NEVER
        return self.collected(node, bodies, first, keys)

    def collected(self, node: ast.Macro, bodies: list[Type], first: Type, keys: Type) -> Type:
        """What a comprehension makes of the types of its bodies."""
        last, body = bodies[-1], node.bodies[-1]
        if node.name in _TESTING or len(bodies) == 2:
            self.truth(bodies[0], node.name, node.bodies[0])
        match node.name:
            case "all" | "exists" | "exists_one" | "existsOne":
                return BOOL
            case "filter":
                return list_of(first if bodies[0] != NEVER else NEVER)
            case "sortBy":
                return list_of(first)
            case "transformMap":
                return map_of(keys, last)
            case "transformMapEntry":
                maps = [each for each in members(last) if each == DYN or isinstance(each, Map | Object)]
                if last != NEVER and not maps:
                    self.fail(
                        f"transformMapEntry makes entries of a map, not of {describe(last)}",
                        body.at,
                        body.end,
                    )
                return map_of(join(*map(_key, maps)), join(*map(_values, maps)))
            case "groupBy":
                if last != NEVER and not _may_be_key(last):
                    self.fail(f"a key is a string, an int or a bool, not {describe(last)}", body.at, body.end)
                return map_of(last, list_of(first))
            case _:
                return list_of(last)


_TESTING = frozenset({"all", "exists", "exists_one", "existsOne", "filter"})
_BAD_KEYS = (ast.Double, ast.Null, ast.Bytes, ast.List, ast.Map)
"""Literal keys that ``expr.check`` refuses."""


def _key(one: Atom) -> Type:
    return key_of(one) if isinstance(one, Map | Object) else DYN


def _values(one: Atom) -> Type:
    return element(one) if isinstance(one, Map | Object) else DYN


def _may_be_key(one: Type) -> bool:
    return any(each in (STRING, INT, UINT, BOOL, DYN) for each in members(one))


def _call_hint(name: str, arguments: list[Type]) -> str | None:
    if any(isinstance(each, Optional) for each in arguments):
        return OR_VALUE
    if name == "duration" and arguments[0] in (INT, DOUBLE):
        return "write seconds(n) for a number"
    if name in ("string", "size") and isinstance(arguments[0], List | Map | Object):
        return "write json.marshal(...) for its JSON text"
    return None
