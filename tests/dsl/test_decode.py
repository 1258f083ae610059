"""What the model says of a document: paths, defaults, forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perdure.dsl import Source, load, model
from perdure.dsl.duration import parse_duration
from perdure.dsl.expr.ast import Const, Embedded, ListValue, MapValue, Text
from perdure.dsl.rules.places import all_steps, steps_of
from tests.dsl.documents import given_workflow

CORPUS = Path(__file__).parents[1] / "corpus"


def only(body: str, header: str = "") -> Any:
    """The first step of a workflow."""
    return given_workflow(body, header).body.steps[0]


def test_paths_name_index_and_step() -> None:
    """A path has the index of each item, its name if it has one, and the keys of the blocks on the way."""
    workflow = given_workflow(
        """\
  - set_custom_status: x
  - settled:
      fan_out: ${ input }
      do:
        - reconcile: { call: A }
  - if: ${ input.ok }
    then:
      - log: { message: x }
    else:
      - b: { call: B }
  - both:
      parallel:
        left:
          - c: { call: C }
        right:
          - d:
              try:
                - e: { call: E }
              catch:
                - do:
                    - f: { call: F }
              finally:
                - g: { call: G }
  - chosen:
      switch:
        - when: ${ input.ok }
          do:
            - h: { call: H }
      else:
        - i: { call: I }
  - event: &wait
      wait_for_event: E
      timeout: 1h
      on_timeout:
        - j: { call: J }
""".replace("event: &wait", "waited:")
    )
    assert [step.path for step in all_steps(workflow.body)] == [
        "do/0",
        "do/1/settled",
        "do/1/settled/do/0/reconcile",
        "do/2",
        "do/2/then/0",
        "do/2/else/0/b",
        "do/3/both",
        "do/3/both/parallel/left/0/c",
        "do/3/both/parallel/right/0/d",
        "do/3/both/parallel/right/0/d/try/0/e",
        "do/3/both/parallel/right/0/d/catch/0/0/f",
        "do/3/both/parallel/right/0/d/finally/0/g",
        "do/4/chosen",
        "do/4/chosen/switch/0/0/h",
        "do/4/chosen/else/0/i",
        "do/5/waited",
        "do/5/waited/on_timeout/0/j",
    ]


@pytest.mark.parametrize("path", sorted((CORPUS / "ok").glob("*.yaml")), ids=lambda path: path.stem)
def test_paths_are_unique(path: Path) -> None:
    """No two steps of a document have one path."""
    for workflow in load(Source(path.name, path.read_text("utf-8"))).workflows:
        paths = [step.path for step in steps_of(workflow)]
        assert len(set(paths)) == len(paths)


def test_spans_lead_to_the_step() -> None:
    """A step's span begins at its name, and its name's span covers the name."""
    step = only("  - charge:\n      call: ChargeCard\n")
    assert step.span == ((5, 5), (6, 23))
    assert step.name_span == ((5, 5), (5, 11))
    assert step.activity_span == ((6, 13), (6, 23))


def test_defaults_of_a_retry_policy() -> None:
    """What a policy does not say is filled in."""
    retry = only("  - a: { call: A, retry: { attempts: 3 } }\n").retry
    assert (retry.attempts, retry.delay, retry.backoff, retry.max_delay) == (
        3,
        parse_duration("1s"),
        2.0,
        parse_duration("1h"),
    )
    assert (retry.jitter, retry.on, retry.except_, retry.when, retry.policy) == (
        "none",
        ("*",),
        (),
        None,
        None,
    )


@pytest.mark.parametrize(("delay", "longest"), [("5s", "1h"), ("3h", "3h")])
def test_the_longest_delay_is_never_below_the_delay(delay: str, longest: str) -> None:
    """Without ``max_delay`` it is the larger of an hour and the delay."""
    retry = only(f"  - a: {{ call: A, retry: {{ attempts: 3, delay: {delay} }} }}\n").retry
    assert retry.max_delay == parse_duration(longest)


def test_the_longest_delay_of_a_computed_delay_is_left_open() -> None:
    """What cannot be compared yet is None."""
    retry = only("  - a: { call: A, retry: { attempts: 3, delay: '${ input.s }s' } }\n").retry
    assert retry.max_delay is None


HEADER = """\
retries: { patient: { attempts: 9 } }
defaults: { call: { timeout: 1m, retry: patient }, fan_out: { width: 7 } }
"""


@pytest.mark.parametrize(
    ("body", "read", "value"),
    [
        ("  - a: { call: A }\n", lambda step: step.timeout, parse_duration("1m")),
        ("  - a: { call: A, timeout: 5s }\n", lambda step: step.timeout, parse_duration("5s")),
        ("  - a: { call: A }\n", lambda step: step.retry.policy, "patient"),
        ("  - a: { call: A, retry: { attempts: 2 } }\n", lambda step: step.retry.attempts, 2),
        ("  - a: { fan_out: [1], do: [ { b: { call: B } } ] }\n", lambda step: step.width, 7),
        ("  - a: { fan_out: [1], width: 3, do: [ { b: { call: B } } ] }\n", lambda step: step.width, 3),
        ("  - a: { do: [ { b: { call: B } } ] }\n", lambda step: step.timeout, None),
    ],
)
def test_defaults_of_the_header(body: str, read: Callable[[Any], object], value: object) -> None:
    """The header's defaults hold for calls and fan-outs that do not say otherwise, and for nothing else."""
    assert read(only(body, HEADER)) == value


