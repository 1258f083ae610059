"""Functions of text, in code points, and of regular expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.compiler.runtime import lists
from perdure.compiler.runtime.errors import Budget, EvalError, charge, check_items, made_text
from perdure.compiler.runtime.formatting import format_text
from perdure.compiler.runtime.values import NONE, Optional, no_overload
from perdure.dsl.expr.regexes import compile_pattern

# The characters that Go's unicode.IsSpace knows; Python's strip() takes four more.
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}
_QUOTED = str.maketrans(
    {
        "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
        "\\": "\\\\", '"': '\\"',
    }
)  # fmt: skip


def _need(name: str, types: tuple[type, ...], *values: Any) -> None:
    """Refuse arguments that are not exactly of these types."""
    for value, kind in zip(values, types, strict=False):
        if type(value) is not kind:
            no_overload(name, *values)


def _in_range(text: str, index: int) -> None:
    if not 0 <= index <= len(text):
        raise EvalError("cel.index", f"index out of range: the text has {len(text)} characters")


def size(budget: Budget, value: Any) -> int:
    """``size(value)`` of text in code points, bytes, a list or a map."""
    if type(value) in (str, bytes, list, dict):
        return len(value)
    no_overload("size", value)


def contains(budget: Budget, text: Any, part: Any) -> bool:
    """``text.contains(part)``."""
    _need("contains", (str, str), text, part)
    charge(budget, len(text) // 64)
    return part in text


def starts_with(budget: Budget, text: Any, part: Any) -> bool:
    """``text.startsWith(part)``."""
    _need("startsWith", (str, str), text, part)
    charge(budget, len(part) // 64)
    return bool(text.startswith(part))


def ends_with(budget: Budget, text: Any, part: Any) -> bool:
    """``text.endsWith(part)``."""
    _need("endsWith", (str, str), text, part)
    charge(budget, len(part) // 64)
    return bool(text.endswith(part))


def char_at(budget: Budget, text: Any, index: Any) -> str:
    """``text.charAt(index)``; empty just after the end."""
    _need("charAt", (str, int), text, index)
    _in_range(text, index)
    return str(text[index : index + 1])


def index_of(budget: Budget, value: Any, part: Any, start: Any = 0) -> int:
    """``indexOf`` of text, from ``start`` on, or of a list; -1 when there is none."""
    if type(value) is list and start == 0:
        return lists.index_of(budget, value, part)
    _need("indexOf", (str, str, int), value, part, start)
    _in_range(value, start)
    charge(budget, len(value) // 64 + 1)
    return int(value.find(part, start))


def last_index_of(budget: Budget, value: Any, part: Any, start: Any = None) -> int:
    """``lastIndexOf`` of text, beginning at ``start`` or before, or of a list; -1 when there is none."""
    if type(value) is list and start is None:
        return lists.last_index_of(budget, value, part)
    _need("lastIndexOf", (str, str), value, part)
    charge(budget, len(value) // 64 + 1)
    if start is None:
        return int(value.rfind(part))
    _need("lastIndexOf", (str, str, int), value, part, start)
    _in_range(value, start)
    return int(value.rfind(part, 0, start + len(part)))


def lower_ascii(budget: Budget, text: Any) -> str:
    """``text.lowerAscii()``."""
    _need("lowerAscii", (str,), text)
    made_text(budget, len(text))
    return str(text.translate(_LOWER))


def upper_ascii(budget: Budget, text: Any) -> str:
    """``text.upperAscii()``."""
    _need("upperAscii", (str,), text)
    made_text(budget, len(text))
    return str(text.translate(_UPPER))


def replace(budget: Budget, text: Any, old: Any, new: Any, count: Any = -1) -> str:
    """``text.replace(old, new)``, at most ``count`` times if that is not negative."""
    _need("replace", (str, str, str, int), text, old, new, count)
    found = text.count(old)
    times = found if count < 0 else min(count, found)
    made_text(budget, len(text) + times * max(len(new) - len(old), 0))
    return str(text.replace(old, new, times))


def split(budget: Budget, text: Any, separator: Any, limit: Any = -1) -> list[str]:
    """``text.split(separator)``: at most ``limit`` parts if not negative; by character if it is empty."""
    _need("split", (str, str, int), text, separator, limit)
    charge(budget, len(text) // 64 + 1)
    if limit == 0:
        return []
    if separator:
        if limit < 0:
            check_items(text.count(separator) + 1)
        else:
            check_items(min(limit, text.count(separator) + 1))
        return list(text.split(separator, limit - 1 if limit > 0 else -1))
    check_items(len(text) if limit < 0 else min(limit, len(text)))
    if limit < 0 or limit >= len(text):
        return list(text)
    return [*text[: limit - 1], text[limit - 1 :]]


def join(budget: Budget, items: Any, separator: Any = "") -> str:
    """``list.join(separator)`` of strings."""
    _need("join", (list, str), items, separator)
    total = 0
    for item in items:
        if type(item) is not str:
            no_overload("join", item, hint="only strings join; write xs.map(x, string(x)).join(...)")
        total += len(item) + len(separator)
    made_text(budget, total)
    charge(budget, len(items))
    return str(separator.join(items))


def substring(budget: Budget, text: Any, start: Any, end: Any = None) -> str:
    """``text.substring(start, end)``."""
    end = len(text) if end is None and type(text) is str else end
    _need("substring", (str, int, int), text, start, end)
    _in_range(text, start)
    _in_range(text, end)
    if start > end:
        raise EvalError("cel.index", "the start of the substring is after its end")
    made_text(budget, end - start)
    return str(text[start:end])


def trim(budget: Budget, text: Any) -> str:
    """``text.trim()`` of white space on both sides."""
    _need("trim", (str,), text)
    charge(budget, len(text) // 64 + 1)
    return str(text.strip(_SPACE))


def reverse(budget: Budget, value: Any) -> Any:
    """``reverse()`` of text or a list."""
    if type(value) is list:
        charge(budget, len(value))
        return value[::-1]
    _need("reverse", (str,), value)
    made_text(budget, len(value))
    return value[::-1]


def quote(budget: Budget, text: Any) -> str:
    """``strings.quote(text)``: in double quotes, with escapes."""
    _need("strings.quote", (str,), text)
    made_text(budget, 2 * len(text))
    return f'"{text.translate(_QUOTED)}"'


def _compiled(budget: Budget, name: str, text: Any, pattern: Any) -> Any:
    _need(name, (str, str), text, pattern)
    charge(budget, len(text) * len(pattern) // 1000 + 1)
    try:
        return compile_pattern(pattern)
    except ValueError as error:
        raise EvalError("cel.regex", f"bad regular expression: {error}") from None


def _group(match: Any) -> str | None:
    """The first group if the pattern has one, else all that matched."""
    group: str | None = match.group(1 if match.re.groups else 0)
    return group


def _at_most_one_group(name: str, pattern: Any) -> None:
    if pattern.groups > 1:
        raise EvalError(
            "cel.regex", f"{name} takes a pattern with at most one group", "write (?:...) for the others"
        )


def matches(budget: Budget, text: Any, pattern: Any) -> bool:
    """``text.matches(pattern)``: somewhere in the text."""
    return _compiled(budget, "matches", text, pattern).search(text) is not None


def extract(budget: Budget, text: Any, pattern: Any) -> Optional:
    """``regex.extract(text, pattern)``: the first match, or its group."""
    compiled = _compiled(budget, "regex.extract", text, pattern)
    _at_most_one_group("regex.extract", compiled)
    match = compiled.search(text)
    found = None if match is None else _group(match)
    return NONE if found is None else Optional(True, found)


def extract_all(budget: Budget, text: Any, pattern: Any) -> list[str]:
    """``regex.extractAll(text, pattern)``: every match, or its group."""
    compiled = _compiled(budget, "regex.extractAll", text, pattern)
    _at_most_one_group("regex.extractAll", compiled)
    found: list[str] = []
    for match in compiled.finditer(text):
        group = _group(match)
        if group is not None:
            found.append(group)
        check_items(len(found))
        charge(budget, 1)
    return found


def regex_replace(budget: Budget, text: Any, pattern: Any, replacement: Any, count: Any = -1) -> str:
    r"""``regex.replace(text, pattern, replacement)``; ``\1`` in the replacement is a group."""
    compiled = _compiled(budget, "regex.replace", text, pattern)
    _need("regex.replace", (str, str, str, int), text, pattern, replacement, count)
    parts = _replacement(replacement, compiled.groups)
    done: list[str] = []
    at = total = 0
    for number, match in enumerate(compiled.finditer(text)):
        if 0 <= count <= number:
            break
        new = "".join(part if isinstance(part, str) else match.group(part) or "" for part in parts)
        total += match.start() - at + len(new)
        made_text(budget, total)
        done += (text[at : match.start()], new)
        at = match.end()
    made_text(budget, total + len(text) - at)
    return "".join(done) + str(text[at:])


def _replacement(text: str, groups: int) -> list[str | int]:
    parts: list[str | int] = []
    at = 0
    while (slash := text.find("\\", at)) >= 0:
        parts.append(text[at:slash])
        follower = text[slash + 1 : slash + 2]
        if follower == "\\":
            parts.append("\\")
        elif follower.isascii() and follower.isdigit() and int(follower) <= groups:
            parts.append(int(follower))
        else:
            raise EvalError(
                "cel.regex",
                f"the replacement has no group to put for \\{follower}",
                "write \\\\ for a backslash",
            )
        at = slash + 2
    return [*parts, text[at:]]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "matches": matches,
    "regex.extract": extract,
    "regex.extractAll": extract_all,
    "regex.replace": regex_replace,
    "size": size,
    "strings.quote": quote,
}
METHODS: dict[str, Callable[..., Any]] = {
    "charAt": char_at,
    "contains": contains,
    "endsWith": ends_with,
    "format": format_text,
    "indexOf": index_of,
    "join": join,
    "lastIndexOf": last_index_of,
    "lowerAscii": lower_ascii,
    "matches": matches,
    "replace": replace,
    "reverse": reverse,
    "size": size,
    "split": split,
    "startsWith": starts_with,
    "substring": substring,
    "trim": trim,
    "upperAscii": upper_ascii,
}
