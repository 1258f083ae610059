"""What ruamel.yaml complains of, in words that help, with the common hazards of ``${ }`` recognised."""

from __future__ import annotations

import re
from typing import NamedTuple

from ruamel.yaml.error import MarkedYAMLError, StringMark

from perdure.dsl.diagnostics import quote
from perdure.dsl.embedding import unclosed

QUOTE_IT = "quote the whole value"
_LOOK_BACK = 2_000


class YamlProblem(NamedTuple):
    """A syntax error: its code, the words, and the stretch of the text."""

    code: str
    message: str
    start: int
    end: int
    hint: str | None = None


def explain(error: MarkedYAMLError, text: str) -> YamlProblem:
    """What a syntax error of the YAML parser means."""
    problem = str(error.problem or "the YAML cannot be read")
    at = _index(error.problem_mark, len(text))
    opened = _index(error.context_mark, at)
    torn = _torn_expression(text, at, problem, str(error.context or ""))
    return torn or _plain_words(problem, text, at, opened)


def whole_line(text: str, start: int) -> int:
    """The offset of the end of the line on which ``start`` is, without white space and line end."""
    end = text.find("\n", start)
    line = text[start : end if end >= 0 else len(text)]
    return start + max(len(line.rstrip()), 1)


def _index(mark: object, default: int) -> int:
    return min(mark.index, default) if isinstance(mark, StringMark) else default


def _torn_expression(text: str, at: int, problem: str, context: str) -> YamlProblem | None:
    if "\\t" in problem:
        return YamlProblem("PD105", "a tab cannot stand here; indent YAML with spaces", at, at + 1)
    start = text.rfind("${", max(at - _LOOK_BACK, 0), at)
    if "mapping values" in problem and start >= 0 and unclosed(text[start:at]) is not None:
        message = "YAML read ': ' inside an unquoted expression as a mapping"
        return YamlProblem("PD102", message, start, whole_line(text, start), QUOTE_IT)
    if problem.startswith("expected ") and start >= 0 and (quote_at := _cutting_quote(text[start:at])):
        word, other = ("double", "single") if text[start + quote_at] == '"' else ("single", "double")
        message = f"the {word} quote inside the expression ends the text"
        where = start + quote_at
        return YamlProblem("PD101", message, where, where + 1, f"write {other} quotes inside an expression")
    if context.startswith("while parsing a flow") and text[at - 1 : at + 1] == "${":
        message = "an unquoted expression cannot stand inside [ ] or { }"
        return YamlProblem("PD104", message, at - 1, whole_line(text, at - 1), f'{QUOTE_IT}: "${{ … }}"')
    return None


def _cutting_quote(expression: str) -> int:
    """Where a quote has ended a text inside of an expression, or 0."""
    torn = expression.rstrip(" ")
    cut = torn[-1:] in ("'", '"') and "\n" not in torn and unclosed(torn[:-1]) is not None
    cut = cut and torn.count(torn[-1]) == 1
    return len(torn) - 1 if cut else 0


def _plain_words(problem: str, text: str, at: int, opened: int) -> YamlProblem:
    def say(message: str, hint: str | None = None, where: int = at) -> YamlProblem:
        return YamlProblem("PD101", message, where, min(where + 1, max(len(text), where)), hint)

    if "mapping values" in problem:
        return say("YAML does not expect ':' here", "check the indentation; quote text that contains ': '")
    if "end of stream" in problem and text[opened : opened + 1] in ("'", '"'):
        return say("the quote that opens here is never closed", None, opened)
    if "document separator" in problem:
        return say("the quote that opens here is not closed before '---'", None, opened)
    if "expected ',' or" in problem:
        bracket = text[opened : opened + 1]
        return say(
            f"the {quote(bracket)} that opens here is not closed, or a ',' is missing in it", None, opened
        )
    if "expected <block end>" in problem:
        return say("this does not fit what stands above", "align it with the keys or items it belongs to")
    if "could not find expected ':'" in problem:
        return say("a key without ':'", "write 'key: value', with a space after ':'", opened)
    if match := re.match(r"found character '(.*)' that cannot start", problem):
        return say(f"unquoted text cannot begin with '{match[1]}'", "quote it")
    if match := re.match(r"found unknown escape character '(.*)'", problem):
        hint = "write '\\\\' for a backslash, or use single quotes"
        return say(f"'\\{match[1]}' is no escape in double quotes", hint)
    return say(problem if problem.isprintable() else "the YAML cannot be read")
