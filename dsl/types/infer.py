"""The type of an expression, and what is wrong with it whatever the values are.

Only what fails for every input is a mistake. A part that fails whenever it is evaluated has the type
NEVER, which goes up to whatever needs the part; ``a && b``, ``a ? b : c`` and the bodies of macros do not
always need theirs. So an expression is in error when its own type is NEVER, and else its problems are
warnings about parts of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from perdure.dsl.diagnostics import quote
from perdure.dsl.expr import ast
from perdure.dsl.expr.functions import TYPE_NAMES
from perdure.dsl.expr.names import dotted_name, is_type
from perdure.dsl.suggest import suggest
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
    overlap,
)
from perdure.dsl.types.operators import binary
from perdure.dsl.types.signatures import FUNCTIONS, METHODS, Overload

LISTED = 20
"""Most names that a hint lists."""

Bound: TypeAlias = Mapping[str, Type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong between two offsets of an expression. ``warning`` is whether it never fails."""

    kind: str
    message: str
    at: int
    end: int
    hint: str | None = None
    warning: bool = False


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


class _Inference:
    """One expression's."""

    def __init__(self, names: Callable[[str], Type | None], tested: frozenset[str]) -> None:
        self.names = names
        self.tested = tested
        self.problems: list[Problem] = []

    def fail(
        self, message: str, at: int, end: int, hint: str | None = None, kind: str = "cel.no_overload"
    ) -> Type:
        """Notes what fails whenever it is evaluated."""
        self.problems.append(Problem(kind=kind, message=message, at=at, end=end, hint=hint))
        return NEVER

    def warn(self, kind: str, message: str, at: int, end: int, hint: str | None = None) -> None:
        """Notes what does not fail, but is hardly meant."""
        self.problems.append(Problem(kind=kind, message=message, at=at, end=end, hint=hint, warning=True))

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

    # Fields -----------------------------------------------------------------------------------

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
            word = f"{_called(of)} is {describe(operand)}: it has no field {quote(name)}"
            return self.fail(word, of.at, end, _method_hint(name))
        fields = dict.fromkeys(each for one in known for each in one.fields)
        near = suggest(name, fields)
        message = f"{_called(of)} has no field {quote(name)}" + (
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
            word = f"{_called(node.operand)} is {describe(operand)}: it has no fields"
            return self.fail(word, node.operand.at, node.end)
        value = join(*found)
        if isinstance(operand, Object) and value == NEVER:
            self.never_there(operand, node.operand, node.field, node.field_at, node.end)
        return optional_of(value) if taken else NEVER

    def never_there(self, operand: Object, of: ast.Node, name: str, at: int, end: int) -> None:
        near = suggest(name, operand.fields)
        message = f"{_called(of)} never has a field {quote(name)}" + (
            f"; did you mean {quote(near)}?" if near else ""
        )
        self.warn("cel.never_there", message, at, end, has_fields(operand.fields))

    def has(self, node: ast.Has, bound: Bound) -> Type:
        operand = self.visit(node.operand, bound)
        if operand == NEVER:
            return NEVER
        if not any(each == DYN or isinstance(each, Map | Object | Optional) for each in members(operand)):
            word = f"{_called(node.operand)} is {describe(operand)}: it has no fields"
            return self.fail(word, node.at, node.end)
        if isinstance(operand, Object) and not node.optional:
            if _field(operand, node.field) == NEVER:
                self.never_there(operand, node.operand, node.field, node.at, node.end)
            elif node.field in operand.required and dotted_name(node.operand):
                message = f"{_called(node.operand)} always has the field {quote(node.field)}"
                self.warn("cel.always", message, node.at, node.end)
        return BOOL

    def index(self, node: ast.Index, bound: Bound) -> Type:
        operand = self.visit(node.operand, bound)
        if isinstance(node.index, ast.String) and not node.optional:
            return self.field(operand, node.operand, node.index.value, node.index.at, node.index.end)
        key = self.visit(node.index, bound)
        if NEVER in (operand, key):
            return NEVER
        if node.optional:
            found = [_at(inner, key) for each in members(operand) for inner in _unwrapped(each)]
            taken = any(_takes_index(each, key) for each in members(operand))
            result: Type = optional_of(join(*found))
        else:
            result = join(*(_at(each, key) for each in members(operand)))
            taken = result != NEVER
        return result if taken else self.no_item(node, operand, key)

    def no_item(self, node: ast.Index, operand: Type, key: Type) -> Type:
        called = _called(node.operand)
        if any(_takes_index(each, key) for each in members(operand)):
            message = f"{called} never has this key, of type {describe(key)}"
            if isinstance(operand, List):
                message = f"{called} is always empty"
        else:
            message = f"{called} is {describe(operand)}: it cannot be indexed by {describe(key)}"
        return self.fail(message, node.operand.at, node.end)

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

    # Operators --------------------------------------------------------------------------------

    def truth(self, found: Type, operator: str, node: ast.Node) -> Type:
        """BOOL if the value may be one, else NEVER with a note."""
        if found == NEVER or any(each in (BOOL, DYN) for each in members(found)):
            return NEVER if found == NEVER else BOOL
        hint = "compare it, as in x != null" if not isinstance(found, Optional) else _OR_VALUE
        return self.fail(f"'{operator}' takes bool, not {describe(found)}", node.at, node.end, hint)

    def negate(self, node: ast.Negate, bound: Bound) -> Type:
        operand = self.visit(node.operand, bound)
        found = [each for each in members(operand) if each in (INT, DOUBLE, DYN)]
        if operand != NEVER and not found:
            return self.fail(f"'-' takes a number, not {describe(operand)}", node.at, node.end)
        return join(*found)

    def logic(self, node: ast.And | ast.Or, bound: Bound) -> Type:
        """``&&`` and ``||``: an operand that decides makes up for others that fail."""
        operator, decides = ("&&", False) if isinstance(node, ast.And) else ("||", True)
        failing = deciding = False
        for operand in node.operands:
            found = self.truth(self.visit(operand, bound), operator, operand)
            if found == NEVER:
                failing = True
            elif not (isinstance(operand, ast.Bool) and operand.value is not decides):
                deciding = True
        return NEVER if failing and not deciding else BOOL

    def chain(self, node: ast.Chain, bound: Bound) -> Type:
        found, left = self.visit(node.first, bound), node.first
        for operation in node.rest:
            right = self.visit(operation.operand, bound)
            found = self.operation(node, operation, (found, left), right)
            left = operation.operand
        return found

    def operation(
        self, node: ast.Chain, operation: ast.Operation, before: tuple[Type, ast.Node], b: Type
    ) -> Type:
        a, left = before
        operator, end = operation.operator, operation.operand.end
        at = left.at if left is node.first else operation.at
        if NEVER in (a, b):
            return NEVER
        if operator in ("==", "!="):
            quoted = isinstance(left, ast.String) or isinstance(operation.operand, ast.String)
            self.equality(operator, a, b, at, end, quoted=quoted)
            return BOOL
        result = binary(operator, a, b)
        if result == NEVER:
            return self.fail(*_refused(operator, a, b, at, end))
        if operator == "in":
            self.membership(a, b, at, end)
        elif operator == "/" and isinstance(operation.operand, ast.Int) and _is_data(left, a):
            self.division(operation, a)
        return result

    def division(self, operation: ast.Operation, a: Type) -> None:
        """Warns of data that divides without a rest when it happens to be whole."""
        if DYN in members(a) or INT in members(a):  # what is known to be double is right
            message = "a whole number here divides without a rest: 7 / 2 is 3"
            right = operation.operand
            assert isinstance(right, ast.Int)
            self.warn(
                "cel.int_division",
                message,
                operation.at,
                right.end,
                f"write / {right.value}.0 for a real result",
            )

    def equality(self, operator: str, a: Type, b: Type, at: int, end: int, *, quoted: bool) -> None:
        if overlap(a, b):
            return
        word = "never" if operator == "==" else "always"
        optional = isinstance(a, Optional) or isinstance(b, Optional)
        numbers = any(each in (INT, DOUBLE) for one in (a, b) for each in members(one))
        hint = _OR_VALUE if optional else "what stands in quotes is text" if quoted and numbers else None
        message = f"'{operator}' compares {describe(a)} with {describe(b)}: they are never equal"
        self.warn(f"cel.{word}_equal", message, at, end, hint)

    def membership(self, a: Type, b: Type, at: int, end: int) -> None:
        for each in members(b):
            items = each.item if isinstance(each, List) else _key(each)
            if items == NEVER or overlap(a, items):
                return
        message = f"{describe(a)} is never in {describe(b)}"
        if describe(b) == "map":
            message = f"{describe(a)} is never a key of this map"
        self.warn("cel.never_equal", message, at, end)

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
_OR_VALUE = "take the value out of the optional with .orValue(...)"


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


def _key(one: Atom) -> Type:
    return key_of(one) if isinstance(one, Map | Object) else DYN


def _values(one: Atom) -> Type:
    return element(one) if isinstance(one, Map | Object) else DYN


def _may_be_key(one: Type) -> bool:
    return any(each in (STRING, INT, UINT, BOOL, DYN) for each in members(one))


def _is_data(node: ast.Node, one: Type) -> bool:
    """Whether the node reads data; a name that is surely an int, such as a counter, is meant to be one."""
    return isinstance(node, ast.Select | ast.Index) or (isinstance(node, ast.Name) and one != INT)


def _called(node: ast.Node) -> str:
    """The value in a message: by its name where it has one."""
    name = dotted_name(node)
    return quote(name) if name else "this value"


def has_fields(fields: Iterable[str]) -> str:
    """A hint that lists the fields there are, or the first of many."""
    names = list(fields)
    shown = [*names[:LISTED], *(["…"] if len(names) > LISTED else [])]
    return f"it has: {', '.join(shown)}" if shown else "it has no fields"


def _method_hint(name: str) -> str | None:
    """What was meant with the field of a value that has none."""
    if name in METHODS:
        return f"call it: .{name}()"
    return "write size(...)" if name in ("length", "len", "count") else None


def _refused(operator: str, a: Type, b: Type, at: int, end: int) -> tuple[str, int, int, str | None]:
    """What to say of an operator that does not take its operands."""
    hint = None
    if any(isinstance(each, Optional) for each in (a, b)):
        hint = _OR_VALUE
    elif operator in ("<", "<=", ">", ">="):
        if STRING in (a, b) and any(each in (INT, DOUBLE) for one in (a, b) for each in members(one)):
            hint = "write int(...) or double(...) around the text"
    elif operator == "+" and STRING in (a, b):
        hint = "write string(...) around the other value"
    elif operator == "%" and DOUBLE in (*members(a), *members(b)):
        hint = "'%' takes whole numbers"
    if operator == "in":
        message = f"'in' looks into a list or a map, not into {describe(b)}"
    elif operator in ("<", "<=", ">", ">="):
        message = f"'{operator}' compares {describe(a)} with {describe(b)}"
    else:
        message = f"'{operator}' does not take {describe(a)} and {describe(b)}"
    return message, at, end, hint


def _call_hint(name: str, arguments: list[Type]) -> str | None:
    if any(isinstance(each, Optional) for each in arguments):
        return _OR_VALUE
    if name == "duration" and arguments[0] in (INT, DOUBLE):
        return "write seconds(n) for a number"
    if name in ("string", "size") and isinstance(arguments[0], List | Map | Object):
        return "write json.marshal(...) for its JSON text"
    return None
