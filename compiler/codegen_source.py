"""The source of an evaluator while it is written: functions, lines, names and constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from perdure.compiler.runtime.failures import Line
from perdure.dsl.expr import ast


class Atom(NamedTuple):
    """A generated name or a literal's repr, and what is known of its value: a type, ``json`` or nothing."""

    text: str
    kind: str | None = None
    is_literal: bool = False


Scope = dict[str, Atom]


class Function:
    """The lines of one generated function, before they are put together."""

    def __init__(self, name: str, parameters: tuple[str, ...]) -> None:
        self.name = name
        self.parameters = parameters
        self.prologue: list[str] = []
        self.lines: list[tuple[str, Line | None]] = []
        self.indent = 0
        self.blocks = 0

    def emit(self, source: str, line: Line | None = None) -> None:
        """Add a statement; ``line`` says what a failure in it means."""
        self.lines.append(("    " * self.indent + source, line))

    @contextmanager
    def block(self, head: str, line: Line | None = None, *, counts: bool = False) -> Iterator[None]:
        """Add a compound statement around what is emitted inside; ``counts`` for ``for`` and ``try``."""
        self.emit(head, line)
        self.indent += 1
        self.blocks += counts
        yield
        self.indent -= 1
        self.blocks -= counts


class Writer:
    """Writes the statements of one evaluator and its functions, and keeps what they refer to."""

    def __init__(self, roots: Mapping[str, str]) -> None:
        self.roots = roots
        self.marks: tuple[tuple[int, int, int], ...] = ()
        self.constants: dict[str, Any] = {}
        self.names = 0
        self.main = Function("main", ("f", "e"))
        self.functions = [self.main]
        self.function = self.main
        self.budgeted = False
        self.looping = 0

    def line(self, node: ast.Node | None, **more: Any) -> Line | None:
        """What the line table keeps for a statement made for ``node``."""
        if node is None:
            return None
        return Line(more.pop("at", node.at), self.marks, **more)

    def fresh(self, letter: str = "t") -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def assign(self, source: str, node: ast.Node | None, kind: str | None = None, **more: Any) -> Atom:
        """A new name for the value of ``source``."""
        name = self.fresh()
        self.function.emit(f"{name} = {source}", self.line(node, **more))
        return Atom(name, kind)

    def constant(self, value: Any) -> str:
        """A global that holds ``value``."""
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def budget(self) -> str:
        self.budgeted = True
        return "s"

    def helper(self, source: str, node: ast.Node, kind: str | None = None, *, at: int | None = None) -> Atom:
        """A call of a helper that may charge the budget, written ``name(...)`` without the budget."""
        name, _, rest = source.partition("(")
        comma = "" if rest == ")" else ", "
        return self.assign(
            f"{name}({self.budget()}{comma}{rest}", node, kind, **({} if at is None else {"at": at})
        )

    def variable(self, atom: Atom) -> str:
        """The atom as a name: literals in some places are a warning of Python's compiler."""
        return self.assign(atom.text, None, atom.kind).text if atom.is_literal else atom.text

    def truth(self, atom: Atom, node: ast.Node, what: str) -> str:
        """The atom's value as a Python bool; other types fail."""
        if atom.kind == "bool":
            return atom.text
        name = self.variable(atom)
        self.function.emit(
            f"if {name} is not True and {name} is not False: not_bool({name}, {what!r})", self.line(node)
        )
        return name
