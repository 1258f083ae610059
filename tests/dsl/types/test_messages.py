"""What the checker says, word for word."""

from __future__ import annotations

import pytest

from perdure.dsl.expr.parser import parse
from perdure.dsl.types.infer import infer
from perdure.dsl.types.json_schema import type_of_schema
from perdure.dsl.types.kinds import NEVER, describe
from perdure.dsl.types.signatures import FUNCTIONS, METHODS
from tests.dsl.types.expressions import TYPES

ORDER = type_of_schema(
    {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "total": {"type": "number"},
            "count": {"type": "integer"},
            "note": {"type": "string"},
            "lines": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["id", "total", "count", "lines"],
        "additionalProperties": False,
    }
)
NAMES = {**TYPES, "order": ORDER}

ERRORS = {
    "order.amout": ("'order' has no field 'amout'", "it has: id, total, count, note, lines"),
    "order.totl": ("'order' has no field 'totl'; did you mean 'total'?", None),
    "order['totl']": ("'order' has no field 'totl'; did you mean 'total'?", None),
    "order.id.x": ("'order.id' is string: it has no field 'x'", None),
    "order.lines.sku": ("'order.lines' is list(string): it has no field 'sku'", None),
    "order.count.?x": ("'order.count' is int: it has no fields", None),
    "has(order.id.x)": ("'order.id' is string: it has no fields", None),
    "order.count > order.id": (
        "'>' compares int with string",
        "write int(...) or double(...) around the text",
    ),
    "order.id + 1": ("'+' does not take string and int", "write string(...) around the other value"),
    "order.total - 'a'": ("'-' does not take number and string", None),
    "2.5 % 2": ("'%' does not take double and int", "'%' takes whole numbers"),
    "s.?x": ("'s' is string: it has no fields", None),
    "m.?x + 1": (
        "'+' does not take optional(number) and int",
        "take the value out of the optional with .orValue(...)",
    ),
    "1 in s": ("'in' looks into a list or a map, not into string", None),
    "-s": ("'-' takes a number, not string", None),
    "!i": ("'!' takes bool, not int", "compare it, as in x != null"),
    "i ? 1 : 2": ("'? :' takes bool, not int", "compare it, as in x != null"),
    "i && true": ("'&&' takes bool, not int", "compare it, as in x != null"),
    "size(i)": ("size does not take (int)", None),
    "string(xs)": ("string does not take (list(int))", "write json.marshal(...) for its JSON text"),
    "duration(i)": ("duration does not take (int)", "write seconds(n) for a number"),
    "i.startsWith('a')": ("startsWith does not take (int, string)", None),
    "s.startsWith(1)": ("startsWith does not take (string, int)", None),
    "s.map(x, x)": ("map takes a list or a map, not string", None),
    "i.optMap(x, x)": ("optMap takes an optional, not int", None),
    "xs['a']": ("'xs' is list(int): it has no field 'a'", None),
    "xs[s]": ("'xs' is list(int): it cannot be indexed by string", None),
    "[][0]": ("this value is always empty", None),
    "m[1]": ("'m' never has this key, of type int", None),
    "[?i]": ("[?value] takes an optional, not int", None),
    "{?'a': i}": ("?key: value takes an optional, not int", None),
    "{n + 0.5: 1}": ("a key is a string, an int or a bool, not double", None),
    "xs[-1]": ("lists are indexed from 0 upwards", "write xs.last().value()"),
    "order.lines[-2]": (
        "lists are indexed from 0 upwards",
        "write order.lines[size(order.lines) - 2]",
    ),
    "now() + '1h'": ("'+' does not take timestamp and string", "write duration('1h')"),
    "'-90s' + now()": ("'+' does not take string and timestamp", "write duration('-90s')"),
    "now() - '2026-01-31T12:00:00Z'": (
        "'-' does not take timestamp and string",
        "write timestamp('2026-01-31T12:00:00Z')",
    ),
    "duration('1h') > '30m'": ("'>' compares duration with string", "write duration('30m')"),
    "now() + s": (
        "'+' does not take timestamp and string",
        "write duration(...) or timestamp(...) around text such as 1h30m, or 2026-01-31T12:00:00Z",
    ),
    "xs.merge(m)": ("merge does not take (list(int), map)", None),
}

