"""What can be said against an expression without knowing types or values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from perdure.dsl.expr import ast, foreign
from perdure.dsl.expr.errors import ExprProblem
from perdure.dsl.expr.formats import clauses
from perdure.dsl.expr.functions import (
    COMPREHENSIONS,
    FUNCTIONS,
    MACROS,
    METHODS,
    NAMESPACES,
    RESERVED,
    TYPE_NAMES,
    arity_text,
    macro_form,
    takes,
)
from perdure.dsl.expr.names import is_type, text_map
from perdure.dsl.expr.regexes import compile_pattern
from perdure.dsl.expr.suggest import did_you_mean
from perdure.dsl.expr.times import find_zone, parse_duration, parse_timestamp

MAX_LOOPS = 6
MOST_GUESSES = 20
"""Unknown functions of one expression for which it is looked what was meant."""

VARYING = frozenset({"now", "uuid"})
"""Functions whose value depends on the turn, so that some places forbid them."""

WARNINGS = frozenset({"cel.shadowed", "cel.unused"})
"""The kinds that do not stop a deployment."""


def check(
    value: ast.Value,
    *,
    allow: frozenset[str] = VARYING,
    roots: frozenset[str] = frozenset(),
    secrets: bool = False,
) -> list[ExprProblem]:
    """Every finding in ``value``, in the order of the text.

    ``allow`` names the functions of ``VARYING`` that may be called here; ``roots`` are the names in scope,
    which a bound variable should not shadow. With ``secrets``, a leaf that has a name may be
    ``${ secret('name') }``: in a list, what is left out before it would move it to another place.
    """
    problems: list[ExprProblem] = []
    named = set(map(id, ast.leaves(value, lists=False)))
    listed = set(map(id, ast.leaves(value))) - named
    for part in ast.embedded(value):
        if secrets and id(part) in named and _is_secret(part.expr):
            continue
        checker = _Checker(part, allow, roots, secrets=secrets, listed=id(part) in listed)
        checker.visit(part.expr, frozenset(), 0)
        problems += checker.problems
    return sorted(problems, key=lambda problem: problem.position)


def _is_secret(node: ast.Node) -> bool:
    """Whether an expression is ``secret('name')`` and nothing else."""
    match node:
        case ast.Call(name="secret", arguments=(ast.String(value=name),)):
            return bool(name)
        case _:
            return False


class _Checker:
    """Walks one expression."""

    def __init__(
        self,
        part: ast.Embedded,
        allow: frozenset[str],
        roots: frozenset[str],
        *,
        secrets: bool,
        listed: bool,
    ) -> None:
        self.map = text_map(part)
        self.allow = allow
        self.roots = roots
        self.secrets = secrets
        self.listed = listed
        self.guesses = 0
        self.problems: list[ExprProblem] = []

    def nearest(self, name: str, candidates: Iterable[str]) -> str | None:
        """What was meant. Comparing takes time, so only the first few mistakes are worth it."""
        self.guesses += 1
        return did_you_mean(name, candidates) if self.guesses <= MOST_GUESSES else None

    def report(self, kind: str, message: str, at: int, end: int, hint: str | None = None) -> None:
        position, length = self.map.position(at), max(end - at, 1)
        self.problems.append(
            ExprProblem(kind=kind, message=message, position=position, length=length, hint=hint)
        )

    def visit(self, node: ast.Node, bound: frozenset[str], loops: int) -> None:
        """Check ``node`` and what is below it; ``loops`` is how many comprehensions are around."""
        match node:
            case ast.Name():
                self.name(node, bound)
            case ast.Select() if is_type(node, bound):
                return
            case ast.Call():
                self.call(node)
            case ast.Method():
                self.method(node)
            case ast.Macro():
                self.macro(node, bound, loops)
                return
            case ast.Map():
                self.keys(node)
            case _:
                pass
        for child in ast.children(node):
            self.visit(child, bound, loops)

    # Names ------------------------------------------------------------------------------------

    def name(self, node: ast.Name, bound: frozenset[str]) -> None:
        if node.name in bound and not node.root:
            return
        if node.name in RESERVED:
            self.report("cel.syntax", f"'{node.name}' is a reserved word", node.at, node.end)
        elif node.name in NAMESPACES:
            functions = sorted(name for name in FUNCTIONS if name.startswith(node.name + "."))
            hint = (
                f"call a function of it, such as {functions[0]}(...)"
                if functions
                else "write cel.bind(x, value, expr)"
            )
            self.report(
                "cel.unknown_name", f"'{node.name}' is no value but a namespace", node.at, node.end, hint
            )

    def macro(self, node: ast.Macro, bound: frozenset[str], loops: int) -> None:
        self.visit(node.target, bound, loops)
        for name in node.variables:
            self.variable(node, name, bound)
        inner = bound | set(node.variables)
        deeper = loops + (node.name in COMPREHENSIONS)
        if deeper > MAX_LOOPS >= loops:
            message = f"comprehensions nest more than {MAX_LOOPS} deep"
            self.report("cel.limit", message, node.name_at, node.name_at + len(node.name))
        for body in node.bodies:
            self.visit(body, inner, deeper)
        if node.name == "cel.bind" and not _reads(node.bodies[0], node.variables[0]):
            message = f"'{node.variables[0]}' is bound but never read"
            self.report("cel.unused", message, node.name_at, node.name_at + len("bind"))

    def variable(self, node: ast.Macro, name: str, bound: frozenset[str]) -> None:
        at, end = node.name_at, node.name_at + len(node.name.removeprefix("cel."))
        if name in RESERVED or name in NAMESPACES or name in TYPE_NAMES:
            self.report("cel.syntax", f"'{name}' is reserved: {node.name} cannot bind it", at, end)
        elif name in bound or name in self.roots:
            self.report("cel.shadowed", f"'{name}' of {node.name} hides a name from outside", at, end)

    # Calls ------------------------------------------------------------------------------------

    def call(self, node: ast.Call) -> None:
        name, at = node.name, node.name_at
        end = at + len(name.rpartition(".")[2])
        if name == "secret":
            self.secret(node, end)
        elif name in VARYING - self.allow:
            message = f"{name}() is not allowed here: the value must be the same every time"
            self.report("cel.unsupported", message, at, end)
        elif name in FUNCTIONS:
            if not takes(FUNCTIONS[name], len(node.arguments)):
                self.arity(name, FUNCTIONS[name], len(node.arguments), at, end)
            else:
                self.literals(name, None, node.arguments)
        elif name in ("has", "cel.bind"):
            self.misuse(name, len(node.arguments), at, end)
        else:
            self.unknown_function(node, end)

    def secret(self, node: ast.Call, end: int) -> None:
        if not self.secrets:
            message = "secret(...) can only stand under 'with' of the call of an activity"
            hint = "the worker puts it in, so that no history ever holds it"
        elif not (len(node.arguments) == 1 and isinstance(node.arguments[0], ast.String)):
            message, hint = "the name of a secret is a literal", "write ${ secret('name') }"
        elif not node.arguments[0].value:
            message, hint = "a secret without a name", "write ${ secret('name') }"
        elif self.listed:
            message, hint = "a secret in a list", "give the activity the secret under a name of its own"
        else:
            message, hint = "a secret stands alone", "give the activity the secret and the rest as two values"
        self.report("cel.secret", message, node.name_at, end, hint)

    def unknown_function(self, node: ast.Call, end: int) -> None:
        name, at = node.name, node.name_at
        if name in METHODS or name in MACROS:
            message = f"'{name}' is called on a value"
            written = foreign.FUNCTIONS.get(name, f"write x.{name}(...)")
            self.report("cel.unknown_function", message, at, end, written)
            return
        if name in foreign.FUNCTIONS:
            message = f"unknown function '{name}'"
            self.report("cel.unknown_function", message, at, end, foreign.FUNCTIONS[name])
            return
        namespace, dot, plain = name.rpartition(".")
        candidates = (
            [known for known in FUNCTIONS if known.startswith(namespace + ".")]
            if dot
            else [*FUNCTIONS, *METHODS]
        )
        near = self.nearest(plain, (known.rpartition(".")[2] for known in candidates))
        hint = f"did you mean {namespace}{dot}{near}?" if near else None
        self.report("cel.unknown_function", f"unknown function '{name}'", at, end, hint)

    def method(self, node: ast.Method) -> None:
        name, at = node.name, node.name_at
        end = at + len(name)
        if name in METHODS:
            if takes(METHODS[name], len(node.arguments)):
                self.literals(name, node.operand, node.arguments)
            else:
                self.arity(name, METHODS[name], len(node.arguments), at, end)
        elif name in MACROS:
            self.misuse(name, len(node.arguments), at, end)
        elif name in foreign.METHODS:
            message = f"unknown function '{name}' of a value"
            self.report("cel.unknown_function", message, at, end, foreign.METHODS[name])
        elif name in FUNCTIONS or name == "has":
            self.report(
                "cel.unknown_function", f"'{name}' is not called on a value", at, end, f"write {name}(x)"
            )
        else:
            near = self.nearest(name, [*METHODS, *MACROS])
            hint = f"did you mean {near}?" if near else None
            self.report("cel.unknown_function", f"unknown function '{name}' of a value", at, end, hint)

    def arity(self, name: str, counts: tuple[int, ...], given: int, at: int, end: int) -> None:
        self.report("cel.arity", f"{name} takes {arity_text(counts)}, not {given}", at, end)

    def misuse(self, name: str, given: int, at: int, end: int) -> None:
        if name == "has":
            self.report("cel.syntax", "has(...) takes one selection of a field, as in has(a.b)", at, end)
            return
        plain = " or ".join(_form(name, *form) for form in MACROS[name])
        # With a fitting number of arguments it can only be the variables.
        fits = macro_form(name, given - (name == "cel.bind"))
        kind = "cel.syntax" if fits else "cel.arity"
        self.report(kind, f"{name} is written {plain}, with different plain names for the variables", at, end)

    # Literals ---------------------------------------------------------------------------------

    def literals(self, name: str, operand: ast.Node | None, arguments: tuple[ast.Node, ...]) -> None:
        """Read the literal arguments that would be read in every evaluation."""
        first, last = (arguments[0], arguments[-1]) if arguments else (None, None)
        if operand is None:
            match name:
                case "timestamp":
                    self.literal(first, parse_timestamp, "cel.convert")
                case "duration":
                    self.literal(first, parse_duration, "cel.convert")
                case "matches" | "regex.extract" | "regex.extractAll" | "regex.replace":
                    self.literal(arguments[1], compile_pattern, "cel.regex")
                case _:
                    pass
        elif name == "matches":
            self.literal(first, compile_pattern, "cel.regex")
        elif name.startswith("get"):
            self.literal(last, find_zone, "cel.convert")
        elif name == "format" and isinstance(operand, ast.String):
            self.format(operand, arguments[0])

    def literal(self, node: ast.Node | None, read: Callable[[str], object], kind: str) -> None:
        if not isinstance(node, ast.String):
            return
        try:
            read(node.value)
        except OverflowError as error:
            self.report("cel.overflow", str(error), node.at, node.end)
        except ValueError as error:
            self.report(kind, str(error), node.at, node.end)

    def format(self, template: ast.String, arguments: ast.Node) -> None:
        try:
            needed = len(clauses(template.value)) - 1
        except ValueError as error:
            self.report("cel.convert", str(error), template.at, template.end)
            return
        if isinstance(arguments, ast.List) and not any(element.optional for element in arguments.elements):
            given = len(arguments.elements)
            if given < needed:
                message = f"the format has {needed} clauses, but {given} arguments are given"
                self.report("cel.arity", message, arguments.at, arguments.end)

    def keys(self, node: ast.Map) -> None:
        seen: set[tuple[str, object]] = set()
        for entry in node.entries:
            key = entry.key
            match key:
                case ast.String(value) | ast.Int(value) | ast.Uint(value) | ast.Bool(value):
                    # An int and a uint of one value are one key; a bool is another.
                    known = ("bool" if isinstance(key, ast.Bool) else "", value)
                    if known in seen and not entry.optional:
                        self.report("cel.duplicate_key", "the map has this key twice", key.at, key.end)
                    seen.add(known)
                case ast.Double() | ast.Null() | ast.Bytes() | ast.List() | ast.Map():
                    self.report("cel.no_overload", "a key is a string, an int or a bool", key.at, key.end)
                case _:
                    pass


def _reads(node: ast.Node, name: str) -> bool:
    if isinstance(node, ast.Name):
        return node.name == name and not node.root
    return any(_reads(child, name) for child in ast.children(node))


def _form(name: str, variables: int, bodies: int) -> str:
    """How a macro is written."""
    if name == "cel.bind":
        return "cel.bind(x, value, expr)"
    names: Iterator[str] = iter(["x"] if variables == 1 else ["k", "v"])
    return f"xs.{name}({', '.join([*names, *(['test', 'expr'] if bodies == 2 else ['expr'])])})"
