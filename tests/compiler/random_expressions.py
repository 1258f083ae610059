"""Random expressions that mostly fit together, over variables of known types."""

from __future__ import annotations

import random
from typing import Any

from perdure.compiler.runtime import Duration, Timestamp
from perdure.compiler.runtime.values import FALSE_KEY, NONE, Optional, Uint

VARIABLES: dict[str, dict[str, Any]] = {
    "int": {"i": 7, "j": -3, "top": 2**63 - 1},
    "uint": {"u": Uint(5)},
    "double": {"d": 2.5, "whole": 4.0, "tiny": -1e-7},
    "string": {"s": "héllo 😀", "e": "", "n": "42"},
    "bool": {"b": True, "c": False},
    "bytes": {"raw": b"a\xc3\xa9", "bad": b"\xff"},
    "timestamp": {"at": Timestamp(1_709_210_096_000_000_789), "old": Timestamp(-86_400 * 10**9)},
    "duration": {"span": Duration(5_400_000_000_000), "back": Duration(-1_500_000_000)},
    "list(int)": {"xs": [3, 1, 2, 3], "no": []},
    "list(double)": {"ds": [1.5, -0.0, 2.0]},
    "list(string)": {"ss": ["b", "a", "é"]},
    "map(int)": {"m": {"a": 1, "b": 2, "c d": 3}},
    "optional(int)": {"o": Optional(True, 9), "q": NONE},
    "any": {
        "null_": None,
        "mixed": [1, Uint(1), 1.0, True, "1", None, [1], {"a": 1.0}],
        "keys": {FALSE_KEY: "f", 2: "two", "z": "zet", 1: [1]},
        "deep": {"a": {"b": [{"c": 1}, {"c": None}]}},
    },
}
VALUES = {name: value for names in VARIABLES.values() for name, value in names.items()}

_LITERALS = {
    "int": "0 1 (-1) 2 10 (-9223372036854775808) 9223372036854775807".split(),
    "uint": ["0u", "3u", "18446744073709551615u"],
    "double": ["0.0", "(-0.0)", "1.0", "0.1", "1e21", "(-2.5)", "(0.0 / 0.0)", "1e-7"],
    "string": ["''", "'a'", "'é'", "'héllo'", "'12'", "'1.5'", "'true'", "'😀'", "' A '"],
    "bool": ["true", "false"],
    "bytes": ["b''", "b'a'", r"b'\xff'"],
    "timestamp": ["timestamp('2024-02-29T12:34:56Z')", "timestamp(0)", "timestamp(253402300799)"],
    "duration": ["duration('1h30m')", "duration('-90s')", "seconds(1)", "duration('1m')"],
    "list(int)": ["[]", "[1, 2]", "[5]"],
    "list(double)": ["[0.5]", "[1.0, 1]"],
    "list(string)": ["['a']", "['x', 'y', 'x']"],
    "map(int)": ["{}", "{'a': 5}", "{'é': 1, 'a': 2}"],
    "optional(int)": ["optional.none()", "optional.of(3)"],
    "any": ["null", "int", "{1: 'a', true: 2}", "[[1], [2, [3]]]", "type(1.5)", "{?'k': m.?a}", "[?o, 1]"],
}

