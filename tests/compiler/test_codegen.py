from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from perdure.compiler import codegen
from perdure.compiler.codegen import Result, compile_value
from perdure.compiler.runtime import EvalError, LimitError, Timestamp
from perdure.dsl.expr import ast
from perdure.dsl.expr.template import parse_scalar
from perdure.dsl.source import Mark, TextMap

ROOTS = {"input": "e.input", "step": "f['step']", "workflow": "e.workflow"}
INPUT: dict[str, Any] = {
    "id": "o-7",
    "total": 120,
    "note": None,
    "tags": ["b", "a"],
    "to": {"city": "Riga"},
    "at": "2024-01-02T03:04:05Z",
}


def environment(value: Any = INPUT) -> SimpleNamespace:
    """What the engine gives an evaluation."""
    return SimpleNamespace(
        input=value,
        now_us=1_700_000_000_000_001,
        uuid=lambda label: f"uuid of {label}",
        workflow={"started_at": Timestamp(0)},
    )


def value_of(text: str) -> ast.Value:
    """A scalar on line 3, column 8."""
    return parse_scalar(text, TextMap((Mark(0, 3, 8),)))


def run(
    value: str | ast.Value, result: Result = "json", *, what: str = "when of charge", given: Any = INPUT
) -> Any:
    """Compile, as a program that was stored and loaded again, and evaluate."""
    tree = value_of(value) if isinstance(value, str) else value
    stored = msgspec.json.decode(msgspec.json.encode(tree), type=ast.Value)
    return compile_value(stored, ROOTS, result=result, what=what)({}, environment(given))


def error_of(value: str | ast.Value, result: Result = "json", *, given: Any = INPUT) -> EvalError:
    """The error that the evaluation raises."""
    with pytest.raises(EvalError) as caught:
        run(value, result, given=given)
    return caught.value


@pytest.mark.parametrize(
    ("text", "result", "expected"),
    [
        ("${ input.total }", "json", 120),
        ("plain", "json", "plain"),
        ("${ input.tags.map(t, t + '!') }", "json", ["b!", "a!"]),
        ("${ timestamp(60) }", "json", "1970-01-01T00:01:00Z"),
        ("${ duration('90m') }", "json", "5400s"),
        ("${ b'hi' }", "json", "aGk="),
        ("${ 7u }", "json", 7),
        ("${ [1u, {'t': timestamp(0)}] }", "json", [1, {"t": "1970-01-01T00:00:00Z"}]),
        ("${ workflow.started_at }", "json", "1970-01-01T00:00:00Z"),
        ("${ now() }", "json", "2023-11-14T22:13:20.000001Z"),
        ("${ uuid('x') }", "json", "uuid of x"),
        ("${ input.?id }", "json", "o-7"),
        ("${ input.total > 100 }", "bool", True),
        ("${ input.tags }", "list", ["b", "a"]),
        ("${ input.total }", "int", 120),
        ("${ 5u }", "int", 5),
        ("${ input.id }", "text", "o-7"),
        ("order ${ input.id } of ${ input.total }", "text", "order o-7 of 120"),
        ("30s", "duration", 30_000_000),
        ("${ input.total }m", "duration", 7_200_000_000),
        ("${ duration('1ns') }", "duration", 1),
        ("${ duration('-1500ns') }", "duration", -1),
        ("${ seconds(1.5) }", "duration", 1_500_000),
        ("${ input.at }", "timestamp", 1_704_164_645_000_000),
        ("${ timestamp(1) }", "timestamp", 1_000_000),
        ("${ now() }", "timestamp", 1_700_000_000_000_001),
        ("${ timestamp(1) }", "raw", Timestamp(1_000_000_000)),
    ],
)
def test_result(text: str, result: Result, expected: object) -> None:
    """A position gets the kind of value that it asked for."""
    assert run(text, result) == expected


