"""Finding ``${ expr }`` in the text of a YAML scalar."""

from __future__ import annotations

import re

from perdure.dsl.expr import ast
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.parser import parse
from perdure.dsl.source import TextMap

# What a brace can hide in: strings, as the grammar reads them, and comments.
_SKIP = re.compile(
    r"""(?:[rR][bB]?|[bB][rR])(?:\"""(?s:.*?)\"""|'''(?s:.*?)'''|"[^"\n\r]*"|'[^'\n\r]*')"""
    r"""|\"""(?s:(?:\\.|[^\\])*?)\"""|'''(?s:(?:\\.|[^\\])*?)'''"""
    r"""|"(?:\\[^\n\r]|[^"\\\n\r])*"|'(?:\\[^\n\r]|[^'\\\n\r])*'"""
    r"""|//[^\n]*|[_a-zA-Z0-9]+|[{}]|.""",
    re.DOTALL,
)


def parse_scalar(text: str, text_map: TextMap) -> ast.Value:
    """The value of a scalar: text, one typed expression, or text with expressions in it.

    ``$${`` is a plain ``${``. Raises ExprError with offsets in ``text``.
    """
    parts: list[str | ast.Embedded] = []
    plain, at = "", 0
    while (dollar := text.find("${", at)) >= 0:
        if dollar > at and text[dollar - 1] == "$":
            plain += text[at : dollar - 1] + "${"
            at = dollar + 2
            continue
        plain += text[at:dollar]
        if plain:
            parts.append(plain)
        plain = ""
        close = _closing_brace(text, dollar)
        parts.append(_embedded(text, dollar + 2, close, text_map))
        at = close + 1
    plain += text[at:]
    if not parts:
        return ast.Const(plain)
    if plain:
        parts.append(plain)
    if len(parts) == 1 and isinstance(parts[0], ast.Embedded):
        return parts[0]
    return ast.Text(tuple(parts))


def _closing_brace(text: str, dollar: int) -> int:
    depth = 0
    for token in _SKIP.finditer(text, dollar + 2):
        match token.group():
            case "{":
                depth += 1
            case "}" if depth == 0:
                return token.start()
            case "}":
                depth -= 1
            case ("'" | '"') as quote:
                message = f"the string that begins with {quote} is not closed"
                raise ExprError("cel.syntax", message, token.start(), hint="write $${ for a plain ${")
            case _:
                pass
    hint = "write $${ for a plain ${"
    comment = text.find("//", dollar)
    if "}" in text[comment:] and comment >= 0:
        hint = "'//' begins a comment; whole numbers divide with a single /"
    raise ExprError("cel.syntax", "${ is not closed by }", dollar, dollar + 2, hint=hint)


def _embedded(text: str, start: int, end: int, text_map: TextMap) -> ast.Embedded:
    try:
        node = parse(text[start:end])
    except ExprError as error:
        raise error.shifted(start) from None
    marks = tuple((mark.offset, mark.line, mark.column) for mark in text_map.part(start, end))
    return ast.Embedded(node, marks)


def spaced(text: str) -> str:
    """The text with one space inside each ``${ }``, on both sides; an expression itself is left as it is."""
    written, at = "", 0
    while (dollar := text.find("${", at)) >= 0:
        if dollar > at and text[dollar - 1] == "$":
            written += text[at : dollar + 2]
            at = dollar + 2
            continue
        close = _closing_brace(text, dollar)
        written += f"{text[at:dollar]}${{ {text[dollar + 2 : close].strip(' ')} }}"
        at = close + 1
    return written + text[at:]