# For each type, forms that give it; {type} stands for an expression of that type, @ for a fresh name.
_FORMS: dict[str, tuple[str, ...]] = {
    "int": (
        "{int} + {int}", "{int} - {int}", "{int} * {int}", "{int} / {int}", "{int} % {int}", "-({int})",
        "size({string})", "{list(int)}.size()", "{list(int)}[{int}]", "{map(int)}.a", "{map(int)}[{string}]",
        "{map(int)}['b']", "{bool} ? {int} : {int}", "{string}.indexOf({string})", "{list(int)}.sum()",
        "{list(int)}.max()", "{list(int)}.min()", "{list(string)}.lastIndexOf({string})", "int({double})",
        "int({string})", "int({timestamp})", "math.abs({int})", "math.greatest({int}, {double}, {uint})",
        "math.bitXor({int}, {int})", "{optional(int)}.orValue({int})", "{optional(int)}.value()",
        "{timestamp}.getFullYear()", "{duration}.getMinutes()", "{timestamp}.getDayOfWeek()",
        "cel.bind(@, {int}, {int@int} + {int})", "int({uint})", "math.sign({int})", "deep.a.b[0].c",
        "{list(int)}.first().orValue({int})", "{timestamp}.getMonth()", "{duration}.getSeconds()",
    ),
    "uint": (
        "{uint} + {uint}", "{uint} - {uint}", "{uint} * {uint}", "{uint} / {uint}", "uint({int})",
        "uint({double})", "uint({string})", "math.bitAnd({uint}, {uint})", "{uint} % {uint}",
    ),
    "double": (
        "{double} + {double}", "{double} - {int}", "{int} * {double}", "{double} / {double}",
        "{double} / {int}", "double({int})", "double({string})", "math.ceil({double})", "math.floor({int})",
        "math.round({double})", "math.trunc({double})", "{list(int)}.avg()", "{list(double)}.sum()",
        "{list(double)}[{int}]", "-({double})", "math.abs({double})", "{bool} ? {double} : {double}",
        "math.sign({double})", "{list(double)}.max()", "math.least({double}, {double})",
    ),
    "string": (
        "{string} + {string}", "string({int})", "string({double})", "string({bool})", "string({timestamp})",
        "string({duration})", "string({bytes})", "{string}.charAt({int})", "{string}.substring({int})",
        "{string}.substring({int}, {int})", "{string}.lowerAscii()", "{string}.upperAscii()",
        "{string}.replace({string}, {string})", "{list(string)}.join({string})", "{string}.trim()",
        "{string}.reverse()", "{list(string)}[{int}]", "{bool} ? {string} : {string}", "keys[{any}]",
        "base64.encode({bytes})", "hex.encode({bytes})", "string({uint})",
        "{list(int)}.map(@, string(@)).join()",
        "cel.bind(@, {string}, {string@string} + @)", "{list(string)}.min()",
    ),
    "bool": (
        "{bool} && {bool}", "{bool} || {bool}", "!({bool})", "{int} < {int}", "{int} <= {double}",
        "{double} > {double}", "{uint} >= {int}", "{string} < {string}", "{any} == {any}", "{any} != {any}",
        "{int} == {double}", "{list(int)} == {list(double)}", "{map(int)} == {map(int)}",
        "{timestamp} > {timestamp}", "{duration} <= {duration}", "{bytes} < {bytes}", "{bool} < {bool}",
        "{int} in {list(int)}", "{string} in {map(int)}", "{any} in {any}", "{string} in ['a', 'b']",
        "{string}.contains({string})", "{string}.startsWith({string})", "{string}.endsWith({string})",
        "has({map(int)}.a)", "has(deep.a.x)", "{list(int)}.all(@, {bool@int})", "bool({string})",
        "{list(int)}.exists(@, {bool@int})", "{list(string)}.exists_one(@, {bool@string})",
        "{map(int)}.all(@, {bool@string})", "{list(int)}.all(@, @@, {bool@int})", "{any} == {int}",
        "{map(int)}.exists(@, @@, @@ > {int})", "{bool} ? {bool} : {bool}", "{string} == {any}",
        "sets.contains({list(int)}, {list(double)})", "{optional(int)}.hasValue()", "{bool} && {any}",
        "sets.intersects({any}, {list(int)})", "{list(double)}.isSorted()", "{any} || {bool}",
        "sets.equivalent({list(string)}, {list(string)})", "{list(int)}.existsOne(@, @@, @@ == {int})",
        "{bool} && {bool} && {bool}", "{bool} || {bool} || {bool}", "{any} < {any}", "{bool} == {bool}",
    ),
    "bytes": ("bytes({string})", "{bytes} + {bytes}", "bytes({bytes})"),
    "timestamp": (
        "{timestamp} + {duration}", "{duration} + {timestamp}", "{timestamp} - {duration}",
        "timestamp({int})", "timestamp({string})",
    ),
    "duration": (
        "{duration} + {duration}", "{duration} - {duration}", "{timestamp} - {timestamp}",
        "seconds({int})", "seconds({double})", "duration({string})", "[{duration}, {duration}].sum()",
    ),
    "list(int)": (
        "{list(int)} + {list(int)}", "[{int}, {int}]", "{list(int)}.map(@, {int@int})",
        "{list(int)}.filter(@, {bool@int})", "{list(int)}.map(@, {bool@int}, {int@int})",
        "lists.range(size({string}))", "{list(int)}.reverse()", "{list(int)}.slice({int}, {int})",
        "{list(int)}.distinct()", "{list(int)}.sort()", "{list(int)}.sortBy(@, {int@int})",
        "{map(int)}.transformList(@, @@, @@)", "[{list(int)}, {list(int)}].flatten()", "[?{optional(int)}]",
        "{list(int)}.transformList(@, @@, {bool@int}, @ + @@)", "[{optional(int)}].unwrapOpt()",
    ),
    "list(double)": (
        "[{double}, {double}]", "{list(int)}.map(@, {double@int})", "{list(double)} + {list(int)}",
        "{list(double)}.sort()", "{list(double)}.distinct()", "{list(double)}.filter(@, {bool@double})",
    ),
    "list(string)": (
        "{string}.split({string})", "{map(int)}.map(@, {string@string})", "[{string}, {string}]",
        "{list(string)}.filter(@, {bool@string})", "{list(string)}.sort()", "keys.map(@, string(@))",
        "{list(string)}.map(@, {string@string})", "{list(string)}.sortBy(@, size(@))",
    ),
    "map(int)": (
        "{{'a': {int}, 'b': {int}}}", "{{{string}: {int}}}", "{map(int)}.merge({map(int)})",
        "{map(int)}.transformMap(@, @@, {int@string})", "{list(string)}.transformMapEntry(@, @@, {{@@: @}})",
        "{{?'a': {optional(int)}}}", "{map(int)}.transformMap(@, @@, @@ > {int}, @@)",
    ),
    "optional(int)": (
        "{map(int)}.?a", "{map(int)}[?{string}]", "{list(int)}[?{int}]", "optional.of({int})",
        "{optional(int)}.or({optional(int)})", "{optional(int)}.optMap(@, {int@int})",
        "{optional(int)}.optFlatMap(@, {optional(int)@int})", "{list(int)}.last()",
        "optional.ofNonZeroValue({int})",
    ),
    "any": (
        "{int}", "{uint}", "{double}", "{string}", "{bool}", "{bytes}", "{timestamp}", "{duration}",
        "{list(int)}", "{map(int)}", "{optional(int)}", "type({any})", "dyn({any})",
        "[{any}, {any}]", "{{'k': {any}}}",
        "{list(int)}.groupBy(@, {any@int})", "mixed[{int}]", "deep.?a.?b", "mixed.map(@, {any@any})",
        "mixed.filter(@, @ == {any})", "{bool} ? {any} : {any}", "keys.transformList(@, @@, [@, @@])",
        "{{{any}: {any}, {any}: 1}}", "lists.zip({list(int)}, {list(string)})", "mixed.distinct()",
        "optional.ofNonZeroValue({any})", "deep.a.b.map(@, @.c)", "{any} + {any}", "{any}[{any}]", "{any}.a",
        "mixed.sortBy(@, {any@any})", "{any}.?a.orValue({any})", "[{any}, {any}].max()", "{any}.flatten(2)",
    ),
}  # fmt: skip