@pytest.mark.parametrize(
    ("text", "result", "message"),
    [
        ("${ input.total }", "bool", "when of charge must give a bool, not an int"),
        ("${ input.note }", "list", "when of charge must give a list, not null"),
        ("${ 1.5 }", "int", "when of charge must give an int, not a double"),
        ("${ true }", "int", "when of charge must give an int, not a bool"),
        ("${ 5 }", "text", "when of charge must give text, not an int"),
        ("${ input.total }", "duration", "when of charge must give a duration, not an int"),
        (
            "banana",
            "duration",
            ("when of charge must give a duration: this text is none; write it like 250ms, 30s, 1h30m or 3d"),
        ),
        (
            "soon",
            "timestamp",
            "when of charge must give a timestamp: not an RFC 3339 timestamp such as 2024-05-06T07:08:09Z",
        ),
        ("${ 5 }", "timestamp", "when of charge must give a timestamp, not an int"),
        ("${ 0.0 / 0.0 }", "json", "the value is NaN, which JSON does not have"),
        ("${ {'a': [1.0, 1.0 / 0.0]} }", "json", "the value at a[1] is Infinity, which JSON does not have"),
        ("${ {1: 2} }", "json", "the map has a key that is not text, which JSON does not have"),
        (
            "${ input.tags.groupBy(t, t == 'a') }",
            "json",
            "the map has a key that is not text, which JSON does not have",
        ),
        ("${ [optional.of(1)] }", "json", "the value at [0] is an optional"),
        ("${ int }", "json", "the value is a type, which JSON does not have"),
        ("${ input.?nope }", "json", "the optional has no value here"),
        ("${ input.?nope }", "bool", "the optional has no value here"),
        ("x ${ input.?nope }", "json", "the optional has no value here"),
        ("x ${ input.note }", "json", "null cannot stand inside of text"),
        ("x ${ input.tags }", "json", "a list cannot stand inside of text"),
        ("x ${ b'x' }", "json", "a bytes cannot stand inside of text"),
    ],
)
def test_wrong_result(text: str, result: Result, message: str) -> None:
    """A value that does not fit the position is an error that says what it is and where it is needed."""
    error = error_of(text, result)
    assert (error.kind, error.message) == ("cel.result", message)


def test_a_bare_number_is_no_duration() -> None:
    """The unit of a number is asked for, not guessed."""
    assert "seconds or milliseconds?" in (error_of("${ 5 }", "duration").hint or "")


def test_a_bad_duration_says_what_is_wrong() -> None:
    """Text that is no duration is an error of the position."""
    assert error_of("${ input.id }", "duration").kind == "cel.result"


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("${ input.amout }", (3, 17), "no such field 'amout' in input (has: at, id, note, tags, to, total)"),
        ("${ input.to.cty }", (3, 20), "no such field 'cty' in input.to (has: city)"),
        ("${ input.note.x }", (3, 22), "cannot select 'x' in input.note: it is null"),
        ("${ 1 + input.total / 0 }", (3, 27), "division by zero"),
        ("a ${ 'é😀' + 1 }", (3, 18), "+ does not take (string, int)"),
        ("${ input.tags.map(t, t.x) }", (3, 31), "cannot select 'x' in t: it is a string"),
        ("${ input.tags[5] }", (3, 22), "index out of range: the list has 2 items"),
        ("${ ordr }", (3, 11), "unknown name 'ordr'"),
        ("${ step.x }", (3, 11), "step has no value here"),
        ("${ true && input.id }", (3, 19), "&& does not take (string)"),
        (
            "${ input.a || input.b }",
            (3, 17),
            "no such field 'a' in input (has: at, id, note, tags, to, total)",
        ),
        ("${ int('x') }", (3, 11), "this string cannot become an int"),
        ("${ cel.bind(a, [1], a.map(x, x / 0)) }", (3, 39), "division by zero"),
    ],
)
def test_errors_stand_at_their_place_in_the_file(text: str, position: tuple[int, int], message: str) -> None:
    """The failing operator, field or name is pointed at, and values are not shown."""
    error = error_of(text)
    assert (error.position, error.message) == (position, message)


def test_a_near_name_is_suggested() -> None:
    """A misspelt field comes with the right one."""
    assert "did you mean 'total'?" in (error_of("${ input.totel }").hint or "")


def test_errors_follow_folded_text() -> None:
    """In a scalar over several lines the error stands on its own line."""
    value = parse_scalar("${ 1 + input.x }", TextMap((Mark(0, 1, 3), Mark(7, 2, 5))))
    assert error_of(value).position == (2, 11)


