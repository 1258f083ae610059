"""A YAML position with expressions to one Python function.

The source is a list of simple statements, one operation a line, so that the line of a failure names its
place in the expression and good evaluations pay nothing for positions. Only names made here and literal
reprs reach the text; the function's globals are the helpers of ``compiler.runtime`` and no builtins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from perdure.compiler.codegen_expr import Generator
from perdure.compiler.codegen_source import Atom, Writer
from perdure.compiler.runtime import results, tables
from perdure.compiler.runtime.failures import FILE_NAME, Line
from perdure.dsl.expr import ast

Result = Literal["json", "bool", "raw", "list", "int", "text", "duration", "timestamp"]
Evaluator = Callable[[Any, Any], Any]

_SCALAR_KINDS = frozenset({"bool", "int", "string"})
_SIMPLE = (str, bool, int, type(None))


def compile_value(
    value: ast.Value, roots: Mapping[str, str], *, result: Result = "json", what: str = ""
) -> Evaluator:
    """A function of ``(f, e)`` that evaluates ``value`` and raises nothing but EvalError.

    ``roots`` gives for each root name the Python source of its value over ``f`` and ``e``: plain JSON values,
    and for ``workflow`` and ``schedule`` also ``Timestamp`` and ``Duration``. ``now()`` reads
    ``e.now_us``, microseconds since the epoch, and ``uuid(label)`` calls ``e.uuid``. ``result`` says what the
    function returns: plain JSON values; the value as CEL has it (``raw``); a bool, list, int64 or text, any
    other being an error; a length in microseconds, rounded up; or microseconds since the epoch. ``what``
    names the position in those errors.
    """
    if isinstance(value, ast.Const):
        return _constant(value, result, what)
    writer = _Structure(roots, result)
    atom = writer.whole(value)
    if result not in ("json", "raw"):
        atom = writer.checked(value, atom, what)
    writer.main.emit(f"return {atom.text}")
    return _build(writer)


def _constant(value: ast.Const, result: Result, what: str) -> Evaluator:
    """A function that returns the constant; a constant of the wrong type fails when it is evaluated."""
    constant = value.value
    if result in ("json", "raw"):
        return lambda f, e: constant
    check = results.CHECKS[result]
    return lambda f, e: check(constant, what)


class _Structure(Generator):
    """Writes the YAML structure around expressions."""

    def __init__(self, roots: Mapping[str, str], result: Result) -> None:
        super().__init__(roots)
        self.result = result
        self.converts = result in ("json", "list")
        self.metered = False

    def whole(self, value: ast.Value) -> Atom:
        """The value of the whole position."""
        match value:
            case ast.Embedded():
                atom = self.embedded(value)
                if not self.converts or atom.kind in _SCALAR_KINDS or atom.kind == "json":
                    return atom
                return self.call(value, f"json_whole({atom.text})")
            case _:
                return self.structure(value, 0)

    def embedded(self, value: ast.Embedded) -> Atom:
        """The value of one expression as CEL has it."""
        self.marks = value.marks
        return self.expression(value.expr, {})

    def call(self, value: ast.Embedded, source: str, kind: str | None = None) -> Atom:
        """A helper call whose errors stand at the expression."""
        self.marks = value.marks
        return self.assign(source, value.expr, kind)

    def structure(self, value: ast.Value, depth: int) -> Atom:
        """A part of the structure, as JSON if that is asked for; ``omissible`` when it may be ``OMIT``."""
        match value:
            case ast.Const(constant):
                simple = isinstance(constant, _SIMPLE)
                return Atom(repr(constant) if simple else self.constant(constant), "const")
            case ast.Embedded():
                return self.leaf(value, depth)
            case ast.Text(parts):
                return self.text(parts)
            case ast.ListValue(items):
                return self.items([self.structure(item, depth + 1) for item in items])
            case ast.MapValue(entries):
                return self.entries([(key, self.structure(item, depth + 1)) for key, item in entries])

    def leaf(self, value: ast.Embedded, depth: int) -> Atom:
        atom = self.embedded(value)
        if not self.converts or atom.kind in _SCALAR_KINDS:
            return atom
        if not self.metered:
            self.main.prologue.append("m = [MAX_RESULT]")
            self.metered = True
        if atom.kind == "json":
            return self.call(value, f"json_measured(m, {atom.text}, {depth})", "json")
        return self.call(value, f"json_leaf(m, {atom.text}, {depth})", "omissible")

    def text(self, parts: tuple[str | ast.Embedded, ...]) -> Atom:
        """Interpolated text."""
        sources = []
        for part in parts:
            if isinstance(part, str):
                sources.append(repr(part))
                continue
            atom = self.embedded(part)
            sources.append(
                atom.text if atom.kind == "string" else self.call(part, f"interpolated({atom.text})").text
            )
        return self.assign(f"joined(({', '.join(sources)},))", None, "string")

    def items(self, atoms: list[Atom]) -> Atom:
        if not any(atom.kind == "omissible" for atom in atoms):
            return self.assign(f"[{', '.join(atom.text for atom in atoms)}]", None, "list")
        result = self.assign("[]", None, "list")
        for atom in atoms:
            self.function.emit(
                f"if {atom.text} is not OMIT: {result.text}.append({atom.text})"
                if atom.kind == "omissible"
                else f"{result.text}.append({atom.text})"
            )
        return result

    def entries(self, entries: list[tuple[str, Atom]]) -> Atom:
        if not any(atom.kind == "omissible" for _, atom in entries):
            return self.assign(
                "{" + ", ".join(f"{key!r}: {atom.text}" for key, atom in entries) + "}", None, "map"
            )
        result = self.assign("{}", None, "map")
        for key, atom in entries:
            test = f"if {atom.text} is not OMIT: " if atom.kind == "omissible" else ""
            self.function.emit(f"{test}{result.text}[{key!r}] = {atom.text}")
        return result

    def checked(self, value: ast.Value, atom: Atom, what: str) -> Atom:
        """The result as the kind that was asked for."""
        first = next(ast.embedded(value), None)
        if first is None:
            return self.assign(f"as_{self.result}({atom.text}, {what!r})", None)
        return self.call(first, f"as_{self.result}({atom.text}, {what!r})")


def _build(writer: Writer) -> Evaluator:
    """Put the functions together and compile them; the outermost is the evaluator."""
    lines: list[str] = []
    table: list[Line | None] = [None]
    for function in writer.functions:
        outermost = function is writer.main
        head = [f"def {function.name}({', '.join(function.parameters)}):"]
        if outermost:
            head += ["    try:", *("        " + line for line in function.prologue)]
            if writer.budgeted:
                head.append("        s = [BUDGET]")
        lines += head
        table += [None] * len(head)
        for source, line in function.lines:
            lines.append(("        " if outermost else "    ") + source)
            table.append(line)
        if outermost:
            lines += ["    except Exception as error:", "        raise located(error) from None"]
            table += [None, None]
    names: dict[str, Any] = {"__builtins__": {}, **tables.HELPERS, **writer.constants, "LINES": table}
    exec(compile("\n".join(lines), FILE_NAME, "exec"), names)
    evaluator: Evaluator = names["main"]
    return evaluator
