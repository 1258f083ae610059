"""Types of operators, and what to say of operands that they do not take."""

from __future__ import annotations

from perdure.dsl.diagnostics import quote
from perdure.dsl.expr import ast
from perdure.dsl.expr.times import parse_duration, parse_timestamp
from perdure.dsl.types.kinds import (
    BOOL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NEVER,
    STRING,
    TIMESTAMP,
    List,
    Map,
    Object,
    Optional,
    Type,
    describe,
    join,
    key_of,
    members,
    overlap,
)
from perdure.dsl.types.operators import binary
from perdure.dsl.types.problems import OR_VALUE, Bound
from perdure.dsl.types.selecting import Selecting


class Combining(Selecting):
    """Unary and binary operators, ``&&`` and ``||``."""

    def truth(self, found: Type, operator: str, node: ast.Node) -> Type:
        """BOOL if the value may be one, else NEVER with a note."""
        if found == NEVER or any(each in (BOOL, DYN) for each in members(found)):
            return NEVER if found == NEVER else BOOL
        hint = "compare it, as in x != null" if not isinstance(found, Optional) else OR_VALUE
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
            hint = _time_hint(a, b, (left, operation.operand))
            message, usual = _refused(operator, a, b)
            return self.fail(message, at, end, hint or usual)
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
        hint = OR_VALUE if optional else "what stands in quotes is text" if quoted and numbers else None
        message = f"'{operator}' compares {describe(a)} with {describe(b)}: they are never equal"
        self.warn(f"cel.{word}_equal", message, at, end, hint)

    def membership(self, a: Type, b: Type, at: int, end: int) -> None:
        for each in members(b):
            items = (
                each.item
                if isinstance(each, List)
                else key_of(each)
                if isinstance(each, Map | Object)
                else DYN
            )
            if items == NEVER or overlap(a, items):
                return
        message = f"{describe(a)} is never in {describe(b)}"
        if describe(b) == "map":
            message = f"{describe(a)} is never a key of this map"
        self.warn("cel.never_equal", message, at, end)


def _is_data(node: ast.Node, one: Type) -> bool:
    """Whether the node reads data; a name that is surely an int, such as a counter, is meant to be one."""
    return isinstance(node, ast.Select | ast.Index) or (isinstance(node, ast.Name) and one != INT)


def _time_hint(a: Type, b: Type, operands: tuple[ast.Node, ast.Node]) -> str | None:
    """What was meant with text beside a time."""
    if STRING not in (a, b) or not any(each in (TIMESTAMP, DURATION) for each in (a, b)):
        return None
    text = next((each.value for each in operands if isinstance(each, ast.String)), "")
    for function, reads in (("duration", parse_duration), ("timestamp", parse_timestamp)):
        try:
            reads(text)
        except (ValueError, OverflowError):
            continue
        return f"write {function}({quote(text)})"
    return "write duration(...) or timestamp(...) around text such as 1h30m, or 2026-01-31T12:00:00Z"


def _refused(operator: str, a: Type, b: Type) -> tuple[str, str | None]:
    """What to say of an operator that does not take its operands, and what to do."""
    hint = None
    if any(isinstance(each, Optional) for each in (a, b)):
        hint = OR_VALUE
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
    return message, hint