WARNINGS = {
    "order.note": ("cel.missing", "'order.note' may be missing: it is not required"),
    "has(order.id)": ("cel.always", "'order' always has the field 'id'"),
    "has(order.totl)": ("cel.never_there", "'order' never has a field 'totl'; did you mean 'total'?"),
    "order.?totl": ("cel.never_there", "'order' never has a field 'totl'; did you mean 'total'?"),
    "order.id == 5": ("cel.never_equal", "'==' compares string with int: they are never equal"),
    "order.count != '5'": ("cel.always_equal", "'!=' compares int with string: they are never equal"),
    "order.?note == 'a'": (
        "cel.never_equal",
        "'==' compares optional(string) with string: they are never equal",
    ),
    "1 in order.lines": ("cel.never_equal", "int is never in list(string)"),
    "1 in m": ("cel.never_equal", "int is never a key of this map"),
    "order.total / 2": ("cel.int_division", "a whole number here divides without a rest: 7 / 2 is 3"),
    "order.count / 2": ("cel.int_division", "a whole number here divides without a rest: 7 / 2 is 3"),
    "d / 2": ("cel.int_division", "a whole number here divides without a rest: 7 / 2 is 3"),
    "b ? 1 + 'a' : 2": ("cel.no_overload", "'+' does not take int and string"),
    "b && i": ("cel.no_overload", "'&&' takes bool, not int"),
    "xs.map(x, x + 'a')": ("cel.no_overload", "'+' does not take int and string"),
    "xs.filter(x, x)": ("cel.no_overload", "'filter' takes bool, not int"),
    "xs.join()": ("cel.no_overload", "join does not take list(int)"),
    "ts.sum()": ("cel.no_overload", "sum does not take list(string)"),
    "d[-1]": ("cel.index", "lists are indexed from 0 upwards"),
    "xs.groupBy(x, 1.5)": ("cel.no_overload", "a key is a string, an int or a bool, not double"),
}

FINE = {
    "order.total / 2.0": "double",
    "double(order.total) / 2": "double",
    "i + 1": "int",
    "i + 1.5": "double",
    "i / 2": "int",
    "n + 1": "number",
    "d + 1": "number",
    "d.x.y": "any",
    "o.?t.orValue('')": "string",
    "has(order.note) ? order.note : ''": "string",
    "order.?note.hasValue() && order.note != ''": "bool",
    "'note' in order && order.note == 'a'": "bool",
    "o.l.map(l, l.?q.orValue(0))": "list(number)",
    "o.l[0].q": "number",
    "xs.first().orValue('a')": "int or string",
    "xs.sum()": "int",
    "ts.join(',')": "string",
    "m.transformList(k, v, k)": "list(string)",
    "xs.groupBy(x, string(x))": "map",
    "{'a': 1}.merge({'b': 'x'}).b": "string",
    "cel.bind(y, i, y * 2)": "int",
    "now() - timestamp('2026-01-01T00:00:00Z')": "duration",
    "z == null ? '' : z": "string or null",
    "dyn(i) + 'a'": "string",
    "type(i) == int": "bool",
    "[1, 'a', true, null, 2.5, b'x']": "list",
    "regex.extract(s, 'a').orValue('')": "string",
    "lists.zip(xs, ts)[0]": "list(int or string)",
    "math.greatest(1, 2.5)": "number",
    "{-1: 'a'}[-1]": "string",
    "xs[?-1].orValue(0)": "int",
}


@pytest.mark.parametrize(("text", "expected"), ERRORS.items())
def test_what_always_fails_is_refused(text: str, expected: tuple[str, str | None]) -> None:
    """The message names the types, the hint what to do; nothing else is said."""
    found = infer(parse(text), NAMES.get)
    message, hint = expected
    assert found.type == NEVER
    assert [each.message for each in found.problems] == [message]
    assert hint in (None, found.problems[0].hint)


@pytest.mark.parametrize(("text", "expected"), WARNINGS.items())
def test_what_is_hardly_meant_is_a_warning(text: str, expected: tuple[str, str]) -> None:
    """It may work for some input, so it is not refused."""
    found = infer(parse(text), NAMES.get)
    assert found.type != NEVER
    assert [(each.kind, each.message) for each in found.problems] == [expected]


@pytest.mark.parametrize(("text", "expected"), FINE.items())
def test_type_of_a_right_expression(text: str, expected: str) -> None:
    """Nothing is said against it, and its type is the narrowest that is known."""
    found = infer(parse(text), NAMES.get)
    assert (
        describe(found.type),
        [each.message for each in found.problems if each.kind != "cel.missing"],
    ) == (
        expected,
        [],
    )


def test_a_field_that_was_asked_for_before_is_no_risk() -> None:
    """What an earlier condition asked for with has() may be read without a warning."""
    assert infer(parse("order.note"), NAMES.get, frozenset({"order.note"})).problems == ()


def test_every_function_has_a_signature() -> None:
    """The tables agree with the functions of the language, argument counts included."""
    from perdure.dsl.expr import functions

    for known, table in ((functions.FUNCTIONS, FUNCTIONS), (functions.METHODS, METHODS)):
        own = 1 if known is functions.METHODS else 0
        assert set(known) == set(table)
        for name, counts in known.items():
            taken = {len(each.parameters) - own for each in table[name]}
            assert taken == {count for count in counts if count >= 0}, name