def test_structures_become_json() -> None:
    """A YAML mapping with expressions in it is one value."""
    value = ast.MapValue(
        (
            ("id", value_of("${ input.id }")),
            ("list", ast.ListValue((value_of("${ 1 + 1 }"), value_of("n ${ 2 }"), ast.Const(None)))),
            ("fixed", ast.Const({"a": [1, 2.5]})),
            ("at", value_of("${ timestamp(0) }")),
        )
    )
    assert run(value) == {
        "id": "o-7",
        "list": [2, "n 2", None],
        "fixed": {"a": [1, 2.5]},
        "at": "1970-01-01T00:00:00Z",
    }


def test_an_optional_without_value_is_left_out() -> None:
    """``none`` drops the key of a mapping and the item of a list; a value is unwrapped."""
    value = ast.MapValue(
        (
            ("note", value_of("${ input.?nope }")),
            ("id", value_of("${ input.?id }")),
            ("list", ast.ListValue((value_of("${ input.?nope }"), value_of("${ input.?total }")))),
        )
    )
    assert run(value) == {"id": "o-7", "list": [120]}


def test_input_is_passed_on_without_a_copy() -> None:
    """A selection gives the very object: nothing is walked or copied."""
    assert run("${ input.to }") is INPUT["to"]


def test_input_inside_of_a_structure_is_shared() -> None:
    """What is JSON already is measured but not copied."""
    assert run(ast.ListValue((value_of("${ [input.to] }"),)))[0][0] is INPUT["to"]


def test_inputs_are_not_changed() -> None:
    """No function or conversion works in place."""
    given = copy.deepcopy(INPUT)
    run("${ [input.merge({'x': 1}), input.tags.sort(), input.tags + ['c']] }", given=given)
    run(
        "${ [input.deepMerge({'to': {'z': 1}}), input.map(k, k), {'at': timestamp(0), 'in': input}] }",
        given=given,
    )
    assert given == INPUT


def test_a_step_that_did_not_run_has_no_value() -> None:
    """A missing root is an error of the expression, not a KeyError."""
    assert error_of("${ step }").kind == "cel.unknown_name"


def test_maps_are_walked_in_the_order_of_their_keys() -> None:
    """The order of insertion has no effect on any result."""
    one, two = {"b": 1, "a": 2, "c": 3}, {"c": 3, "a": 2, "b": 1}
    text = "${ [input.map(k, k), input.transformList(k, v, v), ['%s'.format([input])]] }"
    assert run(text, given=one) == run(text, given=two)


def test_marshalled_maps_have_sorted_keys() -> None:
    """JSON text made by an expression depends on the value alone."""
    assert (
        run("${ json.marshal(input) }", given={"b": 1, "a": {"d": 1, "c": 2}}) == '{"a":{"c":2,"d":1},"b":1}'
    )


def test_evaluations_do_not_share_a_budget() -> None:
    """The same function gives the same answer however often it is called."""
    evaluate = compile_value(value_of("${ lists.range(90000).filter(x, x > 89998) }"), ROOTS)
    assert [evaluate({}, environment()) for _ in range(15)] == [[89999]] * 15


@pytest.mark.parametrize("result", ["bool", "int", "list", "duration", "timestamp"])
def test_a_constant_of_the_wrong_type_fails_when_evaluated(result: Result) -> None:
    """Compiling never fails: the error belongs to the evaluation."""
    assert error_of(ast.Const("x"), result).kind == "cel.result"


def test_only_literals_and_generated_names_are_in_the_source() -> None:
    """Text of the author cannot become code."""
    nasty = "x'] + __import__('os').system('false') #\n"
    value = ast.Embedded(ast.Select(ast.Name("input", False, 0, 0), nasty, False, 0, 0, 0), ((0, 1, 1),))
    assert error_of(value).kind == "cel.no_such_field"


def test_limits_are_an_error_of_their_own() -> None:
    """Callers can tell a limit from other failures."""
    with pytest.raises(LimitError):
        run("${ lists.range(100000).map(a, lists.range(100000)) }")


def test_text_that_is_no_text_is_an_error_of_the_expression() -> None:
    """A lone surrogate, which no input should have, is reported and not a UnicodeError."""
    assert error_of("${ input.matches('a') }", given="a\ud800").kind == "cel.convert"


def test_stored_programs_evaluate_without_the_parser() -> None:
    """Nothing of the generator or the run time imports lark."""
    code = (
        "import sys, types; sys.modules['perdure.compiler'] = package = types.ModuleType('perdure.compiler');"
        f"package.__path__ = [{str(Path(codegen.__file__).parent)!r}];"
        "import perdure.compiler.codegen; sys.exit('lark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
