"""Expressions back to text: one spelling for one meaning, whatever the author's layout was."""

from __future__ import annotations

import json
import math

from perdure.dsl.expr import ast
from perdure.dsl.expr.functions import KEYWORDS

_LOOSEST, _ORS, _ANDS, _RELATIONS, _SUMS, _PRODUCTS, _UNARY, _MEMBER = range(8)
_LEVELS = {"+": _SUMS, "-": _SUMS, "*": _PRODUCTS, "/": _PRODUCTS, "%": _PRODUCTS}


def show_value(value: ast.Value) -> str:
    """A YAML position on one line, in flow style."""
    match value:
        case ast.Const(value=constant):
            return json.dumps(constant, ensure_ascii=False)
        case ast.Embedded(expr=expr):
            return f"${{ {show(expr)} }}"
        case ast.Text(parts=parts):
            texts = [
                part.replace("${", "$${") if isinstance(part, str) else show_value(part) for part in parts
            ]
            return json.dumps("".join(texts), ensure_ascii=False)
        case ast.ListValue(items=items):
            return "[" + ", ".join(map(show_value, items)) + "]"
        case ast.MapValue(entries=entries):
            return "{" + ", ".join(f"{key}: {show_value(item)}" for key, item in entries) + "}"


def show(node: ast.Node) -> str:
    """An expression as CEL."""
    return _show(node, _LOOSEST)


def _show(node: ast.Node, around: int) -> str:
    """The text, in parentheses where an operator around it binds tighter."""
    text, level = _text(node)
    return f"({text})" if level < around else text


def _text(node: ast.Node) -> tuple[str, int]:
    match node:
        case ast.Conditional(test=test, then=then, other=other):
            return f"{_show(test, _ORS)} ? {_show(then, _ORS)} : {_show(other, _LOOSEST)}", _LOOSEST
        case ast.Or(operands=operands):
            return " || ".join(_show(each, _ANDS) for each in operands), _ORS
        case ast.And(operands=operands):
            return " && ".join(_show(each, _RELATIONS) for each in operands), _ANDS
        case ast.Chain(first=first, rest=rest):
            level = _LEVELS.get(rest[0].operator, _RELATIONS)
            links = "".join(f" {link.operator} {_show(link.operand, level + 1)}" for link in rest)
            return _show(first, level) + links, level
        case ast.Not(operand=operand):
            return f"!{_show(operand, _MEMBER)}", _UNARY
        case ast.Negate(operand=operand):
            return f"-{_show(operand, _MEMBER)}", _UNARY
        case ast.Int(value=number) if number < 0:
            return str(number), _UNARY
        case ast.Double(value=number) if math.copysign(1.0, number) < 0:
            return repr(number), _UNARY
        case _:
            return _member(node), _MEMBER


def _member(node: ast.Node) -> str:
    match node:
        case ast.Select(operand=operand, field=field, optional=optional):
            return f"{_show(operand, _MEMBER)}.{'?' if optional else ''}{_field(field)}"
        case ast.Index(operand=operand, index=index, optional=optional):
            return f"{_show(operand, _MEMBER)}[{'?' if optional else ''}{show(index)}]"
        case ast.Has(operand=operand, field=field, optional=optional):
            return f"has({_show(operand, _MEMBER)}.{'?' if optional else ''}{_field(field)})"
        case ast.Call(name=name, arguments=arguments):
            return f"{name}({_list(arguments)})"
        case ast.Method(operand=operand, name=name, arguments=arguments):
            return f"{_show(operand, _MEMBER)}.{name}({_list(arguments)})"
        case ast.Macro(name="cel.bind", target=target, variables=variables, bodies=bodies):
            return f"cel.bind({', '.join(variables)}, {show(target)}, {_list(bodies)})"
        case ast.Macro(name=name, target=target, variables=variables, bodies=bodies):
            return f"{_show(target, _MEMBER)}.{name}({', '.join(variables)}, {_list(bodies)})"
        case ast.List(elements=elements):
            shown = (f"{'?' if each.optional else ''}{show(each.value)}" for each in elements)
            return f"[{', '.join(shown)}]"
        case ast.Map(entries=entries):
            shown = (
                f"{'?' if each.optional else ''}{show(each.key)}: {show(each.value)}" for each in entries
            )
            return f"{{{', '.join(shown)}}}"
        case _:
            return _literal(node)


def _literal(node: ast.Node) -> str:
    match node:
        case ast.Null():
            return "null"
        case ast.Bool(value=truth):
            return "true" if truth else "false"
        case ast.Int(value=number):
            return str(number)
        case ast.Uint(value=number):
            return f"{number}u"
        case ast.Double(value=number):
            return repr(number)
        case ast.String(value=text):
            return json.dumps(text, ensure_ascii=False)
        case ast.Bytes(value=octets):
            return 'b"' + "".join(f"\\x{octet:02x}" for octet in octets) + '"'
        case ast.Name(name=name, root=root):
            return f".{name}" if root else name
        case _:
            raise AssertionError(f"{type(node).__name__} is no literal")


def _list(nodes: tuple[ast.Node, ...]) -> str:
    return ", ".join(map(show, nodes))


def _field(name: str) -> str:
    return f"`{name}`" if name in KEYWORDS or not name.isidentifier() else name
