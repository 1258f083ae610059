from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from perdure.compiler.codegen import Result, compile_value
from perdure.compiler.runtime import EvalError
from perdure.dsl.expr import ast
from perdure.dsl.expr.functions import FUNCTIONS, MACROS, METHODS
from perdure.dsl.expr.parser import parse

pytestmark = pytest.mark.timeout(30)

# Ten shares of ten shares of ...: small in memory, 10**7 leaves when walked.
_SHARED = "".join(
    f"cel.bind({name}, [{', '.join([before] * 10)}], "
    for before, name in zip("abcdef", "bcdefg", strict=True)
)


def shared(use: str) -> str:
    """An expression over a value ``g`` of 10**7 shared leaves."""
    return f"cel.bind(a, ['x'], {_SHARED}{use}{')' * 7}"


def evaluate(text: str, result: Result = "json", given: Any = None) -> Any:
    """The value of an expression with ``given`` as the input."""
    value = ast.Embedded(parse(text), ((0, 1, 1),))
    environment = SimpleNamespace(input=given, now_us=0, uuid=str)
    return compile_value(value, {"input": "e.input"}, result=result)({}, environment)


def outcome(text: str, result: Result = "json", given: Any = None) -> tuple[str | None, bool]:
    """The kind of error that an evaluation ends with, if any, and whether it has a place."""
    try:
        evaluate(text, result, given)
    except EvalError as error:
        return error.kind, error.position is not None
    return None, True


HOSTILE = {
    "json of shared parts": shared("g"),
    "equality of shared parts": shared("g == g"),
    "format of shared parts": shared("'%s'.format([g])"),
    "marshal of shared parts": shared("json.marshal(g)"),
    "flatten of shared parts": shared("g.flatten(9)"),
    "membership of shared parts": shared("[g] in [[g], g]") + " && false",
    "loops in loops": "lists.range(9999).map(a, lists.range(9999).map(b, lists.range(9999)))",
    "quantifier in quantifier": "lists.range(99999).all(a, lists.range(99999).all(b, a + b >= 0))",
    "doubling text": "cel.bind(a, lists.range(30).map(i, 'xxxx').join(), a" + ".replace('x', a)" * 4 + ")",
    "long concatenation": "cel.bind(a, lists.range(100000).map(i, 'xxxxxxxxxxxxxxxxxxxx').join(), a + a + a)",
    "too many pieces": "lists.range(100000).map(i, 'xxxx').join().split('')",
    "quadratic sets": "sets.contains(lists.range(5000), lists.range(5000))",
    "quadratic distinct": "lists.range(5000).map(i, [i]).distinct()",
    "search in a loop": "lists.range(90000).exists(i, input.text.contains('z'))",
    "regex in a loop": "lists.range(90000).exists(i, input.text.matches('(a*)*b'))",
    "deep result": "input.deep",
    "absorbed errors in a loop": "lists.range(99999).all(a, input.nope) || true",
    "absorbed errors of wide maps": "lists.range(9999).all(a, input.wide.c9_abcdefhg) || true",
    "operators that absorb in a loop": "lists.range(99999).map(a, input.nope || true)",
}


HOSTILE_INPUT = {"text": "a" * 100_000, "wide": {f"c{number}_abcdefgh": 0 for number in range(500)}}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_expressions_end_with_a_limit(text: str) -> None:
    """Work, memory and size are bounded: the answer is one clean error, soon."""
    deep: list[Any] = []
    for _ in range(70):
        deep = [deep]
    with pytest.raises(EvalError) as caught:
        evaluate("[" + text + "]", given=HOSTILE_INPUT | {"deep": deep})
    assert (caught.value.kind, caught.value.position is not None) == ("cel.limit", True)


@pytest.mark.parametrize(
    "use", ["input == input", "json.marshal(input)", "'%s'.format([input])", "[input]", "input.flatten(9)"]
)
def test_deep_inputs_are_refused_or_walked(use: str) -> None:
    """An input nested deeper than Python recurses is a limit, not a RecursionError."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert outcome(use, given=deep)[0] in ("cel.limit", None)


CHAINS: dict[str, Callable[[int], str]] = {
    "and": lambda n: " && ".join(["true"] * n),
    "or": lambda n: " || ".join(["false"] * n),
    "sum": lambda n: " + ".join(["1"] * n),
    "list": lambda n: "[" + ", ".join(["1"] * n) + "]",
    "arguments": lambda n: "math.greatest(" + ", ".join(["1"] * n) + ")",
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_the_longest_chains_compile(chain: Callable[[int], str]) -> None:
    """What the parser takes, the generator can write."""
    assert evaluate(chain(900), "raw") is not None


NESTS: dict[str, Callable[[str], str]] = {
    "and in or": lambda inner: f"(false || (true && {inner}))",
    "conditional": lambda inner: f"(true ? {inner} : false)",
    "condition of a conditional": lambda inner: f"({inner} ? true : false)",
    "list": lambda inner: f"[{inner}][0]",
    "bind": lambda inner: f"cel.bind(x, true, x && {inner})",
    "optional": lambda inner: f"optional.of(true).optMap(x, x && {inner}).value()",
}


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS.keys())
def test_the_deepest_nesting_compiles(nest: Callable[[str], str]) -> None:
    """CPython's own limits on blocks, indentation and parentheses are out of reach."""
    text = "true"
    for _ in range(20):
        text = nest(text)
    assert evaluate(text) is True


