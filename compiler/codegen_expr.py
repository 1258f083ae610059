"""Expressions to Python statements."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from perdure.compiler.codegen_source import Atom, Function, Scope, Writer
from perdure.compiler.runtime import tables
from perdure.compiler.runtime.values import TypeValue, Uint
from perdure.dsl.expr import ast
from perdure.dsl.expr.functions import FUNCTIONS, METHODS, TYPE_NAMES, takes
from perdure.dsl.expr.names import dotted_name, is_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# CPython takes 20 nested for and try blocks and 100 levels of indentation; beyond half of that a
# sub-expression gets a function of its own.
_MAX_BLOCKS = 10
_MAX_INDENT = 30

# Roots that hold timestamps, so that what is selected from them may need conversion to JSON.
_NOT_PLAIN = frozenset({"workflow", "schedule"})

_COMPARE = {"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}
_ARITHMETIC = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"}


class Generator(Writer):
    """Turns nodes into statements of the current function and returns where their value is."""

    def expression(self, node: ast.Node, scope: Scope) -> Atom:
        """The value of ``node`` with the names bound in ``scope``."""
        if self.function.blocks > _MAX_BLOCKS or self.function.indent > _MAX_INDENT:
            return self.separate(node, scope)
        match node:
            case ast.Null():
                return Atom("None", "null", True)
            case ast.Bool(value):
                return Atom(repr(value), "bool", True)
            case ast.Int(value):
                return Atom(repr(value), "int", True)
            case ast.Double(value):
                return Atom(repr(value), "double", True)
            case ast.String(value):
                return Atom(repr(value), "string", True)
            case ast.Bytes(value):
                return Atom(repr(value), "bytes", True)
            case ast.Uint(value):
                return Atom(self.constant(Uint(value)), "uint")
            case ast.Name():
                return self.name(node, scope)
            case ast.Select():
                return self.select(node, scope)
            case ast.Index():
                return self.index(node, scope)
            case ast.Has(operand, field, optional):
                return self.has(node, self.expression(operand, scope), field, optional)
            case ast.Call():
                return self.call_function(node, scope)
            case ast.Method():
                return self.call_method(node, scope)
            case ast.Macro():
                return self.macro(node, scope)
            case ast.Not(operand):
                name = self.truth(self.expression(operand, scope), node, "!")
                return self.assign(f"not {name}", node, "bool")
            case ast.Negate(operand):
                return self.helper(f"negate({self.expression(operand, scope).text})", node)
            case ast.And(operands):
                return self.logic(operands, node, scope, stops_at=False)
            case ast.Or(operands):
                return self.logic(operands, node, scope, stops_at=True)
            case ast.Conditional():
                return self.conditional(node, scope)
            case ast.Chain(first, rest):
                atom = self.expression(first, scope)
                for operation in rest:
                    atom = self.operation(operation, atom, self.right(operation, scope), operation.operand)
                return atom
            case ast.List():
                return self.list(node, scope)
            case ast.Map():
                return self.map(node, scope)

    def separate(self, node: ast.Node, scope: Scope) -> Atom:
        """The value of ``node``, computed by a function of its own."""
        caller = self.function
        bound = sorted({atom.text for atom in scope.values() if not atom.is_literal})
        name = self.fresh("g")
        self.function = Function(name, ("f", "e", self.budget(), *bound))
        self.functions.append(self.function)
        atom = self.expression(node, scope)
        self.function.emit(f"return {atom.text}")
        arguments = ", ".join(self.function.parameters)
        self.function = caller
        return self.assign(f"{name}({arguments})", node, None if atom.is_literal else atom.kind)

    def name(self, node: ast.Name, scope: Scope) -> Atom:
        if not node.root and node.name in scope:
            return scope[node.name]
        if node.name in self.roots:
            kind = None if node.name in _NOT_PLAIN else "json"
            return self.assign(self.roots[node.name], node, kind, root=node.name)
        if node.name in TYPE_NAMES:
            return Atom(self.constant(TypeValue(node.name)), "type")
        return self.assign(f"unknown_name({node.name!r})", node)

    def select(self, node: ast.Node, scope: Scope) -> Atom:
        if is_type(node, frozenset(scope)):
            return Atom(self.constant(TypeValue(str(dotted_name(node)))), "type")
        if isinstance(node, ast.Select) and node.optional:
            operand = self.expression(node.operand, scope)
            return self.assign(f"optional_select({operand.text}, {node.field!r})", node, at=node.field_at)
        chain: list[tuple[str, int]] = []
        base = node
        while (step := _plain_selection(base)) is not None:
            chain.append((step[1], step[2]))
            base = step[0]
        chain.reverse()
        operand = self.expression(base, scope)
        name = self.variable(operand)
        path = "".join(f"[{field!r}]" for field, _ in chain)
        kind = "json" if operand.kind == "json" else None
        # "input" in a message is what the author wrote; the generated name means nothing.
        return self.assign(
            f"{name}{path}", node, kind, base=name, chain=tuple(chain), of=dotted_name(base) or ""
        )

    def index(self, node: ast.Index, scope: Scope) -> Atom:
        if _plain_selection(node) is not None:
            return self.select(node, scope)
        operand = self.expression(node.operand, scope)
        key = self.expression(node.index, scope)
        if node.optional:
            return self.helper(f"optional_index({operand.text}, {key.text})", node)
        kind = "json" if operand.kind == "json" else None
        return self.helper(f"index({operand.text}, {key.text})", node, kind, at=node.index.at)

    def has(self, node: ast.Node, operand: Atom, field: str, optional: bool) -> Atom:
        if optional:
            return self.assign(f"has_optional({operand.text}, {field!r})", node, "bool")
        name = self.variable(operand)
        return self.assign(
            f"{field!r} in {name} if type({name}) is dict else has({name}, {field!r})", node, "bool"
        )

    def call_function(self, node: ast.Call, scope: Scope) -> Atom:
        arguments = [self.expression(argument, scope).text for argument in node.arguments]
        if not takes(FUNCTIONS.get(node.name, ()), len(arguments)):
            return self.assign(f"unknown_function({node.name!r})", node)
        if node.name in ("now", "uuid"):
            return self.assign(f"{node.name}({', '.join(['e', *arguments])})", node)
        if node.name == "secret":
            return self.assign("no_secret()", node)
        if node.name == "dyn":
            return self.assign(arguments[0], node)
        return self.library(node, tables.FUNCTIONS[node.name], arguments)

    def call_method(self, node: ast.Method, scope: Scope) -> Atom:
        arguments = [self.expression(argument, scope).text for argument in (node.operand, *node.arguments)]
        if not takes(METHODS.get(node.name, ()), len(arguments) - 1):
            return self.assign(f"unknown_function({node.name!r})", node, at=node.name_at)
        return self.library(node, tables.METHODS[node.name], arguments)

    def library(self, node: ast.Call | ast.Method, helper: Callable[..., Any], arguments: list[str]) -> Atom:
        """A call of a library function, a global under its Python name."""
        name = "c_" + node.name.replace(".", "_") + ("_m" if isinstance(node, ast.Method) else "")
        self.constants[name] = helper
        kind = tables.RESULT_KINDS.get(node.name)
        return self.helper(f"{name}({', '.join(arguments)})", node, kind, at=node.name_at)

    def logic(self, operands: tuple[ast.Node, ...], node: ast.Node, scope: Scope, *, stops_at: bool) -> Atom:
        """``&&`` or ``||``: an operand equal to ``stops_at`` decides, even after one that failed."""
        result, error = self.fresh(), self.fresh("x")
        word, going = ("||", f"not {result}") if stops_at else ("&&", result)
        function = self.function
        function.emit(f"{error} = None")
        for position, operand in enumerate(operands):
            if position:
                function.emit(f"if {going}:")
                function.indent += 1
            with function.block("try:", counts=True):
                function.emit(f"{result} = {self.truth(self.expression(operand, scope), operand, word)}")
            with function.block("except Exception as q:"):
                function.emit(
                    f"{error} = absorb({self.absorbing()}, q, {error}); {result} = {not stops_at}",
                    self.line(operand),
                )
            if position:
                function.indent -= 1
        function.emit(f"if {error} is not None and {going}: raise {error}")
        return Atom(result, "bool")

    def absorbing(self) -> str:
        """What pays for absorbed errors: in straight lines nothing, the length of the text bounds them."""
        return self.budget() if self.looping else "None"

    def conditional(self, node: ast.Conditional, scope: Scope) -> Atom:
        test = self.truth(self.expression(node.test, scope), node.test, "? :")
        result = self.fresh()
        kinds = set()
        for head, branch in ((f"if {test}:", node.then), ("else:", node.other)):
            with self.function.block(head):
                atom = self.expression(branch, scope)
                self.function.emit(f"{result} = {atom.text}")
                kinds.add(atom.kind)
        return Atom(result, kinds.pop() if len(kinds) == 1 else None)

    # Operators --------------------------------------------------------------------------------

    def right(self, operation: ast.Operation, scope: Scope) -> Atom:
        """The right operand; a list of text literals after ``in`` stays a Python tuple."""
        texts = _texts(operation.operand) if operation.operator == "in" else ()
        return Atom(repr(texts), "texts", True) if texts else self.expression(operation.operand, scope)

    def operation(self, operation: ast.Operation, a: Atom, b: Atom, operand: ast.Node) -> Atom:
        """One binary operator, in plain Python where types or a cheap test allow."""
        operator, place = operation.operator, ast.Null(operation.at, operation.end)
        if operator in _ARITHMETIC:
            return self.helper(f"{_ARITHMETIC[operator]}({a.text}, {b.text})", place)
        if operator == "in":
            if b.kind == "texts":
                return self.assign(f"{a.text} in {b.text}", place, "bool")
            return self.helper(f"contains({a.text}, {b.text})", place, "bool")
        if operator in ("==", "!="):
            return self.equality(operator, a, b, place)
        slow = f"{_COMPARE[operator]}({self.budget()}, {a.text}, {b.text})"
        tests = _order_tests(a, b)
        fast = f"{a.text} {operator} {b.text} if {' and '.join(tests)} else " if tests else ""
        return self.assign(fast + slow, place, "bool")

    def equality(self, operator: str, a: Atom, b: Atom, place: ast.Node) -> Atom:
        """``==`` and ``!=``; Python's own is CEL's only when one side is a str, or both are numbers."""
        if "string" in (a.kind, b.kind):
            return self.assign(f"{a.text} {operator} {b.text}", place, "bool")
        left, right = self.variable(a), self.variable(b)
        for atom, other in ((a, right), (b, left)):
            if atom.kind == "null" or (atom.kind == "bool" and atom.is_literal):
                word = "is" if operator == "==" else "is not"
                return self.assign(f"{other} {word} {atom.text}", place, "bool")
        slow = f"{'equal' if operator == '==' else 'not_equal'}({self.budget()}, {left}, {right})"
        if "int" not in (a.kind, b.kind):
            return self.assign(slow, place, "bool")
        test = f"type({right if a.kind == 'int' else left}) is int"
        return self.assign(f"{a.text} {operator} {b.text} if {test} else {slow}", place, "bool")

    # Literals ---------------------------------------------------------------------------------

    def list(self, node: ast.List, scope: Scope) -> Atom:
        if not any(element.optional for element in node.elements):
            values = [self.expression(element.value, scope).text for element in node.elements]
            return self.assign(f"[{', '.join(values)}]", node, "list")
        result = self.assign("[]", node, "list")
        for element in node.elements:
            value = self.expression(element.value, scope).text
            source = (
                f"append_optional({result.text}, {value})"
                if element.optional
                else f"{result.text}.append({value})"
            )
            self.function.emit(source, self.line(element.value))
        return result

    def map(self, node: ast.Map, scope: Scope) -> Atom:
        keys = [
            entry.key.value
            for entry in node.entries
            if isinstance(entry.key, ast.String) and not entry.optional
        ]
        if len(set(keys)) == len(node.entries):
            items = [(entry.key.value, self.expression(entry.value, scope).text) for entry in node.entries]  # type: ignore[union-attr]
            return self.assign(
                "{" + ", ".join(f"{key!r}: {value}" for key, value in items) + "}", node, "map"
            )
        result = self.assign("{}", node, "map")
        for entry in node.entries:
            key, value = self.expression(entry.key, scope).text, self.expression(entry.value, scope).text
            put = "put_optional" if entry.optional else "put"
            self.function.emit(f"{put}({result.text}, {key}, {value})", self.line(entry.key))
        return result

    # Macros -----------------------------------------------------------------------------------

    def macro(self, node: ast.Macro, scope: Scope) -> Atom:
        target = self.expression(node.target, scope)
        match node.name:
            case "cel.bind":
                return self.expression(node.bodies[0], {**scope, node.variables[0]: target})
            case "optMap" | "optFlatMap":
                return self.optional_map(node, target, scope)
            case "all" | "exists":
                return self.quantifier(node, target, scope)
            case _:
                return self.comprehension(node, target, scope)

    def optional_map(self, node: ast.Macro, target: Atom, scope: Scope) -> Atom:
        option = self.assign(f"optional_of({target.text}, {node.name!r})", node, at=node.name_at)
        result = self.assign("NONE", None)
        with self.function.block(f"if {option.text}.present:"):
            value = self.assign(f"{option.text}.value", None)
            body = self.expression(node.bodies[0], {**scope, node.variables[0]: value})
            make = "Optional(True, {})" if node.name == "optMap" else "optional_of({}, 'optFlatMap')"
            self.function.emit(f"{result.text} = {make.format(body.text)}", self.line(node.bodies[0]))
        return result

    @contextmanager
    def loop(
        self, node: ast.Macro, target: Atom, scope: Scope
    ) -> Iterator[tuple[Scope, tuple[str, ...], str]]:
        """The loop over a list or the sorted keys of a map: inner scope, variables, what is walked."""
        function, variables = self.function, tuple(self.fresh("v") for _ in node.variables)
        source = self.variable(target)
        if len(variables) == 1:
            walked = self.assign(
                f"{source} if type({source}) is list else walk({source}, {node.name!r})", node.target
            )
        else:
            walked = self.assign(f"pairs({source}, {node.name!r})", node.target)
        function.emit(f"charge({self.budget()}, len({walked.text}))", self.line(node))
        element = "json" if target.kind == "json" and len(variables) == 1 else None
        bound = zip(node.variables, variables, strict=True)
        inner = {**scope, **{name: Atom(variable, element) for name, variable in bound}}
        units = sum(_size(body) for body in node.bodies) // 10
        with function.block(
            f"for {', '.join(variables)} in {walked.text}:", self.line(node.target), counts=True
        ):
            if units:
                function.emit(f"s[0] -= {units}")
                function.emit("if s[0] < 0: charge(s, 0)", self.line(node))
            self.looping += 1
            yield inner, variables, walked.text
            self.looping -= 1

    def quantifier(self, node: ast.Macro, target: Atom, scope: Scope) -> Atom:
        """``all`` and ``exists``, which absorb errors as ``&&`` and ``||`` do."""
        stops_at = node.name == "exists"
        result, error = self.fresh(), self.fresh("x")
        function, body = self.function, node.bodies[0]
        function.emit(f"{result} = {not stops_at}; {error} = None")
        with self.loop(node, target, scope) as (inner, _, _walked):
            with function.block("try:", counts=True):
                truth = self.fresh()
                function.emit(f"{truth} = {self.truth(self.expression(body, inner), body, node.name)}")
            with function.block("except Exception as q:"):
                function.emit(f"{error} = absorb({self.absorbing()}, q, {error}); continue", self.line(body))
            with function.block(f"if {'' if stops_at else 'not '}{truth}:"):
                function.emit(f"{result} = {stops_at}; break")
        going = f"not {result}" if stops_at else result
        function.emit(f"if {error} is not None and {going}: raise {error}")
        return Atom(result, "bool")

    def comprehension(self, node: ast.Macro, target: Atom, scope: Scope) -> Atom:
        """The macros that visit every element and let errors pass."""
        result = self.fresh()
        counts = node.name in ("exists_one", "existsOne")
        builds_map = node.name in ("transformMap", "transformMapEntry", "groupBy")
        self.function.emit(f"{result} = {'0' if counts else '{}' if builds_map else '[]'}")
        with self.loop(node, target, scope) as (inner, variables, walked):
            filtered = len(node.bodies) == 2 or counts or node.name == "filter"
            if filtered:
                test = self.truth(self.expression(node.bodies[0], inner), node.bodies[0], node.name)
                self.function.emit(f"if not {test}: continue")
            self.collect(node, inner, variables, result)
        if counts:
            return self.assign(f"{result} == 1", None, "bool")
        if node.name == "sortBy":
            return self.helper(f"sort_by({walked}, {result})", node, "list", at=node.name_at)
        self.function.emit(f"if len({result}) > MAX_ITEMS: check_items(len({result}))", self.line(node))
        return Atom(result, "map" if builds_map else "list")

    def collect(self, node: ast.Macro, inner: Scope, variables: tuple[str, ...], result: str) -> None:
        """Add one element's part to the result of a comprehension."""
        body, emit = node.bodies[-1], self.function.emit
        match node.name:
            case "exists_one" | "existsOne":
                emit(f"{result} += 1")
            case "filter":
                emit(f"{result}.append({variables[0]})")
            case "map" | "transformList" | "sortBy":
                emit(f"{result}.append({self.expression(body, inner).text})")
            case "transformMap":
                emit(f"put({result}, {variables[0]}, {self.expression(body, inner).text})", self.line(body))
            case "transformMapEntry":
                emit(f"put_entries({result}, {self.expression(body, inner).text})", self.line(body))
            case "groupBy":
                emit(f"group({result}, {self.expression(body, inner).text}, {variables[0]})", self.line(body))
            case _:
                raise AssertionError(node.name)


