"""The query language of lists: ``status:Failed,Terminated workflow:order created>-7d tag.team:x -id:test-*``.

Terms stand one behind the other, and all must hold. A term is ``field:value``; values with commas between
them are alternatives, one that ends in ``*`` is what texts begin with, and ``field:*`` holds where there is
any value. Times are compared: ``created>=2030-01-31``, ``ended<2030-01-31T12:00:00Z``, ``created>-7d`` for
seven days ago. A minus before a term turns it around. A text with spaces, commas or quotes stands in double
quotes.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from perdure.dsl.duration import parse_duration
from perdure.engine.errors import UserError
from perdure.engine.instance import status_of
from perdure.engine.store.rows import Condition
from perdure.engine.views import parse_time

MAX_LENGTH = 4_096
MAX_TERMS = 32
MAX_VALUES = 100

TEXTS = {"id": "id", "workflow": "name", "version": "version", "status": "status", "parent": "parent_id"}
TIMES = {"created": "created_at", "started": "started_at", "updated": "updated_at", "ended": "ended_at"}
FIELDS = (*TEXTS, "tag.NAME", *TIMES)

_SPACE = re.compile(r"\s+")
_NAME = re.compile(r'(-?)((?:tag\.(?:"(?:[^"\\]|\\.)*"|[^\s:"<>=]+))|[A-Za-z_]+)(>=|<=|[:<>=])')
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"(\*?)|([^\s",]+)')
_FIELD = re.compile(r'(-?)([^\s:<>="]+)[:<>=]')
_ESCAPED = re.compile(r"\\(.)")


ORDERS = {"created": "created_at", "ended": "ended_at", "id": "id"}
"""What a list may be in order of. Each has an index."""


def read_order(text: str | None) -> tuple[str, bool]:
    """The column of an order (``created:asc``), and whether it ascends. Raises ``UserError``."""
    if text is None:
        return ORDERS["created"], False
    name, colon, direction = text.partition(":")
    if name not in ORDERS or direction not in ({"asc", "desc"} if colon else {""}):
        error = UserError(
            f"there is no order {text!r}", hint=f"one of {', '.join(ORDERS)}, then :asc or :desc"
        )
        error.code = "invalid_order"
        raise error
    return ORDERS[name], direction == "asc" if colon else name == "id"


def parse_filter(text: str, now: int) -> tuple[Condition, ...]:
    """The conditions of a query. ``now`` is the time in microseconds since 1970 UTC.

    Raises ``UserError`` (``invalid_query``) with the column at which it cannot be read.
    """
    if len(text) > MAX_LENGTH:
        raise _invalid(f"it has more than {MAX_LENGTH} characters")
    found: list[Condition] = []
    at = _skip(text, 0)
    while at < len(text):
        if len(found) == MAX_TERMS:
            raise _invalid(f"it has more than {MAX_TERMS} terms")
        condition, at = _term(text, at, now)
        found.append(condition)
        if at < len(text) and not text[at].isspace():
            raise _invalid("a space is missing", at)
        at = _skip(text, at)
    return tuple(found)


def _term(text: str, at: int, now: int) -> tuple[Condition, int]:
    name = _NAME.match(text, at)
    if name is None:
        raise _no_term(text, at)
    minus, field, operator = name.groups()
    begin = at + len(minus)
    column = TEXTS.get(field) or TIMES.get(field) or _tag(field)
    if column is None:
        raise _invalid(f"there is no field {field!r}", begin)
    at = name.end()
    values: list[tuple[str, bool, int]] = []
    while True:
        value = _VALUE.match(text, at)
        if value is None:
            if text[at : at + 1] == '"':
                raise _invalid("this double quote is not closed", at)
            hint = f"write {field}{operator}VALUE without a space"
            raise _invalid(f"a value is missing behind {field}{operator}", at, hint=hint)
        if len(values) == MAX_VALUES:
            raise _invalid(f"{field} has more than {MAX_VALUES} values", at)
        values.append((*_read(value, at), at))
        at = value.end()
        if text[at : at + 1] != ",":
            break
        at += 1
    negated = bool(minus)
    if field in TIMES:
        return _compared(field, operator, values, negated, now), at
    if operator not in {":", "="}:
        raise _invalid(f"{field} has no order", begin, hint=f"write {field}:value")
    if field == "status":
        values = [_status(*each) for each in values]
    exact = tuple(value for value, begins, _ in values if not begins)
    prefixes = tuple(value for value, begins, _ in values if begins)
    return Condition(field=column, values=exact, prefixes=prefixes, negated=negated), at


def _no_term(text: str, at: int) -> UserError:
    """What is wrong with what does not even begin as a term does."""
    found = text[at:].split(maxsplit=1)[0]
    if found.lower() in {"and", "or", "not"}:
        hint = (
            "all terms must hold; write status:Failed,Running for either, and a minus before a term for not"
        )
        return _invalid(f"there is no {found}", at, hint=hint)
    if found.count('"') == 1:
        return _invalid("this double quote is not closed", at + found.index('"'))
    field = _FIELD.match(found)
    if field is not None:
        return _invalid(f"there is no field {field[2]!r}", at + len(field[1]))
    return _invalid("a term is written field:value", at)


def _read(value: re.Match[str], at: int) -> tuple[str, bool]:
    """A value's text, and whether texts are to begin with it."""
    quoted, star, plain = value.groups()
    if plain is None:
        return _ESCAPED.sub(r"\1", quoted), bool(star)
    if "*" in plain[:-1]:
        hint = "put the value in double quotes where a star is meant"
        raise _invalid("a star stands for anything at the end alone", at + plain.index("*"), hint=hint)
    return plain.removesuffix("*"), plain.endswith("*")


