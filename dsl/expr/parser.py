"""Text to syntax tree, within the limits of the language.

Lark's LALR parser is imported and built at the first use: evaluating stored programs needs neither.
"""

from __future__ import annotations

from perdure.dsl.expr import ast
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.literals import in_range

MAX_SOURCE = 8192
MAX_DEPTH = 64
MAX_NODES = 4000


def parse(text: str) -> ast.Node:
    """The tree of one expression, with ``&&``, ``||`` and binary operators as flat chains.

    Raises ExprError: ``cel.syntax``, or ``cel.limit`` for text, nesting or node counts over the limit.
    """
    if len(text) > MAX_SOURCE:
        raise ExprError(
            "cel.limit", f"the expression has {len(text)} characters, at most {MAX_SOURCE} are allowed", 0
        )
    from perdure.dsl.expr.builder import build  # noqa: PLC0415 - lark takes 100 ms to import

    node = build(text)
    _measure(node)
    return node


def _measure(root: ast.Node) -> None:
    """Refuse a tree that recursive code could not walk; itself not recursive."""
    todo, count = [(root, 1)], 0
    while todo:
        node, depth = todo.pop()
        count += 1
        in_range(node)
        if depth > MAX_DEPTH:
            message = f"the expression nests more than {MAX_DEPTH} levels deep"
            raise ExprError("cel.limit", message, node.at, node.end, "bind parts with cel.bind or use a step")
        if count > MAX_NODES:
            raise ExprError("cel.limit", f"the expression has more than {MAX_NODES} parts", node.at, node.end)
        todo.extend((child, depth + 1) for child in ast.children(node))