def _order_tests(a: Atom, b: Atom) -> list[str]:
    """Tests after which Python orders two values as CEL does; none when it is not worth one.

    Against a small number literal any int or double will do; else both must be ints.
    """
    for atom, other in ((a, b), (b, a)):
        if (
            atom.is_literal
            and atom.kind in ("int", "double")
            and abs(float(atom.text)) < 2**53
            and not other.is_literal
        ):
            return [f"type({other.text}) in REALS"]
    return [] if a.is_literal or b.is_literal else [f"type({a.text}) is int", f"type({b.text}) is int"]


def _texts(node: ast.Node) -> tuple[str, ...]:
    """The items of a list that has nothing but text literals."""
    items = [element.value for element in node.elements] if isinstance(node, ast.List) else []
    texts = tuple(item.value for item in items if isinstance(item, ast.String))
    plain = isinstance(node, ast.List) and not any(element.optional for element in node.elements)
    return texts if plain and len(texts) == len(items) else ()


def _plain_selection(node: ast.Node) -> tuple[ast.Node, str, int] | None:
    """Operand, field and place of ``a.b`` or ``a["b"]``."""
    if isinstance(node, ast.Select) and not node.optional:
        return node.operand, node.field, node.field_at
    if isinstance(node, ast.Index) and not node.optional and isinstance(node.index, ast.String):
        return node.operand, node.index.value, node.index.at
    return None


def _size(node: ast.Node) -> int:
    """How many nodes the tree has."""
    return 1 + sum(_size(child) for child in ast.children(node))