def _tag(field: str) -> str | None:
    if not field.startswith("tag."):
        return None
    name = field.removeprefix("tag.")
    return f"tag.{_ESCAPED.sub(chr(92) + '1', name[1:-1])}" if name.startswith('"') else field


def _status(value: str, begins: bool, at: int) -> tuple[str, bool, int]:
    if begins:
        raise _invalid("a status is written in full", at)
    try:
        return str(status_of(value)), False, at
    except UserError as error:
        raise _invalid(str(error), at, hint=error.hint) from None


def _compared(
    field: str, operator: str, values: list[tuple[str, bool, int]], negated: bool, now: int
) -> Condition:
    value, begins, at = values[0]
    if operator == ":" and (value, begins) == ("", True) and len(values) == 1:
        return Condition(field=TIMES[field], prefixes=("",), negated=negated)
    if operator in {":", "="} or begins or len(values) > 1:
        raise _invalid(
            f"{field} is compared with one time", at, hint=f"write {field}>=2030-01-31, or {field}>-7d"
        )
    return Condition(field=TIMES[field], compares=operator, time=_time(value, now, at), negated=negated)


def _time(value: str, now: int, at: int) -> int:
    """A time, a day (its beginning in UTC), or how long ago."""
    try:
        if value.startswith("-"):
            return now - parse_duration(value[1:])
        if len(value) == len("2030-01-31"):
            day = date.fromisoformat(value)
            return parse_time(datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat())
        return parse_time(value)
    except (ValueError, UserError) as error:
        hint = "write 2030-01-31, 2030-01-31T12:00:00Z, or -7d for seven days ago"
        why = "" if isinstance(error, UserError) else f" ({error})"
        raise _invalid(f"{value!r} is no time{why}", at, hint=hint) from None


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _invalid(message: str, at: int | None = None, *, hint: str | None = None) -> UserError:
    place = "" if at is None else f", at column {at + 1}"
    error = UserError(
        f"the query cannot be read{place}: {message}", hint=hint or f"fields: {', '.join(FIELDS)}"
    )
    error.code = "invalid_query"
    return error