class Author:
    """Writes expressions; about one in thirty parts is of another type than its place needs."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.names = 0

    def write(self, wanted: str, depth: int, bound: tuple[tuple[str, str], ...] = ()) -> str:
        """An expression of the type ``wanted``; ``bound`` are the variables around and their types."""
        if self.random.random() < 0.03:
            wanted = self.random.choice(sorted(_FORMS))
        if depth <= 0 or self.random.random() < 0.1:
            return self.leaf(wanted, bound)
        return f"({self.filled(self.random.choice(_FORMS[wanted]), depth, bound)})"

    def leaf(self, wanted: str, bound: tuple[tuple[str, str], ...]) -> str:
        names = [name for name, kind in bound if kind == wanted or self.random.random() < 0.05]
        if names and self.random.random() < 0.7:
            return self.random.choice(names)
        if self.random.random() < 0.5:
            return self.random.choice(sorted(VARIABLES[wanted]))
        return self.random.choice(_LITERALS[wanted])

    def filled(self, form: str, depth: int, bound: tuple[tuple[str, str], ...]) -> str:
        """A form with its holes filled: ``{int@string}`` sees the form's own variable, which is a string."""
        self.names += 1
        one, two = f"v{self.names}", f"w{self.names}"
        text, at = "", 0
        while at < len(form):
            if form.startswith(("{{", "}}"), at) and not form.startswith("{{{", at):
                text, at = text + form[at], at + 2
            elif form[at] == "{" and form.startswith("{{{", at):
                text, at = text + "{", at + 2
            elif form[at] == "{":
                end = form.index("}", at)
                wanted, _, own = form[at + 1 : end].partition("@")
                text += self.write(wanted, depth - 1, (*bound, (one, own)) if own else bound)
                at = end + 1
            elif form.startswith("@@", at):
                text, at = text + two, at + 2
            elif form[at] == "@":
                text, at = text + one, at + 1
            else:
                text, at = text + form[at], at + 1
        return text


def expression(seed: int, number: int) -> str:
    """The random expression of that number; the same every time."""
    author = Author(f"{seed} {number}")
    return author.write(author.random.choice(sorted(_FORMS)), author.random.choice((1, 2, 2, 3, 3, 4)))
