"""Random expressions over typed variables, for the tests of soundness."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from perdure.dsl.types.json_schema import type_of_schema
from perdure.dsl.types.kinds import Type

SCHEMAS: dict[str, dict[str, Any]] = {
    "i": {"type": "integer"},
    "n": {"type": "number"},
    "s": {"type": "string"},
    "b": {"type": "boolean"},
    "z": {"type": ["string", "null"]},
    "xs": {"type": "array", "items": {"type": "integer"}},
    "ts": {"type": "array", "items": {"type": "string"}},
    "m": {"type": "object", "additionalProperties": {"type": "number"}},
    "o": {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "t": {"type": "string"},
            "l": {"type": "array", "items": {"type": "object", "properties": {"q": {"type": "number"}}}},
        },
        "required": ["a", "l"],
        "additionalProperties": False,
    },
    "d": {},
}
TYPES: dict[str, Type] = {name: type_of_schema(schema) for name, schema in SCHEMAS.items()}

_INTS = st.integers(-3, 9)
_NUMBERS = st.one_of(_INTS, st.sampled_from([0.0, 1.5, -2.0, 3.0]))
_TEXTS = st.sampled_from(["", "a", "ab", "7", "true", "2026-01-02T03:04:05Z", "5s"])
_LINE = st.fixed_dictionaries({}, optional={"q": _NUMBERS, "other": _TEXTS})
_ANY = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS, st.lists(_INTS, max_size=2), _LINE)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "i": _INTS,
    "n": _NUMBERS,
    "s": _TEXTS,
    "b": st.booleans(),
    "z": st.one_of(st.none(), _TEXTS),
    "xs": st.lists(_INTS, max_size=3),
    "ts": st.lists(_TEXTS, max_size=3),
    "m": st.dictionaries(_TEXTS, _NUMBERS, max_size=2),
    "o": st.fixed_dictionaries({"a": _INTS, "l": st.lists(_LINE, max_size=2)}, optional={"t": _TEXTS}),
    "d": _ANY,
}
"""Values that the schemas accept."""

INPUTS = st.fixed_dictionaries(VALUES)

_WORDS = {
    "LEAF": [
        *SCHEMAS, "1", "(-2)", "2.5", "3u", "'a'", "'12'", "b'x'", "true", "false", "null", "[]", "{}", "int",
        "x", "k", "now()", "duration('5s')", "optional.of(1)", "optional.none()", "{'a': 1, 't': 'u'}",
    ],
    "FIELD": ["a", "t", "l", "q", "other"],
    "OPERATOR": "+ - * / % == != < <= > >= in && ||".split(),
    "FUNCTION": (
        "int uint double string bytes bool size type timestamp duration seconds dyn json.marshal math.abs "
        "math.ceil math.sign math.greatest optional.of optional.ofNonZeroValue strings.quote hash.sha256 "
        "lists.range hex.encode base64.decode math.isNaN optional.unwrap math.bitNot json.unmarshal"
    ).split(),
    "FUNCTION_2": (
        "math.least math.bitAnd lists.zip sets.contains regex.extract regex.extractAll matches"
    ).split(),
    "METHOD": (
        "size first last sum min max avg sort distinct reverse flatten isSorted trim upperAscii join "
        "hasValue value getHours getFullYear unwrapOpt"
    ).split(),
    "METHOD_1": (
        "contains startsWith indexOf lastIndexOf charAt substring split join orValue or merge deepMerge "
        "format matches flatten getSeconds"
    ).split(),
    "MACRO": "map filter all exists exists_one sortBy groupBy optMap optFlatMap".split(),
    "MACRO_2": "all exists existsOne transformList transformMap transformMapEntry".split(),
}  # fmt: skip
_FORMS = [
    "(E OPERATOR E)", "(E OPERATOR E)", "(E ? E : E)", "E.FIELD", "E.?FIELD", "has(E.FIELD)", "E[E]", "E[?E]",
    "(!E)", "(-E)", "[E, E]", "[?E]", "{'a': E, 'q': E}", "{E: E}", "{?'a': E}", "FUNCTION(E)",
    "FUNCTION_2(E, E)", "E.METHOD()", "E.METHOD_1(E)", "E.replace(E, E)", "E.slice(E, E)", "E.MACRO(x, E)",
    "E.map(x, E, E)", "E.MACRO_2(k, x, E)", "cel.bind(x, E, E)",
]  # fmt: skip
_PART = re.compile(r"\b(?:E|[A-Z]{4,}(?:_[12])?)\b")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    """Texts of expressions, right and wrong, over the names of ``SCHEMAS``."""

    def part(match: re.Match[str]) -> str:
        if match[0] == "E":
            return str(draw(expressions(depth - 1)))
        return draw(st.sampled_from(_WORDS[match[0]]))

    form = "LEAF" if depth == 0 else draw(st.sampled_from(["LEAF", "LEAF", *_FORMS]))
    return _PART.sub(part, form)
