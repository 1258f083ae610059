"""PD303 and others: what can be said of an expression alone, and of a literal in its position."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector
from perdure.dsl.expr import ast
from perdure.dsl.expr.check import VARYING
from perdure.dsl.expr.check import check as check_expression
from perdure.dsl.expr.errors import ExprProblem
from perdure.dsl.expr.functions import RESERVED
from perdure.dsl.expr.names import text_map
from perdure.dsl.forms import EXPRESSION_CODES
from perdure.dsl.rules.places import Place, Role, places, steps_of
from perdure.dsl.source import Span

_STABLE = frozenset({Role.KEY, Role.RESULT, Role.OUTSIDE})
"""Positions that must give the same value whenever they are evaluated."""
_NUMBERS = (ast.Int, ast.Uint, ast.Double)
_TEXTS = (ast.String, ast.Bytes)
_NEVER = {
    Role.CONDITION: ("a condition is true or false", (*_NUMBERS, *_TEXTS, ast.List, ast.Map, ast.Null)),
    Role.COUNT: ("a count is a whole number", (*_TEXTS, ast.Double, ast.Bool, ast.List, ast.Map, ast.Null)),
    Role.LIST: ("this is looped over and must be a list", (*_NUMBERS, *_TEXTS, ast.Bool, ast.Map, ast.Null)),
    Role.DURATION: (
        "a duration is text with a unit, or of type duration",
        (ast.Bool, ast.List, ast.Map, ast.Null),
    ),
    Role.TIME: ("a time is of type timestamp", (*_NUMBERS, ast.Bool, ast.List, ast.Map, ast.Null)),
    Role.ERROR: ("this must be an error", (*_NUMBERS, *_TEXTS, ast.Bool, ast.List)),
}
"""What a literal cannot be where it stands."""


def check(document: model.Workflow | model.Entity, diagnostics: Collector) -> None:
    """Notes what the expression checker finds, with the functions that each position allows."""
    misnamed = _misnamed(document)
    for place in places(document):
        if diagnostics.full:
            return
        allow = frozenset[str]() if place.role in _STABLE else VARYING
        secrets = place.role is Role.ARGUMENTS
        for problem in check_expression(place.value, allow=allow, roots=_roots(place), secrets=secrets):
            if problem.message not in misnamed:
                _note(problem, diagnostics)
        _literal(place, diagnostics)


def _misnamed(document: model.Workflow | model.Entity) -> frozenset[str]:
    """What is said of reserved words that are names of steps: PD208 has said it of the step."""
    if isinstance(document, model.Entity):
        return frozenset()
    names = {step.name for step in steps_of(document)}
    return frozenset(f"'{name}' is a reserved word" for name in names & RESERVED)


def _roots(place: Place) -> frozenset[str]:
    # Listing the names costs as much as the block is long; only what binds names can hide one.
    if any(_binds(part.expr) for part in ast.embedded(place.value)):
        return frozenset(place.scope.names())
    return frozenset()


def _binds(node: ast.Node) -> bool:
    return isinstance(node, ast.Macro) or any(map(_binds, ast.children(node)))


def _note(problem: ExprProblem, diagnostics: Collector) -> None:
    code = EXPRESSION_CODES[problem.kind]
    span = Span.at(problem.position.line, problem.position.column, problem.length)
    diagnostics.add(code, problem.message, span, hint=problem.hint, kind=problem.kind)


def _literal(place: Place, diagnostics: Collector) -> None:
    if not isinstance(place.value, ast.Embedded):
        return
    node = place.value.expr
    position = text_map(place.value).position(node.at)
    span = Span.at(position.line, position.column, node.end - node.at)
    if place.role is Role.DURATION and isinstance(node, _NUMBERS):
        diagnostics.add(
            "PD403", "a duration without a unit", span, hint="write text such as 30s, or seconds(30)"
        )
    elif place.role in _NEVER and isinstance(node, _NEVER[place.role][1]):
        diagnostics.add("PD305", _NEVER[place.role][0], span)