def test_nested_loops_with_conditions_compile() -> None:
    """Loops, absorbed errors and outer variables mix at the depth that the checker allows."""
    text = "a + b + c + d + e == 15 || a > 99"
    for number, name in enumerate("edcba"):
        text = f"[{5 - number}].all({name}, {name} > 0 && ({text}))"
    assert evaluate(text) is True


def test_the_budget_is_the_same_every_time() -> None:
    """An evaluation just under the limit passes, just over it fails, whatever ran before."""
    texts = [f"lists.range(10000).map(i, lists.range({count})).size()" for count in (98, 99, 98, 99)]
    assert [outcome(text)[0] for text in texts] == [None, "cel.limit", None, "cel.limit"]


_LEAVES = (
    "1 0 -1 2u 1.5 (0.0/0.0) 'a' '' b'x' true false null [] [1,2] {} {'a':1} {true:1,1:2} input input.m "
    "input.l input.?q timestamp('2024-01-01T00:00:00Z') duration('1h') int optional.none() x y '%s' 'UTC' "
    "optional.of(1) 9223372036854775807 -9223372036854775808 [1,[2,[3]]] 'é😀' type(1) now() '1h' "
    "input.big '(a)+'"
).split()
_OPERATORS = "+ - * / % < <= > >= == != in && ||".split()


class _Author:
    """Writes random expressions that parse."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def write(self, depth: int) -> str:
        if depth == 0 or self.random.random() < 0.15:
            return self.random.choice(_LEAVES)
        shape = self.random.choice(
            (self.operator, self.conditional, self.call, self.method, self.macro, self.access)
        )
        return shape(depth - 1)

    def several(self, depth: int, count: int) -> str:
        return ", ".join(self.write(depth) for _ in range(count))

    def operator(self, depth: int) -> str:
        return f"({self.write(depth)} {self.random.choice(_OPERATORS)} {self.write(depth)})"

    def conditional(self, depth: int) -> str:
        return f"({self.write(depth)} ? {self.write(depth)} : {self.write(depth)})"

    def call(self, depth: int) -> str:
        name = self.random.choice(sorted(FUNCTIONS))
        return f"{name}({self.several(depth, abs(self.random.choice(FUNCTIONS[name])))})"

    def method(self, depth: int) -> str:
        name = self.random.choice(sorted(METHODS))
        return f"({self.write(depth)}).{name}({self.several(depth, self.random.choice(METHODS[name]))})"

    def macro(self, depth: int) -> str:
        name = self.random.choice(sorted(MACROS))
        variables, bodies = self.random.choice(MACROS[name])
        if name == "cel.bind":
            return f"cel.bind(x, {self.several(depth, 2)})"
        bound = ", ".join(["x", "y"][:variables])
        return f"({self.write(depth)}).{name}({bound}, {self.several(depth, bodies)})"

    def access(self, depth: int) -> str:
        inner = self.write(depth)
        forms = (
            "({}).a",
            "({}).?a",
            "({})[0]",
            "({})['a']",
            "({})[?1]",
            "has(({}).a)",
            "!({})",
            "-({})",
            "[?{}]",
        )
        return self.random.choice(forms).format(inner)


@pytest.mark.parametrize("seed", range(6))
def test_random_expressions_raise_nothing_else(seed: int) -> None:
    """Whatever an expression does, it gives a value or an EvalError with a place."""
    author = _Author(seed)
    given = {"m": {"a": {"a": None}}, "l": [1, 2.5, "a", None, True, [1]], "big": 10**30}
    results: tuple[Result, ...] = ("raw", "json", "bool", "list", "int", "text", "duration", "timestamp")
    for number in range(250):
        text = author.write(1 + number % 4)
        kind, placed = outcome(text, results[number % len(results)], given)
        assert (kind == "cel.internal", placed) == (False, True), text