def test_defaults_of_a_fan_out() -> None:
    """What a fan_out does not say is filled in."""
    step = only("  - a: { fan_out: [1], do: [ { b: { call: B } } ] }\n")
    assert (step.each, step.at, step.width, step.on_failure, step.keep) == (
        "item",
        "index",
        100,
        "fail_fast",
        "results",
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("fail_fast", "fail_fast"),
        ("collect", "collect"),
        ("{ tolerate: 3 }", model.Tolerate(count=3)),
        ("{ tolerate: 0 }", model.Tolerate(count=0)),
        ("{ tolerate: 2.5% }", model.Tolerate(share=0.025)),
    ],
)
def test_failure_policies(written: str, read: object) -> None:
    """Tolerance is a count or a share."""
    step = only(f"  - a: {{ fan_out: [1], on_failure: {written}, do: [ {{ b: {{ call: B }} }} ] }}\n")
    assert step.on_failure == read


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("{ a: [1, two] }", Const),
        ("${ input }", Embedded),
        ('"x ${ input }"', Text),
        ("[1, '${ input }']", ListValue),
        ("{ a: '${ input }' }", MapValue),
        ("$${ plain }", Const),
    ],
)
def test_values(written: str, kind: type) -> None:
    """What has no expression is one constant; the rest keeps its structure."""
    assert isinstance(only(f"  - a:\n      value: {written}\n").value, kind)


def test_keys_of_values_keep_their_order() -> None:
    """A map is passed on in the order in which it is written."""
    step = only("  - a: { value: { z: 1, a: '${ input }', m: 2 } }\n")
    assert [key for key, _ in step.value.entries] == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("body", "value_of"),
    [
        ("        - x: { call: X }\n", "x"),
        ("        - log: { message: m }\n        - x: { call: X }\n        - log: { message: m }\n", "x"),
        ("        - x: { call: X }\n        - y: { call: Y }\n", None),
        ("        - x: { call: X }\n        - output: 1\n", None),
        ("        - log: { message: m }\n", None),
    ],
)
def test_the_value_of_a_block(body: str, value_of: str | None) -> None:
    """The one named step gives a block its value, unless the block ends with ``output``."""
    assert only(f"  - a:\n      do:\n{body}").body.value_of == value_of


@pytest.mark.parametrize(
    ("written", "initial", "typed"),
    [
        ("5", 5, False),
        ("{ a: 1 }", {"a": 1}, False),
        ("{}", {}, False),
        ("{ schema: { type: number }, initial: 2 }", 2, True),
        ("{ initial: { initial: 1 } }", {"initial": 1}, False),
        ("{ initial: 1, other: 2 }", {"initial": 1, "other": 2}, False),
    ],
)
def test_variables(written: str, initial: object, typed: bool) -> None:
    """A mapping of ``schema`` and ``initial`` alone is a declaration; any other value is the initial one."""
    (variable,) = given_workflow("  - return: 1\n", f"vars: {{ v: {written} }}\n").variables
    assert (variable.initial, variable.schema is not None) == (initial, typed)


def test_never_is_no_timeout() -> None:
    """A wait for ever has None."""
    assert only("  - a: { wait_for_event: E, timeout: never }\n").timeout is None
